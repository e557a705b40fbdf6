// Package sqlstore keeps what the lake does not: which account a directory
// belongs to, what stands in quarantine, what drifted, what was asked of
// Stripe. All of it is small, and all of it may be written twice.
package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

//go:embed migrations/*.sql
var migrations embed.FS

// A Store is one SQLite database.
type Store struct {
	db *sql.DB
}

// Open opens the database at path, creates it if need be, and brings its
// tables up to date. What is deleted is overwritten.
func Open(ctx context.Context, path string) (*Store, error) {
	s, err := open(path, "_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=secure_delete(on)&_txlock=immediate")
	if err != nil {
		return nil, err
	}
	if err := s.migrate(ctx); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

// OpenReadOnly opens an existing database, beside its writer if there is one.
// Where SQLite may not create the file that it shares with a writer, as in a
// folder that this user can't write to, it takes the database for unchanging:
// so it is unless a writer left its log there.
func OpenReadOnly(ctx context.Context, path string) (*Store, error) {
	s, err := openReadOnly(ctx, path, "mode=ro")
	if err == nil {
		return s, nil
	}
	if _, logged := os.Stat(path + "-wal"); logged == nil {
		return nil, err
	}
	if s, again := openReadOnly(ctx, path, "mode=ro&immutable=1"); again == nil {
		return s, nil
	}
	return nil, err
}

func openReadOnly(ctx context.Context, path, options string) (*Store, error) {
	s, err := open(path, options)
	if err != nil {
		return nil, err
	}
	// A ping alone reads nothing.
	if _, err := s.db.ExecContext(ctx, "select 1 from sqlite_schema"); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return s, nil
}

func open(path, options string) (*Store, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: options + "&_pragma=busy_timeout(10000)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer
	return &Store{db}, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.db.Close() }

// migrate runs the migrations that the database has not seen. They only ever
// go forward; user_version is the number of the last one.
func (s *Store) migrate(ctx context.Context) error {
	entries, err := migrations.ReadDir("migrations")
	if err != nil {
		return err
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		var have int
		if err := tx.QueryRowContext(ctx, "pragma user_version").Scan(&have); err != nil {
			return fmt.Errorf("read the database's version: %w", err)
		}
		if have > len(entries) {
			return fmt.Errorf("the database has version %d; this Tributary knows %d: use a newer one", have, len(entries))
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
			if _, err := tx.ExecContext(ctx, string(text)); err != nil {
				return fmt.Errorf("migration %s: %w", e.Name(), err)
			}
		}
		_, err := tx.ExecContext(ctx, "pragma user_version = "+strconv.Itoa(len(entries)))
		return err
	})
}

func (s *Store) tx(ctx context.Context, fn func(*sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// repeat runs a statement n times in one transaction, with the arguments that
// args returns for 0 to n-1.
func (s *Store) repeat(ctx context.Context, query string, n int, args func(i int) []any) error {
	if n == 0 {
		return nil
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		stmt, err := tx.PrepareContext(ctx, query)
		if err != nil {
			return err
		}
		defer func() { _ = stmt.Close() }()
		for i := range n {
			if _, err := stmt.ExecContext(ctx, args(i)...); err != nil {
				return err
			}
		}
		return nil
	})
}
