package docstore

import (
	"context"
	"errors"
	"time"
)

// ErrBusy says that somebody reads an old state of the database.
var ErrBusy = errors.New("somebody reads an old state of the database")

// Erase removes from a SQLite file's log what was deleted or replaced; the file
// itself is overwritten as it happens. In PostgreSQL that is its vacuum's to do.
// ErrBusy when others read for too long.
func (db *DB) Erase(ctx context.Context) error {
	if db.postgres {
		return nil
	}
	for range 20 {
		var busy, logged, copied int64
		if err := db.sql.QueryRowContext(ctx, "pragma wal_checkpoint(truncate)").Scan(&busy, &logged, &copied); err != nil {
			return err
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return ErrBusy
}
