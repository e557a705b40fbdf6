package offer

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/recommend"
)

var (
	shop = gatewaytest.Admin("prod")
	noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
)

// open returns a service, in which loyal@ is of the audience loyal.
func open(t *testing.T) *Service {
	t.Helper()
	dir := t.TempDir()
	return &Service{
		DB: docstoretest.Open(t, filepath.Join(dir, "control.db")), Dir: dir, Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		Open: func(context.Context, access.Caller, string) (Copy, error) {
			return nil, problem.Errorf(problem.NotFound, "there is no copy")
		},
		HasAudience: func(context.Context, access.Caller, string) (bool, error) { return true, nil },
		Member: func(_ context.Context, sandbox, audience, customer string) (bool, error) {
			if sandbox != shop.Sandbox.ID || audience != "loyal" {
				return false, errors.New("a strange question")
			}
			return customer == "cus_loyal", nil
		},
	}
}

// add keeps an offer of an item.
func (s *Service) add(t *testing.T, key, item string, conditions Conditions) string {
	t.Helper()
	amount := int64(400)
	k, err := s.Create(t.Context(), shop, Offer{Key: key, Name: key, Active: true, Items: []Item{{Item: item, Amount: &amount, Currency: "eur"}}, Conditions: conditions})
	if err != nil {
		t.Fatal(err)
	}
	return k.ID.String()
}

// An offer is given where all of its conditions hold, and else the first that
// doesn't is named. What isn't known of a visit holds for none.
func TestGive(t *testing.T) {
	t.Parallel()
	s := open(t)
	good := Visit{Customer: "cus_loyal", Cart: Cart{Items: []string{"bag"}, Value: 3000, Currency: "eur", Country: "DE"}}
	for _, c := range []struct {
		name       string
		conditions Conditions
		change     func(*Visit) // after which it doesn't hold
		why        string
	}{
		{"audience", Conditions{Audience: "loyal"}, func(v *Visit) { v.Customer = "cus_new" }, "audience"},
		{"a guest", Conditions{Audience: "loyal"}, func(v *Visit) { v.Customer = "" }, "audience"},
		{"currency", Conditions{Currency: "eur"}, func(v *Visit) { v.Currency = "usd" }, "currency"},
		{"no currency", Conditions{Currency: "eur"}, func(v *Visit) { v.Currency = "" }, "currency"},
		{"value", Conditions{Currency: "eur", MinimumCart: 3000}, func(v *Visit) { v.Value = 2999 }, "minimumCart"},
		{"no value", Conditions{Currency: "eur", MinimumCart: 1}, func(v *Visit) { v.Value = 0 }, "minimumCart"},
		{"with", Conditions{Contains: []string{"bag", "mat"}}, func(v *Visit) { v.Items = []string{"ball"} }, "contains"},
		{"without", Conditions{Excludes: []string{"mat"}}, func(v *Visit) { v.Items = []string{"bag", "mat"} }, "excludes"},
		{"country", Conditions{Countries: []string{"AT", "DE"}}, func(v *Visit) { v.Country = "FR" }, "countries"},
		{"no country", Conditions{Countries: []string{"DE"}}, func(v *Visit) { v.Country = "" }, "countries"},
		{"what it costs", Conditions{}, func(v *Visit) { v.Currency = "usd" }, "currency"},
		{"in the cart", Conditions{}, func(v *Visit) { v.Items = []string{"wrap"} }, "items"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := s.add(t, strings.ReplaceAll(c.name, " ", "-"), "wrap", c.conditions)
			if text, why, err := s.Give(t.Context(), shop.Sandbox.ID, id, good); err != nil || why != "" || !strings.Contains(string(text), id) {
				t.Errorf("it fits, and is %s %q %v", text, why, err)
			}
			v := good
			v.Items = slices.Clone(v.Items)
			c.change(&v)
			if text, why, err := s.Give(t.Context(), shop.Sandbox.ID, id, v); err != nil || why != c.why || text != nil {
				t.Errorf("%s, because of %q %v, want %q", text, why, err, c.why)
			}
		})
	}
	day := s.add(t, "day", "wrap", Conditions{From: noon, Until: noon.AddDate(0, 0, 1)})
	for _, c := range []struct {
		at  time.Time
		why string
	}{{noon.Add(-1), "from"}, {noon, ""}, {noon.AddDate(0, 0, 1).Add(-1), ""}, {noon.AddDate(0, 0, 1), "until"}} {
		s.Now = func() time.Time { return c.at }
		if _, why, err := s.Give(t.Context(), shop.Sandbox.ID, day, good); err != nil || why != c.why {
			t.Errorf("at %s: %q %v, want %q", c.at, why, err, c.why)
		}
	}
	if _, _, err := s.Give(t.Context(), shop.Sandbox.ID, "none", good); problem.KindOf(err) != problem.NotFound {
		t.Errorf("one that is not there: %v", err)
	}
	if _, _, err := s.Give(t.Context(), "another", day, good); problem.KindOf(err) != problem.NotFound {
		t.Errorf("one of another sandbox: %v", err)
	}
}

// No cart pays in two currencies; who doesn't say which it has is given the offer.
func TestCurrencies(t *testing.T) {
	t.Parallel()
	s := open(t)
	amount := int64(400)
	offered := func(key string, active bool, conditions Conditions, currencies ...string) (Kept, error) {
		o := Offer{Key: key, Name: key, Active: active, Conditions: conditions}
		for _, c := range currencies {
			o.Items = append(o.Items, Item{Item: c + key, Amount: &amount, Currency: c})
		}
		return s.Create(t.Context(), shop, o)
	}
	if _, err := offered("two", true, Conditions{}, "eur", "usd"); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "items[1].currency: the price is in usd, and items[0] is in eur") {
		t.Error(err)
	}
	if _, err := offered("cart", true, Conditions{Currency: "jpy"}, "eur"); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "conditions.currency is jpy") {
		t.Error(err)
	}
	if _, err := offered("off", false, Conditions{}, "eur", "usd"); err != nil {
		t.Errorf("what nobody is shown: %v", err)
	}
	one, err := offered("one", true, Conditions{}, "eur")
	if err != nil {
		t.Fatal(err)
	}
	for currency, want := range map[string]string{"": "", "EUR": "", "jpy": "currency"} {
		if _, why, err := s.Give(t.Context(), shop.Sandbox.ID, one.ID.String(), Visit{Cart: Cart{Currency: currency}}); why != want || err != nil {
			t.Errorf("a cart in %q: %q %v, want %q", currency, why, err, want)
		}
	}
}

// An item whose offers are not for somebody is not recommended to him, and the next
// takes its place.
func TestRecommendFits(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := recommend.NewBuilder()
	for _, add := range []struct {
		item  string
		times int
	}{{"wrap", 40}, {"card", 30}, {"ribbon", 20}, {"box", 10}} {
		for range add.times {
			b.Add([]string{"bag", add.item})
		}
	}
	if err := s.keep(t.Context(), shop, Made{File: "model.json"}, b.Model(recommend.Options{})); err != nil {
		t.Fatal(err)
	}
	s.add(t, "loyal-wrap", "wrap", Conditions{Audience: "loyal"})
	s.add(t, "large-card", "card", Conditions{Currency: "eur", MinimumCart: 5000})
	s.add(t, "french-card", "card", Conditions{Countries: []string{"FR"}})
	s.add(t, "past-ribbon", "ribbon", Conditions{Countries: []string{"JP"}, Until: noon}) // says nothing any more
	for _, c := range []struct {
		name  string
		visit Visit
		n     int
		want  []string
	}{
		{"all of it", Visit{Customer: "cus_loyal", Cart: Cart{Country: "FR"}}, 2, []string{"wrap", "card"}},
		{"by the other offer", Visit{Customer: "cus_loyal", Cart: Cart{Value: 5000, Currency: "eur"}}, 2, []string{"wrap", "card"}},
		{"the next ones", Visit{Customer: "cus_new"}, 2, []string{"ribbon", "box"}},
		{"no more than there are", Visit{}, 50, []string{"ribbon", "box"}},
		{"one", Visit{Cart: Cart{Country: "FR"}}, 1, []string{"card"}},
		{"none", Visit{}, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.visit.Items = []string{"bag"}
			all, err := s.Recommend(t.Context(), shop.Sandbox.ID, c.visit, c.n)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range all {
				got = append(got, r.Item)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What the account does not sell any more, or not in the cart's currency, is not
// recommended; what it knows nothing of is.
func TestRecommendSold(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := recommend.NewBuilder()
	for i, item := range []string{"price_old", "price_usd", "price_both", "sku"} {
		for range 50 - 10*i {
			b.Add([]string{"price_bag", item})
		}
	}
	m := b.Model(recommend.Options{})
	m.Sold = map[string][]string{"price_old": nil, "price_usd": {"usd"}, "price_both": {"eur", "usd"}, "price_bag": {"eur"}}
	if err := s.keep(t.Context(), shop, Made{File: "model.json"}, m); err != nil {
		t.Fatal(err)
	}
	again := &Service{DB: s.DB, Dir: s.Dir, Now: s.Now, Log: s.Log} // from the file
	for _, s := range []*Service{s, again} {
		for _, c := range []struct {
			currency string
			n        int
			want     []string
		}{
			{"", 5, []string{"price_usd", "price_both", "sku"}},
			{"usd", 5, []string{"price_usd", "price_both", "sku"}},
			{"EUR", 5, []string{"price_both", "sku"}},
			{"eur", 1, []string{"price_both"}},
			{"jpy", 1, []string{"sku"}},
		} {
			all, err := s.Recommend(t.Context(), shop.Sandbox.ID, Visit{Cart: Cart{Items: []string{"price_bag"}, Currency: c.currency}}, c.n)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range all {
				got = append(got, r.Item)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%d in %q: %s", c.n, c.currency, diff)
			}
		}
	}
}
