package webui_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/browsertest"
)

// browser returns the browser of the tests. The race detector looks at the pages'
// other tests: what scripts see of pages takes long.
func browser(t *testing.T) *browsertest.Browser {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
	return browsertest.New(t)
}

type screen struct {
	width  int
	scheme string
}

var screens = []screen{{browsertest.Wide, browsertest.Light}, {browsertest.Narrow, browsertest.Dark}, {browsertest.Wide, browsertest.Dark}, {browsertest.Narrow, browsertest.Light}}

// seen holds a page against what every page has to be, wide and narrow, light and
// dark. With TRIBUTARY_PICTURES it keeps a picture of each there.
func seen(t *testing.T, p *browsertest.Page, name string) {
	t.Helper()
	seenIn(t, p, "", name, screens[:2]...) // between them they have all that the others have
}

// seenIn is seen in a part of the page and on some screens alone, for states of a
// large page that was seen; pictures are of all.
func seenIn(t *testing.T, p *browsertest.Page, part, name string, on ...screen) {
	t.Helper()
	if os.Getenv("TRIBUTARY_PICTURES") != "" {
		on = screens
	}
	for _, screen := range on {
		p.Show(screen.width, screen.scheme)
		p.FitsWidth()
		if part == "" {
			p.Axe()
		} else {
			p.AxeIn(part)
		}
		if dir := os.Getenv("TRIBUTARY_PICTURES"); dir != "" {
			file := filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, screen.width, screen.scheme))
			if err := os.WriteFile(file, p.Screenshot(screen.width, screen.scheme), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	p.Show(browsertest.Wide, browsertest.Light)
}

// signIn signs in with a browser.
func signIn(p *browsertest.Page, w *world, id, secret string) {
	p.Open(w.url + "/ui/")
	p.WaitFor("#client_id")
	p.Fill("#client_id", id)
	p.Fill("#client_secret", secret)
	p.Click("main button[type=submit]")
	p.WaitURL("/ui/sources")
}

// openMenu opens the menu of a row. It closes when its table is scrolled, so that is
// over before.
func openMenu(p *browsertest.Page) {
	var over bool
	p.Eval(`new Promise((done) => {
		document.querySelector("#list details.menu summary").scrollIntoView({block: "center", inline: "center", behavior: "instant"});
		requestAnimationFrame(() => requestAnimationFrame(() => done(true)));
	})`, &over)
	p.Click("#list details.menu summary")
	p.WaitFor(`#list .menu[open] .menu-panel[style*="fixed"]`) // and has come to its place
}

// A new user's way from signing in to a dataflow whose first run went well.
func TestBrowserWorkflow(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w := open(t)
	p := b.Page(t)
	p.Allow("422") // a form that is shown again
	p.Open(w.url + "/ui/signin")
	p.WaitFor("#client_id")
	seen(t, p, "signin")
	signIn(p, w, w.id, w.secret)
	p.WaitText(".card", "Set up")
	seen(t, p, "sources")
	p.Show(browsertest.Narrow, browsertest.Light)
	p.Click(".topbar-end .menu summary")
	p.WaitText(".topbar .menu-panel", "Sign out")
	p.FitsWidth()
	p.Axe()
	p.Select("#lang", "ko")
	p.WaitText("h1", "소스")
	p.Click(".nav-button")
	p.WaitText("#sidenav", "데이터 세트")
	seen(t, p, "sources-ko")
	p.Click(".topbar-end .menu summary")
	p.Select("#lang", "en")
	p.WaitText("h1", "Sources")
	p.Fill("#q", "nothing of that name")
	p.WaitText("#cards", "No source is called that")
	p.Fill("#q", "stri")
	p.WaitText("#cards", "Set up")
	p.Click(".card button")

	p.WaitURL("/connect")
	button := `#choice button[type="submit"]`
	p.WaitFor(button + ":disabled")
	p.Fill("#name", "My shop")
	p.Fill("#token", "sk_test_of_nobody_at_all")
	p.WaitFor(button + ":enabled")
	seen(t, p, "workflow-connect")
	p.Click(button)
	p.WaitText("#choice", "Invalid API Key")
	seen(t, p, "workflow-connect-refused")
	p.Fill("#token", goodKey)
	p.Click(button)
	p.WaitText("main", "Connected")
	p.WaitGone("#account-facts .spinner")
	seen(t, p, "workflow-connected")
	p.Click(`main a[href$="/data"].accent`)

	p.WaitFor("#resource")
	seen(t, p, "workflow-data-empty")
	p.Select("#resource", "charges")
	p.WaitText("#preview", "ch_")
	seen(t, p, "workflow-data")
	p.Click(".as-tree")
	p.WaitText(".view-tree", "payment_method_details")
	p.WaitGone(".view-table")
	seen(t, p, "workflow-data-tree")
	p.Click("#preview button.accent")

	p.WaitURL("/detail")
	p.WaitText("#schema-choices", "Stripe Charges")
	p.Fill("#schema_search", "refund")
	p.WaitText("#schema-choices", "Stripe Refunds")
	p.WaitGone("#threshold")
	p.Click(".partial")
	p.WaitFor("#threshold")
	p.Click(`[name=alerts][value="run-failure"]`)
	seen(t, p, "workflow-detail")
	p.Click(".detail-form .form-actions button")

	p.WaitURL("/mapping")
	p.WaitFor("#map-finish button.accent")
	seen(t, p, "workflow-mapping")
	p.SetTimezone("Asia/Seoul")
	p.Click("#map-finish button.accent")
	p.WaitURL("/schedule")
	p.WaitText(".only-once", "can't be given a schedule later")
	p.Select("#frequency", "minute")
	var least string
	p.Eval(`document.querySelector("#interval").value`, &least)
	if least != "15" {
		t.Errorf("the interval of minutes begins with %s", least)
	}
	p.Select("#frequency", "hour")
	p.WaitGone(".only-once")
	p.WaitFor("#interval")
	p.WaitText("#start-help", "GMT+9")
	p.WaitGone("#forecast-title + div .spinner")
	seen(t, p, "workflow-schedule")
	p.Click(".schedule-form .form-actions button")
	p.WaitURL("/review")
	seen(t, p, "workflow-review")
	p.Click("form[action$=finish] button")
	p.WaitURL("/ui/dataflows/")
	_, flow, _ := strings.Cut(p.URL(), "/ui/dataflows/")
	if run := w.ended(flow); run["status"] != "success" {
		t.Fatalf("the first run: %v", run)
	}

	p.Open(w.url + "/ui/sources/dataflows")
	p.WaitText("#list", "My shop – Charges")
	seen(t, p, "dataflows")
	openMenu(p)
	p.WaitText(".menu-panel", "Edit schedule")
	p.Click(`.menu-panel a[href$="/schedule"]`)
	p.WaitText("main", "The start has passed")
	seen(t, p, "flow-schedule")
	p.Open(w.url + "/ui/sources/dataflows/" + flow + "/alerts")
	seen(t, p, "flow-alerts")
	p.Open(w.url + "/ui/sources/accounts")
	p.WaitText("#list", "My shop")
	seen(t, p, "accounts")
	openMenu(p)
	p.Click(`.menu-panel a[href^="/ui/sources/accounts/"]`)
	p.WaitFor("#token")
	seen(t, p, "account")

	p.Open(w.url + "/ui/sources/dataflows")
	openMenu(p)
	p.Click(`form[action$="/delete"] button`)
	p.WaitText("dialog", "What it brought into its dataset stays")
	p.Axe()
	p.Click("dialog button.negative")
	p.WaitText("#list", "There is no dataflow yet")
	seen(t, p, "dataflows-empty")
	if len(w.own()) != 1 {
		t.Error("the dataset went with its dataflow")
	}
}

// With View Sources alone nothing of managing is on the pages.
func TestBrowserViewSources(t *testing.T) {
	t.Parallel()
	b := browser(t)
	w := open(t)
	admin := w.signedIn(w.id, w.secret)
	w.ended(admin.scheduled(map[string][]string{"frequency": {"once"}}))
	id, secret := w.integration(access.ViewSources)
	p := b.Page(t)
	signIn(p, w, id, secret)
	for _, path := range []string{"/ui/sources", "/ui/sources/accounts", "/ui/sources/dataflows"} {
		p.Open(w.url + path)
		p.WaitText("main", "Stripe")
		if n := p.Count("main button, main .menu, main form[method=post]"); n != 0 {
			t.Errorf("%s has %d things to press", path, n)
		}
	}
	p.Allow("403")
	p.Open(w.url + "/ui/dataflows/" + items(w.api("GET", "/data/foundation/flowservice/flows", nil))[0]["id"].(string) + "/schedule")
	p.WaitText("h1", "Not allowed")
}
