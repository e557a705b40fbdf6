// Package runner does what the runs of dataflows are: it brings the copy of an
// account up to date, and takes what changed through a flow's mapping into its
// dataset. It is the one place where dataflows and the data plane meet.
package runner

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/dataprep"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/queue"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/tables"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Flows are the dataflows and their runs.
type Flows interface {
	Due(ctx context.Context) ([]flow.Job, error)
	Take(ctx context.Context, r flow.Ref, generation int, holder string) (bool, error)
	Renew(ctx context.Context, r flow.Ref, holder string) (bool, error)
	Release(ctx context.Context, r flow.Ref, holder string) error
	Renumber(ctx context.Context, r flow.Ref, generation int) error
	Plan(ctx context.Context, r flow.Ref) (flow.Plan, error)
	Progress(ctx context.Context, r flow.Ref, holder string, fn func(*flow.Run)) error
	Finish(ctx context.Context, r flow.Ref, holder string, v flow.Verdict, fn func(*flow.Run)) error
	Hasten(ctx context.Context, sandbox string, of func(flow.Account) bool) error
	Learn(ctx context.Context, c access.Caller, connection string, a flow.Account) error
}

// Catalog is where batches are.
type Catalog interface {
	CreateBatch(ctx context.Context, c access.Caller, b catalog.Batch) (catalog.Batch, error)
	ChangeBatch(ctx context.Context, c access.Caller, id string, change func(*catalog.Batch) error) (catalog.Batch, error)
	Batch(ctx context.Context, c access.Caller, id string) (catalog.Batch, error)
}

// Rows are the tables of datasets.
type Rows interface {
	Mark(ctx context.Context, table, name string) (string, error)
	Upsert(ctx context.Context, table, batch string, mark tables.Mark, changes iter.Seq2[tables.Change, error]) (catalog.Appended, error)
}

// Prep compiles mapping sets.
type Prep interface {
	Program(ctx context.Context, c access.Caller, set dataprep.Set) (*mapping.Program, *xdm.Composition, []mapping.Fault, error)
}

// Schemas are told that there is data of a schema.
type Schemas interface {
	MarkUsed(ctx context.Context, c access.Caller, schemaID string) error
}

// Alerts are told of what happens to runs.
type Alerts interface {
	Tell(ctx context.Context, c access.Caller, e alert.Event) error
}

// A Runner does runs.
type Runner struct {
	Flows   Flows
	Queue   *queue.Queue
	Catalog Catalog
	Rows    Rows
	Prep    Prep
	Schemas Schemas
	Alerts  Alerts
	Stripe  flow.Stripe
	// Copy is how copies are kept: all but the directory, the credentials and the
	// resources.
	Copy app.Sync
	// Forgotten, if set, returns of whom a copy of a sandbox is to keep nothing.
	Forgotten func(ctx context.Context, sandbox, name string) (app.ForgetList, error)
	// Pacer returns that of an account; nil for one in each copy.
	Pacer func(flow.Credentials) *stripe.Pacer
	Dir   string // of the installation; copies are below it
	Now   func() time.Time
	Log   *slog.Logger
	// Workers is how many runs are done at once; 0 for DefaultWorkers.
	Workers int
	// LeaseFor is how long a worker may be silent before its run is another's, and
	// the flows' Service has the same; 0 for flow.LeaseFor. A lease is renewed four
	// times as often, and schedules are looked at six times as often.
	LeaseFor time.Duration
	// At, if set, is told how far a run is: tests stop there.
	At func(p Point, run string)

	copies pool
	nudged chan struct{}
	once   sync.Once
}

// DefaultWorkers is how many runs a process does at once. Those of one account
// are done one after the other.
const DefaultWorkers = 16

// A Point is a place in a run.
type Point string

// The points, in their order.
const (
	AtHanded    Point = "the queue handed out the run"
	AtTaken     Point = "the run is this process's"
	AtAdvanced  Point = "the copy is up to date"
	AtBatch     Point = "the batch is there"
	AtRows      Point = "rows were mapped"
	AtCommitted Point = "the rows are in"
	AtBatchDone Point = "the batch says how it ended"
	AtFinished  Point = "the run says how it ended"
	AtLeft      Point = "the run is not this process's any more"
)

func (r *Runner) at(p Point, run string) {
	if r.At != nil {
		r.At(p, run)
	}
}

func (j *job) at(p Point) { j.Runner.at(p, j.ref.Run) }

func (r *Runner) leaseFor() time.Duration { return cmp.Or(r.LeaseFor, flow.LeaseFor) }

func (r *Runner) nudge() chan struct{} {
	r.once.Do(func() { r.nudged = make(chan struct{}, 1) })
	return r.nudged
}

// Nudge says that there may be a run to do. It fits flow.Service.Queued.
func (r *Runner) Nudge(context.Context, flow.Ref) {
	select {
	case r.nudge() <- struct{}{}:
	default: // it is said already
	}
}

// Drop ends the work on a run, in whatever process. It fits
// flow.Service.Dropped.
func (r *Runner) Drop(ctx context.Context, ref flow.Ref) {
	if err := r.Queue.Cancel(ctx, ref.Run); err != nil {
		r.Log.ErrorContext(ctx, "a run of a deleted dataflow goes on until its worker looks", "run", ref.Run, "error", err)
	}
}

// Tick puts the runs that are due into the queue, now and every so often, until
// ctx ends. Any number of processes may do it.
func (r *Runner) Tick(ctx context.Context) error {
	t := time.NewTicker(r.leaseFor() / 6)
	defer t.Stop()
	for {
		if err := r.tick(ctx); err != nil && ctx.Err() == nil {
			r.Log.ErrorContext(ctx, "due dataflows could not be started; the next try is in a few seconds", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		case <-r.nudge():
		}
	}
}

func (r *Runner) tick(ctx context.Context) error {
	jobs, err := r.Flows.Due(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		// It is due by the clock of the flows, whatever the queue's says.
		s, err := r.Queue.Add(ctx, queue.Job{Org: j.Org, Sandbox: j.Sandbox, Run: j.Run, Generation: j.Generation}, time.Time{}, 1)
		if err == nil && r.spent(s) {
			err = r.Flows.Renumber(ctx, j.Ref, j.Generation) // the next look puts it in
		}
		if err != nil {
			return fmt.Errorf("run %s: %w", j.Run, err)
		}
	}
	return nil
}

// spent says whether the job of a run that nobody works on will not be handed
// out any more: its worker died before it took the run or after it let go of it,
// or found, by its own clock, that the run has to wait.
func (r *Runner) spent(s queue.Standing) bool {
	return s.Ended || !s.Taken.IsZero() && r.Now().Sub(s.Taken) > r.leaseFor()
}

// Work does runs until ctx ends; what is in hand then is left to whoever comes
// next.
func (r *Runner) Work(ctx context.Context) error {
	workers := r.Workers
	if workers == 0 {
		workers = DefaultWorkers
	}
	return r.Queue.Work(ctx, workers, r.Do)
}

// Errors that end the work on a run without ending the run.
var (
	errLost = errors.New("another worker has the run, or its dataflow is gone")
	errBusy = errors.New("others are at work on the copy of the account")
)

// When a run is tried again whose copy was in use, and one that met a failure of
// our own.
const (
	busyFor  = time.Second
	againFor = 30 * time.Second
)

// Do does one run, or goes on with it.
func (r *Runner) Do(ctx context.Context, j queue.Job) queue.Outcome {
	ref := flow.Ref{Org: j.Org, Sandbox: j.Sandbox, Run: j.Run}
	holder := holder()
	r.at(AtHanded, j.Run)
	ok, err := r.Flows.Take(ctx, ref, j.Generation, holder)
	if err != nil {
		r.Log.ErrorContext(ctx, "a run could not be taken; it will be tried again", "run", j.Run, "error", err)
		return queue.Later{After: againFor}
	}
	if !ok {
		return queue.Done{}
	}
	r.at(AtTaken, j.Run)
	defer r.at(AtLeft, j.Run)
	working, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		r.renew(working, cancel, ref, holder)
	}()
	defer func() {
		cancel(nil)
		<-renewed
	}()
	err = r.run(working, ref, holder)
	after := context.WithoutCancel(ctx)
	switch {
	case err == nil:
		r.at(AtFinished, j.Run)
		return queue.Done{}
	case errors.Is(context.Cause(working), errLost) || errors.Is(err, errLost):
		return queue.Done{}
	}
	if e := r.Flows.Release(after, ref, holder); e != nil {
		r.Log.ErrorContext(ctx, "a run was not given back; that takes a minute then", "run", j.Run, "error", e)
	}
	switch {
	case ctx.Err() != nil:
		return queue.Again{Err: ctx.Err()}
	case errors.Is(err, errBusy):
		return queue.Later{After: busyFor}
	}
	if wait, ok := errors.AsType[*waiting](err); ok {
		r.Log.WarnContext(ctx, "a run waits", "run", j.Run, "for", wait.after.String(), "error", err)
		return queue.Later{After: wait.after}
	}
	r.Log.ErrorContext(ctx, "a run could not be done; it will be tried again", "run", j.Run, "error", err)
	return queue.Later{After: againFor}
}

// waiting is an error that time heals.
type waiting struct {
	after time.Duration
	err   error
}

func (w *waiting) Error() string { return w.err.Error() }

func (w *waiting) Unwrap() error { return w.err }

// renew keeps the lease of a run until ctx ends; when it is lost, it ends ctx.
func (r *Runner) renew(ctx context.Context, cancel context.CancelCauseFunc, ref flow.Ref, holder string) {
	every := r.leaseFor() / 4
	t := time.NewTicker(every)
	defer t.Stop()
	last := r.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		ok, err := r.Flows.Renew(ctx, ref, holder)
		switch {
		case err == nil && ok:
			last = r.Now()
		case err == nil, r.Now().Sub(last) > r.leaseFor()-every:
			cancel(errLost)
			return
		}
	}
}

func holder() string {
	host, err := os.Hostname()
	if err != nil {
		host = "host"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), rand.Text()[:8])
}
