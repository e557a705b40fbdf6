package webui

func (u *UI) insightRoutes(_ *routes) {}
