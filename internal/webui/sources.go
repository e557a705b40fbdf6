package webui

func (u *UI) sourceRoutes(_ *routes) {}
