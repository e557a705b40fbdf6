package control

import (
	"context"
	"encoding/json"

	"github.com/tributary-data/tributary/internal/decision"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/offer"
	"github.com/tributary-data/tributary/internal/trial"
)

// experiments ties together who keeps them and who decides by them.
func (p *Plane) experiments() {
	p.Trials = &trial.Service{DB: p.DB, Now: p.now, HasOffer: p.Offers.Has, Recommends: true}
	p.Decisions = &decision.Service{
		Trials: p.Trials, Exposures: p.Exposures, Now: p.now, Log: p.options.Log,
		Offer: func(ctx context.Context, sandbox, id string, v decision.Visit) (json.RawMessage, string, error) {
			return p.Offers.Give(ctx, sandbox, id, visitOf(v))
		},
		Recommend: func(ctx context.Context, sandbox string, v decision.Visit, n int) (json.RawMessage, error) {
			return p.Offers.Recommendations(ctx, sandbox, visitOf(v), n)
		},
		Forgotten: p.forgottenIn,
		Allowed:   p.Network.Check, Refresh: p.Network.Refresh, Take: p.limiter.Decide, Observe: p.telemetry.Observe,
	}
	p.Trials.Changed = p.Decisions.Changed
	p.Offers.InUse = func(t *docstore.Tx, scope docstore.Scope, id string) (offer.Use, error) {
		e, err := trial.Giving(t, scope, id)
		return offer.Use{Experiment: e.Name, Running: e.State == experiment.Running}, err
	}
}

func visitOf(v decision.Visit) offer.Visit {
	return offer.Visit{Customer: v.Customer, Cart: offer.Cart{Items: v.Cart, Value: v.Value, Currency: v.Currency, Country: v.Country}}
}
