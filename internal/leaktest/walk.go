package leaktest

import (
	"bytes"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver pgx
	_ "modernc.org/sqlite"             // the driver sqlite

	"github.com/tributary-data/tributary/internal/parquettest"
)

// Walk visits every text that stands in the files below dir: each file's bytes
// under its name (a/b.db), and what they decode to under name and part: the
// values of a Parquet column (a/b.parquet: email), the rows of a table of a SQLite
// database (a/b.db: runs), the blocks of an Avro file (a/b.avro: records). Files
// that go meanwhile are passed over.
func Walk(t testing.TB, dir string, visit func(place string, text []byte)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		visit(rel, text)
		switch {
		case bytes.HasPrefix(text, []byte("SQLite format 3\x00")):
			err = walkSQLite(t, path, func(table string, row []byte) { visit(rel+": "+table, row) })
		case bytes.HasPrefix(text, []byte("PAR1")) && bytes.HasSuffix(text, []byte("PAR1")):
			_, err = parquettest.Texts(path, func(column, value string) { visit(rel+": "+column, []byte(value)) })
		case bytes.HasPrefix(text, []byte(avroMagic)):
			err = walkAvro(text, func(block []byte) { visit(rel+": records", block) })
		}
		if err != nil {
			return fmt.Errorf("%s: %w", rel, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// walkSQLite reads a copy of a database: whoever has the original open is not
// disturbed, and what its log holds is there.
func walkSQLite(t testing.TB, path string, visit func(table string, row []byte)) error {
	to := filepath.Join(t.TempDir(), "copy.db")
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(path + suffix)
		if suffix != "" && os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := os.WriteFile(to+suffix, text, 0o600); err != nil {
			return err
		}
	}
	db, err := sql.Open("sqlite", to)
	if err != nil {
		return err
	}
	defer db.Close()
	tables, err := names(t, db, `select name from sqlite_master where type = 'table'`)
	for _, table := range tables {
		if err == nil {
			err = rows(t, db, "select * from "+quoted(table), func(row []byte) { visit(table, row) })
		}
	}
	return err
}

// files are the files of the tables on the search path and of the queue's beside them,
// with those of their long values and indexes: a row that was deleted or replaced stands
// in them until they are written anew.
const files = `with mine as (
		select c.oid, c.reltoastrelid, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relkind = 'r' and n.nspname in (select s || e from unnest(current_schemas(false)) s, (values (''), ('_river')) v(e))),
	whole as (select oid, relname from mine union all select reltoastrelid, relname from mine where reltoastrelid <> 0)
	select relname, pg_read_binary_file(pg_relation_filepath(oid)) from whole
	union all select relname, pg_read_binary_file(pg_relation_filepath(indexrelid)) from whole join pg_index on indrelid = oid`

// walkPostgres reads tables, and the files of their pages where the user may do that.
func walkPostgres(t testing.TB, address string, visit func(place string, text []byte)) {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables, err := names(t, db, `select table_name from information_schema.tables where table_schema = any(current_schemas(false)) and table_type = 'BASE TABLE'`)
	for _, table := range tables {
		if err == nil {
			err = rows(t, db, "select * from "+quoted(table), func(row []byte) { visit("postgres: "+table, row) })
		}
	}
	var may bool
	if err == nil {
		err = db.QueryRowContext(t.Context(), "select rolsuper from pg_roles where rolname = current_user").Scan(&may)
	}
	if err == nil && may {
		if _, err = db.ExecContext(t.Context(), "checkpoint"); err == nil {
			err = rows(t, db, files, func(row []byte) {
				name, pages, _ := bytes.Cut(row, []byte("\n"))
				visit("postgres: pages of "+string(name), pages)
			})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func names(t testing.TB, db *sql.DB, query string) ([]string, error) {
	var all []string
	err := rows(t, db, query, func(row []byte) { all = append(all, strings.TrimSuffix(string(row), "\n")) })
	return all, err
}

// rows visits each row with its values, a line each.
func rows(t testing.TB, db *sql.DB, query string, visit func(row []byte)) error {
	r, err := db.QueryContext(t.Context(), query)
	if err != nil {
		return err
	}
	defer r.Close()
	columns, err := r.Columns()
	if err != nil {
		return err
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for r.Next() {
		if err := r.Scan(into...); err != nil {
			return err
		}
		var row bytes.Buffer
		for _, v := range values {
			if b, ok := v.([]byte); ok {
				v = string(b)
			}
			fmt.Fprintln(&row, v)
		}
		visit(row.Bytes())
	}
	return r.Err()
}
