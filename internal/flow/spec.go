package flow

import "github.com/tributary-data/tributary/internal/gateway"

func (s *Service) specRoutes() []gateway.Route { return nil }
