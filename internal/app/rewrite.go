package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/privacy"
	"github.com/tributary-data/tributary/internal/stripe"
)

// Rewrote is what went through new privacy rules.
type Rewrote struct {
	Tables     []RewroteTable
	Quarantine int64 // objects in quarantine that changed
}

// A RewroteTable is the part of one resource.
type RewroteTable struct {
	Resource string
	Versions int64 // of the history; 0 when an earlier try came that far
	Rows     int64 // of the dataset
}

// rewrite takes what is stored through the privacy rules, and removes what was
// there before from the disk. It may be repeated: what each table went through
// stands in the commit that its rows came with, and the database says that all
// is done only at the end.
func (h *home) rewrite(ctx context.Context) error {
	names, err := h.lake.Tables(ctx)
	if err != nil {
		return err
	}
	for _, r := range stripe.Resources {
		if h.rules.For(r.Name) == nil || !slices.Contains(names, r.Name) {
			continue
		}
		if err := h.rewriteTables(ctx, r, slices.Contains(names, r.Name+"_history")); err != nil {
			return fmt.Errorf("%s: the privacy rules did not reach all that is stored: %w", r.Name, err)
		}
	}
	filters := map[string]*privacy.Filter{}
	h.rewrote.Quarantine, err = h.store.RewriteQuarantine(ctx, func(bad *dataset.Rejected) {
		f, known := filters[bad.Resource]
		if !known {
			f = h.rules.For(bad.Resource)
			filters[bad.Resource] = f
		}
		if f == nil || len(bad.Raw) == 0 {
			return
		}
		out, err := f.Apply(nil, bad.Raw)
		if err != nil {
			bad.Reason += fmt.Sprintf("; %s (%d bytes)", privacy.Withheld, len(bad.Raw))
		}
		bad.Raw = out
	})
	if err != nil {
		return err
	}
	if err := h.forgetDrift(ctx); err != nil {
		return err
	}
	if err := h.store.RewriteSnapshots(ctx, h.rules.filter()); err != nil {
		return err
	}
	if err := h.store.Erase(ctx); err != nil {
		return err
	}
	return h.store.PrivacyDone(ctx, h.rules.version)
}

func (h *home) rewriteTables(ctx context.Context, r stripe.Resource, history bool) error {
	data, err := h.lake.Load(ctx, r.Name)
	if err != nil {
		return err
	}
	if !history {
		if stale(data, h.rules.stamp) {
			return noHistory(r.Name)
		}
		return nil
	}
	versions, err := h.lake.Load(ctx, r.Name+"_history")
	if err != nil {
		return err
	}
	opened, err := h.openTables(ctx, r, true)
	if err != nil {
		return err
	}
	lane, plan := opened.table, opened.plan
	done := RewroteTable{Resource: r.Name}
	if stale(versions, h.rules.stamp) {
		if done.Versions, err = lane.RewriteHistory(ctx, h.change(r.Name, plan)); err != nil {
			return err
		}
	}
	index := h.index.Resource(r.Name)
	if err := catchUp(ctx, lane, index); err != nil {
		return err
	}
	if stale(data, h.rules.stamp) || done.Versions > 0 {
		rebuilt, err := lane.Rebuild(ctx, lake.Rebuild{
			Latest: func(id string) (int64, bool, error) {
				e, ok, err := index.Get([]byte(id))
				return e.Seq, ok, err
			},
			Scan: plan.Scan, Reject: h.store.Quarantine, Made: lane.Made(),
		})
		if err != nil {
			return err
		}
		done.Rows = rebuilt.After
		h.rewrote.Tables = append(h.rewrote.Tables, done)
	}
	return lane.Purge(ctx)
}

// forgetDrift removes what was noted where a rule leads: it may be a value.
func (h *home) forgetDrift(ctx context.Context) error {
	noted, err := h.store.Drifts(ctx)
	if err != nil {
		return err
	}
	for _, d := range noted {
		path := strings.Split(strings.ReplaceAll(d.Path, privacy.Element, "."+privacy.Element), ".")
		if _, hit := h.rules.Hit(d.Resource, path...); !hit {
			continue
		}
		if err := h.store.ForgetDrift(ctx, d.Resource, d.Path); err != nil {
			return err
		}
	}
	return nil
}

// change returns what the rules make of a version of the history.
func (h *home) change(resource string, plan *mapping.Plan) func(*lake.HistoryRow, *dataset.Record) error {
	filter := h.rules.For(resource)
	var text []byte
	return func(row *lake.HistoryRow, rec *dataset.Record) error {
		var err error
		if text, err = filter.Apply(text[:0], []byte(row.Raw)); err != nil {
			return err // what stands in a history was walked before it landed
		}
		bad := plan.Scan(text, rec)
		plan.Drift() // it was noted when the object was read
		switch {
		case bad == nil:
			return nil
		case row.Op != dataset.OpSeen:
			return errors.New(bad.Path + " " + bad.Reason)
		}
		// Another version of the API may have another shape: only its text counts.
		rec.Raw, rec.Hash = append(rec.Raw[:0], text...), xxh3.Hash128(text).Bytes()
		return nil
	}
}
