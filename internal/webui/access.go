package webui

func (u *UI) accessRoutes(_ *routes) {}
