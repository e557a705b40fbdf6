package app

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
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

// marked returns the n numbers of a mark, 0 for what is not there.
func (s *store) marked(ctx context.Context, name string, n int) ([]int64, error) {
	out := make([]int64, n)
	text, err := s.Mark(ctx, name)
	if err != nil {
		return out, err
	}
	for i, field := range strings.Fields(text) {
		if out[i], err = strconv.ParseInt(field, 10, 64); err != nil || i == n-1 {
			break
		}
	}
	return out, err
}

// mark keeps numbers for later passes.
func (s *store) mark(ctx context.Context, name string, numbers ...int64) error {
	var text []string
	for _, n := range numbers {
		text = append(text, strconv.FormatInt(n, 10))
	}
	return s.SetMark(ctx, name, strings.Join(text, " "))
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
