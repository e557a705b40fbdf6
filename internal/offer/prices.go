package offer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/problem"
)

// A price is one of the account's.
type price struct {
	id, product string
	active      bool
	currency    string            // its own
	amounts     map[string]*int64 // by currency, its own among them; nil: no single amount
}

// prices calls each with the prices of a copy that a condition holds of.
func prices(ctx context.Context, s Source, where string, each func(price)) error {
	r, err := s.Query(ctx, `select id, coalesce(product, ''), coalesce(active, false), coalesce(currency, ''), unit_amount, currency_options::varchar from prices `+where)
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		p := price{amounts: map[string]*int64{}}
		var own *int64
		var text *string
		if err := r.Scan(&p.id, &p.product, &p.active, &p.currency, &own, &text); err != nil {
			return err
		}
		if text != nil {
			var options map[string]struct {
				Amount *int64 `json:"unit_amount"`
			}
			if err := json.Unmarshal([]byte(*text), &options); err != nil {
				return fmt.Errorf("the currencies of the price %s: %w", p.id, err)
			}
			for currency, o := range options {
				p.amounts[currency] = o.Amount
			}
		}
		p.amounts[p.currency] = own
		each(p)
	}
	return r.Err()
}

// inactive returns those of some prices, which are sorted, that are not active, or
// that the account does not have. It is nil where the copy has no prices.
func inactive(ctx context.Context, s Source, ids []string) ([]string, error) {
	there, err := tables(ctx, s)
	if err != nil || len(ids) == 0 || !slices.Contains(there, "prices") {
		return nil, err
	}
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = literal(id)
	}
	active := map[string]bool{}
	if err := prices(ctx, s, `where id in (`+strings.Join(quoted, ", ")+`)`, func(p price) { active[p.id] = p.active }); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return active[id] }), nil
}

// sold returns those items that are prices or products of the account, with the
// currencies in which they are sold now. It is nil where the copy has no prices.
func sold(ctx context.Context, s Source, items []string) (map[string][]string, error) {
	there, err := tables(ctx, s)
	if err != nil || !slices.Contains(there, "prices") {
		return nil, err
	}
	asked := map[string]bool{}
	for _, item := range items {
		asked[item] = true
	}
	out := map[string][]string{}
	err = prices(ctx, s, "", func(p price) {
		for _, item := range []string{p.id, p.product} {
			if !asked[item] {
				continue
			}
			in := out[item]
			if p.active {
				in = slices.AppendSeq(in, maps.Keys(p.amounts))
				slices.Sort(in)
			}
			out[item] = slices.Compact(in)
		}
	})
	return out, err
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// price fills in what Stripe says of an offer's prices, from the copy that the
// model is made of, or else the sandbox's only one. Where there is none, or
// which one is not known, nothing is checked.
func (s *Service) price(ctx context.Context, c access.Caller, o *Offer) error {
	var ids []string
	for _, it := range o.Items {
		if it.Price != "" {
			ids = append(ids, literal(it.Price))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	settings, err := s.settings(ctx, c.Scope())
	if err != nil {
		return err
	}
	of, err := s.Open(ctx, c, settings.Copy)
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer of.Close()
	there, err := tables(ctx, of)
	if err != nil || !slices.Contains(there, "prices") {
		return err
	}
	known := map[string]price{}
	if err := prices(ctx, of, `where id in (`+strings.Join(ids, ", ")+`)`, func(p price) { known[p.id] = p }); err != nil {
		return err
	}
	for i := range o.Items {
		it := &o.Items[i]
		if it.Price == "" {
			continue
		}
		p, ok := known[it.Price]
		currency := cmp.Or(it.Currency, p.currency)
		amount, is := p.amounts[currency]
		switch {
		case !ok:
			return wrong("items[%d].price: the account has no price %.100q", i, it.Price)
		case !p.active && o.Active:
			return wrong("items[%d].price: the price %.100q is not active any more", i, it.Price)
		case !is:
			return wrong("items[%d].currency: the price %.100q has none in %s", i, it.Price, currency)
		case amount == nil && it.Amount == nil:
			return wrong("items[%d].amount: the price %.100q has no single amount; say one", i, it.Price)
		case amount != nil:
			it.Amount, it.Currency = amount, currency
		}
	}
	return nil
}
