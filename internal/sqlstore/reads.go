package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// A Read counts the requests to one of Stripe's endpoints on one day.
type Read struct {
	Day      string // UTC, 2026-01-31
	Endpoint string
	Count    int64
	Refused  int64 // of them, answered 429
}

// Day returns the day of a time as Read and Traffic have it.
func Day(at time.Time) string { return at.UTC().Format(time.DateOnly) }

// AddReads adds to the counts of requests. What was added survives the end of
// the process, if not that of the machine.
func (s *Store) AddReads(ctx context.Context, reads []Read) error {
	const query = `insert into reads (day, endpoint, count, refused) values ($1, $2, $3, $4)
		on conflict (day, endpoint) do update set count = reads.count + excluded.count, refused = reads.refused + excluded.refused`
	return s.repeat(ctx, query, len(reads), func(i int) []any {
		r := &reads[i]
		return []any{r.Day, r.Endpoint, r.Count, r.Refused}
	})
}

// Reads returns the counts of the days from since on, by day and endpoint.
func (s *Store) Reads(ctx context.Context, since time.Time) ([]Read, error) {
	rows, err := s.db.QueryContext(ctx, "select day, endpoint, count, refused from reads where day >= $1 order by day, endpoint", Day(since))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Read
	for rows.Next() {
		var r Read
		if err := rows.Scan(&r.Day, &r.Endpoint, &r.Count, &r.Refused); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// SetTraffic replaces the numbers of transactions of the days from since on.
func (s *Store) SetTraffic(ctx context.Context, since time.Time, byDay map[string]int64) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "delete from traffic where day >= $1", Day(since)); err != nil {
			return err
		}
		for day, n := range byDay {
			if _, err := tx.ExecContext(ctx, "insert into traffic (day, count) values ($1, $2)", day, n); err != nil {
				return err
			}
		}
		return nil
	})
}

// Traffic returns the number of transactions after the day of since.
func (s *Store) Traffic(ctx context.Context, since time.Time) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, "select coalesce(sum(count), 0) from traffic where day > $1", Day(since)).Scan(&n)
	return n, err
}

// A Cost is what one pass took.
type Cost struct {
	RunID    string
	At       time.Time // by Stripe's clock
	Requests int64
	Changed  int64 // rows written
	Backfill bool  // it read lists beyond the daily ones
}

// AddCost keeps what a pass took and forgets passes before the given time.
func (s *Store) AddCost(ctx context.Context, c Cost, before time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "insert into cost (run_id, at, requests, changed, backfill) values ($1, $2, $3, $4, $5) on conflict do nothing",
			c.RunID, c.At.Unix(), c.Requests, c.Changed, c.Backfill)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "delete from cost where at < $1", before.Unix())
		return err
	})
}

// Costs returns what the passes since took, oldest first.
func (s *Store) Costs(ctx context.Context, since time.Time) ([]Cost, error) {
	rows, err := s.db.QueryContext(ctx, "select run_id, at, requests, changed, backfill from cost where at >= $1 order by at, rowid", since.Unix())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Cost
	for rows.Next() {
		var c Cost
		var at int64
		if err := rows.Scan(&c.RunID, &at, &c.Requests, &c.Changed, &c.Backfill); err != nil {
			return nil, err
		}
		c.At = time.Unix(at, 0).UTC()
		out = append(out, c)
	}
	return out, rows.Err()
}

// SetMark keeps a word for later passes.
func (s *Store) SetMark(ctx context.Context, name, value string) error {
	_, err := s.db.ExecContext(ctx, "insert into mark (name, value) values ($1, $2) on conflict (name) do update set value = excluded.value", name, value)
	return err
}

// Mark returns what SetMark kept, "" when there is nothing.
func (s *Store) Mark(ctx context.Context, name string) (value string, err error) {
	err = s.db.QueryRowContext(ctx, "select value from mark where name = $1", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}
