package offer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/recommend"
)

// A Source answers queries over one copy, with the views of `tributary query`.
type Source interface {
	Query(ctx context.Context, sql string) (*duck.Rows, error)
}

// A Copy is a copy that was opened.
type Copy interface {
	Source
	io.Closer
}

// A Reading says what orders are made of.
type Reading struct {
	// Metadata is the key of a charge's metadata that names the items of the order
	// that it pays; empty for none.
	Metadata string `json:"metadata,omitempty"`
	Format   string `json:"format,omitempty"` // of its text, one of recommend.Formats
	// Subscriptions takes the prices of a subscription's items for an order, too.
	Subscriptions bool `json:"subscriptions,omitempty"`
}

// Check says what of it can't be; problem.Invalid.
func (r *Reading) Check() error {
	switch {
	case r.Metadata == "" && !r.Subscriptions:
		return wrong("metadata: say which key of the charges' metadata names the items, or take subscriptions")
	case len(r.Metadata) > 40 || strings.ContainsRune(r.Metadata, 0):
		return wrong("metadata: a key has 40 characters at most")
	case !slices.Contains(recommend.Formats, r.Format):
		return wrong("format: %.20q is neither list nor json", r.Format)
	}
	return nil
}

// A Read counts what was read.
type Read struct {
	Orders   int64 `json:"orders"`   // with at least one item
	CutShort int64 `json:"cutShort"` // whose text ended in its midst, or was not as the format says
	Without  int64 `json:"without"`  // that had the key, and no item
}

// Orders reads the orders of a copy, in no order, without guests' and customers'
// names unless customers says so. Charges that failed or are pending are none.
func Orders(ctx context.Context, s Source, r Reading, customers bool, each func(recommend.Order)) (Read, error) {
	var n Read
	if err := r.Check(); err != nil {
		return n, err
	}
	there, err := tables(ctx, s)
	if err != nil {
		return n, err
	}
	who := "null"
	if customers {
		who = "customer"
	}
	if r.Metadata != "" {
		if !slices.Contains(there, "charges") {
			return n, &problem.Error{Kind: problem.NotFound, Detail: "the copy has no charges", Advice: `Run "tributary sync" first`}
		}
		err := rows(ctx, s, `select `+strings.Replace(who, "customer", "c.customer", 1)+`, c.created, map_extract(c.metadata, `+literal(r.Metadata)+`)[1]
from (select _tributary.charges_data as c from xdm.charges where not _deleted)
where c.status = 'succeeded' and len(map_extract(c.metadata, `+literal(r.Metadata)+`)) > 0`, func(customer *string, created int64, text string) {
			items, whole := recommend.ParseItems(text, r.Format)
			n.take(customer, created, items, whole, each)
		})
		if err != nil {
			return n, err
		}
	}
	if r.Subscriptions && slices.Contains(there, "subscriptions") {
		err := rows(ctx, s, `select `+who+`, created, array_to_string(json_extract_string(items, '$.data[*].price.id'), ',') from subscriptions`,
			func(customer *string, created int64, text string) {
				items, _ := recommend.ParseItems(text, recommend.List)
				n.take(customer, created, items, true, each)
			})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (n *Read) take(customer *string, created int64, items []string, whole bool, each func(recommend.Order)) {
	if !whole {
		n.CutShort++
	}
	if len(items) == 0 {
		n.Without++
		return
	}
	n.Orders++
	o := recommend.Order{At: time.Unix(created, 0).UTC(), Items: items}
	if customer != nil {
		o.Customer = *customer
	}
	each(o)
}

// rows calls each with the rows of a query of three columns.
func rows(ctx context.Context, s Source, query string, each func(customer *string, created int64, text string)) error {
	r, err := s.Query(ctx, query)
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		var customer, text *string
		var created *int64
		if err := r.Scan(&customer, &created, &text); err != nil {
			return err
		}
		if created != nil && text != nil {
			each(customer, *created, *text)
		}
	}
	return r.Err()
}

// tables returns which resources a copy has tables of.
func tables(ctx context.Context, s Source) ([]string, error) {
	r, err := s.Query(ctx, `select table_name from duckdb_columns() where schema_name = 'xdm' and column_name = '_tributary'`)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var names []string
	for r.Next() {
		var name string
		if err := r.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, r.Err()
}

// mark returns a text that is another one when the copy's orders may be.
func mark(ctx context.Context, s Source, r Reading) (string, error) {
	there, err := tables(ctx, s)
	if err != nil {
		return "", err
	}
	var out []string
	for _, name := range []string{"charges", "subscriptions"} {
		if !slices.Contains(there, name) || name == "charges" && r.Metadata == "" || name == "subscriptions" && !r.Subscriptions {
			continue
		}
		rows, err := s.Query(ctx, `select count(*), coalesce(max(_seq), 0) from xdm.`+name)
		if err != nil {
			return "", err
		}
		var n, seq int64
		if rows.Next() {
			err = rows.Scan(&n, &seq)
		}
		if err == nil {
			err = rows.Err()
		}
		_ = rows.Close() // never fails
		if err != nil {
			return "", err
		}
		out = append(out, fmt.Sprintf("%s %d %d", name, n, seq))
	}
	return strings.Join(out, ", "), nil
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
	r, err := of.Query(ctx, `select id, currency, unit_amount, coalesce(active, false) from prices where id in (`+strings.Join(ids, ", ")+`)`)
	if err != nil {
		return err
	}
	defer r.Close()
	type price struct {
		currency string
		amount   *int64
		active   bool
	}
	known := map[string]price{}
	for r.Next() {
		var id string
		var p price
		if err := r.Scan(&id, &p.currency, &p.amount, &p.active); err != nil {
			return err
		}
		known[id] = p
	}
	if err := r.Err(); err != nil {
		return err
	}
	for i := range o.Items {
		it := &o.Items[i]
		p, ok := known[it.Price]
		switch {
		case it.Price == "":
		case !ok:
			return wrong("items[%d].price: the account has no price %.100q", i, it.Price)
		case !p.active && o.Active:
			return wrong("items[%d].price: the price %.100q is not active any more", i, it.Price)
		case p.amount == nil && it.Amount == nil:
			return wrong("items[%d].amount: the price %.100q has no single amount; say one", i, it.Price)
		case p.amount != nil:
			amount := *p.amount
			it.Amount, it.Currency = &amount, p.currency
		}
	}
	return nil
}
