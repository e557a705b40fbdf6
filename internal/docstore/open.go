package docstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite
)

//go:embed migrations/*.sql
var migrations embed.FS

// A DB is one database of documents.
type DB struct {
	sql      *sql.DB
	read     *sql.DB // of View
	postgres bool
	now      func() time.Time
	indexes  map[string]Index // by kind
}

// Open opens a database and brings its tables up to date: a PostgreSQL by its
// URL (postgres://…), else the SQLite file of that name, which it creates if
// need be. What is deleted from a file is overwritten. Now tells the times of
// documents. Whoever writes documents of a kind that has an index opens the
// database with that index; documents that an earlier release wrote are put into
// it here, once.
func Open(ctx context.Context, name string, now func() time.Time, indexes ...Index) (*DB, error) {
	db, err := open(name)
	if err != nil {
		return nil, err
	}
	db.now, db.indexes = now, map[string]Index{}
	for _, ix := range indexes {
		db.indexes[ix.Kind] = ix
	}
	if err := db.migrate(ctx); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("open the database of documents: %w", err)
	}
	return db, nil
}

func open(name string) (*DB, error) {
	if strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://") {
		db, err := sql.Open("pgx", name)
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(8)
		return &DB{sql: db, read: db, postgres: true}, nil
	}
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: name}).EscapedPath()}
	u.RawQuery = "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=secure_delete(on)&_pragma=busy_timeout(10000)&_txlock=immediate"
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer
	u.RawQuery = "_pragma=query_only(on)&_pragma=busy_timeout(10000)&_txlock=deferred"
	read, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	read.SetMaxOpenConns(readers)
	return &DB{sql: db, read: read}, nil
}

// readers is how many transactions may read a SQLite file at once.
const readers = 4

// Close closes the database.
func (db *DB) Close() error {
	if db.read == db.sql {
		return db.sql.Close()
	}
	return errors.Join(db.read.Close(), db.sql.Close()) // who writes goes last, and leaves one file
}

// Ping says whether the database answers.
func (db *DB) Ping(ctx context.Context) error { return db.sql.PingContext(ctx) }

// What PostgreSQL could not put in order with others is tried so often. The
// pauses between, random so that those who collided part, are up to a millisecond at first and
// at most longestPause: some five seconds in all, which a crowd at one document
// needs on a slow machine.
const (
	attempts     = 50
	longestPause = 200 * time.Millisecond
)

// Do runs fn in a transaction. It is as if no other ran meanwhile: where the
// database can't make it so, fn is run again, so it must do nothing but what
// its transaction does. An error of fn undoes all.
func (db *DB) Do(ctx context.Context, fn func(*Tx) error) error {
	pause := time.Millisecond
	for range attempts {
		err := db.once(ctx, fn)
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || pg.Code != "40001" && pg.Code != "40P01" {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rand.N(pause)):
		}
		pause = min(2*pause, longestPause)
	}
	return db.once(ctx, fn)
}

// View runs fn in a transaction that writes nothing. It sees one state of the
// database, and waits for nobody who writes.
func (db *DB) View(ctx context.Context, fn func(*Tx) error) error {
	options := &sql.TxOptions{ReadOnly: true}
	if db.postgres {
		options.Isolation = sql.LevelRepeatableRead
	}
	tx, err := db.read.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	return fn(&Tx{tx: tx, db: db, ctx: ctx})
}

func (db *DB) once(ctx context.Context, fn func(*Tx) error) error {
	var options *sql.TxOptions
	if db.postgres {
		options = &sql.TxOptions{Isolation: sql.LevelSerializable}
	}
	tx, err := db.sql.BeginTx(ctx, options)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing, once it is committed
	if err := fn(&Tx{tx: tx, db: db, ctx: ctx}); err != nil {
		return err
	}
	return tx.Commit()
}

// migrate runs the migrations that the database has not seen. They only ever
// go forward. On PostgreSQL a lock keeps two servers from doing it at once.
func (db *DB) migrate(ctx context.Context) error {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	if db.postgres {
		// Not in the transaction: it would see the state from before it waited.
		conn, err := db.sql.Conn(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.ExecContext(ctx, "select pg_advisory_lock(7163254801)"); err != nil {
			return err
		}
		defer func() { _, _ = conn.ExecContext(context.WithoutCancel(ctx), "select pg_advisory_unlock(7163254801)") }()
	}
	if err := db.steps(ctx, entries); err != nil {
		return err
	}
	for _, ix := range db.indexes {
		if err := db.fill(ctx, ix); err != nil {
			return fmt.Errorf("index of %s: %w", ix.Kind, err)
		}
	}
	return nil
}

// steps runs migrations in one transaction.
func (db *DB) steps(ctx context.Context, entries []fs.DirEntry) error {
	return db.Do(ctx, func(t *Tx) error {
		if _, err := t.exec("create table if not exists doc_migration (n bigint primary key)"); err != nil {
			return err
		}
		var have int
		if err := t.row("select coalesce(max(n), 0) from doc_migration").Scan(&have); err != nil {
			return err
		}
		if have > len(entries) {
			return fmt.Errorf("it has version %d; this Tributary knows %d: use a newer one", have, len(entries))
		}
		for i, e := range entries {
			n, err := strconv.Atoi(strings.TrimSuffix(e.Name(), ".sql"))
			if err != nil || n != i+1 {
				return fmt.Errorf("migration %s is not number %d", e.Name(), i+1)
			}
			if n <= have {
				continue
			}
			text, err := migrations.ReadFile("migrations/" + e.Name())
			if err != nil {
				return err
			}
			for statement := range strings.SplitSeq(string(text), ";") {
				if strings.TrimSpace(statement) == "" {
					continue
				}
				if _, err := t.exec(statement); err != nil {
					return fmt.Errorf("migration %s: %w", e.Name(), err)
				}
			}
			if _, err := t.exec("insert into doc_migration (n) values (?)", n); err != nil {
				return err
			}
		}
		return nil
	})
}

// fill puts the documents that are there into an index, unless they are in it.
// It may be cut short and begun again, also beside another process.
func (db *DB) fill(ctx context.Context, ix Index) error {
	const some = 500
	var have int
	err := db.Do(ctx, func(t *Tx) error {
		return t.row("select coalesce(max(version), 0) from doc_indexed where kind = ?", ix.Kind).Scan(&have)
	})
	if err != nil || have == ix.Version {
		return err
	}
	if have > ix.Version {
		return fmt.Errorf("it has version %d; this Tributary knows %d: use a newer one", have, ix.Version)
	}
	type place struct{ org, sandbox, id string }
	var last place
	for n := some; n == some; {
		var page []place
		err := db.Do(ctx, func(t *Tx) error {
			page = nil
			err := t.each(
				"select org, sandbox, id from doc where kind = ? and (org, sandbox, kind, id) > (?, ?, ?, ?) order by org, sandbox, kind, id limit "+strconv.Itoa(some),
				[]any{ix.Kind, last.org, last.sandbox, ix.Kind, last.id}, func(r *sql.Rows) error {
					var p place
					err := r.Scan(&p.org, &p.sandbox, &p.id)
					page = append(page, p)
					return err
				},
			)
			if err != nil {
				return err
			}
			for _, p := range page {
				d, err := t.Get(Scope{p.org, p.sandbox}, ix.Kind, p.id)
				if err == nil {
					err = t.index(Scope{p.org, p.sandbox}, d)
				}
				if err != nil {
					return err
				}
			}
			if len(page) == some {
				return nil
			}
			_, err = t.exec("insert into doc_indexed (kind, version) values (?, ?) on conflict (kind) do update set version = excluded.version", ix.Kind, ix.Version)
			return err
		})
		if err != nil {
			return err
		}
		if n = len(page); n > 0 {
			last = page[n-1]
		}
	}
	return nil
}
