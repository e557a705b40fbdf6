package analysis

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/shelf"
)

// A Copy is a copy of a Stripe account that was opened for an analysis.
type Copy interface {
	Source
	io.Closer
}

// Experiments are those of a sandbox.
type Experiments interface {
	// Experiment returns one by its id; problem.NotFound for none.
	Experiment(ctx context.Context, c access.Caller, id string) (experiment.Experiment, error)
}

// A Service analyses for those who call the API.
type Service struct {
	Experiments Experiments
	// Open opens a copy that the caller may read in its sandbox by its name, "" for
	// the only one, and says up to when it has all charges and refunds.
	Open func(ctx context.Context, c access.Caller, name string) (of Copy, fresh time.Time, err error)
	// Shown yields the exposures of the caller's sandbox.
	Shown func(ctx context.Context, c access.Caller) iter.Seq2[exposure.Exposure, error]
	Now   func() time.Time
	// State says in which state the copy is that Open would open, and the exposures
	// that were shown are, and up to when the copy has everything; it costs far less
	// than an analysis. Nil where nothing can be said.
	State func(ctx context.Context, c access.Caller, name string) (at shelf.Snapshot, fresh time.Time, err error)

	slot  chan struct{} // an analysis uses all of the machine that queries may have
	shelf *shelf.Shelf[*Result]
}

// maxKept is how many results are kept.
const maxKept = 100

// New returns a service of these parts.
func New(s Service) *Service {
	s.slot, s.shelf = make(chan struct{}, 1), shelf.New[*Result](maxKept)
	return &s
}

// turn waits until no other analysis is made; call the result when it is done.
func (s *Service) turn(ctx context.Context) (done func(), err error) {
	select {
	case s.slot <- struct{}{}:
		return func() { <-s.slot }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// An Ask is what of an experiment is wanted.
type Ask struct {
	ID    string
	Phase uint32    // 0 for the newest
	AsOf  time.Time // zero for as late as may be
	Copy  string    // name of the copy; "" for the only one
}

// settled is how long ago what an analysis is about must be, before it is kept: by
// then what was shown is on the disk.
const settled = time.Minute

// state says where the result of a question may be kept, by which key.
func (s *Service) state(ctx context.Context, c access.Caller, a Ask, e experiment.Experiment) (at shelf.Snapshot, key string, err error) {
	if s.State == nil {
		return at, "", nil
	}
	at, fresh, err := s.State(ctx, c, a.Copy)
	if err != nil || fresh.IsZero() || s.Now().Sub(fresh) < settled { // else it would be as of the present
		return shelf.Snapshot{}, "", err
	}
	body, err := json.Marshal(e)
	return at, fmt.Sprint(a.Phase, " ", a.AsOf.Unix(), " ", string(body)), err
}

// Result analyses an experiment, or returns what was made of the same state of the
// copy; it must not be changed. One is made at a time; others wait.
func (s *Service) Result(ctx context.Context, c access.Caller, a Ask) (_ *Result, err error) {
	e, err := s.Experiments.Experiment(ctx, c, a.ID)
	if err != nil {
		return nil, err
	}
	q := Question{Experiment: e, Phase: a.Phase, AsOf: a.AsOf, Now: s.Now(), Shown: s.Shown(ctx, c)}
	if _, err := q.phase(); err != nil { // before anything is opened
		return nil, err
	}
	at, key, err := s.state(ctx, c, a, e)
	if err != nil {
		return nil, err
	}
	if r, ok := s.shelf.Get(at, key); ok {
		return r, nil
	}
	done, err := s.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if r, ok := s.shelf.Get(at, key); ok { // it was made for another meanwhile
		return r, nil
	}
	of, fresh, err := s.Open(ctx, c, a.Copy)
	if err != nil {
		return nil, err
	}
	defer of.Close()
	q.Fresh = fresh
	r, err := Run(ctx, of, q)
	if err != nil {
		return nil, err
	}
	for i := range r.Queries {
		r.Queries[i].SQL = report.In(of, r.Queries[i].SQL)
	}
	s.shelf.Put(at, r, 1, key) // at is no newer than what was opened
	return r, nil
}

// A Forecast asks how large an experiment has to be.
type Forecast struct {
	Wish     Wish
	Baseline *Baseline // nil for one that is measured in a copy:
	Copy     string
	Unit     experiment.Unit
	Measure  experiment.Measure
	Last     int // days; 0 for 28
}

// Power answers it.
func (s *Service) Power(ctx context.Context, c access.Caller, f Forecast) (*Need, error) {
	if f.Baseline == nil {
		done, err := s.turn(ctx)
		if err != nil {
			return nil, err
		}
		defer done()
		of, fresh, err := s.Open(ctx, c, f.Copy)
		if err != nil {
			return nil, err
		}
		defer of.Close()
		if f.Baseline, err = f.measure(ctx, of, s.Now(), fresh); err != nil {
			return nil, err
		}
		for i := range f.Baseline.Queries {
			f.Baseline.Queries[i].SQL = report.In(of, f.Baseline.Queries[i].SQL)
		}
	}
	return Plan(f.Baseline, f.Wish)
}

// Measured answers a forecast over a copy that is open.
func (f Forecast) Measured(ctx context.Context, s Source, now, fresh time.Time) (_ *Need, err error) {
	if f.Baseline == nil {
		if f.Baseline, err = f.measure(ctx, s, now, fresh); err != nil {
			return nil, err
		}
	}
	return Plan(f.Baseline, f.Wish)
}

func (f Forecast) measure(ctx context.Context, s Source, now, fresh time.Time) (*Baseline, error) {
	if fresh.IsZero() {
		return nil, errUnread()
	}
	if f.Measure.Days == 0 {
		return nil, problem.Errorf(problem.Invalid, "days: a baseline of a copy needs the horizon")
	}
	if fresh.Before(now) {
		now = fresh
	}
	return BaselineOf(ctx, s, f.Unit, f.Measure, f.Last, now)
}

func errUnread() error {
	return &problem.Error{
		Kind: problem.Conflict, Detail: "the copy has not yet read all charges and refunds once: what units bought is not known", Advice: "Wait for the first pass over the account to end",
	}
}
