// Package analysis says what an experiment came to. Who was shown what is in the
// log of exposures, and what they bought afterwards in the copy of a Stripe account.
//
// What counts is defined at the head of sql/outcomes.sql, which returns integers
// alone: sums over the units of each variant, class of payment and day. All
// statistics are made of these sums (Analyse), so the same exposures, copy and
// time make the same result, digit for digit, however a query splits its work.
//
// Only units whose horizon was over count, and the copy must have everything up to
// then: so a result is as of the present or, if that is earlier, of the time up to
// which the copy is fresh.
package analysis

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/exposure/shown"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Source answers queries over one copy, and takes in tables for them.
type Source interface {
	Query(ctx context.Context, sql string) (*duck.Rows, error)
	// Load makes a table that Query sees until drop is called.
	Load(ctx context.Context, name string, columns []duck.Loaded, rows iter.Seq2[[]any, error]) (drop func() error, err error)
}

// A Question says what is to be analysed.
type Question struct {
	Experiment experiment.Experiment
	Phase      uint32    // 0 for the newest
	AsOf       time.Time // zero for as late as the copy allows
	// Now is the present, and Fresh the time up to which the copy has everything.
	Now, Fresh time.Time
	// Shown are the exposures of the sandbox, of all experiments.
	Shown iter.Seq2[exposure.Exposure, error]
}

// phase returns the phase that is asked for.
func (q *Question) phase() (experiment.Phase, error) {
	all := q.Experiment.Phases
	if len(all) == 0 {
		return experiment.Phase{}, &problem.Error{
			Kind: problem.Conflict, Detail: fmt.Sprintf("the experiment %s was never started: there is nothing to analyse", q.Experiment.Key), Advice: "Start it first",
		}
	}
	if q.Phase == 0 {
		return all[len(all)-1], nil
	}
	i := slices.IndexFunc(all, func(p experiment.Phase) bool { return p.Number == q.Phase })
	if i < 0 {
		return experiment.Phase{}, problem.Errorf(problem.NotFound, "the experiment %s has no phase %d, only 1 to %d", q.Experiment.Key, q.Phase, len(all))
	}
	return all[i], nil
}

// at returns the time of the analysis in whole seconds, and what there is to say
// of it.
func (q *Question) at() (at time.Time, note string) {
	at = q.AsOf
	if at.IsZero() || at.After(q.Now) {
		at = q.Now
	}
	if at.After(q.Fresh) {
		at = q.Fresh
		note = fmt.Sprintf("The copy has everything up to %s, so this is as of then; a newer pass over the account brings it further.", moment(at))
	}
	return at.Truncate(time.Second).UTC(), note
}

// Run analyses an experiment over a copy. A source takes one at a time.
func Run(ctx context.Context, s Source, q Question) (_ *Result, err error) {
	phase, err := q.phase()
	if err != nil {
		return nil, err
	}
	if q.Fresh.IsZero() {
		return nil, errUnread()
	}
	at, note := q.at()
	seen := &seen{experiment: q.Experiment, phase: phase, at: at, all: q.Shown, counts: make([]int64, len(phase.Weights))}
	drop, err := shown.Load(ctx, s, seen.each)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	values := shownValues(q.Experiment, phase, at)
	query, err := outcomes("shown", "sums", values)
	if err != nil {
		return nil, err
	}
	units, err := outcomes("shown", "each", values)
	if err != nil {
		return nil, err
	}
	cells, err := read(ctx, s, query)
	if err != nil {
		return nil, err
	}
	r := Analyse(Study{Experiment: q.Experiment, Phase: phase, At: at, Exposed: seen.counts, Cells: cells})
	r.Fresh = q.Fresh.UTC()
	r.Queries = []Query{{"outcomes", definition("outcomes") + "\n\n" + definition("sums"), query}, {"units", definition("outcomes") + "\n\n" + definition("each"), units}}
	if note != "" {
		r.Notes = append([]string{note}, r.Notes...)
	}
	if seen.outlasted > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s units were still being watched when the phase ended on %s: what came after it, as another phase or what everybody gets now, is in their numbers and mostly makes the effect smaller.",
			count(seen.outlasted), moment(phase.Ended)))
	}
	if seen.strange > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("%s exposures name a variant that the phase does not have, and do not count.", count(seen.strange)))
	}
	return r, nil
}

// seen goes through the exposures of a phase.
type seen struct {
	experiment experiment.Experiment
	phase      experiment.Phase
	at         time.Time
	all        iter.Seq2[exposure.Exposure, error]
	counts     []int64 // by variant
	strange    int64   // of a variant that the phase hasn't
	outlasted  int64   // that count, and whose horizon was not over when the phase ended
}

func (s *seen) each(yield func(exposure.Exposure, error) bool) {
	for e, err := range s.all {
		if err != nil {
			yield(e, err)
			return
		}
		if e.Experiment != s.experiment.ID || e.Phase != s.phase.Number || e.At.After(s.at) {
			continue
		}
		i := slices.IndexFunc(s.phase.Weights, func(w experiment.Weight) bool { return w.Variant == e.Variant })
		if i < 0 {
			s.strange++
			continue
		}
		s.counts[i]++
		until := e.At.Truncate(time.Second).AddDate(0, 0, s.phase.Measure.Days) // UTC: days of 24 hours
		if !s.phase.Ended.IsZero() && until.After(s.phase.Ended) && !until.After(s.at) {
			s.outlasted++
		}
		if !yield(e, nil) {
			return
		}
	}
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
