package control

import (
	"context"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/offer"
)

// offers makes the service of offers and recommendations over the copies.
func (p *Plane) offers() *offer.Service {
	return &offer.Service{
		DB: p.DB, Dir: p.dir, Operator: p.Access.OperatorIn, Now: p.now, Log: p.options.Log,
		Open: func(ctx context.Context, c access.Caller, name string) (offer.Copy, error) {
			return p.openCopy(ctx, c, name)
		},
	}
}
