package webui

func (u *UI) datasetRoutes(_ *routes) {}
