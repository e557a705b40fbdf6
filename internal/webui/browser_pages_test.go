package webui_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/webui"
)

// notPages are what no link leads to: parts of pages, streams and files, and the
// steps of the workflow (TestBrowserWorkflow goes through them).
var notPages = regexp.MustCompile(`^/ui/signin|/live$|/csv$|/export$|/report$|^/ui/workflow/|^/ui/sql/tables$|^/ui/monitoring/reads$|/budget$|/reconcile$`)

// elsewhere stands for the address of what only leads on to a page.
const elsewhere = "elsewhere"

// pagesOf follows links from page to page and returns the address of one page of
// each pattern that there is.
func (v *visitor) pagesOf(patterns []string) map[string]string {
	mux := http.NewServeMux()
	for _, p := range patterns {
		mux.Handle("GET "+p, http.NotFoundHandler())
	}
	found, fetched := map[string]string{}, map[string]int{}
	var visited []string
	links := regexp.MustCompile(`href="(/ui/[^"#]*)`)
	for queue := []string{"/ui/sources"}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		_, pattern := mux.Handler(httptest.NewRequest(http.MethodGet, at, nil))
		pattern = strings.TrimPrefix(pattern, "GET ")
		const most = 8 // of one pattern: not each leads to all that one of them may lead to
		if pattern == "" || fetched[pattern] == most || notPages.MatchString(pattern) || slices.Contains(visited, at) {
			continue
		}
		fetched[pattern]++
		visited = append(visited, at)
		status, h, body := v.get(at)
		if status == http.StatusSeeOther {
			found[pattern], queue = elsewhere, append(queue, h.Get("Location"))
			continue
		}
		if status != http.StatusOK || !strings.Contains(h.Get("Content-Type"), "text/html") {
			continue
		}
		if found[pattern] == "" {
			found[pattern] = at
		}
		for _, link := range links.FindAllStringSubmatch(body, -1) {
			queue = append(queue, html.UnescapeString(link[1]))
		}
	}
	return found
}

// Every page that there is can be reached by links, and is what a page has to be:
// wide and narrow, light and dark. With TRIBUTARY_PICTURES_OF, the address of
// another server with client id and secret in it, the pages are that one's.
func TestBrowserPages(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w := &world{t: t}
	if of := os.Getenv("TRIBUTARY_PICTURES_OF"); of != "" {
		at, err := url.Parse(of)
		if err != nil {
			t.Fatal(err)
		}
		w.id = at.User.Username()
		w.secret, _ = at.User.Password()
		at.User = nil
		w.url = at.String()
	} else {
		w = open(t)
		w.furnish()
	}
	found := w.signedIn(w.id, w.secret).pagesOf(webui.Pages())
	p := b.Page(t)
	p.Allow("409", "/results/report") // there are no refunds here, which results need
	signIn(p, w, w.id, w.secret)
	for _, pattern := range webui.Pages() {
		at := found[pattern]
		if at == "" && !notPages.MatchString(pattern) && w.sim != nil {
			t.Errorf("no link leads to %s", pattern)
		}
		if at == "" || at == elsewhere {
			continue
		}
		p.Open(w.url + at)
		p.WaitFor("main h1")
		p.WaitGone("main .spinner")
		seen(t, p, "page"+strings.NewReplacer("/ui", "", "/", "-", "{", "", "}", "").Replace(pattern))
	}
}

// furnish makes one of everything that has a page.
func (w *world) furnish() {
	w.t.Helper()
	v := w.signedIn(w.id, w.secret)
	for _, schedule := range []url.Values{{"frequency": {"hour"}, "interval": {"1"}}, {"frequency": {"once"}}} {
		if run := w.ended(v.scheduled(schedule)); run["status"] != "success" {
			w.t.Fatalf("the run: %v", run)
		}
	}
	v.must("/ui/experiments/new", variantForm(nil))
	experiment := items(w.api("GET", "/data/tributary/experiments", nil))[0]["id"].(string)
	v.must("/ui/experiments/"+experiment+"/start", url.Values{"version": {"1"}})
	audience := w.api("POST", "/data/tributary/audiences", `{"name": "Payers", "predicate": {"charges": {"state": "paid", "count": {"atLeast": 1}}}}`).(map[string]any)["id"].(string)
	w.api("POST", "/data/tributary/audiences/"+audience+"/materialise", nil)
	v.must("/ui/alerts/new", url.Values{"channel": {"app"}, "name": {"Failures"}, "kinds": {"run-failure"}, "enabled": {"true"}})
	v.must("/ui/access/roles/new", url.Values{"name": {"Watchers"}, "permissions": {"view-sources"}, "sandboxes": {"prod"}})
	v.must("/ui/offers/new", offerForm(nil))
	w.removed(v, url.Values{"customer": {"cus_Nobody4711"}, "mode": {"keepBooks"}, "sure": {"yes"}})
	if !slices.ContainsFunc(items(w.api("GET", "/data/tributary/copies", nil)), func(c map[string]any) bool { return c["copy"] != "" }) {
		w.t.Fatal("there is no copy")
	}
}
