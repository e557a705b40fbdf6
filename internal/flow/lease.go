package flow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
)

const kindLease = "flow.lease"

// A lease is the right to work on a run. It stands in the installation's own
// scope, under the run's id, for as long as the run is not finished: so it is
// the list of what is to be done, too. Its key is the flow's, so no flow has
// two.
//
//	{"org":"…@AdobeOrg","sandbox":"…","flow":"…","at":1760000000000,"generation":2,"holder":"host-4711-ab12","until":1760000060000}
type lease struct {
	Org     string `json:"org"`
	Sandbox string `json:"sandbox"`
	Flow    string `json:"flow"`
	At      int64  `json:"at"` // when the run shall begin, epoch ms
	// Generation counts from 1, one up each time that a run has to be begun anew.
	Generation int    `json:"generation"`
	Holder     string `json:"holder,omitempty"` // empty: nobody works on it
	Until      int64  `json:"until,omitempty"`  // epoch ms: whoever is silent till then has lost it
	// Stop says that the run shall end: its flow is gone. Batch and Dataset are what
	// its batch is known by then, which is left to say how it ended.
	Stop    bool   `json:"stop,omitempty"`
	Batch   string `json:"batch,omitempty"`
	Dataset string `json:"dataset,omitempty"`
}

// LeaseFor is how long a lease is good that is not renewed.
const LeaseFor = 60 * time.Second

func (s *Service) leaseFor() int64 { return cmp.Or(s.LeaseFor, LeaseFor).Milliseconds() }

// flowKey is the key of the lease of a flow's unfinished run.
func flowKey(flow string) string { return "flow:" + flow }

// held says whether somebody works on the run.
func (l *lease) held(now int64) bool { return l.Holder != "" && now < l.Until }

// is says whether it is this holder who works on the run.
func (l *lease) is(holder string, now int64) bool { return l.Holder == holder && l.held(now) }

func (l *lease) free() { l.Holder, l.Until, l.Generation = "", 0, l.Generation+1 }

func (l *lease) ref(run string) Ref { return Ref{Org: l.Org, Sandbox: l.Sandbox, Run: run} }

// getLease reads the lease of a run; docstore.ErrNotFound once it is finished.
func getLease(t *docstore.Tx, run string) (l lease, d docstore.Doc, err error) {
	if d, err = t.Get(docstore.Scope{}, kindLease, run); err != nil {
		return l, d, err
	}
	return l, d, json.Unmarshal(d.Body, &l)
}

func deleteLease(t *docstore.Tx, run string) error {
	return t.Delete(docstore.Scope{}, kindLease, run)
}

// stopLease ends a run whose flow is going. One that began leaves its lease to
// its worker, or to another one if that is silent.
func stopLease(t *docstore.Tx, d docstore.Doc, f *Flow) (Ref, error) {
	var l lease
	if err := json.Unmarshal(d.Body, &l); err != nil {
		return Ref{}, err
	}
	run, _, err := readRun(t, l.ref(d.ID))
	if err != nil && !errors.Is(err, ErrGone) {
		return Ref{}, err
	}
	if l.Holder == "" && (run == nil || run.Metrics.Duration.Started == 0) {
		return l.ref(d.ID), deleteLease(t, d.ID)
	}
	l.Stop = true
	if run != nil {
		l.Batch, l.Dataset = run.BatchID, f.Route.DatasetID
	}
	return l.ref(d.ID), t.Store(docstore.Scope{}, d, l)
}

// withLease runs fn if there is a lease of the run in a transaction. Fn may be
// run again.
func (s *Service) withLease(ctx context.Context, r Ref, fn func(t *docstore.Tx, l *lease, d docstore.Doc, now int64) error) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		l, d, err := getLease(t, r.Run)
		if err == nil && l.ref(r.Run) != r {
			err = docstore.ErrNotFound
		}
		if err != nil {
			return err
		}
		return fn(t, &l, d, s.Now().UnixMilli())
	})
}

// Take takes the lease of a run, also of one whose flow is gone: Plan says so. The holder names this try: no other, of this
// process or another, has the same name. False where somebody else works on it,
// where the run has to wait, is finished or gone, or where the generation is an
// old one.
func (s *Service) Take(ctx context.Context, r Ref, generation int, holder string) (bool, error) {
	if holder == "" {
		return false, errors.New("take a run: the holder has no name")
	}
	taken := false
	err := s.withLease(ctx, r, func(t *docstore.Tx, l *lease, d docstore.Doc, now int64) error {
		taken = false
		if l.Generation != generation || l.held(now) || now < l.At {
			return nil
		}
		if _, _, err := readRun(t, r); errors.Is(err, ErrGone) && !l.Stop {
			return deleteLease(t, r.Run) // its sandbox was emptied
		} else if err != nil && !l.Stop {
			return err
		}
		taken = true
		l.Holder, l.Until = holder, now+s.leaseFor()
		return t.Store(docstore.Scope{}, d, l)
	})
	if errors.Is(err, docstore.ErrNotFound) {
		return false, nil
	}
	return taken && err == nil, err
}

// Renew keeps the lease for another while. False where it is lost, or where the
// run shall stop.
func (s *Service) Renew(ctx context.Context, r Ref, holder string) (bool, error) {
	kept := false
	err := s.withLease(ctx, r, func(t *docstore.Tx, l *lease, d docstore.Doc, now int64) error {
		if kept = l.is(holder, now) && !l.Stop; !kept {
			return nil
		}
		l.Until = now + s.leaseFor()
		return t.Store(docstore.Scope{}, d, l)
	})
	if errors.Is(err, docstore.ErrNotFound) {
		return false, nil
	}
	return kept && err == nil, err
}

// Release gives the lease back before the run is finished. Its job is the
// caller's to put off or to hand on.
func (s *Service) Release(ctx context.Context, r Ref, holder string) error {
	err := s.withLease(ctx, r, func(t *docstore.Tx, l *lease, d docstore.Doc, _ int64) error {
		if l.Holder != holder || holder == "" {
			return nil
		}
		if l.Stop {
			return deleteLease(t, r.Run)
		}
		l.Holder, l.Until = "", 0
		return t.Store(docstore.Scope{}, d, l)
	})
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return err
}

// Renumber puts a run that nobody works on into its next generation, because the
// job of this one will not be handed out any more. Nothing happens where the run
// has gone on meanwhile.
func (s *Service) Renumber(ctx context.Context, r Ref, generation int) error {
	err := s.withLease(ctx, r, func(t *docstore.Tx, l *lease, d docstore.Doc, _ int64) error {
		if l.Holder != "" || l.Generation != generation {
			return nil
		}
		l.free()
		return t.Store(docstore.Scope{}, d, l)
	})
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	return err
}

// Progress changes a run that is being worked on; fn may be run again, on the
// run as it is stored. ErrLost where the lease is not this holder's.
func (s *Service) Progress(ctx context.Context, r Ref, holder string, fn func(*Run)) error {
	return s.work(ctx, r, holder, fn, func(*docstore.Tx, *Run) error { return nil })
}

// work changes a run while its lease is held.
func (s *Service) work(ctx context.Context, r Ref, holder string, fn func(*Run), then func(t *docstore.Tx, run *Run) error) error {
	err := s.withLease(ctx, r, func(t *docstore.Tx, l *lease, _ docstore.Doc, now int64) error {
		if !l.is(holder, now) {
			return ErrLost
		}
		run, d, err := readRun(t, r)
		if errors.Is(err, ErrGone) {
			return ErrLost
		}
		if err != nil {
			return err
		}
		fn(run)
		if err := s.changed(&run.Item); err != nil {
			return err
		}
		if err := runs.put(t, r.scope(), d, run); err != nil {
			return err
		}
		return then(t, run)
	})
	if errors.Is(err, docstore.ErrNotFound) {
		return ErrLost
	}
	return err
}

// Finish ends a run as fn says, which sets its status to Success or Failed, and
// gives the lease back. The flow gets to know, and is disabled if the verdict
// says so. All of it happens or nothing. ErrLost as in Progress.
func (s *Service) Finish(ctx context.Context, r Ref, holder string, v Verdict, fn func(*Run)) error {
	return s.work(ctx, r, holder, fn, func(t *docstore.Tx, run *Run) error {
		status := run.Metrics.Status.Status
		if status != Success && status != Failed {
			return fmt.Errorf("finish the run %s: its status is %q", r.Run, status)
		}
		if err := deleteLease(t, r.Run); err != nil {
			return err
		}
		f, d, err := readFlow(t, r.scope(), run.FlowID)
		if errors.Is(err, ErrGone) {
			return nil
		}
		if err != nil {
			return err
		}
		f.LastRun = &LastRun{ID: run.ID, State: status, Started: run.Metrics.Duration.Started, Completed: run.Metrics.Duration.Completed}
		if status == Success && run.Ask.To == 0 {
			f.Until = max(f.Until, run.Ask.At)
		}
		if v.Stop != "" && f.State == Enabled {
			if err := s.stop(t, f, v.Stop); err != nil {
				return err
			}
		}
		return putFlow(t, r.scope(), d, f)
	})
}

// stop disables a flow for what a run met.
func (s *Service) stop(t *docstore.Tx, f *Flow, reason string) error {
	f.State, f.Stopped = Disabled, reason
	f.Last = operation("disable", s.Now())
	f.Last.Status.Value, f.Last.Status.Errors = "failed", []string{reason}
	f.UpdatedBy, f.UpdatedClient = service, service
	if err := s.changed(&f.Item); err != nil {
		return err
	}
	return setTimetable(t, f, func(tt *timetable) { tt.Paused = true })
}

// service is who changes what no caller changed.
const service = "tributary"
