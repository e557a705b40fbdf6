package control_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

const sqlPath = "/data/tributary/sql"

// sql runs a query and returns its rows as JSON text.
func (c client) sql(query string) string {
	c.t.Helper()
	var got struct{ Rows json.RawMessage }
	if err := json.Unmarshal(c.must(200, "POST", sqlPath, map[string]any{"query": query}).body, &got); err != nil {
		c.t.Fatal(err)
	}
	return string(got.Rows)
}

// A sandbox's queries see its datasets and its copies by their names, and nothing
// of another sandbox.
func TestSQL(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	s := openShop(t, "")
	flow := s.flow(t, "charges", tomorrow())
	if r := s.ask(t, flow); status(r) != "success" {
		t.Fatalf("%v", r)
	}
	operator, err := s.plane.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.plane.Access.CreateSandbox(t.Context(), operator, "dev", "Development", "development"); err != nil {
		t.Fatal(err)
	}
	dev := s.client
	dev.sandbox = "dev"
	secret := dev.dataset("Elsewhere", dev.schema("Stripe Refunds"))
	dev.push(secret, refundOf(dev.tenant(), "marker", 3), 0)
	empty := s.dataset("flow: of Charges!", s.schema("Stripe Charges"))

	truth, total := s.truth(t, "charges"), int64(0)
	for _, row := range truth {
		total += int64(row.(map[string]any)["amount"].(float64))
	}
	want := fmt.Sprintf("[[%d,\"%d\"]]", len(truth), total)
	copies, err := filepath.Glob(filepath.Join(s.plane.dir, "copies", "*", "*"))
	if err != nil || len(copies) != 1 {
		t.Fatalf("%v %v", copies, err)
	}
	space := strings.ReplaceAll(filepath.Base(copies[0]), "-", "_")
	for _, query := range []string{
		"SELECT count(*), sum(_tributary.charges_data.amount)::DECIMAL(18, 0) FROM flow_of_charges",
		"SELECT count(*), sum(_tributary.charges_data.amount)::DECIMAL(18, 0) FROM ds_" + s.datasets["charges"],
		"SELECT count(*), sum(amount)::DECIMAL(18, 0) FROM charges",
		"SELECT count(*), sum(amount)::DECIMAL(18, 0) FROM " + space + ".charges",
		"SELECT count(DISTINCT id), sum(amount)::DECIMAL(18, 0) FROM " + space + ".charges_history",
	} {
		if got := s.sql(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := s.sql("SELECT count(*) FROM flow_of_charges_2"); got != "[[0]]" {
		t.Errorf("the dataset %s: %s", empty, got)
	}
	if got := dev.sql("SELECT count(*) FROM elsewhere"); got != "[[1]]" {
		t.Errorf("%s", got)
	}
	for _, query := range []string{"FROM charges", "FROM flow_of_charges", "FROM ds_" + s.datasets["charges"], "FROM " + space + ".charges"} {
		dev.must(400, "POST", sqlPath, map[string]any{"query": query})
	}
	s.must(400, "POST", sqlPath, map[string]any{"query": "FROM elsewhere"})

	t.Run("locked", func(t *testing.T) { s.locked(t, secret) })
	t.Run("tables", func(t *testing.T) { s.listed(t, space, len(truth), empty) })
	t.Run("preview", func(t *testing.T) { s.previewed(t, len(truth)) })
	t.Run("csv", func(t *testing.T) { s.exported(t) })
	t.Run("engines", func(t *testing.T) { s.engined(t, operator, space) })
	t.Run("commit", func(t *testing.T) {
		before := s.must(200, "POST", sqlPath, map[string]any{"query": "SELECT 1"}).json(t)["snapshot"].(map[string]any)["id"]
		s.push(empty, fmt.Sprintf(`{"_tributary":{"charges_data":{"id":"ch_new","object":"charge","amount":%d,"currency":"eur","created":1}}}`, 7), 100)
		if got := s.sql("SELECT count(*) FROM flow_of_charges_2"); got == "[[0]]" {
			t.Errorf("%s", got)
		}
		after := s.must(200, "POST", sqlPath, map[string]any{"query": "SELECT 1"}).json(t)["snapshot"].(map[string]any)["id"]
		if before == after {
			t.Error("a commit makes no new snapshot")
		}
	})
	if log := s.said(); strings.Contains(log, "level=ERROR") {
		t.Error(log)
	}
}

// locked tries to get at what is not the sandbox's.
func (s *shop) locked(t *testing.T, dataset string) {
	c := s.client
	c.t = t
	files, err := filepath.Glob(filepath.Join(c.plane.dir, "lake", "stripe", "ds_"+dataset, "data", "*.parquet"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	other := "'" + files[0] + "'"
	for _, query := range []string{
		"FROM read_parquet(" + other + ")", "FROM parquet_scan(" + other + ")", "FROM " + other, "FROM read_text(" + other + ")", "FROM read_blob(" + other + ")",
		"FROM read_csv('/etc/passwd')", "FROM read_text('/etc/passwd')", "FROM glob('" + c.plane.dir + "/**')", "FROM 'https://example.com/x.parquet'", "COPY charges TO '/tmp/x'",
		"COPY (FROM charges) TO " + other, "ATTACH '" + c.plane.dir + "/control.db'", "SET enable_external_access = true", "RESET allowed_paths", "PRAGMA database_list", "INSTALL httpfs", "LOAD httpfs",
		"SELECT getenv('HOME')", "SELECT current_setting('allowed_paths')", "FROM duckdb_settings()", "FROM duckdb_views()", "FROM duckdb_secrets()", "FROM pragma_database_list", "FROM information_schema.views",
		"FROM sqlite_master", "SELECT json_serialize_plan('FROM charges')", "EXPLAIN ANALYZE FROM charges", "SELECT 1; SELECT 2", "SELECT 1 /**/; DROP VIEW charges --", "", "DELETE FROM charges",
	} {
		r := c.must(400, "POST", sqlPath, map[string]any{"query": query})
		if text := strings.ReplaceAll(string(r.body), files[0], ""); strings.Contains(text, c.plane.dir) && !strings.Contains(query, c.plane.dir) {
			t.Errorf("%s: %s", query, text)
		}
		if !strings.HasPrefix(r.json(t)["errorCode"].(string), "SQL-1000-400") {
			t.Errorf("%s: %s", query, r.body)
		}
	}
	for _, query := range []string{"EXPLAIN FROM charges", "EXPLAIN (FORMAT json) FROM flow_of_charges", "SHOW ALL TABLES", "FROM information_schema.columns", "DESCRIBE charges"} {
		if r := c.must(200, "POST", sqlPath, map[string]any{"query": query}); strings.Contains(string(r.body), c.plane.dir) || strings.Contains(string(r.body), dataset) {
			t.Errorf("%s: %s", query, r.body)
		}
	}
	for body, want := range map[string]string{
		`{"query":"SELECT 1","limit":0}`: "limit", `{"query":"SELECT 1","limit":10001}`: "limit", `{"query":"SELECT 1","format":"xml"}`: "format", `{"query":7}`: "line 1",
		`{"query":"` + strings.Repeat(" ", 100_001) + `"}`: "bytes",
	} {
		if r := c.must(400, "POST", sqlPath, body); !strings.Contains(string(r.body), want) {
			t.Errorf("%.60s: %s", body, r.body)
		}
	}
	if r := c.must(200, "POST", sqlPath, map[string]any{"query": "FROM range(10)", "limit": 4}).json(t); r["truncated"] != true || r["truncatedBy"] != "rows" || r["rowCount"] != 4. {
		t.Errorf("%v", r)
	}
}

func (s *shop) listed(t *testing.T, space string, rows int, empty string) {
	c := s.client
	c.t = t
	r := c.must(200, "GET", sqlPath+"/tables", nil)
	if strings.Contains(string(r.body), c.plane.dir) {
		t.Errorf("%s", r.body)
	}
	got := map[string]map[string]any{}
	for _, v := range r.json(t)["items"].([]any) {
		v := v.(map[string]any)
		got[v["name"].(string)] = v
		if v["rowsExact"] != true || len(v["columns"].([]any)) == 0 {
			t.Errorf("%v", v)
		}
		c.sql(v["sample"].(string))
		if also, ok := v["also"].(string); ok {
			c.sql("SELECT count(*) FROM " + also)
		}
	}
	for name, want := range map[string]any{
		"flow_of_charges": float64(rows), "flow_of_charges_2": 0., space + ".charges": float64(rows), space + ".prices_history": 0.,
	} {
		if got[name]["rows"] != want {
			t.Errorf("%s: %v", name, got[name])
		}
	}
	if d := got["flow_of_charges_2"]; d["datasetId"] != empty || d["also"] != "ds_"+empty || d["kind"] != "dataset" {
		t.Errorf("%v", d)
	}
}

func (s *shop) previewed(t *testing.T, rows int) {
	c := s.client
	c.t = t
	path := sqlPath + "/preview?dataset=" + s.datasets["charges"]
	r := c.must(200, "GET", path+"&limit=1000", nil).json(t)
	var names []string
	for _, one := range r["columns"].([]any) {
		names = append(names, one.(map[string]any)["name"].(string))
	}
	id := slices.Index(names, "_tributary.charges_data.id")
	ids := map[any]bool{}
	for _, row := range r["rows"].([]any) {
		ids[row.([]any)[id]] = true
	}
	if len(ids) != rows || slices.Contains(names, "_batch") || r["name"] != "flow of charges" || r["truncated"] != false {
		t.Errorf("%d %v %v", len(ids), names, r["name"])
	}
	if r := c.must(200, "GET", path+"&limit=5", nil).json(t); r["rowCount"] != 5. || r["truncated"] != true {
		t.Errorf("%v", r)
	}
	c.must(400, "GET", path+"&limit=1001", nil)
	c.must(400, "GET", path+"&limit=x", nil)
	c.must(400, "GET", sqlPath+"/preview", nil)
	c.must(404, "GET", sqlPath+"/preview?dataset=nothing", nil)
	c.sandbox = "dev"
	c.must(404, "GET", path, nil)
}

func (s *shop) exported(t *testing.T) {
	c := s.client
	c.t = t
	const query = `SELECT 'a,"b' AS "x,y", NULL AS n, '' AS e, 1.50 AS d, [1, 2] AS l, '"s"'::JSON AS j, TIMESTAMP '2026-01-31 12:00:00' AS t`
	for _, r := range []reply{
		c.must(200, "POST", sqlPath, map[string]any{"query": query}, "Accept", "text/csv"), c.must(200, "POST", sqlPath, map[string]any{"query": query, "format": "csv"}),
	} {
		got, err := csv.NewReader(strings.NewReader(string(r.body))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]string{{"x,y", "n", "e", "d", "l", "j", "t"}, {`a,"b`, "", "", "1.50", "[1,2]", `"s"`, "2026-01-31T12:00:00Z"}}, got); diff != "" {
			t.Error(diff)
		}
		if !strings.HasPrefix(r.header.Get("Content-Type"), "text/csv") || r.header.Get("X-Row-Count") != "1" || !strings.Contains(string(r.body), `,,"",`) {
			t.Errorf("%v %s", r.header, r.body)
		}
	}
	if r := c.must(400, "POST", sqlPath, map[string]any{"query": "SELECT error('late') FROM range(5)"}, "Accept", "text/csv"); !strings.Contains(string(r.body), "late") {
		t.Errorf("%s", r.body)
	}
}

func (s *shop) engined(t *testing.T, operator access.Caller, space string) {
	c := s.client
	c.t = t
	dataset := sqlPath + "/engines?dataset=" + s.datasets["charges"]
	for _, path := range []string{dataset, sqlPath + "/engines?table=" + space + ".charges", sqlPath + "/engines?table=charges_history"} {
		r := c.must(200, "GET", path, nil).json(t)
		place, _ := r["metadataLocation"].(string)
		if !strings.HasPrefix(place, "file://"+c.plane.dir) || r["formatVersion"] != 2. || r["locationHidden"] != false {
			t.Errorf("%v", r)
		}
		for _, e := range r["engines"].([]any) {
			if e := e.(map[string]any); e["reads"] != "no" && !strings.Contains(e["snippet"].(string), c.plane.dir) {
				t.Errorf("%v", e)
			}
		}
	}
	c.must(404, "GET", sqlPath+"/engines?table=nothing", nil)
	c.must(400, "GET", sqlPath+"/engines", nil)
	viewer := c.plane.integration(t, operator, access.ViewDatasets)
	r := viewer.must(200, "GET", dataset, nil)
	if strings.Contains(string(r.body), c.plane.dir) || r.json(t)["metadataLocation"] != nil || r.json(t)["locationHidden"] != true {
		t.Errorf("%s", r.body)
	}
}

// The copy that passes over the directory make is the default sandbox's, by the
// names that `tributary query` has.
func TestSQLOverOwnCopy(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	dir := t.TempDir()
	s := ownCopy(t, dir)
	p := startWith(t, dir, "", app.Sync{URL: s.URL, Share: 1})
	admin := p.admin(t)
	operator, err := p.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Access.CreateSandbox(t.Context(), operator, "dev", "Development", "development"); err != nil {
		t.Fatal(err)
	}
	n := admin.sql("SELECT count(*) FROM charges")
	if n == "[[0]]" {
		t.Error("the copy has no charges")
	}
	for _, name := range []string{"stripe_charges", "xdm.charges"} {
		if got := admin.sql("SELECT count(*) FROM " + name + " WHERE NOT _deleted"); got != n {
			t.Errorf("%s: %s, want %s", name, got, n)
		}
	}
	for _, v := range admin.must(200, "GET", sqlPath+"/tables", nil).json(t)["items"].([]any) {
		v := v.(map[string]any)
		admin.sql(v["sample"].(string))
		if id, ok := v["datasetId"].(string); ok {
			r := admin.must(200, "GET", sqlPath+"/preview?dataset="+id, nil).json(t)
			for _, c := range r["columns"].([]any) {
				if name := c.(map[string]any)["name"].(string); !strings.HasPrefix(name, "_tributary.") {
					t.Errorf("%v: %s", v["name"], name)
				}
			}
		}
	}
	admin.sandbox = "dev"
	for _, name := range []string{"charges", "xdm.charges", "stripe_charges", "lake.charges"} {
		admin.must(400, "POST", sqlPath, map[string]any{"query": "FROM " + name})
	}
}

// ownCopy copies a simulated account into a directory and returns where that is.
func ownCopy(t *testing.T, dir string) *httptest.Server {
	t.Helper()
	sim, err := stripesim.New(stripesim.Config{Seed: 3, Now: time.Now(), Counts: stripesim.Counts{Charges: 40, Customers: 10}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	key, err := stripe.ParseKey(sim.Key())
	if err != nil {
		t.Fatal(err)
	}
	pass := app.Sync{Dir: dir, URL: server.URL, Key: key, Share: 1, Limits: &stripe.Limits{}, Resources: []string{"charges", "customers"}}
	if r, err := pass.Run(t.Context()); err != nil {
		t.Fatalf("%v %v", r, err)
	}
	return server
}
