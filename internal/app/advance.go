package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/idindex"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
)

// Busy says whether err is that another process has the directory, for now.
func Busy(err error) bool {
	_, ok := errors.AsType[*sqlstore.Locked](err)
	return ok
}

// Advance brings resources of the copy to where Stripe was at a moment, or
// later: by a pass over all of them, or by none, where passes of before went as
// far. The report is that of the pass, nil if there was none. progress, which may
// be nil, is called a few times a second. No other pass of the Keeper may be at
// work.
func (k *Keeper) Advance(ctx context.Context, resources []string, at time.Time, progress func(Progress)) (*Report, error) {
	home := k.want(resources)
	if home != nil {
		done, err := home.reached(ctx, resources, at)
		if done || err != nil {
			return nil, err
		}
	}
	began := time.Now()
	s := k.sync
	s.Progress = progress
	report, err := k.turn(ctx, scheduled, s)
	if err != nil || report.Stopped || k.home == nil {
		return report, err
	}
	if k.client.KnowsTime() {
		err = k.home.store.mark(context.WithoutCancel(ctx), clockMark, time.Until(k.client.StripeNow()).Milliseconds())
	}
	for _, r := range report.Resources {
		if err == nil && r.err == nil {
			err = k.home.store.mark(context.WithoutCancel(ctx), reachedMark(r.Resource), began.UnixMilli())
		}
		if err != nil {
			return report, unusable(k.sync.Dir, err)
		}
	}
	return report, nil
}

// Told takes in what webhooks told of the resources, and nothing else. It
// reports whether that was all: there is a copy, and nothing is left.
func (k *Keeper) Told(ctx context.Context, resources []string) (bool, error) {
	if k.want(resources) == nil {
		return false, nil
	}
	left, err := k.Capture(ctx)
	return !left && err == nil, err
}

// want sets what the next pass is about. It returns the copy, nil if there is
// none yet.
func (k *Keeper) want(resources []string) *home {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sync.Resources = resources
	return k.home
}

// clockMark names the mark that says how far Stripe's clock is ahead of the
// host's, in ms.
const clockMark = "clock"

// reachedMark names the mark that says when the last pass began that took in
// all of a resource, epoch ms by the host's clock.
func reachedMark(resource string) string { return "reached " + resource }

// reached says whether the copy has of the resources all there was at a moment.
func (h *home) reached(ctx context.Context, resources []string, at time.Time) (bool, error) {
	for _, r := range resources {
		when, err := h.store.marked(ctx, reachedMark(r), 1)
		if err != nil || when[0] < at.UnixMilli() {
			return false, err
		}
	}
	return true, nil
}

// A Change is the newest state of an object that changed. Raw is good until the
// next one is asked for.
type Change struct {
	ID      string
	Seq     int64
	Created int64 // Unix seconds
	Deleted bool  // Raw is the state before
	Raw     string
}

// A Story is what a copy's history has of a resource behind a place in it.
type Story struct {
	// History tells the copy's history from that of another one, whose places say
	// nothing here.
	History string
	Seq     int64 // the last place
	// Changes yields each object that changed behind the place that was asked
	// for, in the order of seq. It may be read once, before the Keeper does
	// anything else.
	Changes iter.Seq2[Change, error]
}

// Story returns what changed of a resource behind a place in its history, from
// its beginning where the place is in the history of another copy.
func (k *Keeper) Story(ctx context.Context, resource, history string, after int64) (Story, error) {
	h, err := k.open()
	if err != nil {
		return Story{}, err
	}
	chosen, err := chosen([]string{resource})
	if err != nil {
		return Story{}, err
	}
	s, err := h.story(ctx, chosen[0], history, after)
	return s, unusable(h.dir, err)
}

func (h *home) story(ctx context.Context, r stripe.Resource, history string, after int64) (Story, error) {
	t, err := h.openTables(ctx, r, true)
	if err != nil {
		return Story{}, err
	}
	defer t.table.Abort()
	if !t.history {
		return Story{}, problem.Errorf(problem.Conflict, "the copy in %s was made without a history, which dataflows read", h.dir)
	}
	if err := t.recover(ctx); err != nil {
		return Story{}, err
	}
	table, err := h.lake.History(ctx, r.Name)
	if err != nil {
		return Story{}, err
	}
	s := Story{History: table.UUID(), Seq: t.table.Seq()}
	if h.rules.stamp != "" {
		s.History += "/" + h.rules.stamp // other rules, another story
	}
	if history != s.History || after > s.Seq {
		after = 0
	}
	s.Changes = func(yield func(Change, error) bool) {
		for row, err := range table.ReadHistory(ctx, after) {
			if err != nil {
				yield(Change{}, err)
				return
			}
			if row.Op == dataset.OpSeen {
				continue
			}
			newest, err := newest(t.index, row.ID, row.Seq)
			if err != nil {
				yield(Change{}, fmt.Errorf("%s: %w", table.Name(), err))
				return
			}
			if newest && !yield(Change{ID: strings.Clone(row.ID), Seq: row.Seq, Created: row.Created, Deleted: row.Op == dataset.OpDelete, Raw: row.Raw}, nil) {
				return
			}
		}
	}
	return s, nil
}

// newest says whether a version is the newest of its object, which the index
// knows of all.
func newest(index *idindex.Resource, id string, seq int64) (bool, error) {
	e, ok, err := index.Get([]byte(id))
	if err == nil && !ok {
		err = fmt.Errorf("the index does not know %s, seq %d", id, seq)
	}
	return e.Seq == seq, err
}

// Remove removes a directory with its copy; Busy says that another process has
// it.
func Remove(dir string) error {
	if !exists(dir) {
		return unusable(dir, os.RemoveAll(dir))
	}
	unlock, err := sqlstore.AcquireLock(dir)
	if err != nil {
		return err
	}
	defer unlock()
	return unusable(dir, os.RemoveAll(dir))
}
