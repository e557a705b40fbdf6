package offer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

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
	for _, name := range []string{"charges", "subscriptions", "prices"} {
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
