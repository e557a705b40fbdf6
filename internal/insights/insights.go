// Package insights counts what went into the datasets of a sandbox over time.
package insights

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/problem"
)

// Batches is where the numbers come from.
type Batches interface {
	// Import brings the batches up to date with what else writes tables.
	Import(ctx context.Context, c access.Caller) error
	EachBatch(ctx context.Context, c access.Caller, datasetID string, visit func(catalog.Batch) bool) error
}

// A Service counts.
type Service struct {
	Batches Batches
	Now     func() time.Time
}

// A Query asks for metrics from Start to End, both included.
type Query struct {
	Start, End  time.Time
	Granularity string // MINUTE, HOUR, DAY, WEEK, MONTH or YEAR
	Metrics     []Metric
}

// A Metric asks for one series of numbers, or one for each dataset.
type Metric struct {
	Name       string
	Datasets   []string // ids; nil for all
	GroupBy    bool     // one series for each dataset
	Aggregator string   // makes one number of those of several datasets: sum, avg, min, max or count
	Downsample string   // makes one number of those of a span of time: the same, or none for their sum
}

// A Series are numbers by the beginning of their span of time.
type Series struct {
	Dataset string // id; empty for what is of several
	Points  map[time.Time]float64
}

const prefix = "timeseries.ingestion.dataset."

// measures are the metrics, by the end of their names: what a batch adds, and
// whether it adds anything.
var measures = map[string]func(catalog.Batch) (int64, bool){
	"recordsuccess.count": func(b catalog.Batch) (int64, bool) { return metrics(b).OutputRecordCount, succeeded(b) },
	"recordfailed.count": func(b catalog.Batch) (int64, bool) {
		return metrics(b).FailedRecordCount, succeeded(b) || b.Status == catalog.Failed
	},
	"batchsuccess.count": func(b catalog.Batch) (int64, bool) { return 1, succeeded(b) },
	"batchfailed.count":  func(b catalog.Batch) (int64, bool) { return 1, b.Status == catalog.Failed },
	"size":               func(b catalog.Batch) (int64, bool) { return metrics(b).OutputByteSize, succeeded(b) },
	"dailysize":          func(b catalog.Batch) (int64, bool) { return metrics(b).OutputByteSize, succeeded(b) },
}

func metrics(b catalog.Batch) catalog.Metrics {
	if b.Metrics == nil {
		return catalog.Metrics{}
	}
	return *b.Metrics
}

// succeeded says whether a batch went in, even if it was taken back later.
func succeeded(b catalog.Batch) bool {
	return slices.Contains([]catalog.Status{catalog.Success, catalog.Inactive, catalog.Deleted}, b.Status)
}

// reduce makes one number of several, by name.
var reduce = map[string]func([]float64) float64{
	"sum":   sum,
	"avg":   func(all []float64) float64 { return sum(all) / float64(len(all)) },
	"min":   func(all []float64) float64 { return slices.Min(all) },
	"max":   func(all []float64) float64 { return slices.Max(all) },
	"count": func(all []float64) float64 { return float64(len(all)) },
}

func sum(all []float64) float64 {
	s := 0.0
	for _, v := range all {
		s += v
	}
	return s
}

// spans give the beginning of the span of time in which an instant lies, in UTC.
var spans = map[string]func(time.Time) time.Time{
	"MINUTE": func(t time.Time) time.Time { return t.Truncate(time.Minute) },
	"HOUR":   func(t time.Time) time.Time { return t.Truncate(time.Hour) },
	"DAY":    func(t time.Time) time.Time { return day(t, t.Day()) },
	"WEEK":   func(t time.Time) time.Time { return day(t, t.Day()-(int(t.Weekday())+6)%7) }, // from Monday
	"MONTH":  func(t time.Time) time.Time { return day(t, 1) },
	"YEAR":   func(t time.Time) time.Time { return time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC) },
}

func day(t time.Time, n int) time.Time {
	return time.Date(t.Year(), t.Month(), n, 0, 0, 0, 0, time.UTC)
}

func names[T any](table map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(table)), ", ")
}

// check says what is wrong with a query, and fills in what it leaves open.
func (q *Query) check() error {
	q.Granularity = cmp.Or(strings.ToUpper(q.Granularity), "DAY")
	switch {
	case spans[q.Granularity] == nil:
		return problem.Errorf(problem.Invalid, "granularity: %q is none of %s", q.Granularity, names(spans))
	case q.End.Before(q.Start):
		return problem.Errorf(problem.Invalid, "start: it lies behind end")
	case len(q.Metrics) == 0:
		return problem.Errorf(problem.Invalid, "metrics: at least one is expected")
	case len(q.Metrics) > maxMetrics:
		return problem.Errorf(problem.Invalid, "metrics: at most %d in one call", maxMetrics)
	}
	for i := range q.Metrics {
		m := &q.Metrics[i]
		m.Aggregator, m.Downsample = cmp.Or(strings.ToLower(m.Aggregator), "sum"), cmp.Or(strings.ToLower(m.Downsample), "sum")
		if m.Downsample == "none" {
			m.Downsample = "sum"
		}
		switch {
		case measures[strings.TrimPrefix(m.Name, prefix)] == nil || !strings.HasPrefix(m.Name, prefix):
			return problem.Errorf(problem.Invalid, "metrics: there is no metric %q; after %s comes one of %s", m.Name, prefix, names(measures))
		case reduce[m.Aggregator] == nil:
			return problem.Errorf(problem.Invalid, "metrics: aggregator: %q is none of %s", m.Aggregator, names(reduce))
		case reduce[m.Downsample] == nil:
			return problem.Errorf(problem.Invalid, "metrics: downsample: %q is none of %s", m.Downsample, names(reduce))
		}
	}
	return nil
}

// maxMetrics is how many metrics one query may ask for.
const maxMetrics = 50

// Metrics answers a query, one list of series for each of its metrics.
func (s *Service) Metrics(ctx context.Context, c access.Caller, q Query) ([][]Series, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	if err := s.Batches.Import(ctx, c); err != nil {
		return nil, err
	}
	all := make([]counts, len(q.Metrics))
	for i := range all {
		all[i] = counts{}
	}
	err := s.Batches.EachBatch(ctx, c, "", func(b catalog.Batch) bool {
		at := b.Updated
		if b.Completed != 0 {
			at = time.UnixMilli(b.Completed)
		}
		if !b.Done() || at.Before(q.Start) || at.After(q.End) {
			return true
		}
		span := spans[q.Granularity](at.UTC())
		for i, m := range q.Metrics {
			if m.Datasets != nil && !slices.Contains(m.Datasets, b.DatasetID) {
				continue
			}
			if n, ok := measures[strings.TrimPrefix(m.Name, prefix)](b); ok {
				all[i].add(b.DatasetID, span, float64(n))
			}
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	series := make([][]Series, len(q.Metrics))
	for i, m := range q.Metrics {
		series[i] = all[i].series(m)
	}
	return series, nil
}

// counts are the numbers of batches by dataset and span of time.
type counts map[string]map[time.Time][]float64

func (c counts) add(dataset string, span time.Time, n float64) {
	if c[dataset] == nil {
		c[dataset] = map[time.Time][]float64{}
	}
	c[dataset][span] = append(c[dataset][span], n)
}

// series makes series of the numbers. Grouped, every dataset asked for by its
// id has one, even an empty one.
func (c counts) series(m Metric) []Series {
	down := map[string]map[time.Time]float64{}
	for dataset, points := range c {
		down[dataset] = map[time.Time]float64{}
		for span, numbers := range points {
			down[dataset][span] = reduce[m.Downsample](numbers)
		}
	}
	if m.GroupBy {
		ids := m.Datasets
		if ids == nil {
			ids = slices.Sorted(maps.Keys(down))
		}
		all := []Series{}
		for _, id := range ids {
			points := down[id]
			if points == nil {
				points = map[time.Time]float64{}
			}
			all = append(all, Series{id, points})
		}
		return all
	}
	together := map[time.Time][]float64{}
	for _, id := range slices.Sorted(maps.Keys(down)) {
		for span, n := range down[id] {
			together[span] = append(together[span], n)
		}
	}
	points := map[time.Time]float64{}
	for span, numbers := range together {
		points[span] = reduce[m.Aggregator](numbers)
	}
	return []Series{{"", points}}
}
