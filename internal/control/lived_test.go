package control_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/secret"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// An experiment that ran is there as if it had: who was shown what, from and until
// when; and what it came to is what the simulated customers truly did.
func TestLived(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 6, 0, 0, 0, 0, time.UTC)
	ended := now.AddDate(0, 0, -20)
	began := ended.AddDate(0, 0, -20).Add(5 * time.Hour)
	sim, err := stripesim.New(stripesim.Config{
		Seed: 3, Now: now, Start: now.AddDate(-1, 0, 0), End: now.AddDate(0, 0, -60), Frozen: true, Counts: stripesim.Counts{Charges: 20, Customers: 250, Subscriptions: 1, Prices: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, err := control.Open(t.Context(), control.Config{Dir: dir, Seal: secret.Place{Dir: dir}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	by, err := c.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := experiment.Experiment{
		Key: "offer", Name: "Offer",
		Variants: []experiment.Variant{{Key: "none", Weight: 3000}, {Key: "offer", Weight: 7000, Value: []byte(`{}`)}},
		Measure:  experiment.Measure{Metric: experiment.Revenue, Currency: "eur", Days: 14},
	}
	first, variants := map[string]time.Time{}, map[string]string{}
	var visits []stripesim.Visit
	id, err := c.Lived(t.Context(), by, e, began, ended, func(assign func(string) string) ([]control.Shown, error) {
		var shown []control.Shown
		campaign := &stripesim.Campaign{From: began, To: ended, Assign: assign, Shown: func(customer, variant string, at time.Time) {
			if _, twice := first[customer]; twice || at.Before(began) || !at.Before(ended) {
				t.Errorf("%s is shown something at %s", customer, at)
			}
			first[customer], variants[customer] = at.Truncate(24*time.Hour), variant // kept by the day
			shown = append(shown, control.Shown{Unit: customer, Variant: variant, At: at})
		}}
		visits, err = sim.Shop(t.Context(), stripesim.Shopping{
			Seed: 2, From: began.AddDate(0, 0, -5), To: now, Rate: 0.05, Currency: "eur",
			Effects: map[string]stripesim.Effect{"offer": {Take: 0.5, Refunds: 0.1}}, Offer: campaign.Offer,
		})
		return shown, err
	})
	if err != nil {
		t.Fatal(err)
	}
	copytest.Into(t, dir, sim, "charges", "refunds")
	if found, err := c.ExperimentID(t.Context(), by, "offer"); err != nil || found != id {
		t.Errorf("by its key: %s %v", found, err)
	}
	r, err := c.Analysis().Result(t.Context(), by, analysis.Ask{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	if r.Experiment.State != experiment.Stopped || !r.Began.Equal(began) || !r.Ended.Equal(ended) {
		t.Errorf("%s, from %s to %s", r.Experiment.State, r.Began, r.Ended)
	}
	type sums struct{ Exposed, Ready, Revenue, Orders int64 }
	want, got := map[string]*sums{"none": {}, "offer": {}}, map[string]*sums{}
	for customer, since := range first {
		x := want[variants[customer]]
		x.Exposed++
		until := since.AddDate(0, 0, 14)
		if until.After(r.AsOf) {
			continue
		}
		x.Ready++
		for i := range visits {
			v := &visits[i]
			if v.Customer != customer || v.Paid.IsZero() || v.Failed || v.Paid.Before(since) || !v.Paid.Before(until) {
				continue
			}
			x.Orders++
			x.Revenue += v.Revenue(until.Add(-time.Second))
		}
	}
	for i, v := range r.Variants {
		got[v.Key] = &sums{Exposed: v.Exposed, Ready: v.Ready}
		for _, m := range r.Metrics {
			total := int64(float64(m.Groups[i].Value)*float64(v.Ready) + 0.5)
			switch m.Name {
			case experiment.Revenue:
				got[v.Key].Revenue = total
			case experiment.Orders:
				got[v.Key].Orders = total
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what they did (-truth +analysis):\n%s", diff)
	}
	if x := want["offer"]; x.Ready < 40 || x.Orders < 20 || len(first) < 60 {
		t.Errorf("too few to tell anything: %+v", x)
	}
}
