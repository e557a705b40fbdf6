package leaktest_test

import (
	"bytes"
	"compress/flate"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/leaktest"
	"github.com/tributary-data/tributary/internal/need"
)

const needle = "sk_test_needle/that+stands?anywhere"

// What was planted is found wherever it stands and however it is written, and
// nothing else is.
func TestForms(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"plain": "x" + needle + "y", "hex": hex.EncodeToString([]byte(needle)), "upper": strings.ToUpper(hex.EncodeToString([]byte(needle))),
		"escaped": "?key=sk_test_needle%2Fthat%2Bstands%3Fanywhere&", "other": needle[:len(needle)-1], "nothing": "",
	}
	for _, before := range []string{"", "1", "22", "333"} {
		texts["base64 behind "+before] = base64.StdEncoding.EncodeToString([]byte(before + needle + "and more"))
		texts["URL's base64 behind "+before] = base64.URLEncoding.EncodeToString([]byte(before + needle))
	}
	want := map[string]string{"plain": "as it is", "hex": "hex", "upper": "hex", "escaped": "escaped"}
	for name := range texts {
		if strings.Contains(name, "base64") {
			want[name] = "base64"
		}
	}
	got := map[string]string{}
	for _, f := range leaktest.Scan(t, leaktest.Places{Texts: texts}, needle, "absent from all") {
		got[f.Place] += f.Form
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func exec(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// Files are searched below all folders, databases while they are open and in
// rows that are spread over pages, Avro files when they are compressed.
func TestFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "some.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec(t, db, "pragma journal_mode = wal", `create table "odd ""name" (v)`, `create table spread (v)`)
	exec(t, db, `insert into "odd ""name" values ('`+needle+`')`)
	exec(t, db, `insert into spread values ('`+strings.Repeat(needle+" ", 2000)+`')`)
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(strings.Repeat("manifest ", 20) + needle)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	avro := "Obj\x01\x02\x14avro.codec\x0edeflate\x00" + strings.Repeat("s", 16) + "\x02" + string([]byte{byte(packed.Len()<<1&0x7f | 0x80), byte(packed.Len() << 1 >> 7)}) + packed.String() + strings.Repeat("s", 16)
	for name, text := range map[string]string{"a/b/some.log": "key=" + needle, "a/some.avro": avro, "clean.log": "nothing"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"a/b/some.log", "a/some.avro: records", "some.db-wal", `some.db: odd "name`, "some.db: spread"}
	if diff := cmp.Diff(want, leaktest.In(leaktest.Scan(t, leaktest.Places{Dir: dir}, needle, "absent"))); diff != "" {
		t.Error(diff)
	}
}

// A value that no page holds as a whole is found in its row.
func TestSpreadOverPages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "some.db")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1) // pragmas are a connection's
	exec(t, db, "pragma secure_delete = on", "pragma synchronous = off", `create table t (v)`, `insert into t values ('`+strings.Repeat("-", 9000)+`')`)
	for before := 3000; ; before += len(needle) / 2 {
		if before > 8000 {
			t.Fatal("the text never lay over the end of a page")
		}
		exec(t, db, `update t set v = '`+strings.Repeat("-", before)+needle+strings.Repeat("-", 9000-before)+`'`)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte(needle)) {
			break
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"some.db: t"}, leaktest.In(leaktest.Scan(t, leaktest.Places{Dir: dir}, needle))); diff != "" {
		t.Error(diff)
	}
}

// All tables on the search path are read, bytes too, and the pages of their files,
// which have what was deleted until it is vacuumed.
func TestPostgres(t *testing.T) {
	t.Parallel()
	address := need.URL(t, "TRIBUTARY_TEST_POSTGRES")
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	exec(t, db, "create schema leaktest")
	t.Cleanup(func() {
		db, err := sql.Open("pgx", address)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.Exec("drop schema leaktest cascade"); err != nil {
			t.Error(err)
		}
	})
	exec(
		t, db, "create table leaktest.texts (id int, v jsonb)", "create table leaktest.bytes (v bytea)", "create table leaktest.clean (v text)",
		"create table leaktest.gone (v text) with (autovacuum_enabled = false)", "insert into leaktest.gone values ('"+needle+"')", "delete from leaktest.gone",
		`insert into leaktest.texts values (1, '{"key": "`+needle+`"}')`, `insert into leaktest.bytes values ('`+needle+`'::bytea)`, `insert into leaktest.clean values ('x'), (null)`,
	)
	got := leaktest.In(leaktest.Scan(t, leaktest.Places{Postgres: address + "&search_path=leaktest"}, needle))
	if diff := cmp.Diff([]string{"postgres: bytes", "postgres: pages of bytes", "postgres: pages of gone", "postgres: pages of texts", "postgres: texts"}, got); diff != "" {
		t.Error(diff)
	}
}
