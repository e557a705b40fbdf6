// Package docstoretest gives tests a new, empty database of each sort.
package docstoretest

import (
	"context"
	"crypto/rand"
	"database/sql"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/need"
)

// Each runs a test once on SQLite and once on PostgreSQL. The name is what
// docstore.Open takes; nobody else uses that database.
func Each(t *testing.T, fn func(t *testing.T, name string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, filepath.Join(t.TempDir(), "control.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, Postgres(t))
	})
}

// Postgres returns the name of a new schema in the PostgreSQL that the tests
// run against.
func Postgres(t testing.TB) string {
	t.Helper()
	server := need.URL(t, "TRIBUTARY_TEST_POSTGRES")
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	schema := "t_" + strings.ToLower(rand.Text())
	run := func(ctx context.Context, statement string) {
		db, err := sql.Open("pgx", server)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	run(t.Context(), "create schema "+schema)
	// With the schema that the queue of runs makes beside it.
	t.Cleanup(func() { run(context.Background(), "drop schema if exists "+schema+", "+schema+"_river cascade") })
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery = q.Encode()
	return u.String()
}

// Open opens a database for as long as the test runs. Its clock is the
// machine's.
func Open(t testing.TB, name string) *docstore.DB {
	t.Helper()
	db, err := docstore.Open(t.Context(), name, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}
