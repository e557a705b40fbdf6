package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/offer"
	"github.com/tributary-data/tributary/internal/recommend"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// The demo's experiment, and what its offer truly does.
const (
	demoExperiment = "cart-add-on"
	demoLift       = 0.12
	demoHorizon    = 14 // days
)

// open opens the demo's control plane, and makes it when it is not there.
func (c *demoCmd) open(ctx context.Context) (*control.Control, access.Caller, error) {
	open, err := control.Open(ctx, control.Config{Dir: c.Dir, Seal: sealFlags{}.place(c.Dir), Now: time.Now})
	if err != nil {
		return nil, access.Caller{}, err
	}
	by, err := open.Access.Operator(ctx)
	if err != nil {
		_ = open.Close() // what failed first is the reason
	}
	return open, by, err
}

// experiment lets customers shop, some of whom are shown an offer.
func (c *demoCmd) experiment(ctx context.Context, sim *stripesim.Sim) error {
	open, by, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer open.Close()
	now := sim.Now().UTC().Truncate(24 * time.Hour)
	ended := now.AddDate(0, 0, -demoHorizon-2)
	began := ended.AddDate(0, 0, -28)
	e := experiment.Experiment{
		Key: demoExperiment, Name: "An add-on in the cart", Hypothesis: "Who is shown what others bought along puts more into the cart.",
		Variants: []experiment.Variant{{Key: "none", Weight: 5000}, {Key: "add-on", Name: "One add-on is shown", Weight: 5000, Value: []byte(`{"show": true}`)}},
		Measure:  experiment.Measure{Metric: experiment.Items, Currency: "eur", Days: demoHorizon, Before: 60, Items: "items_count", Planned: 1500},
	}
	_, err = open.Lived(ctx, by, e, began, ended, func(assign func(string) string) ([]control.Shown, error) {
		var shown []control.Shown
		campaign := &stripesim.Campaign{From: began, To: ended, Assign: assign, Shown: func(customer, variant string, at time.Time) {
			shown = append(shown, control.Shown{Unit: customer, Variant: variant, At: at})
		}}
		_, err := sim.Shop(ctx, stripesim.Shopping{
			Seed: 1, From: began.AddDate(0, 0, -30), To: now, Rate: 0.025, Currency: "eur", Effects: map[string]stripesim.Effect{"add-on": {Lift: demoLift}},
			Offer: campaign.Offer,
		})
		return shown, err
	})
	return err
}

// result prints what the experiment came to.
func (c *demoCmd) result(ctx context.Context) error {
	open, by, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer open.Close()
	id, err := open.ExperimentID(ctx, by, demoExperiment)
	if err != nil {
		return err
	}
	r, err := open.Analysis().Result(ctx, by, analysis.Ask{ID: id})
	if err != nil {
		return err
	}
	fmt.Printf("\nHalf of the customers were shown an add-on before they paid. In truth, which the analysis does not know, the offer makes orders %.0f %% larger, by the items that it adds:\n\n", 100*demoLift)
	return r.Write(os.Stdout, "brief")
}

// recommendations prints how well it is told what goes with a cart, beside the best
// that is possible: what is likeliest by the model that carts are drawn from.
func (c *demoCmd) recommendations(ctx context.Context, sim *stripesim.Sim) error {
	r, err := app.OpenReader(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	var orders []recommend.Order
	read, err := offer.Orders(ctx, r, offer.Reading{Metadata: "items"}, true, func(o recommend.Order) { orders = append(orders, o) })
	if err != nil {
		return err
	}
	e, err := recommend.Evaluate(orders, recommend.Options{}, 3, 0.2, recommend.Recommender{
		Name: "best possible", Recommend: func(customer string, cart []string, n int) (out []string) {
			for _, l := range sim.BestAddOns(customer, cart, n) {
				out = append(out, l.SKU)
			}
			return out
		},
	})
	if err != nil {
		return err
	}
	fmt.Printf("\nWhat goes with a cart is learnt from older orders, and tried on newer ones. The best possible is of who knows how the simulated customers choose, and what each of them likes:\n\n")
	if err := printEvaluation(os.Stdout, read, e); err != nil {
		return err
	}
	popular, best := e.Results[1].HitRate.Value, e.Results[2].HitRate.Value
	fmt.Printf("The best possible finds %+.3f more: recommendations reach %.0f %% of that.\n", best-popular, 100*e.Gain.Value/(best-popular))
	return nil
}
