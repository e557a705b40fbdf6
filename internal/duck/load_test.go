//go:build cgo

package duck

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
)

// What was loaded can be asked until it is dropped; of rows that end with an
// error, or of which one does not fit, there is no table.
func TestLoad(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	columns := []Loaded{{Name: `odd "name`, Text: true}, {Name: "n"}}
	row := make([]any, 2)
	many := func(yield func([]any, error) bool) {
		for i := range int64(5000) { // more than a chunk
			if row[0], row[1] = fmt.Sprintf("unit that is longer than is kept in place \xff %d", i), i-2500; !yield(row, nil) {
				return
			}
		}
	}
	drop, err := d.Load(t.Context(), "units", columns, many)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := d.Query(t.Context(), `select count(distinct "odd ""name"), sum(n), max(n), count(*) filter ("odd ""name" like 'unit%`+"\ufffd "+`' || (n + 2500)) from units`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		if got := fmt.Sprint(rows.Values()...); got != "5000 -2500 2499 5000" {
			t.Error(got)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close(), drop()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // its schema is there already, the second time
		drop, err := d.Load(t.Context(), "of one.units", columns, many)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := d.Query(t.Context(), `select 1 from "of one".units having count(*) = 5000`)
		if err != nil {
			t.Fatal(err)
		}
		if !rows.Next() {
			t.Error("a table in a schema has other rows")
		}
		if err := errors.Join(rows.Err(), rows.Close(), drop()); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("broken")
	one := func(row []any, err error) iter.Seq2[[]any, error] {
		return func(yield func([]any, error) bool) { yield(row, err) }
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		rows iter.Seq2[[]any, error]
	}{
		"an error":              {t.Context(), one(nil, broken)},
		"a text for a number":   {t.Context(), one([]any{"a", "b"}, nil)},
		"a number for a text":   {t.Context(), one([]any{int64(1), int64(1)}, nil)},
		"another type":          {t.Context(), one([]any{"a", 1}, nil)},
		"too few":               {t.Context(), one([]any{"a"}, nil)},
		"nobody waits any more": {ended, many},
	} {
		if _, err := d.Load(c.ctx, "units", columns, c.rows); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := d.Query(t.Context(), "select * from units"); err == nil {
			t.Errorf("%s: there is a table", name)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	d, err := Open(b.Context(), Catalog{})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	row := make([]any, 3)
	for b.Loop() {
		drop, err := d.Load(b.Context(), "units", []Loaded{{Name: "unit", Text: true}, {Name: "variant"}, {Name: "at"}}, func(yield func([]any, error) bool) {
			for i := range int64(1_000_000) {
				if row[0], row[1], row[2] = fmt.Sprintf("cus_%014d", i), i%2, i; !yield(row, nil) {
					return
				}
			}
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := drop(); err != nil {
			b.Fatal(err)
		}
	}
}
