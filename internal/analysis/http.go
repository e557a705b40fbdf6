package analysis

import (
	"bytes"
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// The service is /data/tributary/analysis, an API of ours, in the caller's
// sandbox. It reads alone, with View Datasets or Manage Datasets. Failures are
// {"errorCode", "httpStatus", "title", "details": […]}.
//
// # GET /experiments/{id}
//
// What an experiment came to: a Result.
//
//	phase   number of the phase; the newest, unless it is said
//	asOf    time of RFC 3339; a result is as of then, of now, or of the time up to which the copy has
//	        everything, whichever is the earliest
//	copy    name of the copy that tells what units bought; needed where there are several
//	format  json (usual), csv (a line for each metric, guardrail and segment of each variant) or html
//
//	{"experiment": {"id": "…", "key": "cart-offer", …}, "phase": 1, "began": "…", "asOf": "…", "freshUntil": "…",
//	 "measure": {"metric": "orderValue", "currency": "eur", "days": 14, "before": 30, "alpha": 0.05, "planned": 20000},
//	 "variants": [{"key": "none", "weight": 5000, "exposed": 10021, "ready": 9120}, …],
//	 "mismatch": {"chi2": 0.03, "p": 0.86, "found": false},
//	 "decision": {"verdict": "better", "text": "…", "caveats": ["…"]},
//	 "metrics": [{"name": "orderValue", "kind": "money", "decides": true, "explained": 0.31,
//	   "groups": [{"variant": "none", "units": 9120, "value": 6412.3, "low": 6290.1, "high": 6534.5}, …],
//	   "comparisons": [{"variant": "gift", "adjusted": true, "plain": {…},
//	     "effect": {"value": 330.1, "low": 190.2, "high": 470, "p": 0.000004, "always": {"low": 90.8, "high": 569.4, "p": 0.0007},
//	       "lift": {"value": 0.051, "low": 0.029, "high": 0.073, "always": {…}}}}]}, …],
//	 "guardrails": […], "segments": […], "series": […], "notes": ["…"], "queries": [{"name": "outcomes", "definition": "…", "sql": "…"}]}
//
// verdict is mismatch, waiting, undecided, better or worse. Money is in minor units
// of the measure's currency. What is no number (no interval yet) is null. low, high
// and p hold for one look, always for all looks together.
//
// # GET /power
//
// How large an experiment of two variants has to be: a Need.
//
//	lift or effect                what is to be found, as a share of the baseline or absolute
//	alpha, power, share           0.05, 0.8 and 0.5, unless they are said; share is what the variant gets
//	part                          share of the units that come which are in the two variants, 1 unless an audience, a layer, the holdout
//	                              or other variants take some
//	days                          the horizon
//	unitsPerDay                   how many new units come; else as in the baseline's days (cameByDay), and beyond them as in their last third
//	mean and sd, or proportion    the baseline; explained: the share of its variance that is known before. Without them it is
//	                              measured in the copy:
//	metric, currency              as in an experiment's measure
//	before, items, unit           as there; unit is the key of metadata that has the unit, empty for the customer
//	last                          of so many days, 28 unless it is said, 3660 at most; take as many as units will come for
//	copy                          as above
//
//	{"baseline": {"metric": "orderValue", "kind": "money", "currency": "eur", "value": 6412.3, "sd": 5120, "units": 8120, "unitsPerDay": 90.2, "from": "…", "to": "…",
//	   "cameByDay": [131, 104, …], "explained": 0.31, "queries": […]},
//	 "effect": 320.6, "lift": 0.05, "alpha": 0.05, "power": 0.8, "share": 0.5, "days": 14,
//	 "once": {"units": 5532, "variantUnits": 2766, "days": 76, "effect": 320.6, "lift": 0.05}, "always": {…}, "plain": {…},
//	 "reach": [{"weeks": 1, "units": 631, "effect": …, "lift": …}, …]}
const base = "/data/tributary/analysis"

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	need := access.AnyOf(access.ViewDatasets, access.ManageDatasets)
	return &gateway.Service{
		Name: "analysis", Base: base, Shape: gateway.Observability("ANALYSIS-1000"),
		Routes: []gateway.Route{
			{Method: "GET", Path: "/experiments/{id}", Need: need, Handle: s.result},
			{Method: "GET", Path: "/power", Need: need, Handle: s.power},
		},
	}
}

func (s *Service) result(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q, err := call.Parameters("phase", "asOf", "copy", "format")
	if err != nil {
		return nil, err
	}
	a, err := ParseAsk(call.Var("id"), q.Get("phase"), q.Get("asOf"), q.Get("copy"))
	if err != nil {
		return nil, err
	}
	format := q.Get("format")
	kind, ok := map[string]string{"": "", "json": "", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}[format]
	if !ok {
		return nil, problem.Errorf(problem.Invalid, "there is no format %q: json, csv or html", format)
	}
	r, err := s.Result(ctx, call.Caller, a)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		return gateway.OK(r), nil
	}
	var b bytes.Buffer
	if err := r.Write(&b, format); err != nil {
		return nil, err
	}
	return gateway.Document(kind, b.Bytes()), nil
}

// ParseAsk reads what is wanted of an experiment, as the command line and the API
// have it.
func ParseAsk(id, phase, asOf, of string) (a Ask, err error) {
	a = Ask{ID: id, Copy: of}
	if phase != "" {
		n, err := strconv.ParseUint(phase, 10, 32)
		if err != nil || n == 0 {
			return a, problem.Errorf(problem.Invalid, "phase: %q is no number from 1", phase)
		}
		a.Phase = uint32(n)
	}
	if asOf == "" {
		return a, nil
	}
	if a.AsOf, err = time.Parse(time.RFC3339, asOf); err != nil {
		if a.AsOf, err = time.Parse(time.DateOnly, asOf); err != nil {
			return a, problem.Errorf(problem.Invalid, "asOf: %q is neither a time of RFC 3339 nor a date", asOf)
		}
	}
	return a, nil
}

func (s *Service) power(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q, err := call.Parameters("lift", "effect", "alpha", "power", "share", "part", "days", "unitsPerDay", "mean", "sd", "proportion", "explained",
		"metric", "currency", "before", "items", "unit", "last", "copy")
	if err != nil {
		return nil, err
	}
	f, err := ParseForecast(q)
	if err != nil {
		return nil, err
	}
	n, err := s.Power(ctx, call.Caller, f)
	if err != nil {
		return nil, err
	}
	return gateway.OK(n), nil
}

// ParseForecast reads the parameters of /power.
func ParseForecast(q url.Values) (f Forecast, err error) {
	number := func(name string) (v float64) {
		if text := q.Get(name); text != "" && err == nil {
			if v, err = strconv.ParseFloat(text, 64); err != nil {
				err = problem.Errorf(problem.Invalid, "%s: %q is no number", name, text)
			}
		}
		return v
	}
	whole := func(name string) (v int) {
		if text := q.Get(name); text != "" && err == nil {
			if v, err = strconv.Atoi(text); err != nil || v < 0 {
				err = problem.Errorf(problem.Invalid, "%s: %q is no whole number from 0", name, text)
			}
		}
		return v
	}
	f.Wish = Wish{
		Lift: number("lift"), Effect: number("effect"), Alpha: number("alpha"), Power: number("power"), Share: number("share"),
		Days: whole("days"), UnitsPerDay: number("unitsPerDay"), Part: number("part"),
	}
	f.Copy, f.Last = q.Get("copy"), whole("last")
	f.Unit = experiment.Unit{Metadata: q.Get("unit")}
	f.Measure = experiment.Measure{
		Metric: q.Get("metric"), Currency: strings.ToLower(q.Get("currency")), Days: f.Wish.Days, Before: whole("before"), Items: q.Get("items"), Alpha: f.Wish.Alpha,
	}
	value, sd, share, explained := number("mean"), number("sd"), number("proportion"), number("explained")
	if err != nil {
		return f, err
	}
	own, proportion := q.Has("mean") || q.Has("sd"), q.Has("proportion")
	switch {
	case own && proportion:
		return f, problem.Errorf(problem.Invalid, "a baseline is either mean and sd, or proportion")
	case proportion:
		f.Baseline = &Baseline{Metric: f.Measure.Metric, Kind: Share, Value: Float(share), SD: deviation(share), Explained: Float(explained)}
	case own:
		f.Baseline = &Baseline{Metric: f.Measure.Metric, Kind: Number, Value: Float(value), SD: Float(sd), Explained: Float(explained)}
	default:
		if f.Measure.Days == 0 {
			return f, problem.Errorf(problem.Invalid, "days: a baseline of a copy needs the horizon; else give mean and sd, or proportion")
		}
		e := experiment.Experiment{
			Key: "x", Name: "x", Range: experiment.Whole, Unit: f.Unit, Measure: f.Measure,
			Variants: []experiment.Variant{{Key: "a", Weight: experiment.Slots - 1}, {Key: "b", Weight: 1, Value: []byte("1")}},
		}
		return f, e.Check()
	}
	return f, nil
}
