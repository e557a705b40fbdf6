//go:build cgo

package tables_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/chdbtest"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/need"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/tables"
	"github.com/tributary-data/tributary/internal/xdm"
)

// changes takes keys and rows by turns; "" is the row of an object that is gone.
func changes(of ...string) iter.Seq2[tables.Change, error] {
	return func(yield func(tables.Change, error) bool) {
		for i := 0; i < len(of); i += 2 {
			c := tables.Change{Key: of[i]}
			if of[i+1] != "" {
				c.Record = json.RawMessage(of[i+1])
			}
			if !yield(c, nil) {
				return
			}
		}
	}
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	tb, l := openTables(t)
	if err := tb.Ensure(t.Context(), table, form()); err != nil {
		t.Fatal(err)
	}
	if _, err := tb.Append(t.Context(), table, "pushed", nil, rowsOf(`{"ll":0}`)); err != nil {
		t.Fatal(err)
	}
	mark := func(value string) tables.Mark { return tables.Mark{Name: "flow.1", Value: value} }
	do := func(batch string, m tables.Mark, of ...string) catalog.Appended {
		t.Helper()
		done, err := tb.Upsert(t.Context(), table, batch, m, changes(of...))
		if err != nil {
			t.Fatal(err)
		}
		if done.Bytes == 0 != (done.Rows == 0) || !done.Already && done.SnapshotID == 0 != (done.Rows+done.Removed == 0) {
			t.Errorf("%+v", done)
		}
		done.Bytes, done.SnapshotID = 0, 0
		return done
	}
	type step struct {
		name string
		got  catalog.Appended
		want catalog.Appended
	}
	for _, s := range []step{
		{"first", do("b1", mark("5 b1"), "k1", `{"ll":1}`, "k2", `{"ll":2}`, "k3", ""), catalog.Appended{Rows: 2, Files: 1, Gone: 1}},
		{"replaced and gone", do("b2", mark("9 b2"), "k1", `{"ll":11}`, "k2", "", "k4", `{"ll":4}`), catalog.Appended{Rows: 2, Files: 1, Gone: 1, Removed: 2}},
		{"gone alone", do("b3", mark("10 b3"), "k4", ""), catalog.Appended{Gone: 1, Removed: 1}},
		{"nothing", do("b4", mark("12 b4")), catalog.Appended{}},
	} {
		if diff := cmp.Diff(s.want, s.got); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
	}
	if got, err := tb.Mark(t.Context(), table, "flow.1"); err != nil || got != "12 b4" {
		t.Errorf("the mark is %q, %v", got, err)
	}
	never := func(func(tables.Change, error) bool) { t.Error("changes of a batch that is in were asked for") }
	if done, err := tb.Upsert(t.Context(), table, "b4", mark("12 b4"), never); err != nil || !done.Already || done.Removed != -1 {
		t.Errorf("%+v %v", done, err)
	}
	_, err := tb.Upsert(t.Context(), table, "late", tables.Mark{Name: "flow.1", Value: "11 late", Was: new("10 b3")}, changes("k1", `{"ll":0}`))
	if problem.KindOf(err) != problem.Stale {
		t.Errorf("a batch that goes on from a mark before: %v", err)
	}
	// Somebody else moves the mark while changes are written.
	_, err = tb.Upsert(t.Context(), table, "slow", mark("13 slow"), func(yield func(tables.Change, error) bool) {
		yield(tables.Change{Key: "k1", Record: json.RawMessage(`{"ll":0}`)}, nil)
		do("fast", mark("14 fast"), "k5", `{"ll":5}`)
	})
	if problem.KindOf(err) != problem.Stale {
		t.Errorf("a batch that was overtaken: %v", err)
	}
	if done := do("fast", mark("14 fast")); done.Rows != 1 || !done.Already {
		t.Errorf("%+v", done)
	}
	if diff := cmp.Diff([]string{"<nil>|0|pushed", "k1|11|b2", "k5|5|fast"}, query(t, l, `select _object, ll, _batch from xdm.r order by ll = 5, ll`)); diff != "" {
		t.Error(diff)
	}
	asked := ""
	counted := tables.Mark{Name: "flow.2", Was: new(""), Late: func() (string, error) { return "1 c1 " + asked, nil }}
	if _, err := tb.Upsert(t.Context(), table, "c1", counted, func(yield func(tables.Change, error) bool) {
		yield(tables.Change{Key: "k9"}, nil)
		asked = "one"
	}); err != nil {
		t.Fatal(err)
	}
	if got, err := tb.Mark(t.Context(), table, "flow.2"); err != nil || got != "1 c1 one" {
		t.Errorf("a mark that counts is %q, %v", got, err)
	}
	st, err := tb.Stats(t.Context(), table)
	if err != nil || st.Rows != 3 {
		t.Errorf("%+v %v", st, err)
	}
	if n, err := tb.Revert(t.Context(), table, "b2"); err != nil || n != 1 {
		t.Errorf("%d rows of b2, %v", n, err)
	}
	rows, err := tb.Preview(t.Context(), table, 10)
	if diff := cmp.Diff([]json.RawMessage{json.RawMessage(`{"ll":5}`), json.RawMessage(`{"ll":0}`)}, rows, cmp.Transformer("sorted", func(r []json.RawMessage) map[string]bool {
		all := map[string]bool{}
		for _, one := range r {
			all[string(one)] = true
		}
		return all
	})); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

func TestUpsertUndone(t *testing.T) {
	t.Parallel()
	tb, l := openTables(t)
	if err := tb.Ensure(t.Context(), table, form()); err != nil {
		t.Fatal(err)
	}
	mark := tables.Mark{Name: "flow.1", Value: "1 b"}
	no := errors.New("no more")
	_, err := tb.Upsert(t.Context(), table, "b", mark, func(yield func(tables.Change, error) bool) {
		if yield(tables.Change{Key: "k", Record: json.RawMessage(`{"ll":1}`)}, nil) {
			yield(tables.Change{}, no)
		}
	})
	if !errors.Is(err, no) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = tb.Upsert(ctx, table, "b", mark, func(yield func(tables.Change, error) bool) {
		yield(tables.Change{Key: "k", Record: json.RawMessage(`{"ll":1}`)}, nil)
		cancel()
	})
	if err == nil {
		t.Error("a call that was given up put rows in")
	}
	if _, err := tb.Upsert(t.Context(), table, "b", mark, changes("k", `{"no":1}`)); problem.KindOf(err) != problem.Stale {
		t.Errorf("a record that does not fit: %v", err)
	}
	if got, err := tb.Mark(t.Context(), table, "flow.1"); got != "" || err != nil {
		t.Error(got, err)
	}
	if diff := cmp.Diff([]string{"0"}, query(t, l, `select count(*) from xdm.r`)); diff != "" {
		t.Error(diff)
	}
}

// ClickHouse, which shares no code with us, reads a table of records of every
// kind.
func TestClickHouseReadsRecords(t *testing.T) {
	t.Parallel()
	need.Dir(t, chdbtest.Modules)
	tb, l := openTables(t)
	c := form()
	day, number := &xdm.Field{Kind: xdm.Date}, &xdm.Field{Kind: xdm.Double}
	c.Fields = append(c.Fields,
		&xdm.Field{Name: "days", Kind: xdm.Array, Elem: day},
		&xdm.Field{Name: "grid", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.Array, Elem: number}},
		&xdm.Field{Name: "deep", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.Object, Fields: []*xdm.Field{
			{Name: "y", Kind: xdm.Byte}, {Name: "at", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.DateTime}},
		}}},
	)
	if err := tb.Ensure(t.Context(), table, c); err != nil {
		t.Fatal(err)
	}
	const full = `{"s":"é€","ll":-9223372036854775808,"i":-2147483648,"h":32767,"y":-128,"n":0.1,"b":true,"d":"1969-12-31","t":"1969-12-31T23:59:59.999Z",` +
		`"o":{"r":"x"},"a":[{"k":1},{"k":2}],"m":{"x":2},"days":["2026-02-28","1969-12-31"],"grid":[[0.5,-1e300],[]],"deep":[{"y":127,"at":["2026-01-02T03:04:05.678Z"]},{"at":[]}]}`
	if _, err := tb.Append(t.Context(), table, "pushed", nil, rowsOf(`{"ll":7}`, `{"b":false,"d":"2026-07-31"}`)); err != nil {
		t.Fatal(err)
	}
	for i, of := range [][]string{
		{"k1", full, "k2", `{"ll":2}`, "k3", `{"ll":3}`},
		{"k2", full, "k3", ""},
		{"k4", full, "k1", `{"n":1,"y":0,"deep":[],"grid":[[]],"days":[]}`},
	} {
		batch := string(rune('a' + i))
		if _, err := tb.Upsert(t.Context(), table, batch, tables.Mark{Name: "flow.1", Value: batch}, changes(of...)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tb.Maintain(t.Context(), table, lake.MaintainOptions{}); err != nil {
		t.Fatal(err)
	}
	st, err := tb.Stats(t.Context(), table)
	if err != nil {
		t.Fatal(err)
	}
	location, err := url.Parse(st.Location)
	if err != nil {
		t.Fatal(err)
	}
	from := "icebergLocal('" + location.Path + "')"
	ask := func(sql string) []map[string]any {
		t.Helper()
		return chdbtest.Query(t, filepath.Join(location.Path, "..", "..", ".."), sql)
	}
	all := ask(`select * from ` + from + ` where _object = 'k4'`)
	numbers := func(of ...string) []any {
		var out []any
		for _, n := range of {
			out = append(out, json.Number(n))
		}
		return out
	}
	want := map[string]any{
		"_object": "k4", "_batch": "c", "s": "é€", "e": nil, "p": nil, "l": nil, "ll": json.Number("-9223372036854775808"), "i": json.Number("-2147483648"),
		"h": json.Number("32767"), "y": json.Number("-128"), "n": json.Number("0.1"), "b": true, "d": "1969-12-31", "t": "1969-12-31 23:59:59.999000",
		"o": map[string]any{"r": "x", "q": nil}, "a": []any{map[string]any{"k": json.Number("1")}, map[string]any{"k": json.Number("2")}},
		"m": map[string]any{"x": json.Number("2")}, "days": []any{"2026-02-28", "1969-12-31"}, "grid": []any{numbers("0.5", "-1e300"), []any{}},
		"deep": []any{map[string]any{"y": json.Number("127"), "at": []any{"2026-01-02 03:04:05.678000"}}, map[string]any{"y": nil, "at": []any{}}},
	}
	if diff := cmp.Diff([]map[string]any{want}, all, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("ClickHouse (-want +got): %s", diff)
	}

	// Both engines are asked in the same words.
	const what = `select coalesce(_object, '-') as object, _batch as batch, ll, i, h, y, n, b,
		coalesce(length(days), 0) as days, coalesce(length(deep), 0) as deep from ` // ClickHouse has no arrays that are null
	const order = ` order by object, batch, ll`
	var theirs []string
	for _, row := range ask(what + from + order) {
		var text []string
		for _, name := range []string{"object", "batch", "ll", "i", "h", "y", "n", "b", "days", "deep"} {
			text = append(text, fmt.Sprint(row[name]))
		}
		theirs = append(theirs, strings.Join(text, "|"))
	}
	if diff := cmp.Diff(query(t, l, what+"xdm.r"+order), theirs); diff != "" || len(theirs) != 5 {
		t.Errorf("DuckDB and ClickHouse differ: %s", diff)
	}
}
