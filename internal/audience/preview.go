package audience

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Source answers queries over one copy of an account: with the views of
// `tributary query`.
type Source interface {
	QueryWith(ctx context.Context, query string, args ...any) (*duck.Rows, error)
}

// A Preview is what a predicate comes to.
type Preview struct {
	At        time.Time `json:"at"` // the moment that days are counted back from
	Size      int64     `json:"size"`
	Customers int64     `json:"customers"` // that the copy has
	Share     float64   `json:"share"`     // Size of Customers; 0 of none
	Sample    []Member  `json:"sample"`    // in an order that has nothing to do with who they are
	// Missing are resources that the predicate asks about and the copy has nothing of.
	Missing []string `json:"missing,omitempty"`
}

// A Member is a customer in a sample, and what made him one.
type Member struct {
	Customer string `json:"customer"`
	Facts    []Fact `json:"facts"` // one for each condition, in their order
}

// A Fact is what a condition found of a customer, whether it holds or not.
type Fact struct {
	Path string `json:"path"` // JSON pointer of the condition in the predicate; "" for its root
	Kind string `json:"kind"` // charges, customer or subscription
	// Of charges: how many fit, and what was paid for them, minor units, where the
	// condition names a currency. Of subscriptions: how many fit.
	Count    int64      `json:"count"`
	Sum      *int64     `json:"sum,omitempty"`
	Average  *float64   `json:"average,omitempty"`
	Currency string     `json:"currency,omitempty"`
	Newest   *time.Time `json:"newest,omitempty"` // of the charges
	// Of the customer object, as far as the condition asks.
	Created  *time.Time `json:"created,omitempty"`
	Country  string     `json:"country,omitempty"`
	Value    *string    `json:"value,omitempty"` // of the metadata
	Statuses []string   `json:"statuses,omitempty"`
}

// MaxSample is how many members a preview shows at most.
const MaxSample = 100

// missing returns the resources that a predicate asks about and of which a copy
// has nothing. Without charges, nothing can be said of them: problem.NotFound.
func missing(ctx context.Context, s Source, p *Predicate) (out []string, err error) {
	rows, err := s.QueryWith(ctx, "select table_name from duckdb_columns() where schema_name = 'xdm' and column_name = '_tributary'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	there := map[string]bool{}
	for rows.Next() {
		name, _ := rows.Values()[0].(string)
		there[name] = true
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	asked := map[string]bool{}
	_ = p.walk("", 1, func(_ string, q *Predicate) error {
		asked["charges"] = asked["charges"] || q.Charges != nil
		asked["refunds"] = asked["refunds"] || q.Charges != nil && q.Charges.State == "refunded"
		asked["customers"] = asked["customers"] || q.Customer != nil
		asked["subscriptions"] = asked["subscriptions"] || q.Subscription != nil
		return nil
	})
	if asked["charges"] && !there["charges"] {
		return nil, &problem.Error{Kind: problem.NotFound, Detail: "the copy has no charges", Advice: "Bring them in with a dataflow, or with tributary sync"}
	}
	for _, name := range []string{"customers", "refunds", "subscriptions"} {
		if asked[name] && !there[name] {
			out = append(out, name)
		}
	}
	return out, nil
}

// Try says what a predicate comes to as of a moment, with a sample of n members.
func Try(ctx context.Context, s Source, p *Predicate, now time.Time, n int) (Preview, error) {
	out := Preview{At: now.UTC().Truncate(time.Second), Sample: []Member{}}
	q, err := compile(p, out.At)
	if err != nil {
		return out, err
	}
	if out.Missing, err = missing(ctx, s, p); err != nil {
		return out, err
	}
	// One row at least, also where nobody is a member.
	text := q.with + "\nselect (select count(*) from members), (select count(*) from everyone), chosen.*\n" +
		"from (select 1) left join (select * from members order by hash(id), id limit " + fmt.Sprint(max(0, min(n, MaxSample))) + ") chosen on true\n" +
		"order by hash(chosen.id), chosen.id"
	rows, err := s.QueryWith(ctx, text, q.args...)
	if err != nil {
		return out, fmt.Errorf("preview an audience: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		row := rows.Values()
		out.Size, out.Customers = whole(row[0]), whole(row[1])
		if id, ok := row[2].(string); ok {
			out.Sample = append(out.Sample, Member{Customer: id, Facts: q.facts(row[3:])})
		}
	}
	if out.Customers > 0 {
		out.Share = float64(out.Size) / float64(out.Customers)
	}
	return out, rows.Err()
}

// facts reads the columns of members behind the id.
func (q *query) facts(row []any) []Fact {
	var all []Fact
	for _, l := range q.leaves {
		v := row[:l.columns]
		row = row[l.columns:]
		f := Fact{Path: l.path, Kind: l.kind}
		switch l.kind {
		case "charges":
			f.Count, f.Newest = whole(v[0]), moment(v[2])
			if l.currency != "" {
				sum := whole(v[1])
				f.Sum, f.Currency = &sum, l.currency
				if f.Count > 0 {
					average := float64(sum) / float64(f.Count)
					f.Average = &average
				}
			}
		case "customer":
			f.Created = moment(v[0])
			f.Country, _ = v[1].(string)
			if s, ok := v[2].(string); ok {
				f.Value = &s
			}
		case "subscription":
			f.Count = whole(v[0])
			if s, ok := v[1].(string); ok {
				f.Statuses = strings.Fields(s)
			}
		}
		all = append(all, f)
	}
	return all
}

// whole reads a whole number, 0 for NULL.
func whole(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case *big.Int:
		return n.Int64()
	}
	return 0
}

func moment(v any) *time.Time {
	n, ok := v.(int64)
	if !ok {
		return nil
	}
	t := time.Unix(n, 0).UTC()
	return &t
}

// members calls each with the members of a predicate as of a moment, in the order
// of their ids' bytes.
func members(ctx context.Context, s Source, p *Predicate, now time.Time, each func(id string) error) (customers int64, err error) {
	q, err := compile(p, now)
	if err != nil {
		return 0, err
	}
	if _, err := missing(ctx, s, p); err != nil {
		return 0, err
	}
	rows, err := s.QueryWith(ctx, q.with+"\nselect (select count(*) from everyone), members.id from (select 1) left join members on true order by members.id", q.args...)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		row := rows.Values()
		customers = whole(row[0])
		if id, ok := row[1].(string); ok {
			if err := each(id); err != nil {
				return 0, err
			}
		}
	}
	return customers, rows.Err()
}

// seqs returns how far the copy had come: the highest seq of each resource that
// has objects.
func seqs(ctx context.Context, s Source) (map[string]int64, error) {
	out := map[string]int64{}
	rows, err := s.QueryWith(ctx, `
		select 'charges', max(_seq) from xdm.charges union all
		select 'customers', max(_seq) from xdm.customers union all
		select 'refunds', max(_seq) from xdm.refunds union all
		select 'subscriptions', max(_seq) from xdm.subscriptions`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var seq *int64
		if err := rows.Scan(&name, &seq); err != nil {
			return nil, err
		}
		if seq != nil {
			out[name] = *seq
		}
	}
	return out, rows.Err()
}
