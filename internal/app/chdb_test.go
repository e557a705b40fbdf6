package app_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/chdbtest"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/need"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// Sums that ClickHouse and DuckDB are asked for in the same words: rows of a
// dataset by this key, and the total of this field.
var sums = map[stripesim.Resource]struct{ key, field string }{
	stripesim.Charges:             {"concat(O.currency, ' ', O.status, ' ', O.payment_method_details.type)", "O.amount"},
	stripesim.Refunds:             {"concat(O.currency, ' ', O.status)", "O.amount"},
	stripesim.BalanceTransactions: {"concat(O.currency, ' ', O.type)", "O.net"},
	stripesim.Customers:           {"coalesce(O.description, '')", "O.balance"},
	stripesim.Prices:              {"concat(O.currency, ' ', O.type)", "O.unit_amount"},
	stripesim.Subscriptions:       {"O.status", "O.created"},
}

// totals is a query over all tables; from says how a table is named.
func totals(from func(resource string, history bool) string) string {
	var parts []string
	for _, r := range stripesim.Resources() {
		object := "_" + app.DefaultTenant + "." + string(r) + "_data"
		key, field := strings.ReplaceAll(sums[r].key, "O.", object+"."), strings.ReplaceAll(sums[r].field, "O.", object+".")
		parts = append(parts,
			fmt.Sprintf(`select '%s' as tbl, %s as k, count(*) as n, count(distinct _id) as ids, cast(coalesce(sum(%s), 0) as bigint) as total,
				cast(sum(_seq) as bigint) as seqs from %s where not _deleted group by k`, r, key, field, from(string(r), false)),
			fmt.Sprintf(`select '%s_history' as tbl, concat(op, ' ', source, ' ', api_version) as k, count(*) as n, count(distinct id) as ids,
				cast(sum(created) as bigint) as total, cast(sum(seq) as bigint) as seqs from %s group by k`, r, from(string(r), true)))
	}
	return strings.Join(parts, "\nunion all\n")
}

// TestClickHouse lets a reader that shares no code with ours read the tables
// from their metadata.
func TestClickHouse(t *testing.T) {
	t.Parallel()
	long(t)
	need.Dir(t, chdbtest.Modules)
	c := serve(t, stripesim.Config{
		Seed: 11, Counts: stripesim.Counts{Charges: 300, Customers: 60, Subscriptions: 30, Prices: 20},
		Expand: []string{"tiers", "currency_options", "currency_options.tiers"},
	}, nil)
	complete(t, c.pass(t))
	young := grow(t, c.sim)
	// Deletes are for ClickHouse to apply.
	pass := func() app.Sync {
		s := c.pass(t)
		s.Hooks.Untidy = true
		return s
	}
	complete(t, pass())
	grow(t, c.sim)
	change(t, c.sim, young, "changed")
	updated := complete(t, pass())

	ours := func(resource string, history bool) string {
		if history {
			return "lake." + resource
		}
		return "xdm." + resource
	}
	theirs := func(resource string, history bool) string {
		if history {
			resource += "_history"
		}
		return "icebergLocal('" + filepath.Join(c.dir, "lake", "stripe", resource) + "')"
	}
	// ClickHouse 26.7 finds no field of a struct by its name in a table with
	// equality deletes, unless the struct comes out of a subquery.
	wrapped := func(resource string, history bool) string { return "(select * from " + theirs(resource, history) + ")" }
	agree := func(when string, from func(string, bool) string) {
		t.Helper()
		want := byKey(t, openCopy(t, c.dir).rows(totals(ours)))
		if d := cmp.Diff(want, byKey(t, chdbtest.Query(t, c.dir, totals(from)))); d != "" {
			t.Errorf("%s (-ours +ClickHouse's):\n%s", when, d)
		}
	}
	agree("before maintenance", wrapped)
	deletes := deleteFiles(t, c.dir)
	for _, r := range updated.Resources {
		if (r.Updated > 0) != (deletes[r.Resource] > 0) {
			t.Errorf("%d %s were updated, and the table has %d delete files", r.Updated, r.Resource, deletes[r.Resource])
		}
	}
	if deletes["charges"] == 0 || deletes["customers"] == 0 {
		t.Errorf("the tables have too few delete files to tell anything: %v", deletes)
	}
	before := c.rows(t)
	maintained := map[string]bool{}
	maintain := func(partition string) {
		t.Helper()
		err := app.Maintain(t.Context(), c.dir, partition, func(m app.Maintenance) { maintained[m.Name] = true })
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range deleteFiles(t, c.dir) {
			if n != 0 || !maintained[name] {
				t.Errorf("%s has %d delete files after maintenance", name, n)
			}
		}
	}
	maintain("auto")
	agree("after maintenance", theirs)
	if d := cmp.Diff(before, c.rows(t)); d != "" {
		t.Errorf("maintenance changed the rows:\n%s", d)
	}

	maintain("month")
	list, err := app.Datasets(t.Context(), c.dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if want := map[bool]string{true: "none", false: "month"}[strings.HasSuffix(d.Name, "_history")]; d.Partition != want {
			t.Errorf("%s is partitioned by %s, want %s", d.Name, d.Partition, want)
		}
		if d.Name == "charges" && d.DataFiles < 3 {
			t.Errorf("the charges of %d months tell little", d.DataFiles)
		}
	}
	agree("by month", theirs)
	all := map[stripesim.Resource][]string{}
	for _, r := range []stripesim.Resource{stripesim.Charges, stripesim.Customers} {
		for o := range c.sim.Oracle(r) {
			if len(all[r]) < 40 {
				all[r] = append(all[r], o.ID)
			}
		}
	}
	applied := setApplied(t, c.dir, "charges", "")
	change(t, c.sim, all, "changed by month")
	complete(t, pass())
	if deletes := deleteFiles(t, c.dir); deletes["charges"] < 2 {
		t.Errorf("the charges have %d delete files, want those of several months", deletes["charges"])
	}
	agree("by month, updated", wrapped)
	setApplied(t, c.dir, "charges", applied)
	complete(t, pass())
	agree("by month, after a crash", wrapped)
	maintain("none")
	agree("no more by month", theirs)
	report(t, differences(t.Context(), c.sim, c.dir))
}

func change(t *testing.T, sim *stripesim.Sim, objects map[stripesim.Resource][]string, to string) {
	t.Helper()
	for r, ids := range objects {
		for _, id := range ids {
			if err := sim.Mutate(r, id, func(o map[string]any) { o["description"], o["nickname"] = to, to }); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// setApplied returns which versions of the history a dataset says it has, and
// makes it say otherwise unless seq is "": as if commits since had been cut off
// between the two.
func setApplied(t *testing.T, dir, resource, seq string) string {
	t.Helper()
	l, err := lake.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	table, err := l.Load(t.Context(), resource)
	if err != nil {
		t.Fatal(err)
	}
	old := table.Property("tributary.applied-seq")
	if seq != "" {
		if err := table.Commit(t.Context(), lake.Commit{Properties: map[string]string{"tributary.applied-seq": seq}}); err != nil {
			t.Fatal(err)
		}
	}
	return old
}

// grow lets the shop do business, and returns the ids of what is new.
func grow(t *testing.T, sim *stripesim.Sim) map[stripesim.Resource][]string {
	t.Helper()
	young := map[stripesim.Resource][]string{}
	for _, r := range []stripesim.Resource{stripesim.Charges, stripesim.Customers, stripesim.Prices, stripesim.Subscriptions} {
		for range 5 {
			id, err := sim.Create(r, stripesim.Draft{})
			if err != nil {
				t.Fatal(err)
			}
			young[r] = append(young[r], id)
		}
	}
	return young
}

// byKey returns the rows of a query of totals by table and key.
func byKey(t *testing.T, rows []map[string]any) map[string]map[string]any {
	t.Helper()
	m := map[string]map[string]any{}
	for _, row := range rows {
		key := fmt.Sprint(row["tbl"], " ", row["k"])
		if row["n"] != row["ids"] && !strings.Contains(key, "_history ") {
			t.Errorf("%s: %v rows of %v objects", key, row["n"], row["ids"])
		}
		if _, ok := row["total"].(json.Number); !ok {
			t.Errorf("%s: the total is %v", key, row["total"])
		}
		m[key] = row
	}
	for _, r := range stripesim.Resources() {
		found := 0
		for key := range m {
			if strings.HasPrefix(key, string(r)+" ") || strings.HasPrefix(key, string(r)+"_history ") {
				found++
			}
		}
		if found < 2 {
			t.Errorf("%s: no rows", r)
		}
	}
	return m
}

func deleteFiles(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	m := map[string]int64{}
	for _, d := range tables(t, dir) {
		m[d.Name] = d.DeleteFiles
	}
	return m
}

// rows returns how many rows each table has.
func (c *copied) rows(t *testing.T) map[string]int64 {
	t.Helper()
	m := map[string]int64{}
	for _, d := range tables(t, c.dir) {
		m[d.Name] = d.Rows
	}
	return m
}
