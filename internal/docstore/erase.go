package docstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrBusy says that somebody reads an old state of the database.
var ErrBusy = errors.New("somebody reads an old state of the database")

// patience is how long Erase waits for others, in all.
const patience = 2 * time.Second

// Erase removes what was deleted or replaced from the files of the database: it writes
// them anew. A SQLite file is overwritten as it happens, but pages that were
// taken apart may have rests, and the log is emptied. In PostgreSQL deleted rows stay
// in the tables until then; its own log, replicas and backups are not reached from
// here. Others wait meanwhile. ErrBusy when others read, or hold on to, an old
// state for too long.
func (db *DB) Erase(ctx context.Context) error {
	if db.postgres {
		return db.erasePostgres(ctx)
	}
	return db.eraseSQLite(ctx)
}

func (db *DB) eraseSQLite(ctx context.Context) (err error) {
	conn, err := db.sql.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "vacuum"); err != nil {
		return err
	}
	// It is tried again here, and each try is not to wait for long.
	if _, err := conn.ExecContext(ctx, "pragma busy_timeout = 50"); err != nil {
		return err
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "pragma busy_timeout = 10000") }()
	return retry(ctx, func() (bool, error) {
		var busy, logged, copied int64
		err := conn.QueryRowContext(ctx, "pragma wal_checkpoint(truncate)").Scan(&busy, &logged, &copied)
		return busy == 0, err
	})
}

// retry tries until something is done.
func retry(ctx context.Context, do func() (bool, error)) error {
	const pause = 100 * time.Millisecond
	for range patience / pause {
		if done, err := do(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return ErrBusy
}

// holdsOn are those that may see rows which were deleted before now: transactions with an
// older snapshot, prepared ones, and readers of the log that ask for it.
const holdsOn = `select
	exists (select 1 from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and backend_type <> 'autovacuum worker' and age(backend_xmin) >= age($1::text::xid))
	or exists (select 1 from pg_prepared_xacts where database = current_database() and age(transaction) >= age($1::text::xid))
	or exists (select 1 from pg_replication_slots where age(xmin) >= age($1::text::xid))`

func (db *DB) erasePostgres(ctx context.Context) (err error) {
	conn, err := db.sql.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	// A number that only transactions have which begin from now on.
	var now string
	if err := conn.QueryRowContext(ctx, "select (pg_current_xact_id()::text::bigint % 4294967296)::text").Scan(&now); err != nil {
		return err
	}
	err = retry(ctx, func() (bool, error) {
		var held bool
		err := conn.QueryRowContext(ctx, holdsOn, now).Scan(&held)
		return !held, err
	})
	if err != nil {
		return err
	}
	return rewriteTables(ctx, conn)
}

// lockWait is how long a table is waited for that others use.
const lockWait = 5 * time.Second

// rewriteTables writes the tables anew, with their indexes. What a plain vacuum
// frees is still in the pages.
func rewriteTables(ctx context.Context, conn *sql.Conn) error {
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("set lock_timeout = %d", lockWait.Milliseconds())); err != nil {
		return err
	}
	defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "reset lock_timeout") }()
	for _, table := range []string{"doc", "doc_key", "doc_index", "doc_sum"} {
		_, err := conn.ExecContext(ctx, "vacuum (full) "+table)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "55P03" {
			return ErrBusy
		}
		if err != nil {
			return fmt.Errorf("write the table %s anew: %w", table, err)
		}
	}
	return nil
}
