package insights

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	need := access.AnyOf(access.ViewMonitoring, access.ViewDatasets, access.ManageDatasets)
	return &gateway.Service{
		Name: "insights", Base: "/data/infrastructure/observability/insights", Shape: gateway.Observability("INSGHT-1000"),
		Routes: []gateway.Route{{Method: "POST", Path: "/metrics", Need: need, MaxBody: 1 << 20, Handle: s.metrics}},
	}
}

type request struct {
	Start       string   `json:"start"`
	End         string   `json:"end"`
	Granularity string   `json:"granularity"`
	Metrics     []metric `json:"metrics"`
}

type metric struct {
	Name       string   `json:"name"`
	Filters    []filter `json:"filters"`
	Aggregator string   `json:"aggregator"`
	Downsample string   `json:"downsample"`
}

type filter struct {
	Name    string `json:"name"`
	Value   string `json:"value"` // ids with | between them
	GroupBy bool   `json:"groupBy"`
}

type response struct {
	Metric      string      `json:"metric"`
	Filters     []filter    `json:"filters"`
	Datapoints  []datapoint `json:"datapoints"`
	Granularity string      `json:"granularity"`
}

type datapoint struct {
	GroupBy map[string]string  `json:"groupBy"`
	DPS     map[string]float64 `json:"dps"`
}

// usualDays is how far back a query reaches that names no start.
const usualDays = 30

func (s *Service) metrics(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	var r request
	if err := call.JSON(&r); err != nil {
		return nil, err
	}
	q, err := r.query(s.Now())
	if err != nil {
		return nil, err
	}
	found, err := s.Metrics(ctx, call.Caller, q)
	if err != nil {
		return nil, err
	}
	answers := []response{}
	for i, m := range r.Metrics {
		a := response{Metric: m.Name, Filters: m.Filters, Datapoints: []datapoint{}, Granularity: strings.ToUpper(r.Granularity)}
		if a.Filters == nil {
			a.Filters = []filter{}
		}
		if a.Granularity == "" {
			a.Granularity = "DAY"
		}
		for _, series := range found[i] {
			p := datapoint{map[string]string{}, map[string]float64{}}
			if q.Metrics[i].GroupBy {
				p.GroupBy["dataSetId"] = series.Dataset
			}
			for at, n := range series.Points {
				p.DPS[at.Format(time.RFC3339)] = n
			}
			a.Datapoints = append(a.Datapoints, p)
		}
		answers = append(answers, a)
	}
	return gateway.OK(map[string]any{"metricResponses": answers}), nil
}

// query reads what was asked for.
func (r request) query(now time.Time) (Query, error) {
	q := Query{End: now.UTC(), Granularity: r.Granularity}
	var err error
	if r.End != "" {
		if q.End, err = instant("end", r.End); err != nil {
			return Query{}, err
		}
	}
	q.Start = q.End.AddDate(0, 0, -usualDays)
	if r.Start != "" {
		if q.Start, err = instant("start", r.Start); err != nil {
			return Query{}, err
		}
	}
	for _, m := range r.Metrics {
		want := Metric{Name: m.Name, Aggregator: m.Aggregator, Downsample: m.Downsample}
		for _, f := range m.Filters {
			if !strings.EqualFold(f.Name, "dataSetId") {
				return Query{}, problem.Errorf(problem.Invalid, "metrics: filters: there is no filter %q, only dataSetId", f.Name)
			}
			want.GroupBy = want.GroupBy || f.GroupBy
			if f.Value == "" || f.Value == "*" {
				continue
			}
			ids := []string{}
			for id := range strings.SplitSeq(f.Value, "|") {
				if id = strings.TrimSpace(id); id != "" && !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
			if want.Datasets != nil { // several filters must all hold
				ids = slices.DeleteFunc(ids, func(id string) bool { return !slices.Contains(want.Datasets, id) })
			}
			want.Datasets = ids
		}
		q.Metrics = append(q.Metrics, want)
	}
	return q, nil
}

// instant reads a time of ISO 8601: with its zone, or in UTC.
func instant(name, text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, problem.Errorf(problem.Invalid, "%s: %q is not a time of ISO 8601, such as 2024-03-01T00:00:00.000Z", name, text)
}
