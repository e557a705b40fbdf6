package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Replay makes datasets anew from what the copy has, under the schema and
// mapping in force, and tries again what stands in quarantine. It asks nothing
// of Stripe.
type Replay struct {
	Dir       string
	Resources []string // empty: all
	// Quarantine leaves the datasets and tries the quarantine alone.
	Quarantine bool
	// Forgotten, if set, returns of whom this copy and others are to keep nothing.
	Forgotten func(context.Context) (ForgetList, error)
	// Done, if set, is told of each resource as it is done.
	Done func(Replayed)
	// Between is called before the commit of a rebuild: tests stop there.
	Between func(resource string)
}

// A Replayed is what a replay came to for one resource. Rows are those of the
// dataset, tombstones included.
type Replayed struct {
	Resource   string `json:"resource"`
	Rebuilt    bool   `json:"rebuilt"`
	RowsBefore int64  `json:"rows_before"`
	RowsAfter  int64  `json:"rows_after"`
	// Held are objects that the schema in force refuses: they have no row now,
	// and stand in quarantine.
	Held int64 `json:"held_back"`
	// Of the objects in quarantine, those that landed, that are older than what
	// is stored and were dropped, and that stay.
	Landed     int64 `json:"landed"`
	Superseded int64 `json:"superseded"`
	Refused    int64 `json:"refused"`
	// Note says what could not be done, "" for nothing.
	Note string `json:"note,omitempty"`
}

// Complete says whether every object of the resource that the copy has is in
// the dataset.
func (r *Replayed) Complete() bool { return r.Held == 0 && r.Refused == 0 && r.Note == "" }

// Run replays one resource after the other. What one came to is durable when
// the next begins; an error ends the replay.
func (r Replay) Run(ctx context.Context) ([]Replayed, error) {
	resources, err := chosen(r.Resources)
	if err != nil {
		return nil, err
	}
	if err := mustExist(r.Dir); err != nil {
		return nil, err
	}
	h, err := openListed(ctx, r.Dir, r.Forgotten)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	names, err := h.lake.Tables(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	run := &replaying{Replay: r, home: h, id: newRunID()}
	if run.account, run.livemode, err = h.store.Binding(ctx); err != nil {
		return nil, err
	}
	done := []Replayed{}
	for _, resource := range resources {
		if !slices.Contains(names, resource.Name) {
			continue // never synced
		}
		one, err := run.one(ctx, resource)
		if err != nil {
			return done, unusable(r.Dir, fmt.Errorf("%s: %w", resource.Name, err))
		}
		done = append(done, one)
		if r.Done != nil {
			r.Done(one)
		}
	}
	return done, h.recordReplay(ctx, run.id, done, began)
}

type replaying struct {
	Replay
	home     *home
	id       string
	account  string
	livemode bool
}

func (r *replaying) one(ctx context.Context, resource stripe.Resource) (Replayed, error) {
	done := Replayed{Resource: resource.Name}
	t, err := r.home.openTables(ctx, resource, true)
	if err != nil {
		return done, err
	}
	defer t.table.Abort()
	if r.Between != nil {
		t.table.Between = func() { r.Between(resource.Name) }
	}
	switch {
	case r.Quarantine:
		err = t.recover(ctx)
	case !t.history:
		done.Note = "no history is kept (--no-history), so the dataset can't be rebuilt"
		err = t.recover(ctx)
	default:
		// What a crash left between history and dataset is part of the rebuild.
		if err = catchUp(ctx, t.table, t.index); err == nil {
			err = r.rebuild(ctx, resource, t, &done)
		}
	}
	if err != nil {
		return done, err
	}
	t.table.Between = nil
	if err := r.retry(ctx, resource, t, &done); err != nil {
		return done, err
	}
	return done, t.table.Tidy(ctx)
}

func (r *replaying) rebuild(ctx context.Context, resource stripe.Resource, t *tables, done *Replayed) error {
	rebuilt, err := t.table.Rebuild(ctx, lake.Rebuild{
		Latest: func(id string) (int64, bool, error) {
			e, ok, err := t.index.Get([]byte(id))
			return e.Seq, ok, err
		},
		Scan: t.plan.Scan,
		Reject: func(ctx context.Context, rejected []dataset.Rejected) error {
			return r.home.store.Quarantine(ctx, rejected)
		},
		Made: t.made,
	})
	if err != nil {
		return err
	}
	done.Rebuilt, done.RowsBefore, done.RowsAfter, done.Held = true, rebuilt.Before, rebuilt.After, rebuilt.Rejected
	return r.noteDrift(ctx, resource.Name, t)
}

// noteDrift keeps what the schema in force does not know and that was not
// noticed before, as when a release knows more values. What was counted when it
// was read is not counted again.
func (r *replaying) noteDrift(ctx context.Context, resource string, t *tables) error {
	seen := t.plan.Drift()
	if len(seen) == 0 {
		return nil
	}
	noted, err := r.home.store.Drifts(ctx)
	if err != nil {
		return err
	}
	for _, d := range noted {
		if d.Resource == resource {
			delete(seen, mapping.Drift{Path: d.Path, Kind: d.Kind, Seen: d.Seen})
		}
	}
	return r.home.store.NoteDrift(ctx, resource, seen, time.Now())
}

// heldAtOnce is how many ids of the quarantine are read at once; of their
// texts, those of one object are in memory.
const heldAtOnce = 500

// retry tries again what stands in quarantine, which went through the privacy
// rules when it came there.
func (r *replaying) retry(ctx context.Context, resource stripe.Resource, t *tables, done *Replayed) error {
	checkpoint, err := extract.DecodeCheckpoint(t.table.Checkpoint())
	if err != nil {
		return err
	}
	again := &retrying{
		replaying: r, resource: resource.Name, tables: t, done: done,
		lander: &ingest.Lander{
			Resource: resource.Name, Plan: t.plan, Table: t.table, Index: t.index, Store: r.home.store,
			Version:    dataset.Version{Source: dataset.SourceReplay, RunID: r.id, Account: r.account, Livemode: r.livemode},
			Checkpoint: checkpoint, Seq: t.table.Seq(),
		},
	}
	if again.lander.Forgotten, err = r.home.forgotten.forgetting(); err != nil {
		return err
	}
	t.follow(resource, again.lander, time.Now())
	if err := again.nameless(ctx); err != nil {
		return err
	}
	for after := ""; ; {
		ids, err := r.home.store.HeldAfter(ctx, resource.Name, after, heldAtOnce)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := again.object(ctx, id); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
		}
		if err := again.flush(ctx); err != nil {
			return err
		}
		after = ids[len(ids)-1]
	}
}

func (h *home) recordReplay(ctx context.Context, id string, done []Replayed, began time.Time) error {
	status := Complete
	if ReplayStatus(done) != ExitComplete {
		status = Partial
	}
	return h.recordWork(ctx, sqlstore.Run{ID: id, Kind: "replay", Status: string(status), Started: began}, done)
}

// ReplayStatus returns the exit status for what a replay came to.
func ReplayStatus(done []Replayed) int {
	if slices.ContainsFunc(done, func(r Replayed) bool { return !r.Complete() }) {
		return ExitPartial
	}
	return ExitComplete
}
