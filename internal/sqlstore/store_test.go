package sqlstore

import (
	"context"
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/problem"
)

var update = flag.Bool("update", false, "rewrite testdata/schema.sql")

func openT(t *testing.T) (*Store, string) {
	t.Helper()
	// A path with every character that a database URL could misread.
	dir := filepath.Join(t.TempDir(), "a dir?with=odd&chars#50%")
	must(t, os.MkdirAll(dir, 0o755))
	path := filepath.Join(dir, "tributary.db")
	s, err := Open(t.Context(), path)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	return s, path
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func quarantined(ctx context.Context, s *Store) (all []dataset.Rejected, err error) {
	for r, err := range s.Quarantined(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func TestSchema(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	var b strings.Builder
	rows, err := s.db.QueryContext(t.Context(), "select sql from sqlite_master where sql is not null order by type desc, name")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		must(t, rows.Scan(&text))
		b.WriteString(text + ";\n\n")
	}
	must(t, rows.Err())
	golden := filepath.Join("testdata", "schema.sql")
	if *update {
		must(t, os.WriteFile(golden, []byte(b.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("the migrated database differs from testdata/schema.sql (run with -update): %s", diff)
	}
}

func TestReopen(t *testing.T) {
	t.Parallel()
	s, path := openT(t)
	must(t, s.Bind(t.Context(), "acct_1", true, "k1"))
	must(t, s.Close())
	s, err := Open(t.Context(), path)
	must(t, err)
	if account, live, err := s.Binding(t.Context()); account != "acct_1" || !live || err != nil {
		t.Errorf("bound to %q %v, %v", account, live, err)
	}
	_, err = s.db.ExecContext(t.Context(), "pragma user_version = 1000")
	must(t, err)
	must(t, s.Close())
	if s, err := Open(t.Context(), path); err == nil {
		_ = s.Close()
		t.Error("a database of a newer version was opened")
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	for name, want := range map[string]string{"journal_mode": "wal", "synchronous": "1", "busy_timeout": "10000", "secure_delete": "1"} {
		var got string
		must(t, s.db.QueryRowContext(t.Context(), "pragma "+name).Scan(&got))
		if got != want {
			t.Errorf("%s = %s, want %s", name, got, want)
		}
	}
}

func TestFailedTransactionLeavesNothing(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx, cancel := context.WithCancel(t.Context())
	seen := make([]Drift, 3)
	for i := range seen {
		seen[i] = Drift{Resource: "charges", Path: "x", Kind: "unknown_field", Seen: "string", Count: 1}
	}
	err := s.repeat(ctx, "insert into wanted (resource, id, cause) values ('prices', $1, '')", 3, func(i int) []any {
		if i == 2 {
			cancel()
		}
		return []any{i}
	})
	if err == nil {
		t.Fatal("a canceled transaction succeeded")
	}
	if ids, err := s.Wanted(t.Context(), "prices"); len(ids) != 0 || err != nil {
		t.Errorf("wanted %v, %v", ids, err)
	}
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	s, path := openT(t)
	must(t, s.Quarantine(t.Context(), []dataset.Rejected{{Resource: "charges", ID: "ch_1"}}))

	check := func(when string) {
		t.Helper()
		ro, err := OpenReadOnly(t.Context(), path)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		defer func() { _ = ro.Close() }()
		if q, err := quarantined(t.Context(), ro); len(q) != 1 || err != nil {
			t.Errorf("%s: %v, %v", when, q, err)
		}
		if err := ro.Bind(t.Context(), "acct_1", true, "k1"); err == nil {
			t.Errorf("%s: written through a read-only store", when)
		}
	}
	check("beside an idle writer")
	must(t, s.tx(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "insert into wanted (resource, id, cause) values ('prices', 'price_1', '')")
		check("beside a transaction")
		return err
	}))
	must(t, s.Close())
	check("after the writer has closed")

	if _, err := OpenReadOnly(t.Context(), path+"x"); err == nil {
		t.Error("a database that does not exist was opened")
	}
	if _, err := os.Stat(path + "x"); err == nil {
		t.Error("reading created a database")
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	type call struct {
		account, key string
		live         bool
		want         string // part of the refusal; "" when it is accepted
	}
	tests := []struct {
		name    string
		calls   []call
		account string // bound in the end
	}{
		{"same again", []call{{"acct_1", "k1", true, ""}, {"acct_1", "k1", true, ""}}, "acct_1"},
		{"another key of the account", []call{{"acct_1", "k1", true, ""}, {"acct_1", "k2", true, ""}}, "acct_1"},
		{"another account", []call{{"acct_1", "k1", true, ""}, {"acct_2", "k2", true, "belongs to the Stripe account acct_1, and the key is for acct_2"}}, "acct_1"},
		{"another mode", []call{{"acct_1", "k1", true, ""}, {"acct_1", "k2", false, "live mode of the account, and the key is for test mode"}}, "acct_1"},
		{"learned later", []call{{"", "k1", false, ""}, {"acct_1", "k1", false, ""}, {"acct_2", "k1", false, "acct_1"}}, "acct_1"},
		{"not told again", []call{{"acct_1", "k1", false, ""}, {"", "k1", false, ""}}, "acct_1"},
		{"never told, another key", []call{{"", "k1", false, ""}, {"", "k2", false, "another key was used"}}, ""},
		{"never told, another key of an account that is", []call{{"", "k1", false, ""}, {"acct_1", "k2", false, "made with another key"}}, ""},
		{"told, then another key that is not", []call{{"acct_1", "k1", false, ""}, {"", "k2", false, "another key was used"}}, "acct_1"},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, _ := openT(t)
			for i, c := range tc.calls {
				err := s.Bind(t.Context(), c.account, c.live, c.key)
				switch {
				case c.want == "":
					must(t, err)
				case err == nil || problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), c.want):
					t.Errorf("call %d: %v, want a conflict that says %q", i, err, c.want)
				case strings.Contains(err.Error(), "k1") || strings.Contains(err.Error(), "k2"):
					t.Errorf("the refusal shows a key's fingerprint: %v", err)
				}
			}
			account, live, err := s.Binding(t.Context())
			if account != tc.account || live != tc.calls[0].live || err != nil {
				t.Errorf("bound to %q %v, %v", account, live, err)
			}
		})
	}
}

func TestUnbound(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	if account, live, err := s.Binding(t.Context()); account != "" || live || err != nil {
		t.Errorf("%q %v %v", account, live, err)
	}
	if result, _, err := s.Probed(t.Context(), "k1"); result != "" || err != nil {
		t.Errorf("%q %v", result, err)
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	at := time.UnixMilli(1767225600123)
	must(t, s.Remember(t.Context(), "k1", `{"a":1}`, at.Add(-time.Hour)))
	must(t, s.Remember(t.Context(), "k1", `{"a":2}`, at))
	must(t, s.Remember(t.Context(), "k2", `{}`, at))
	result, got, err := s.Probed(t.Context(), "k1")
	if result != `{"a":2}` || !got.Equal(at) || err != nil {
		t.Errorf("%s %v %v", result, got, err)
	}
}
