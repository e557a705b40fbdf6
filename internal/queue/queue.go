// Package queue hands runs to workers, in this process and in others. It is
// River behind a small API, on SQLite or PostgreSQL.
//
// The queue holds nothing that can't be made again: a job names a run and no
// more, and what is unfinished is known from the runs' documents. It may be
// deleted while no process uses it.
//
// River may hand out a job a second time only after its worker has given it
// back. It never takes one away from a worker, however long that takes: that a
// worker is lost is for others to find out, by a lease, and they add the run
// again under the next generation.
package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// A Job asks for work on a run.
type Job struct {
	Org, Sandbox, Run string // ids
	Generation        int    // how often the run was put in anew because its worker was lost
}

// ErrCancelled is the cause (context.Cause) with which the context of a work
// ends because of Cancel, or because the run was added in a newer generation.
// The context of a work that ends with its process has another cause.
var ErrCancelled error = rivertype.ErrJobCancelledRemotely

// A Queue is one database of jobs.
type Queue struct {
	client client // adds and cancels; does no work
	worker func(*river.Config) (client, error)
	close  func() error
	log    *slog.Logger
	tries  int           // of a job whose work says Again
	grace  time.Duration // for work to end in after its context has
}

// A client is River's on either database.
type client interface {
	Insert(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	JobList(ctx context.Context, params *river.JobListParams) (*river.JobListResult, error)
	JobCancel(ctx context.Context, id int64) (*rivertype.JobRow, error)
	Start(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
}

// args is a Job as it is stored.
type args struct {
	Org        string `json:"org"`
	Sandbox    string `json:"sandbox"`
	Run        string `json:"run"`
	Generation int    `json:"generation"`
}

// Kind implements river.JobArgs.
func (args) Kind() string { return "run" }

// Add puts a job into the queue: to be done at once, if the time is zero or has
// come by the machine's clock, else then or up to five seconds later, as that is
// how often River looks. Among those that are due the lowest priority number, of
// 1 to 4, comes first, then the oldest.
//
// A job that is in the queue already stays as it is, whatever its state, also
// for an hour (keep) after it ended: the standing tells. Older generations of
// the run are cancelled: should their worker be alive after all, it is told, and
// if it is not, that lets go of what it left.
func (q *Queue) Add(ctx context.Context, j Job, at time.Time, priority int) (Standing, error) {
	if time.Until(at) <= 0 { //nolint:forbidigo // River goes by the machine's clock, and lets what has any time wait for its next look
		at = time.Time{}
	}
	made, err := q.client.Insert(ctx, args(j), &river.InsertOpts{
		MaxAttempts: q.tries,
		Priority:    priority,
		ScheduledAt: at,
		UniqueOpts:  river.UniqueOpts{ByArgs: true, ByState: rivertype.JobStates()},
	})
	if err == nil && j.Generation > 0 {
		err = q.cancel(ctx, j.Run, func(old Job) bool {
			return old.Org == j.Org && old.Sandbox == j.Sandbox && old.Generation < j.Generation
		})
	}
	if err != nil {
		return Standing{}, fmt.Errorf("put run %s into the queue: %w", j.Run, err)
	}
	return standing(made.Job), nil
}

// A Standing is what a job has come to.
type Standing struct {
	// Ended says that it was done, cancelled or given up: it is never handed out
	// again.
	Ended bool
	// Taken is when a worker was handed it, who has not given it back; zero for a
	// job that waits, or has ended.
	Taken time.Time
}

func standing(row *rivertype.JobRow) (s Standing) {
	switch row.State {
	case rivertype.JobStateCancelled, rivertype.JobStateCompleted, rivertype.JobStateDiscarded:
		s.Ended = true
	case rivertype.JobStateRunning:
		if row.AttemptedAt != nil {
			s.Taken = *row.AttemptedAt
		}
	case rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateScheduled:
	}
	return s
}

// Cancel ends all jobs of a run. What waits is never done; of what is being
// done, in whatever process, the context ends with ErrCancelled, and it is not
// tried again. Nothing happens if there is none.
func (q *Queue) Cancel(ctx context.Context, run string) error {
	if err := q.cancel(ctx, run, func(Job) bool { return true }); err != nil {
		return fmt.Errorf("cancel run %s in the queue: %w", run, err)
	}
	return nil
}

func (q *Queue) cancel(ctx context.Context, run string, which func(Job) bool) error {
	open := river.NewJobListParams().First(10_000).
		States(rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled).
		Where("args ->> 'run' = @run", river.NamedArgs{"run": run})
	list, err := q.client.JobList(ctx, open)
	if err != nil {
		return err
	}
	for _, row := range list.Jobs {
		var a args
		if err := json.Unmarshal(row.EncodedArgs, &a); err != nil {
			return err
		}
		if !which(Job(a)) {
			continue
		}
		if _, err := q.client.JobCancel(ctx, row.ID); err != nil && !errors.Is(err, rivertype.ErrNotFound) {
			return err
		}
	}
	return nil
}

// Close closes the database. Work must have returned.
func (q *Queue) Close() error { return q.close() }
