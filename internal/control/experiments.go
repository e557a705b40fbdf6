package control

import (
	"github.com/tributary-data/tributary/internal/decision"
	"github.com/tributary-data/tributary/internal/trial"
)

// experiments ties together who keeps them and who decides by them.
func (p *Plane) experiments() {
	p.Trials = &trial.Service{DB: p.DB, Now: p.now, HasOffer: p.Offers.Has, Recommends: true}
	p.Decisions = &decision.Service{
		Trials: p.Trials, Exposures: p.Exposures, Now: p.now, Log: p.options.Log, Offer: p.Offers.Offer, Recommend: p.Offers.Recommendations,
		Allowed: p.Network.Check, Refresh: p.Network.Refresh, Take: p.limiter.Decide, Observe: p.telemetry.Observe,
	}
	p.Trials.Changed = p.Decisions.Changed
}
