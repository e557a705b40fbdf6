package main

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/analysis/trials"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/stats"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// A board is a table of rates beside those that were promised.
type board struct{ w *tabwriter.Writer }

func (b board) head(format string, args ...any) {
	fmt.Fprintf(b.w, "\n"+format+"\tobserved\trate\t95 %% interval\tnominal\n", args...)
}

// row prints a rate with the interval in which, going by these trials, the true one
// lies (Wilson's).
func (b board) row(what string, r trials.Rate, nominal string) {
	in := stats.Wilson(int64(r.K), int64(r.N), 0.95)
	fmt.Fprintf(b.w, "  %s\t%d of %d\t%.1f %%\t%.1f – %.1f %%\t%s\n", what, r.K, r.N, 100*r.Share(), 100*in.Low, 100*in.High, nominal)
}

func (b board) say(what, value string) { fmt.Fprintf(b.w, "  %s\t\t%s\t\t\n", what, value) }

// statistics prints how well results of experiments keep their promises: in many
// trials that are drawn, and in some over copies of the simulated shop.
func statistics(ctx context.Context, n int) error {
	b := board{tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)}
	for _, c := range []struct {
		what string
		shop trials.Shop
	}{
		{"halves, 28 days of 200 units", trials.Shop{Days: 28, PerDay: 200}},
		{"10 % get the variant, 28 days of 200 units", trials.Shop{Days: 28, PerDay: 200, Share: 0.1}},
		{"10 % get the variant, 28 days of 30 units", trials.Shop{Days: 28, PerDay: 30, Share: 0.1}},
	} {
		b.head("A/A, %d experiments: %s", n, c.what)
		o := c.shop.Run(1, n)
		for _, m := range experiment.Metrics {
			b.row(m+", one look", *o.Plain[m], "5 %")
			b.row("… adjusted (CUPED)", *o.Adjusted[m], "5 %")
		}
		b.row("order value, looked at daily, always valid", o.Daily, "at most 5 %")
		b.row("order value, looked at daily, p for one look (as one must not)", o.Naive, "none: it fails")
		b.row("sizes of groups called wrong", o.Mismatch, "0.1 %")
		c.shop.Metric = experiment.Revenue
		b.row("revenue, looked at daily, always valid", c.shop.Run(1, n).Daily, "at most 5 %")
		if err := b.w.Flush(); err != nil {
			return err
		}
	}
	b.head("Order value lifted by 5 %%: %d experiments", n)
	o := trials.Shop{Lift: 0.05, Days: 28, PerDay: 200}.Run(1_000_000, n)
	b.row("interval holds 5 %, one look", o.Held, "95 %")
	b.row("… adjusted (CUPED)", o.HeldAdjusted, "95 %")
	b.row("always-valid interval holds 5 % at every daily look", o.HeldAlways, "at least 95 %")
	b.say("CUPED leaves of the variance: order value", fmt.Sprintf("%.1f %%", 100*o.Variance))
	revenue := trials.Shop{Lift: 0.05, Days: 28, PerDay: 200, Metric: experiment.Revenue}.Run(2_000_000, max(n/10, 1))
	b.say("… revenue per unit", fmt.Sprintf("%.1f %%", 100*revenue.Variance))
	if err := b.promises(n); err != nil {
		return err
	}
	if err := b.w.Flush(); err != nil {
		return err
	}
	if err := b.overCopies(ctx, n); err != nil {
		return err
	}
	return b.w.Flush()
}

// promises plans experiments and runs them in the size that was planned.
func (b board) promises(n int) error {
	b.head("The promise of plans")
	for i, c := range []struct {
		metric string
		lift   float64
		share  float64
	}{{experiment.OrderValue, 0.1, 0.5}, {experiment.Revenue, 0.15, 0.5}, {experiment.Revenue, 0.15, 0.2}} {
		need, err := analysis.Plan(trials.Shop{}.Baseline(c.metric), analysis.Wish{Lift: c.lift, Share: c.share})
		if err != nil {
			return err
		}
		const days = 4
		first := uint64(3_000_000 + 1_000_000*i) //nolint:gosec // small
		o := trials.Shop{Lift: c.lift, Days: days, PerDay: int(need.Once.Units) / days, Metric: c.metric, Share: c.share}.Run(first, n)
		b.row(fmt.Sprintf("%s + %.0f %%, shown to %.0f %%, found by %d units, one look", c.metric, 100*c.lift, 100*c.share, need.Once.Units), *o.Adjusted[c.metric], "80 %")
		o = trials.Shop{Lift: c.lift, Days: days, PerDay: int(need.Always.Units) / days, Metric: c.metric, Share: c.share}.Run(first+500_000, n)
		b.row(fmt.Sprintf("… by %d units, always valid, at the end", need.Always.Units), o.End, "80 %")
	}
	return nil
}

// overCopies runs experiments in the simulated shop, copies its account, and reads
// the outcomes out of the copy: with a lift of 5 %, and without, where units of one
// copy are put into groups anew again and again.
func (b board) overCopies(ctx context.Context, n int) error {
	shops, again := max(n/100, 2), max(n/100, 2)
	b.head("Out of copies of the simulated shop")
	var held, always, none trials.Rate
	for seed := range uint64(shops) { //nolint:gosec // small
		s, err := newShop(ctx, seed+1)
		if err != nil {
			return err
		}
		r, err := s.result(ctx, s.shown)
		if err != nil {
			return err
		}
		l := r.Metrics[0].Comparisons[0].Effect.Lift
		held = count(held, float64(l.Low) <= 0.05 && 0.05 <= float64(l.High))
		always = count(always, float64(l.Always.Low) <= 0.05 && 0.05 <= float64(l.Always.High))
		if seed > 0 {
			s.close()
			continue
		}
		for i := range uint64(again) { //nolint:gosec // small
			r, err := s.result(ctx, s.mixed(i))
			if err != nil {
				return err
			}
			none = count(none, r.Metrics[0].Comparisons[0].Effect.P <= 0.05)
		}
		s.close()
	}
	b.row(fmt.Sprintf("%d shops: interval holds 5 %%, one look, adjusted", shops), held, "95 %")
	b.row("… always valid", always, "at least 95 %")
	b.row("one shop, groups mixed anew: found at one look", none, "5 %")
	return nil
}

func count(r trials.Rate, is bool) trials.Rate {
	r.N++
	if is {
		r.K++
	}
	return r
}

// A shop is a copy of a simulated account whose customers were in an experiment.
type shop struct {
	experiment experiment.Experiment
	shown      []exposure.Exposure
	now, fresh time.Time
	reader     *app.Reader
	dir        string
}

func newShop(ctx context.Context, seed uint64) (_ *shop, err error) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	began, ended := now.AddDate(0, 0, -42), now.AddDate(0, 0, -14)
	sim, err := stripesim.New(stripesim.Config{
		Seed: seed, Now: now, End: now.AddDate(0, 0, -150), Start: now.AddDate(0, 0, -300), Frozen: true,
		Counts: stripesim.Counts{Charges: 10, Customers: 4000, Subscriptions: 1, Prices: 2},
	})
	if err != nil {
		return nil, err
	}
	m := experiment.Measure{Metric: experiment.OrderValue, Currency: "eur", Days: 14, Before: 90, Items: "items_count", Planned: 4000}
	weights := []experiment.Weight{{Variant: "none", Weight: 5000}, {Variant: "offer", Weight: 5000}}
	s := &shop{now: now, experiment: experiment.Experiment{
		ID: uuid.UUID{15: 1}, Key: "offer", Name: "Offer", State: experiment.Running, Range: experiment.Whole, Measure: m,
		Variants: []experiment.Variant{{Key: "none", Weight: 5000}, {Key: "offer", Weight: 5000, Value: []byte("{}")}},
		Phases:   []experiment.Phase{{Number: 1, Salt: fmt.Sprint(seed), Began: began, Range: experiment.Whole, Weights: weights, Measure: m}},
	}}
	campaign := &stripesim.Campaign{
		From: began, To: ended,
		Assign: func(customer string) string {
			v, _ := s.experiment.Assign(experiment.Holdout{}, customer, nil)
			return v
		},
		Shown: func(customer, variant string, at time.Time) {
			s.shown = append(s.shown, exposure.Exposure{Experiment: s.experiment.ID, Phase: 1, Variant: variant, Unit: customer, At: at})
		},
	}
	sh := stripesim.Shopping{
		Seed: seed, From: now.AddDate(0, 0, -132), To: now, Rate: 0.05, Currency: "eur", Effects: map[string]stripesim.Effect{"offer": {Lift: 0.05}},
		Offer: campaign.Offer,
	}
	if _, err := sim.Shop(ctx, sh); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "tributary-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(s.dir)
		}
	}()
	return s, s.copy(ctx, sim)
}

// copy copies the account and opens the copy.
func (s *shop) copy(ctx context.Context, sim *stripesim.Sim) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	go func() { _ = server.Serve(listener) }() // ends with ErrServerClosed
	defer server.Close()
	key, err := stripe.ParseKey(sim.Key())
	if err != nil {
		return err
	}
	done, err := (&app.Sync{Dir: s.dir, Key: key, URL: "http://" + listener.Addr().String(), Share: 1, Limits: &stripe.Limits{}}).Run(ctx)
	if err != nil {
		return err
	}
	if done.Status != app.Complete {
		return fmt.Errorf("the pass is %s", done.Status)
	}
	if s.fresh, err = app.FreshUntil(ctx, s.dir, "charges", "refunds"); err != nil {
		return err
	}
	s.reader, err = app.OpenReader(ctx, s.dir)
	return err
}

func (s *shop) close() {
	_ = s.reader.Close() // of a copy that is thrown away
	_ = os.RemoveAll(s.dir)
}

// mixed puts all units into groups anew.
func (s *shop) mixed(seed uint64) []exposure.Exposure {
	r := rand.New(rand.NewPCG(seed, 77)) //nolint:gosec // the same each time
	out := make([]exposure.Exposure, len(s.shown))
	for i, e := range s.shown {
		out[i] = e
		out[i].Variant = []string{"none", "offer"}[r.IntN(2)]
	}
	return out
}

func (s *shop) result(ctx context.Context, shown []exposure.Exposure) (*analysis.Result, error) {
	var all iter.Seq2[exposure.Exposure, error] = func(yield func(exposure.Exposure, error) bool) {
		for _, e := range shown {
			if !yield(e, nil) {
				return
			}
		}
	}
	return analysis.Run(ctx, s.reader, analysis.Question{Experiment: s.experiment, Now: s.now, Fresh: s.fresh, Shown: all})
}
