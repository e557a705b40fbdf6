package offer

import (
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

func whatever(Kept) error { return nil }

// What is given to customers can't be deleted.
func TestDeleteInUse(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.add(t, "wrap", "wrap", Conditions{})
	var use Use
	s.InUse = func(*docstore.Tx, docstore.Scope, string) (Use, error) { return use, nil }
	for _, use = range []Use{{Experiment: "Add-ons", Running: true}, {Experiment: "Add-ons"}} {
		if err := s.Delete(t.Context(), shop, id, whatever); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), `"Add-ons"`) {
			t.Errorf("%+v: %v", use, err)
		}
	}
	use = Use{}
	if err := s.Delete(t.Context(), shop, id, whatever); err != nil {
		t.Error(err)
	}
}

// What a running experiment gives stays as it is; only its end may move away, while
// it has not come. What is shipped, or given by nothing, may change.
func TestChangeInUse(t *testing.T) {
	t.Parallel()
	until := noon.AddDate(0, 0, 7)
	for _, c := range []struct {
		name   string
		change func(*Offer)
		may    bool
	}{
		{"nothing", func(*Offer) {}, true},
		{"lists that are empty", func(o *Offer) { o.Conditions.Contains, o.Conditions.Excludes = []string{}, []string{} }, true},
		{"the same end elsewhere", func(o *Offer) { o.Conditions.Until = until.In(time.FixedZone("", 3600)) }, true},
		{"a later end", func(o *Offer) { o.Conditions.Until = until.Add(1) }, true},
		{"no end", func(o *Offer) { o.Conditions.Until = time.Time{} }, true},
		{"an earlier end", func(o *Offer) { o.Conditions.Until = until.Add(-1) }, false},
		{"a later beginning", func(o *Offer) { o.Conditions.From = noon.Add(1) }, false},
		{"amount", func(o *Offer) { *o.Items[0].Amount++ }, false},
		{"currency", func(o *Offer) { o.Items[0].Currency, o.Conditions.Currency = "usd", "usd" }, false},
		{"item", func(o *Offer) { o.Items[0].Item = "ribbon" }, false},
		{"a further item", func(o *Offer) { o.Items = append(o.Items, Item{Item: "ribbon", Amount: new(int64), Currency: "eur"}) }, false},
		{"an item's name", func(o *Offer) { o.Items[0].Name = "Paper" }, false},
		{"minimum", func(o *Offer) { o.Conditions.MinimumCart = 1 }, false},
		{"audience", func(o *Offer) { o.Conditions.Audience = "loyal" }, false},
		{"what it goes with", func(o *Offer) { o.Conditions.Contains = []string{"bag"} }, false},
		{"a country of the list", func(o *Offer) { o.Conditions.Countries[0] = "FR" }, false},
		{"name", func(o *Offer) { o.Name = "Only today" }, false},
		{"description", func(o *Offer) { o.Description = "Only today" }, false},
		{"off", func(o *Offer) { o.Active = false }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			id := s.add(t, "wrap", "wrap", Conditions{Currency: "eur", Countries: []string{"DE"}, Until: until})
			var use Use
			s.InUse = func(_ *docstore.Tx, _ docstore.Scope, asked string) (Use, error) {
				if asked != id {
					t.Errorf("asked about %q", asked)
				}
				return use, nil
			}
			change := func(o *Offer) error { c.change(o); return nil }
			use = Use{Experiment: "Add-ons", Running: true}
			_, err := s.Change(t.Context(), shop, id, whatever, change)
			if c.may {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), `"Add-ons"`) {
				t.Errorf("it runs: %v", err)
			}
			if k, err := s.Read(t.Context(), shop, id); err != nil || k.Revision != 1 {
				t.Errorf("it was changed all the same: %+v %v", k, err)
			}
			use.Running = false
			if _, err := s.Change(t.Context(), shop, id, whatever, change); err != nil {
				t.Errorf("it was stopped: %v", err)
			}
		})
	}
}

// An end that has come is not moved: customers would get the offer, not get it, and
// get it again.
func TestChangeInUseAfterItsEnd(t *testing.T) {
	t.Parallel()
	s := open(t)
	id := s.add(t, "wrap", "wrap", Conditions{Until: noon})
	s.InUse = func(*docstore.Tx, docstore.Scope, string) (Use, error) { return Use{"Add-ons", true}, nil }
	_, err := s.Change(t.Context(), shop, id, whatever, func(o *Offer) error { o.Conditions.Until = noon.AddDate(0, 0, 1); return nil })
	if problem.KindOf(err) != problem.Conflict {
		t.Error(err)
	}
}
