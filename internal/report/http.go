package report

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/shelf"
)

// A Copy is a copy that was opened for a report.
type Copy interface {
	Source
	io.Closer
}

// A Service makes reports for those who call the API.
type Service struct {
	// Open opens a copy that the caller may read in its sandbox, by its name; ""
	// is the only one, or the one that passes over the directory's own account
	// make. problem.NotFound says which there are.
	Open func(ctx context.Context, c access.Caller, name string) (Copy, error)
	// Names lists the copies that the caller may name.
	Names func(ctx context.Context, c access.Caller) ([]string, error)
	// Snapshot says in which state the copy is that Open would open, with the same
	// problems; it costs far less. Nil where nothing can be said.
	Snapshot func(ctx context.Context, c access.Caller, name string) (shelf.Snapshot, error)

	slot  chan struct{} // a report uses all of the machine that queries may have
	shelf *shelf.Shelf[*Report]
}

// New returns a service of these parts.
func New(s Service) *Service {
	s.slot, s.shelf = make(chan struct{}, 1), shelf.New[*Report](maxCells)
	return &s
}

// snapshot says in which state a copy is.
func (s *Service) snapshot(ctx context.Context, c access.Caller, name string) (shelf.Snapshot, error) {
	if s.Snapshot == nil {
		return shelf.Snapshot{}, nil
	}
	return s.Snapshot(ctx, c, name)
}

// BNPL makes the report for a caller, or returns the one that was made of the same
// state of the copy; it must not be changed. One is made at a time; others wait.
func (s *Service) BNPL(ctx context.Context, c access.Caller, name string, p Params) (_ *Report, err error) {
	at, err := s.snapshot(ctx, c, name)
	if err != nil {
		return nil, err
	}
	if r := s.kept(at, p); r != nil {
		return r, nil
	}
	select {
	case s.slot <- struct{}{}:
		defer func() { <-s.slot }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if r := s.kept(at, p); r != nil { // it was made for another meanwhile
		return r, nil
	}
	of, err := s.Open(ctx, c, name)
	if err != nil {
		return nil, err
	}
	defer of.Close()
	r, err := Run(ctx, of, p)
	if err != nil {
		return nil, err
	}
	for _, section := range r.Sections {
		section.Query = In(of, section.Query)
	}
	s.keep(at, p, r) // at is no newer than what was opened
	return r, nil
}

// Queries returns the sections of the report for a caller, without rows.
func (s *Service) Queries(ctx context.Context, c access.Caller, name string, p Params) ([]*Section, error) {
	at, err := s.snapshot(ctx, c, name)
	if err != nil {
		return nil, err
	}
	whole := p
	whole.Section = ""
	if r := s.kept(at, whole); r != nil {
		return r.queries(p.Section)
	}
	of, err := s.Open(ctx, c, name)
	if err != nil {
		return nil, err
	}
	defer of.Close()
	sections, err := Queries(ctx, of, p)
	for _, section := range sections {
		section.Query = In(of, section.Query)
	}
	return sections, err
}

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	need := access.AnyOf(access.ViewDatasets, access.ManageDatasets)
	return &gateway.Service{
		Name: "reports", Base: "/data/tributary/reports", Shape: gateway.Observability("REPORTS-1000"),
		Routes: []gateway.Route{
			{Method: "GET", Path: "/bnpl", Need: need, Handle: s.bnpl},
			{Method: "GET", Path: "/bnpl/queries", Need: need, Handle: s.queries},
			{Method: "GET", Path: "/copies", Need: need, Handle: s.copies},
		},
	}
}

// known are the parameters of a report; told those of how it is told.
var (
	known = []string{"from", "to", "tz", "period", "currency", "country", "customer", "section", "copy"}
	told  = []string{"rates", "convertTo", "format", "charts", "rows"}
)

// params reads what a call asks for.
func params(call *gateway.Call, names ...string) (Params, url.Values, error) {
	q, err := call.Parameters(names...)
	if err != nil {
		return Params{}, nil, err
	}
	p, err := ParseParams(q.Get("from"), q.Get("to"), q.Get("tz"), q.Get("period"), q.Get("currency"), q.Get("country"), q.Get("customer"))
	p.Section = q.Get("section")
	return p, q, err
}

// queries tells which queries would make a report: {"queries": [{"section": "methods",
// "title": "Methods", "query": "with …"}]}. None of them is run.
func (s *Service) queries(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	p, q, err := params(call, known...)
	if err != nil {
		return nil, err
	}
	sections, err := s.Queries(ctx, call.Caller, q.Get("copy"), p)
	if err != nil {
		return nil, err
	}
	all := []any{}
	for _, one := range sections {
		all = append(all, map[string]any{"section": one.Name, "title": one.Title, "query": one.Query})
	}
	return gateway.OK(map[string]any{"queries": all}), nil
}

// copies lists the names that the parameter copy takes: {"copies": ["", "acct_1abc-live"]}.
func (s *Service) copies(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	names, err := s.Names(ctx, call.Caller)
	if err != nil {
		return nil, err
	}
	return gateway.OK(map[string]any{"copies": append([]string{}, names...)}), nil
}

func (s *Service) bnpl(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	p, q, err := params(call, append(slices.Clone(known), told...)...)
	if err != nil {
		return nil, err
	}
	if p.Rates, err = pairs(q.Get("rates"), q.Get("convertTo")); err != nil {
		return nil, err
	}
	drawn := q.Get("charts") == "true"
	if !drawn && q.Has("charts") {
		return nil, problem.Errorf(problem.Invalid, "the parameter charts is true, or not there")
	}
	rows, err := strconv.Atoi(cmp.Or(q.Get("rows"), "-1"))
	if err != nil || q.Has("rows") && rows < 1 {
		return nil, problem.Errorf(problem.Invalid, "rows: a whole number from 1 on is expected")
	}
	format := q.Get("format")
	if format == "" {
		format = "json"
	}
	if p.Section == "" && format == "csv" {
		p.Section = "methods"
	}
	kind := map[string]string{"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}[format]
	if kind == "" {
		return nil, problem.Errorf(problem.Invalid, "there is no format %q: json, csv or html", format)
	}
	r, err := s.BNPL(ctx, call.Caller, q.Get("copy"), p)
	if err != nil {
		return nil, err
	}
	if drawn {
		with := *r // which others may have
		with.drawn = r.Charts()
		r = &with
	}
	if rows > 0 {
		r = r.first(rows)
	}
	return r.answer(format, kind)
}

func (r *Report) answer(format, kind string) (*gateway.Answer, error) {
	if format == "json" {
		b, err := json.Marshal(r)
		return gateway.OK(json.RawMessage(b)), err
	}
	var b bytes.Buffer
	if err := r.Write(&b, format); err != nil {
		return nil, err
	}
	return gateway.Document(kind, b.Bytes()), nil
}

// pairs reads rates as the API has them: eur:1.08,jpy:0.0067.
func pairs(rates, target string) (*Rates, error) {
	if (rates == "") != (target == "") {
		return nil, problem.Errorf(problem.Invalid, "rates and convertTo go together")
	}
	if rates == "" {
		return nil, nil
	}
	table := "currency,rate\n" + strings.ReplaceAll(strings.ReplaceAll(rates, ",", "\n"), ":", ",")
	return ParseRates(strings.NewReader(table), target)
}
