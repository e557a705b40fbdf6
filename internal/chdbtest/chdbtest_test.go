package chdbtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/need"
)

func TestQuery(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "charges.csv")
	if err := os.WriteFile(file, []byte("id,amount\nch_1,1099\nch_2,250\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		sql  string
		want []map[string]any
	}{
		{"exact numbers", `select toInt64(9223372036854775807) as big, toDecimal128('12345678901234567890.12345', 5) as exact, nan as odd`, []map[string]any{
			{"big": json.Number("9223372036854775807"), "exact": json.Number("12345678901234567890.12345"), "odd": "nan"},
		}},
		{"other values", `select null as nothing, [1, 2] as list, tuple('a', true)::Tuple(b String, c Bool) as inner, makeDateTime64(2026, 1, 2, 3, 4, 5, 678, 3) as at`, []map[string]any{
			{"nothing": nil, "list": []any{json.Number("1"), json.Number("2")}, "inner": map[string]any{"b": "a", "c": true}, "at": "2026-01-02 03:04:05.678"},
		}},
		{"file by name", `select id, amount from file('charges.csv') order by amount`, []map[string]any{
			{"id": "ch_2", "amount": json.Number("250")}, {"id": "ch_1", "amount": json.Number("1099")},
		}},
		{"file by path", `select sum(amount) as total from file('` + file + `')`, []map[string]any{{"total": json.Number("1349")}}},
		{"no rows", `select id from file('charges.csv') where amount < 0`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tt.want, Query(t, dir, tt.sql)); diff != "" {
				t.Errorf("rows (-want +got):\n%s", diff)
			}
		})
	}
}

func TestQueryRefused(t *testing.T) {
	t.Parallel()
	modules, dir := need.Dir(t, Modules), t.TempDir()
	tests := []struct {
		name, modules, dir, sql, want string
	}{
		{"unknown column", modules, dir, "select amonut", "UNKNOWN_IDENTIFIER"},
		{"missing file", modules, dir, "select * from file('missing.parquet')", "missing.parquet"},
		{"missing folder", modules, filepath.Join(dir, "missing"), "select 1", "ENOENT"},
		{"not installed", dir, dir, "select 1", "MODULE_NOT_FOUND"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rows, err := query(t.Context(), tt.modules, tt.dir, tt.sql)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v and error %v, want an error with %q", rows, err, tt.want)
			}
		})
	}
}

func TestRowsCutShort(t *testing.T) {
	t.Parallel()
	got, err := rows(strings.NewReader("{\"x\":1}\n{\"x\":"))
	if err == nil {
		t.Errorf("got %v and no error", got)
	}
}
