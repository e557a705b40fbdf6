package sqlstore

import (
	"context"
	"database/sql"
	"time"
)

// A DueObject is one that is to be read again.
type DueObject struct {
	ID      string
	Created int64 // unix seconds
	At      int64 // unix seconds; 0 in SetDue: not any more
}

// SetDue keeps when objects of a resource are to be read again.
func (s *Store) SetDue(ctx context.Context, resource string, due []DueObject) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, d := range due {
			var err error
			if d.At == 0 {
				_, err = tx.ExecContext(ctx, "delete from due where resource = $1 and id = $2", resource, d.ID)
			} else {
				_, err = tx.ExecContext(ctx, `insert into due (resource, id, created, at) values ($1, $2, $3, $4)
					on conflict (resource, id) do update set at = excluded.at`, resource, d.ID, d.Created, d.At)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Due returns the objects of a resource that are due, oldest first.
func (s *Store) Due(ctx context.Context, resource string, now time.Time) ([]DueObject, error) {
	rows, err := s.db.QueryContext(ctx, "select id, created, at from due where resource = $1 and at <= $2 order by created", resource, now.Unix())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []DueObject
	for rows.Next() {
		var d DueObject
		if err := rows.Scan(&d.ID, &d.Created, &d.At); err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, rows.Err()
}

// Postpone makes what is due at a time, in unix seconds, due at a later one.
func (s *Store) Postpone(ctx context.Context, resource string, due, later int64) error {
	_, err := s.db.ExecContext(ctx, "update due set at = $1 where resource = $2 and at <= $3", later, resource, due)
	return err
}
