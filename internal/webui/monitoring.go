package webui

func (u *UI) monitorRoutes(_ *routes) {}
