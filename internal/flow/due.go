package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
)

// prompt is how long after its slot a run still counts as of that slot. One that
// is later is a run of now: it is made up for, or it is the first of a schedule
// that began in the past.
const prompt = time.Minute

// Due puts down the runs that schedules ask for now, and returns all runs that
// nobody works on and whose time has come: new ones, those that were released,
// and those whose holder was silent, these under the next generation. It may be
// called at any time by any process. What fails of one flow keeps no other from
// being done; the jobs are good beside an error.
func (s *Service) Due(ctx context.Context) ([]Job, error) {
	now := s.Now().UnixMilli()
	type entry[T any] struct {
		id string
		v  T
	}
	var times []entry[timetable]
	busy := map[string]bool{}
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		times = nil
		clear(busy)
		err := each(t, kindLease, func(_ string, l lease) { busy[l.Flow] = true })
		if err != nil {
			return err
		}
		return each(t, kindSchedule, func(flow string, tt timetable) {
			if tt.Gone || !tt.Paused && tt.Next <= now && !busy[flow] {
				times = append(times, entry[timetable]{flow, tt})
			}
		})
	})
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, e := range times {
		if e.v.Gone {
			err = s.sweep(ctx, e.id)
		} else {
			err = s.DB.Do(ctx, func(t *docstore.Tx) error { return s.fire(t, e.id, now) })
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("dataflow %s: %w", e.id, err))
		}
	}
	var open []entry[lease]
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		open = nil
		return each(t, kindLease, func(run string, l lease) {
			if !l.held(now) && l.At <= now {
				open = append(open, entry[lease]{run, l})
			}
		})
	})
	if err != nil {
		return nil, errors.Join(append(errs, err)...)
	}
	var jobs []Job
	for _, e := range open {
		job := &Job{Ref: e.v.ref(e.id), Generation: e.v.Generation, At: time.UnixMilli(e.v.At).UTC()}
		if e.v.Holder != "" {
			if job, err = s.reclaim(ctx, e.v.ref(e.id)); err != nil {
				errs = append(errs, fmt.Errorf("run %s: %w", e.id, err))
				continue
			}
		}
		if job != nil {
			jobs = append(jobs, *job)
		}
	}
	return jobs, errors.Join(errs...)
}

// each reads all documents of a kind in the installation's scope.
func each[T any](t *docstore.Tx, kind string, fn func(id string, v T)) error {
	docs, err := t.List(docstore.Scope{}, kind, docstore.Page{})
	if err != nil {
		return err
	}
	for _, d := range docs {
		var v T
		if err := json.Unmarshal(d.Body, &v); err != nil {
			return fmt.Errorf("%s %s: %w", kind, d.ID, err)
		}
		fn(d.ID, v)
	}
	return nil
}

// fire puts down the run that a flow's schedule asks for and sets the schedule
// on. Slots that passed while an earlier run is not finished wait for its end;
// all of them come to one run.
func (s *Service) fire(t *docstore.Tx, flow string, now int64) error {
	tt, d, err := getTimetable(t, flow)
	if err != nil || d.Revision == 0 || tt.Gone || tt.Paused || tt.Next > now {
		return err // another process was faster
	}
	f, _, err := readFlow(t, tt.scope(), flow)
	if errors.Is(err, ErrGone) {
		return t.Delete(docstore.Scope{}, kindSchedule, flow) // its sandbox is
	}
	if err != nil {
		return err
	}
	p, err := f.Schedule.pace()
	if err != nil {
		return err
	}
	kind, at := Scheduled, max(tt.Next, p.last(now))
	if tt.Hastened && p.last(now) < tt.Next {
		kind, at = Hastened, now
	}
	if now-at >= prompt.Milliseconds() {
		at = now
	}
	// It is the doing of whoever made the flow.
	c := access.Caller{Principal: access.Principal{Org: f.Org, User: f.CreatedBy, Client: f.CreatedClient}, Sandbox: access.Sandbox{ID: f.SandboxID, Name: f.SandboxName}}
	_, err = s.begin(t, c, f, Ask{Kind: kind, At: at})
	if errors.Is(err, errBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	return setTimetable(t, f, func(tt *timetable) { tt.Next, tt.Hastened = p.after(now), false })
}

// reclaim frees a run whose holder was silent. It returns the job that it is now,
// nil where there is none.
func (s *Service) reclaim(ctx context.Context, r Ref) (*Job, error) {
	var job *Job
	err := s.withLease(ctx, r, func(t *docstore.Tx, l *lease, d docstore.Doc, now int64) error {
		job = nil
		if l.held(now) {
			return nil
		}
		if l.Holder != "" {
			l.free()
			if err := t.Store(docstore.Scope{}, d, l); err != nil {
				return err
			}
		}
		job = &Job{Ref: r, Generation: l.Generation, At: time.UnixMilli(l.At).UTC()}
		return nil
	})
	if errors.Is(err, docstore.ErrNotFound) {
		return nil, nil //nolint:nilnil // it was finished meanwhile
	}
	return job, err
}
