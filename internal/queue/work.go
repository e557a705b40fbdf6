package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/riverqueue/river"
)

// An Outcome is how work on a job went: Done, Later, Again or Never.
type Outcome interface {
	// verdict says it in River's errors.
	verdict() error
}

// Done ends the job.
type Done struct{}

// Later puts the job off. That is no failure and uses up no try.
type Later struct{ After time.Duration }

// Again says that the work failed and may go better another time: after a
// second, then after pauses that grow to 40 minutes, about eighty minutes in
// all (eight tries). A panic says Again, too. It is also the answer when the context has ended: then
// the job is free for other workers at once, or gone if it was cancelled.
type Again struct{ Err error }

// Never says that the work failed for good.
type Never struct{ Err error }

func (Done) verdict() error    { return nil }
func (o Later) verdict() error { return river.JobSnooze(max(o.After, 0)) }
func (o Again) verdict() error { return told(o.Err) }
func (o Never) verdict() error { return river.JobCancel(told(o.Err)) }

// told returns an error as River can store it, which is never nil: PostgreSQL
// refuses text with NUL.
func told(err error) error {
	if err == nil {
		return errors.New("no reason given")
	}
	text := strings.ReplaceAll(strings.ToValidUTF8(err.Error(), "\uFFFD"), "\x00", "\uFFFD")
	return errors.New(text[:min(len(text), 2000)])
}

// Work does jobs, at most n at a time, until ctx ends. Then it takes no more,
// ends the contexts of those in hand, and waits for them to return, but no
// longer than 20 seconds (grace); an error says that some did not. Other
// workers get those that answered Again at once, and those that didn't return
// never: that is as if the process had been killed.
//
// The context of a work has no deadline. Do must be safe to call twice for one
// job, because a process may die between its return and the note of it.
func (q *Queue) Work(ctx context.Context, n int, do func(ctx context.Context, j Job) Outcome) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{do: do, log: q.log})
	c, err := q.worker(&river.Config{
		Queues:  map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: n}},
		Workers: workers,
		// River's cleaner looks at what has ended, so the tables stay small. Its
		// rescuer never takes a job from a worker that has no timeout, but one
		// that was cancelled and whose worker has not said that it stopped.
		CancelledJobRetentionPeriod: keep,
		CompletedJobRetentionPeriod: keep,
		DiscardedJobRetentionPeriod: keep,
		JobTimeout:                  forever,
		RescueStuckJobsAfter:        keep,
	})
	if err != nil {
		return fmt.Errorf("work on the queue: %w", err)
	}
	// River is stopped below and not by ctx: it gives back what it was told to stop.
	if err := c.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("work on the queue: %w", err)
	}
	<-ctx.Done()
	ending, done := context.WithTimeout(context.WithoutCancel(ctx), q.grace)
	defer done()
	if err := c.StopAndCancel(ending); err != nil {
		return fmt.Errorf("work on the queue did not stop within %v: %w", q.grace, err)
	}
	return nil
}

const (
	keep    = time.Hour
	forever = time.Duration(-1) // River's word for no timeout
)

// A worker is River's view of a function.
type worker struct {
	river.WorkerDefaults[args]
	do  func(ctx context.Context, j Job) Outcome
	log *slog.Logger
}

// Timeout implements river.Worker.
func (*worker) Timeout(*river.Job[args]) time.Duration { return forever }

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) (err error) {
	defer func() {
		if p := recover(); p != nil {
			w.log.ErrorContext(ctx, "work on a run panicked", "run", job.Args.Run, "panic", p, "stack", string(debug.Stack()))
			err = told(fmt.Errorf("panic: %v", p))
		}
	}()
	outcome := w.do(ctx, Job(job.Args))
	err = outcome.verdict()
	if _, again := outcome.(Again); again && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", context.Canceled, err) // by this River knows that it was interrupted
	}
	return err
}
