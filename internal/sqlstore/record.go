package sqlstore

import (
	"context"
	"time"
)

// A Drift is something seen that a schema does not know.
type Drift struct {
	Resource  string
	Path      string // dotted, [] for list elements
	Kind      string // unknown_field, unknown_type, unknown_value
	Seen      string // JSON type of the value; of an unknown value, the value
	Count     int64
	FirstSeen time.Time
	LastSeen  time.Time
	Example   string // id of an object that had it, "" where none is known
}

// NoteDrift adds to the counts of what was seen. FirstSeen and LastSeen are
// ignored in favour of at.
func (s *Store) NoteDrift(ctx context.Context, seen []Drift, at time.Time) error {
	const query = `insert into drift (resource, path, kind, seen, count, first_seen, last_seen, example) values ($1, $2, $3, $4, $5, $6, $6, $7)
		on conflict (resource, path, kind, seen) do update set count = drift.count + excluded.count,
			first_seen = min(drift.first_seen, excluded.first_seen), last_seen = max(drift.last_seen, excluded.last_seen),
			example = case drift.example when '' then excluded.example else drift.example end`
	return s.repeat(ctx, query, len(seen), func(i int) []any {
		d := &seen[i]
		return []any{d.Resource, valid(d.Path), d.Kind, d.Seen, d.Count, at.UnixMilli(), valid(d.Example)}
	})
}

// Drifts returns what was seen, the most often first.
func (s *Store) Drifts(ctx context.Context) ([]Drift, error) {
	have, err := s.version(ctx)
	if err != nil {
		return nil, err
	}
	example := "example"
	if have < schemaVersion {
		example = "''"
	}
	rows, err := s.db.QueryContext(ctx, "select resource, path, kind, seen, count, first_seen, last_seen, "+example+" from drift order by count desc, resource, path, kind, seen")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Drift
	for rows.Next() {
		var d Drift
		var first, last int64
		if err := rows.Scan(&d.Resource, &d.Path, &d.Kind, &d.Seen, &d.Count, &first, &last, &d.Example); err != nil {
			return nil, err
		}
		d.FirstSeen, d.LastSeen = time.UnixMilli(first).UTC(), time.UnixMilli(last).UTC()
		out = append(out, d)
	}
	return out, rows.Err()
}

// A Run is one pass, or one other piece of work that a user started.
type Run struct {
	ID       string
	Kind     string // sync, maintain
	Status   string
	Started  time.Time
	Finished time.Time
	Summary  string // JSON
}

// RecordRun keeps what a run came to.
func (s *Store) RecordRun(ctx context.Context, r Run) error {
	_, err := s.db.ExecContext(ctx, `insert into run (id, kind, status, started_at, finished_at, summary) values ($1, $2, $3, $4, $5, $6)
		on conflict (id) do update set status = excluded.status, finished_at = excluded.finished_at, summary = excluded.summary`,
		r.ID, r.Kind, r.Status, r.Started.UnixMilli(), r.Finished.UnixMilli(), r.Summary)
	return err
}
