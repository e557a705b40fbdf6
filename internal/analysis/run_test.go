package analysis_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/experiment"
)

// Every number is that of a plain calculation over the account's objects, by
// customer and by metadata, with and without the time before, now and in the past.
func TestOracle(t *testing.T) {
	account.Hold(t)
	t.Parallel()
	sim, source, fresh := copied(t)
	all := charges(t, sim)
	metadata := experiment.Unit{Metadata: "Order #"} // each order is a unit of its own
	for name, c := range map[string]struct {
		unit experiment.Unit
		m    experiment.Measure
		at   time.Time
	}{
		"order value":   {m: experiment.Measure{Metric: "orderValue", Currency: "usd", Days: 21, Before: 180, Items: "items_count", Planned: 500}},
		"revenue, once": {m: experiment.Measure{Metric: "revenue", Currency: "usd", Days: 40, Alpha: 0.1}, at: present.AddDate(0, 0, -20)},
		"conversion":    {m: experiment.Measure{Metric: "conversion", Currency: "eur", Days: 90, Before: 60}},
		"yen":           {m: experiment.Measure{Metric: "orders", Currency: "jpy", Days: 100, Before: 365}},
		"metadata":      {unit: metadata, m: experiment.Measure{Metric: "revenue", Currency: "usd", Days: 60, Before: 30}},
	} {
		t.Run(name, func(t *testing.T) {
			e, shown := study(t, all, 1, c.unit, c.m)
			q := analysis.Question{Experiment: e, AsOf: c.at, Now: present.AddDate(0, 1, 0), Fresh: fresh, Shown: each(shown)}
			r := run(t, source, q)
			want := plain(all, e, e.Phases[1], shown, r.AsOf)
			if len(want) < 5 {
				t.Fatalf("%d units", len(want))
			}
			k := &checker{t: t}
			k.check(r, want)
			for _, s := range k.said[:min(len(k.said), 10)] {
				t.Error(s)
			}
			t.Logf("%d units, %d numbers", len(want), k.count)
			if again := run(t, source, q); cmp.Diff(text(t, r), text(t, again)) != "" {
				t.Error("asked again, it says something else")
			}
		})
	}
}

// Units whose horizon goes on after the end of their phase count as they were shown
// in it, and the result says how many they are; of a phase that goes on there are none.
func TestOutlasted(t *testing.T) {
	account.Hold(t)
	t.Parallel()
	sim, source, fresh := copied(t)
	all := charges(t, sim)
	e, shown := study(t, all, 1, experiment.Unit{}, experiment.Measure{Metric: "revenue", Currency: "usd", Days: 30})
	said := func() (notes []string) {
		for _, n := range run(t, source, analysis.Question{Experiment: e, Now: present.AddDate(0, 1, 0), Fresh: fresh, Shown: each(shown)}).Notes {
			if strings.Contains(n, "still being watched when the phase ended") {
				notes = append(notes, n)
			}
		}
		return notes
	}
	if notes := said(); notes != nil {
		t.Errorf("of a phase that goes on: %q", notes)
	}
	end := present.AddDate(0, 0, -60)
	e.Phases[1].Ended = end
	n := 0
	for _, x := range shown {
		if until := x.At.Unix() + 30*86400; x.Phase == 2 && x.Experiment == e.ID && until > end.Unix() && until <= fresh.Unix() {
			n++
		}
	}
	if notes := said(); n < 20 || len(notes) != 1 || !strings.HasPrefix(notes[0], fmt.Sprint(n)+" units") {
		t.Errorf("of %d units: %q", n, notes)
	}
}

func text(t *testing.T, r *analysis.Result) string {
	t.Helper()
	var b strings.Builder
	if err := r.Write(&b, "json"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A bent source changes the SQL before it runs it.
type bent struct {
	analysis.Source
	old, with string
	found     bool
}

func (b *bent) Query(ctx context.Context, sql string) (*duck.Rows, error) {
	b.found = b.found || strings.Contains(sql, b.old)
	return b.Source.Query(ctx, strings.ReplaceAll(sql, b.old, b.with))
}

// An analysis that counts something else is found out.
func TestWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	account.Hold(t)
	t.Parallel()
	sim, source, fresh := copied(t)
	all := charges(t, sim)
	e, shown := study(t, all, 1, experiment.Unit{}, experiment.Measure{Metric: "orderValue", Currency: "usd", Days: 60, Before: 120, Items: "items_count"})
	q := analysis.Question{Experiment: e, Now: present.AddDate(0, 1, 0), Fresh: fresh, Shown: each(shown)}
	differs := func(s analysis.Source) (said []string) {
		r := run(t, s, q)
		k := &checker{t: t}
		k.check(r, plain(all, e, e.Phases[1], shown, r.AsOf))
		return k.said
	}
	if said := differs(source); len(said) > 0 {
		t.Fatal(said[:min(len(said), 5)])
	}
	for i, c := range [][2]string{
		{"c.created >= units.since", "c.created > units.since"},
		{"c.created < units.until", "c.created <= units.until"},
		{"c.status = 'succeeded' and c.captured and coalesce(c.amount_captured, c.amount) > 0", "c.amount > 0"},
		{"coalesce(c.amount_captured, c.amount) as paid", "c.amount + 1 as paid"},
		{"('succeeded', 'pending')", "('succeeded', 'pending', 'failed', 'canceled')"},
		{" is distinct from 'partial_capture_reversal'", " is distinct from 'nothing'"},
		{"refunds.created < case when during then until else since end", "true"},
		{"created >= since - ", "created > 86400 + since - "},
		{"c.currency = 'usd'", "true"},
		{"shown_at + 5184000 <=", "shown_at + 5097600 <="},
		{"until // 86400", "(until + 3600) // 86400"},
		{"arg_max(class, (created, id))", "arg_min(class, (created, id))"},
		{"'klarna' and category in", "'klarn' and category in"},
		{"sum(revenue * orders)", "sum(revenue)"},
		{"and disputed", ""},
		{"and back > 0", "and back > 1000"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			b := &bent{Source: source, old: c[0], with: c[1]}
			if said := differs(b); len(said) == 0 || !b.found {
				t.Errorf("%q: nothing was found out (%v)", c[0], b.found)
			}
		})
	}
}
