package webui

func (u *UI) mappingRoutes(_ *routes) {}
