package webui_test

import (
	"html"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/runner"
	"github.com/tributary-data/tributary/internal/stripe"
)

// copyAt copies the whole simulated account into a directory.
func (w *world) copyAt(dir string) {
	w.t.Helper()
	key, err := stripe.ParseKey(goodKey)
	if err != nil {
		w.t.Fatal(err)
	}
	s := app.Sync{Dir: dir, Key: key, URL: w.account, Share: 1, Limits: &stripe.Limits{}, Hooks: app.Hooks{Untidy: true}}
	if r, err := s.Run(w.t.Context()); err != nil || r.Status != app.Complete {
		w.t.Fatal(r, err)
	}
}

// The report's page has its charts and numbers, and each of them leads to the
// query that made it, which runs on the page of queries: also where the sandbox
// has copies of two accounts.
func TestBNPLPage(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	holds(t, v.page("/ui/insights/bnpl"), "There is no copy of an account yet", "!hx-get=\"/ui/insights")
	operator, err := w.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"acct_a-test", "acct_b-test"} {
		w.copyAt(filepath.Join(runner.SandboxDir(w.dir, operator.Sandbox.ID), name))
	}
	if to := v.led("/ui/insights"); to != "/ui/insights/bnpl" {
		t.Error(to)
	}
	holds(t, v.page("/ui/insights/bnpl?tz=Asia/Tokyo"), `hx-get="/ui/insights/bnpl/report?copy=acct_a-test&amp;tz=Asia%2FTokyo"`, `<option value="acct_b-test">`)
	body := v.page("/ui/insights/bnpl/report?copy=acct_b-test&tz=Asia/Tokyo&period=week")
	holds(t, body, "Reconciled to the cent", "days of Asia/Tokyo", "are an association, not the effect", "Share of orders over time", "Order value by method", "Customers who ordered again", "From the first method", `class="s1 bar"`,
		"What the numbers mean", "! style=", "!<script>", "<html")
	_, _, part := v.get("/ui/insights/bnpl/report?copy=acct_b-test", "HX-Request", "true", "Accept-Language", "ko")
	holds(t, part, "!<html", "선구매 후결제", "최소 단위까지 일치합니다", "기간별 주문 비율", ": 중앙값", "!Share of orders", "!: median ", "!%!")

	sections := map[string]bool{}
	for _, found := range regexp.MustCompile(`href="(/ui/sql\?[^"]+)"`).FindAllStringSubmatch(body, -1) {
		path := html.UnescapeString(found[1])
		u, err := url.Parse(path)
		if err != nil || sections[u.Query().Get("section")] {
			continue
		}
		sections[u.Query().Get("section")] = true
		page := v.page(path)
		query := html.UnescapeString(regexp.MustCompile(`(?s)<textarea[^>]*>\n(.*?)</textarea>`).FindStringSubmatch(page)[1])
		status, answer := v.run(query, "HX-Request", "true")
		if status != http.StatusOK || !strings.Contains(query, "acct_b_test") {
			t.Errorf("%s: %d %s", path, status, alerts(answer))
		}
	}
	if len(sections) != 14 {
		t.Errorf("%d sections have their queries: %v", len(sections), sections)
	}
	status, h, text := v.get("/ui/insights/bnpl/csv?section=methods&copy=acct_a-test")
	if status != http.StatusOK || !strings.HasPrefix(text, "currency,class,method") || !strings.Contains(h.Get("Content-Disposition"), "bnpl.csv") {
		t.Errorf("the file: %d %v %.80s", status, h, text)
	}
	for query, want := range map[string]string{"tz=Mars": "there is no time zone", "copy=acct_c-test": "there is no such copy", "currency=x'": "no code of a currency"} {
		_, _, body := v.get("/ui/insights/bnpl/report?"+strings.ReplaceAll(query, "'", "%27"), "HX-Request", "true")
		holds(t, body, want, "!<html")
	}
	id, secret := w.integration(access.ViewDatasets)
	holds(t, w.signedIn(id, secret).page("/ui/insights/bnpl"), "acct_b-test")
}

// led follows a page that leads to another.
func (v *visitor) led(path string) string {
	v.world.t.Helper()
	status, h, body := v.get(path)
	if status != http.StatusSeeOther {
		v.world.t.Fatalf("GET %s: %d %s", path, status, alerts(body))
	}
	return h.Get("Location")
}

// Where a dataset's files are, and how others read them.
func TestDatasetEngines(t *testing.T) {
	t.Parallel()
	w, v, id := filled(t)
	path := "/ui/datasets/" + id + "/engines"
	holds(t, v.page("/ui/datasets/"+id), `hx-get="`+path+`"`)
	body := v.page(path)
	holds(t, html.UnescapeString(body), "iceberg_scan", "spark.read.format", "register_table", "icebergLocal", "StaticTable", "Yes, tested", "file://"+w.dir, ".parquet", `href="/ui/sql?q=SELECT+%2A+FROM+our_charges+LIMIT+100"`, "our_charges")
	client, secret := w.integration(access.ViewDatasets)
	viewer := w.signedIn(client, secret)
	holds(t, viewer.page(path), "Shown to those who may manage datasets", "&lt;location&gt;", "!"+w.dir)
	if status, _, _ := viewer.get("/ui/datasets/nothing/engines"); status != http.StatusNotFound {
		t.Errorf("a dataset that is not there: %d", status)
	}
}
