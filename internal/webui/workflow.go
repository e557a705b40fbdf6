package webui

func (u *UI) workflowRoutes(_ *routes) {}
