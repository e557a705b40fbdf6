package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/sqlstore"
)

// store is the database in the words of the data plane.
type store struct{ *sqlstore.Store }

// NoteDrift implements ingest.Store.
func (s *store) NoteDrift(ctx context.Context, resource string, seen map[mapping.Drift]mapping.Noted, at time.Time) error {
	var rows []sqlstore.Drift
	for d, n := range seen {
		rows = append(rows, sqlstore.Drift{Resource: resource, Path: d.Path, Kind: d.Kind, Seen: d.Seen, Count: n.Count, Example: n.Example})
	}
	return s.Store.NoteDrift(ctx, rows, at)
}

// SetDue implements ingest.Store.
func (s *store) SetDue(ctx context.Context, resource string, due []ingest.Due) error {
	rows := make([]sqlstore.DueObject, len(due))
	for i, d := range due {
		rows[i] = sqlstore.DueObject(d)
	}
	return s.Store.SetDue(ctx, resource, rows)
}

// readWindow is that of Stripe's read allocation.
const readWindow = 30 * 24 * time.Hour

func (h *home) reads(ctx context.Context, now time.Time) (int64, error) {
	return h.store.Reads(ctx, now.Add(-readWindow))
}

func (h *home) recordRun(ctx context.Context, r *Report, began time.Time) error {
	return h.recordWork(ctx, sqlstore.Run{ID: r.RunID, Kind: "sync", Status: string(r.Status), Started: began}, r)
}

// recordWork keeps what a piece of work came to, with summary as JSON.
func (h *home) recordWork(ctx context.Context, r sqlstore.Run, summary any) error {
	text, err := json.Marshal(summary)
	if err != nil {
		return err
	}
	r.Finished, r.Summary = time.Now(), string(text)
	return h.store.RecordRun(ctx, r)
}
