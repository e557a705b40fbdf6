package webui_test

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

// filled returns a visitor of a world with a dataset of charges, and its id.
func filled(t *testing.T) (*world, *visitor, string) {
	t.Helper()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	w.ended(v.scheduled(url.Values{"frequency": {"once"}}))
	for id := range w.own() {
		return w, v, id
	}
	t.Fatal("there is no dataset")
	return nil, nil, ""
}

// run sends a query as the form does.
func (v *visitor) run(query string, header ...string) (int, string) {
	v.world.t.Helper()
	status, _, body := v.post("/ui/sql", url.Values{"query": {query}, "limit": {"100"}}, header...)
	return status, body
}

// Queries are filled in by links and run by the button; what they come to, and
// what is wrong with them, shows on the page.
func TestSQLPage(t *testing.T) {
	t.Parallel()
	w, v, _ := filled(t)
	holds(t, v.page("/ui/sql?q=SELECT+%27%3Cb%3E%27"), "SELECT &#39;&lt;b&gt;&#39;</textarea>", "!Result", `hx-get="/ui/sql/tables"`)
	holds(t, v.page("/ui/sql/tables"), `data-insert="our_charges"`, "_tributary.charges_data.amount", "BIGINT", "acct_", "Every version", "may take 30 seconds", "10,000 rows and 16.8 MB", "2 queries run")

	status, body := v.run("SELECT status, count(*) AS n,\r\n NULL AS nothing, '<i>' AS markup FROM charges GROUP BY 1 ORDER BY n DESC")
	if status != http.StatusOK {
		t.Fatal(status, alerts(body))
	}
	holds(t, body, `<th scope="col" class="num">n<span class="type">BIGINT</span>`, "<td>succeeded</td>", `<span class="quiet">NULL</span>`, "&lt;i&gt;", "!<i>", "Data of", "!There are more rows")
	_, body = v.run("FROM range(101)", "HX-Request", "true")
	holds(t, body, "!<html", "100 rows", "There are more rows than these")
	_, body = v.run("FROM range(0)")
	holds(t, body, "No rows")

	for query, want := range map[string]string{
		"SELECT 1,\r\n  '한' || amout\r\nFROM charges": `data-goes-to="2:10"`, "SELEC 1": "Line 1, character 1", "FROM nothing_like": `data-goes-to="1:6"`,
		"SELECT id, amount, currency, status, created, customer, description, invoice, payment_intent, refunded, paid, nothing_like FROM charges": "character 111",
	} {
		status, body := v.run(query, "HX-Request", "true")
		if status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d", query, status)
		}
		holds(t, body, "The query was not run", want, "LINE ", "data-error-summary")
	}
	_, body = v.run("SELECT 1; SELECT 2")
	holds(t, body, `aria-invalid="true"`, "more than one statement", "SELECT 1; SELECT 2</textarea>", "!LINE")

	status, h, text := v.post("/ui/sql/csv", url.Values{"query": {"SELECT id, amount FROM charges"}})
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if status != http.StatusOK || err != nil || len(rows) != 151 || !strings.HasPrefix(h.Get("Content-Type"), "text/csv") || !strings.Contains(h.Get("Content-Disposition"), "query.csv") {
		t.Errorf("the file: %d %v %d rows, %v", status, h, len(rows), err)
	}
	if status, _, body := v.post("/ui/sql/csv", url.Values{"query": {"SELECT nothing"}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "The query was not run") {
		t.Errorf("the file of a wrong query: %d", status)
	}
	id, secret := w.integration(access.ViewSources)
	only := w.signedIn(id, secret)
	for _, path := range []string{"/ui/sql", "/ui/sql/tables", "/ui/insights/bnpl"} {
		if status, _, _ := only.get(path); status != http.StatusForbidden {
			t.Errorf("%s with View Sources only: %d", path, status)
		}
	}
	if status, _ := only.run("SELECT 1"); status != http.StatusForbidden {
		t.Errorf("a query with View Sources only: %d", status)
	}
}

// The page gives nothing away that is not the sandbox's, and queries that have
// no end end with those who wait for them.
func TestSQLPageGuard(t *testing.T) {
	t.Parallel()
	w, v, dataset := filled(t)
	files, err := filepath.Glob(filepath.Join(w.dir, "lake", "stripe", "ds_"+dataset, "data", "*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	operator, err := w.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Access.CreateSandbox(t.Context(), operator, "dev", "Development", "development"); err != nil {
		t.Fatal(err)
	}
	v.must("/ui/sandbox", url.Values{"sandbox": {"dev"}})
	file := "'" + files[0] + "'"
	for _, query := range []string{
		"FROM read_text('/etc/passwd')", "FROM read_csv('/etc/passwd')", "FROM read_parquet(" + file + ")", "FROM " + file, "COPY (SELECT 1) TO '/tmp/x'", "COPY charges TO '/tmp/x'",
		"ATTACH '" + w.dir + "/control.db'", "SET memory_limit = '1TB'", "SET enable_external_access = true", "SELECT getenv('HOME')", "FROM glob('" + w.dir + "/**')",
		"FROM our_charges", "FROM ds_" + dataset, "FROM xdm.ds_" + dataset, "FROM charges", "INSTALL httpfs", "PRAGMA database_list", "FROM duckdb_settings()", "DROP VIEW charges", "SELECT 1; SELECT 2", "",
	} {
		status, body := v.run(query, "HX-Request", "true")
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, "The query was not run") || strings.Contains(body, "<td") {
			t.Errorf("%s: %d %s", query, status, body)
		}
		if !strings.Contains(query, w.dir) && strings.Contains(body, w.dir) {
			t.Errorf("%s tells where files are: %s", query, body)
		}
		if status, _, body := v.post("/ui/sql/csv", url.Values{"query": {query}}); status != http.StatusUnprocessableEntity {
			t.Errorf("the file of %s: %d %s", query, status, body)
		}
	}
	body := v.page("/ui/sql/tables")
	holds(t, body, "There are no tables yet", "!our_charges", "!"+w.dir)

	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	var waiting sync.WaitGroup
	for range 2 {
		waiting.Go(func() { // a browser that leaves; of no interest is what it gets
			form := url.Values{"query": {"SELECT count(*) FROM range(4000000000) a, range(4000000000) b"}, "limit": {"100"}}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+"/ui/sql", strings.NewReader(form.Encode()))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if resp, err := v.client.Do(req); err == nil {
				_ = resp.Body.Close()
				t.Errorf("a query without end has ended: %d", resp.StatusCode)
			}
		})
	}
	until := func(what string, status int, text string) {
		t.Helper()
		for t.Context().Err() == nil {
			if got, body := v.run("SELECT 7 AS seven"); got == status && strings.Contains(body, text) {
				return
			}
		}
		t.Fatal(what)
	}
	until("others may query while two queries run", http.StatusUnprocessableEntity, "other queries are being run")
	leave()
	waiting.Wait()
	until("nobody may query after two left", http.StatusOK, "<td class=\"num\">7</td>")
	if log := w.log.String(); strings.Contains(log, "level=ERROR") {
		t.Error(log)
	}
}
