package app_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// An opened copy can be asked.
type opened struct {
	t *testing.T
	r *app.Reader
}

func openCopy(t *testing.T, dir string) opened {
	t.Helper()
	r, err := app.OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return opened{t, r}
}

// print returns what the query command prints.
func (o opened) print(query, format string) string {
	o.t.Helper()
	rows, err := o.r.Query(o.t.Context(), query)
	if err != nil {
		o.t.Fatalf("%v in %s", err, query)
	}
	defer rows.Close()
	var out bytes.Buffer
	if _, err := duck.Write(&out, rows, format); err != nil {
		o.t.Fatalf("%v in %s", err, query)
	}
	return out.String()
}

// rows returns the rows of a query, decoded.
func (o opened) rows(query string) []map[string]any {
	o.t.Helper()
	v, err := decode(o.print(query, "json"))
	if err != nil {
		o.t.Fatalf("%v in %s", err, query)
	}
	var rows []map[string]any
	for _, row := range v.([]any) {
		rows = append(rows, row.(map[string]any))
	}
	return rows
}

// column returns the column v of a query.
func (o opened) column(query string) []string {
	o.t.Helper()
	var all []string
	for _, row := range o.rows(query) {
		all = append(all, row["v"].(string))
	}
	return all
}

// A viewColumn is a column of a view, as DESCRIBE tells.
type viewColumn struct{ Name, Type string }

func (o opened) describe(view string) []viewColumn {
	o.t.Helper()
	var all []viewColumn
	for _, row := range o.rows("select column_name, column_type from (describe " + view + ")") {
		all = append(all, viewColumn{row["column_name"].(string), row["column_type"].(string)})
	}
	return all
}

func (v viewColumn) holds(value any) bool {
	switch value := value.(type) {
	case nil:
		return true
	case bool:
		return v.Type == "BOOLEAN"
	case string:
		return v.Type == "VARCHAR"
	case json.Number:
		if strings.ContainsAny(value.String(), ".eE") {
			return v.Type == "DOUBLE"
		}
		return v.Type == "BIGINT" || v.Type == "DOUBLE"
	}
	return v.Type == "JSON"
}

// history has the columns that every history view begins with.
var history = []viewColumn{
	{"id", "VARCHAR"},
	{"seq", "BIGINT"},
	{"op", "VARCHAR"},
	{"seen_at", "TIMESTAMP"},
	{"source", "VARCHAR"},
	{"run_id", "VARCHAR"},
	{"account", "VARCHAR"},
	{"livemode", "BOOLEAN"},
	{"api_version", "VARCHAR"},
	{"hash", "VARCHAR"},
	{"created", "BIGINT"},
	{"raw", "VARCHAR"},
}

func TestViewColumns(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, stripesim.Config{Seed: 3, Counts: stripesim.Counts{Charges: 120, Customers: 40, Subscriptions: 30, Prices: 20}}, nil)
	complete(t, c.pass(t))
	empty, lean := c.pass(t), c.pass(t)
	empty.Dir, empty.Resources = t.TempDir(), []string{"refunds"}
	complete(t, empty)
	lean.Dir, lean.Resources, lean.NoHistory = t.TempDir(), []string{"charges", "customers"}, true
	complete(t, lean)
	whole := openCopy(t, c.dir)
	others := map[string]opened{"not read yet": openCopy(t, empty.Dir), "without history": openCopy(t, lean.Dir)}

	for _, r := range stripesim.Resources() {
		view := whole.describe(string(r))
		byName := map[string]viewColumn{}
		for _, col := range view {
			byName[col.Name] = col
		}
		n := 0
		for o := range c.sim.Oracle(r) {
			v, err := decode(string(o.JSON))
			if err != nil {
				t.Fatal(err)
			}
			n++
			for field, value := range v.(map[string]any) {
				if col, ok := byName[field]; !ok || !col.holds(value) {
					t.Errorf("%s.%s is %v and the column is %q", r, field, value, col.Type)
				}
			}
		}
		if n == 0 || byName["created"].Type != "BIGINT" || byName["id"].Type != "VARCHAR" {
			t.Errorf("%s: %d objects, %v", r, n, view)
		}

		versions := whole.describe(string(r) + "_history")
		own := slices.DeleteFunc(slices.Clone(view), func(col viewColumn) bool {
			return slices.ContainsFunc(history, func(h viewColumn) bool { return h.Name == col.Name })
		})
		if d := cmp.Diff(slices.Concat(history, own), versions); d != "" {
			t.Errorf("%s_history (-want +got):\n%s", r, d)
		}
		// What was never read, and what is kept without a history, has the same columns.
		for what, copied := range others {
			if d := cmp.Diff(view, copied.describe(string(r))); d != "" {
				t.Errorf("%s %s (-want +got):\n%s", r, what, d)
			}
			have, want := copied.print("select id from "+string(r)+" order by id", "csv"), "id\r\n"
			if what == "not read yet" && r == stripesim.Refunds || what == "without history" && slices.Contains(lean.Resources, string(r)) {
				want = whole.print("select id from "+string(r)+" order by id", "csv")
			}
			if have != want {
				t.Errorf("%s %s: %s, want %s", r, what, have, want)
			}
		}
		stored := whole.describe("xdm." + string(r))
		for _, name := range []string{"_id", "_seq", "_created", "_read_at", "_account", "_livemode", "_api_version", "_deleted", "_deleted_at", "_" + app.DefaultTenant} {
			if !slices.ContainsFunc(stored, func(col viewColumn) bool { return col.Name == name }) {
				t.Errorf("xdm.%s has no column %s", r, name)
			}
		}
	}
	want := []viewColumn{
		{"resource", "VARCHAR"},
		{"id", "VARCHAR"},
		{"path", "VARCHAR"},
		{"reason", "VARCHAR"},
		{"raw", "VARCHAR"},
		{"request_id", "VARCHAR"},
		{"run_id", "VARCHAR"},
		{"seen_at", "TIMESTAMP"},
	}
	if d := cmp.Diff(want, whole.describe("quarantine")); d != "" {
		t.Errorf("quarantine (-want +got):\n%s", d)
	}
	if prices := whole.describe("prices"); !slices.Contains(prices, viewColumn{"unit_amount_decimal", "VARCHAR"}) {
		t.Errorf("prices: %v", prices)
	}
}

// TestFormats prints the same rows in every format.
func TestFormats(t *testing.T) {
	t.Parallel()
	c := serve(t, stripesim.Config{Seed: 4, Counts: stripesim.Counts{Charges: 60, Customers: 10, Subscriptions: 2, Prices: 2}}, nil)
	const odd = "ü, \"quoted\"\nnext line\u2028 日本"
	id, err := c.sim.Create(stripesim.Charges, stripesim.Draft{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.sim.Mutate(stripesim.Charges, id, func(o map[string]any) { o["description"] = odd }); err != nil {
		t.Fatal(err)
	}
	s := c.pass(t)
	s.Resources = []string{"charges"}
	complete(t, s)
	copied := openCopy(t, c.dir)
	columns := []string{"id", "amount", "captured", "created", "description", "billing_details", "failure_code"}
	query := "select " + strings.Join(columns, ", ") + " from charges order by id"
	want := map[string]map[string]any{}
	for o := range c.sim.Oracle(stripesim.Charges) {
		v, err := decode(string(o.JSON))
		if err != nil {
			t.Fatal(err)
		}
		row := map[string]any{}
		for _, name := range columns {
			row[name] = v.(map[string]any)[name]
		}
		want[o.ID] = row
	}
	check := func(format string, rows []map[string]any) {
		t.Helper()
		if len(rows) != len(want) {
			t.Errorf("%s: %d rows, want %d", format, len(rows), len(want))
		}
		for _, row := range rows {
			if w := want[fmt.Sprint(row["id"])]; !same(row, w) {
				t.Errorf("%s: %s, want %s", format, marshal(row), marshal(w))
			}
		}
	}

	check("json", copied.rows(query))

	var rows []map[string]any
	for line := range strings.Lines(copied.print(query, "ndjson")) {
		v, err := decode(line)
		if err != nil {
			t.Fatalf("ndjson: %v in %q", err, line)
		}
		rows = append(rows, v.(map[string]any))
	}
	check("ndjson", rows)

	records, err := csv.NewReader(strings.NewReader(copied.print(query, "csv"))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(columns, records[0]); d != "" {
		t.Errorf("csv (-want +got):\n%s", d)
	}
	rows = nil
	for _, record := range records[1:] {
		row := map[string]any{}
		for i, name := range columns {
			switch name {
			case "id", "description", "failure_code":
				row[name] = record[i]
				if record[i] == "" {
					row[name] = nil
				}
			default:
				if row[name], err = decode(record[i]); err != nil {
					t.Errorf("csv: %s is %q: %v", name, record[i], err)
				}
			}
		}
		rows = append(rows, row)
	}
	check("csv", rows)

	lines := strings.Split(copied.print(query, "table"), "\n")
	if len(lines) != len(want)+4 || !strings.HasPrefix(lines[0], "id ") || lines[len(lines)-2] != fmt.Sprintf("(%d rows)", len(want)) {
		t.Errorf("table:\n%s", strings.Join(lines, "\n"))
	}
}

func TestDatasets(t *testing.T) {
	t.Parallel()
	c := serve(t, stripesim.Config{Seed: 4, Counts: stripesim.Counts{Charges: 60, Customers: 10, Subscriptions: 2, Prices: 2}}, nil)
	s := c.pass(t)
	s.Resources = []string{"charges", "customers"}
	complete(t, s)
	list, err := app.Datasets(t.Context(), c.dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range list {
		names = append(names, d.Name)
		resource := strings.TrimSuffix(d.Name, "_history")
		if want := int64(c.sim.Count(stripesim.Resource(resource))); d.Rows != want || d.Bytes == 0 || d.SnapshotID == 0 || d.DeleteFiles != 0 {
			t.Errorf("%s, want %d rows", marshal(d), want)
		}
		if !strings.HasSuffix(d.MetadataLocation, ".metadata.json") || !strings.HasPrefix(d.MetadataLocation, d.Location+"/metadata/") {
			t.Errorf("%s lies at %s", d.Name, d.MetadataLocation)
		}
	}
	if d := cmp.Diff([]string{"charges", "charges_history", "customers", "customers_history"}, names); d != "" {
		t.Errorf("datasets (-want +got):\n%s", d)
	}
}

func TestQueryRefused(t *testing.T) {
	t.Parallel()
	c := serve(t, stripesim.Config{Seed: 4, Counts: stripesim.Counts{Charges: 5, Customers: 5}}, nil)
	s := c.pass(t)
	s.Resources = []string{"refunds"}
	complete(t, s)
	r, err := app.OpenReader(t.Context(), c.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, query := range []string{
		"", "select", "select 1; select 2", "select nothing from charges", "select * from payouts", "drop view charges",
		"insert into quarantine values (1)", "copy charges to '" + c.dir + "/out.csv'", "set memory_limit = '10GB'", "attach '" + c.dir + "/tributary.db'",
		"select * from read_text('/etc/passwd')", "select * from read_text('" + c.dir + "/tributary.db')", "pragma version", "install httpfs",
	} {
		rows, err := r.Query(t.Context(), query)
		if err == nil {
			for rows.Next() {
			}
			err = rows.Err()
			rows.Close()
		}
		if problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q: kind %v: %v", query, problem.KindOf(err), err)
		}
	}
	if _, err := app.OpenReader(t.Context(), t.TempDir()); problem.KindOf(err) != problem.NotFound || !strings.Contains(err.Error(), "tributary sync") {
		t.Errorf("a directory without a copy: %v", err)
	}
}
