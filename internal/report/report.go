// Package report makes the report on buying now and paying later: how each
// method of payment does beside the others, out of the copy of a Stripe account.
//
// The numbers are made by the SQL files in sql, which say exactly what they
// count; what SQL does badly (quantiles of distributions, exact conversion of
// currencies, months of unequal billing intervals) is worked out here. Money of
// two currencies is never added up, but by rates that the user gives.
package report

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/chart"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Source answers the report's queries over one copy: with the views of
// `tributary query`.
type Source interface {
	Query(ctx context.Context, sql string) (*duck.Rows, error)
}

// A keeper is a source that can keep the rows of a query for others.
type keeper interface {
	Keep(ctx context.Context, name, query string) (drop func() error, err error)
}

// A Report is what is known of methods of payment in a time.
type Report struct {
	Params         Params
	Reconciliation *Reconciliation // nil when only a section was wanted
	Notes          []string        // what a reader of the numbers should know
	Sections       []*Section

	drawn []chart.Chart // told with the sections, where they are wanted
}

// Run makes a report of p.
func Run(ctx context.Context, s Source, p Params) (_ *Report, err error) {
	if strings.HasPrefix(p.Section, "converted") && p.Rates == nil {
		return nil, problem.Errorf(problem.Invalid, "the section %s needs a table of rates", p.Section)
	}
	if err := p.complete(ctx, s); err != nil {
		return nil, err
	}
	if k, ok := s.(keeper); ok && p.Section == "" {
		drop, err := p.keep(ctx, k)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, drop()) }()
	}
	r := &Report{Params: p, Notes: notes(&p)}
	for _, d := range p.specs() {
		if p.Section != "" && p.Section != d.name {
			continue
		}
		section, err := p.run(ctx, s, d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		r.Sections = append(r.Sections, section)
	}
	if err := r.convert(ctx, s); err != nil {
		return nil, err
	}
	if p.Section == "" {
		r.Reconciliation = r.reconcile()
	}
	if len(r.Sections) == 0 {
		return nil, problem.Errorf(problem.NotFound, "the report has no section %q", p.Section)
	}
	return r, nil
}

// complete puts what is usual in the place of what is not given.
func (p *Params) complete(ctx context.Context, s Source) error {
	if p.Zone == "" {
		p.Zone = "UTC"
	}
	if p.Period == "" {
		p.Period = Month
	}
	if err := p.check(); err != nil {
		return err
	}
	return bound(ctx, s, p)
}

// section returns a section of the report, nil where it was not wanted.
func (r *Report) section(name string) *Section {
	for _, s := range r.Sections {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// bound sets the ends of the time where they are not given, and refuses a copy
// without charges.
func bound(ctx context.Context, s Source, p *Params) error {
	there, err := read(ctx, s, "select column_name from duckdb_columns() where schema_name = 'xdm' and table_name = 'charges' and column_name = '_tributary'", texts("column"))
	if err != nil {
		return err
	}
	if len(there) == 0 {
		return &problem.Error{Kind: problem.NotFound, Detail: "the copy has no charges", Advice: `Run "tributary sync" first`}
	}
	query, err := p.values().query("bounds")
	if err != nil {
		return err
	}
	rows, err := read(ctx, s, query, counts("oldest", "newest"))
	if err != nil {
		return err
	}
	var oldest, newest int64
	if len(rows) > 0 {
		oldest, _ = rows[0][0].(int64)
		newest, _ = rows[0][1].(int64)
	}
	if p.From.IsZero() {
		p.From = time.Unix(oldest, 0).UTC()
	}
	if p.To.IsZero() {
		p.To = time.Unix(newest+1, 0).UTC()
	}
	return nil
}

// keep works out the attempts for all sections at once. Each would read all
// charges for itself otherwise, which is most of the work.
func (p *Params) keep(ctx context.Context, k keeper) (drop func() error, err error) {
	query, err := p.values().attempts()
	if err != nil {
		return nil, err
	}
	if drop, err = k.Keep(ctx, attemptsTable, query); err != nil {
		return nil, err
	}
	p.kept = true
	return drop, nil
}

// plan returns a section without its rows, and what fills its query in.
func (p *Params) plan(d spec) (*Section, values, error) {
	v := p.values()
	v["dimension"], v["until"] = d.dimension, d.until
	query, err := v.query(d.file)
	return &Section{Name: d.name, Title: d.title, Definition: definition(d.file), Query: query, Columns: d.columns, currency: d.currency}, v, err
}

func (p *Params) run(ctx context.Context, s Source, d spec) (*Section, error) {
	section, v, err := p.plan(d)
	if err != nil {
		return nil, err
	}
	query := section.Query
	if p.kept {
		if query, err = v.quick(d.file); err != nil {
			return nil, err
		}
	}
	if section.Rows, err = read(ctx, s, query, d.columns); err != nil {
		return nil, err
	}
	if d.file == "orders" {
		section.rename("dimension", d.as)
	}
	if d.after == nil {
		return section, nil
	}
	return section, d.after(section)
}

// rename gives a column another name, and takes it away for "".
func (s *Section) rename(name, as string) {
	i := s.index(name)
	if as != "" {
		s.Columns[i].Name = as
		return
	}
	s.remove(i)
}

func (s *Section) remove(i int) {
	s.Columns = append(append([]Column{}, s.Columns[:i]...), s.Columns[i+1:]...)
	for k, r := range s.Rows {
		s.Rows[k] = append(append(Row{}, r[:i]...), r[i+1:]...)
	}
}

// read runs a query, whose columns must be those.
func read(ctx context.Context, s Source, query string, columns []Column) (_ []Row, err error) {
	rows, err := s.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []Row{}
	for rows.Next() {
		values := rows.Values()
		if len(values) != len(columns) {
			return nil, fmt.Errorf("%d values for %d columns", len(values), len(columns))
		}
		row := make(Row, len(columns))
		for i, v := range values {
			if row[i], err = columns[i].take(v); err != nil {
				return nil, err
			}
		}
		out = append(out, row)
	}
	return out, rows.Err()
}

// take turns a value of DuckDB's into one of the column's type.
func (c Column) take(v any) (any, error) {
	switch c.Kind {
	case Text:
		if _, ok := v.(string); ok || v == nil {
			return v, nil
		}
	case Count, Money:
		switch n := v.(type) {
		case nil:
			return nil, nil
		case int64:
			return n, nil
		case *big.Int:
			if n.IsInt64() {
				return n.Int64(), nil
			}
		}
	case Mean, Share, Number:
		if _, ok := v.(float64); ok || v == nil {
			return v, nil
		}
	}
	return nil, fmt.Errorf("column %s: a %T is no %s", c.Name, v, c.Kind)
}

func notes(p *Params) []string {
	all := []string{
		"Amounts are in the currency of the charge. No two currencies are added up; what is converted says so.",
		"A refund counts in the period of its charge, whenever it was made; refunded_later says what came after the period's end.",
		"Baskets beside cards are an association, not the effect of offering BNPL: who pays later differs in more than country, currency, time and being new. Only an experiment tells the effect.",
		"Balance transactions of disputes name the dispute and not the charge: their money stands under settlement, by currency and not by method.",
		"Subscriptions and MRR are those of now, whatever the period.",
	}
	if p.Country != "" || p.Customer != "" || p.Currency != "" {
		all = append(all, "The reconciliation is about the whole account: currency, country and kind of customer do not narrow it. Subscriptions are narrowed by the currency alone.")
	}
	return all
}
