package assets

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tributary-data/tributary/internal/browsertest"
)

func TestMain(m *testing.M) { os.Exit(browsertest.Main(m)) }

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// sample serves testdata/sample.html, which has everything that the style knows, and
// answers for some scripts.
func sample(t *testing.T, page string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", page))
	if err != nil {
		t.Fatal(err)
	}
	html := string(content)
	for _, name := range []string{"app.js", "app.css", "icon.svg"} {
		html = strings.ReplaceAll(html, "{{"+name+"}}", File(name))
	}
	answer := func(status int, header http.Header, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			maps.Copy(w.Header(), header)
			w.Header().Set("Content-Security-Policy", policy)
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	asHTML := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	mux := http.NewServeMux()
	mux.Handle(Prefix, Handler())
	mux.HandleFunc("GET /{$}", answer(http.StatusOK, asHTML, html))
	mux.HandleFunc("GET /next", answer(http.StatusOK, asHTML, `<h1>Next page</h1>`))
	mux.HandleFunc("POST /refuse", answer(http.StatusUnprocessableEntity, asHTML, `<div class="banner negative" role="alert" data-error-summary><strong>Name is missing</strong></div>`))
	mux.HandleFunc("POST /crash", answer(http.StatusBadGateway, http.Header{"Content-Type": {"application/json"}}, `{"secret": "trace"}`))
	mux.HandleFunc("POST /save", answer(http.StatusOK, http.Header{"Content-Type": {"text/html"}, "Hx-Trigger": {`{"toast": {"text": "It is saved", "tone": "positive"}}`}}, `<p>Saved</p>`))
	mux.HandleFunc("GET /events", answer(http.StatusOK, http.Header{"Content-Type": {"text/event-stream"}},
		"event: other\ndata: <b>not here</b>\n\nevent: live-count\ndata: <strong id=\"inner\">41</strong>\n\nevent: inner\ndata: 42\n\nevent: done\ndata:\n\n"))
	var counted atomic.Int64
	mux.HandleFunc("POST /count", func(w http.ResponseWriter, r *http.Request) {
		answer(http.StatusOK, asHTML, strconv.FormatInt(counted.Add(1), 10))(w, r)
	})
	mux.HandleFunc("GET /wait", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("of-sandbox") != "sb-1" {
			http.Error(w, "of which sandbox?", http.StatusBadRequest)
			return
		}
		answer(http.StatusOK, http.Header{"Content-Type": {"text/event-stream"}}, ": open\n\n")(w, r)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// The sample is readable for all, on a phone and a desk, light and dark, and breaks no
// content security policy. TRIBUTARY_TEST_PICTURES names a folder for pictures of it.
func TestSample(t *testing.T) {
	t.Parallel()
	p := browsertest.New(t).Page(t)
	p.Open(sample(t, "sample.html"))
	pictures := os.Getenv("TRIBUTARY_TEST_PICTURES")
	for _, scheme := range []string{browsertest.Light, browsertest.Dark} {
		for _, width := range []int{browsertest.Wide, browsertest.Narrow} {
			p.Show(width, scheme)
			p.WaitFor("sp-theme[color=" + scheme + "]")
			p.Axe()
			p.FitsWidth()
			if pictures != "" {
				name := filepath.Join(pictures, scheme+map[bool]string{true: "-wide.png", false: "-narrow.png"}[width == browsertest.Wide])
				if err := os.WriteFile(name, p.Screenshot(width, scheme), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	b := browsertest.New(t)
	url := sample(t, "scripts.html")
	open := func(t *testing.T) *browsertest.Page {
		t.Helper()
		p := b.Page(t)
		p.SetTimezone("Europe/Berlin")
		p.Open(url)
		p.WaitFor("sp-theme[color]")
		return p
	}

	t.Run("theme", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.Show(browsertest.Wide, browsertest.Dark)
		p.WaitFor(`sp-theme[color="dark"]`)
		p.Select("[data-theme-switch]", "light")
		p.WaitFor(`html[data-theme="light"] sp-theme[color="light"]`)
		var cookie string
		if p.Eval("document.cookie", &cookie); cookie != "tributary_theme=light" {
			t.Errorf("cookie %q", cookie)
		}
	})
	t.Run("confirm", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.Click("#delete")
		p.WaitText("dialog", "All flows stop")
		p.Press("Escape")
		p.WaitGone("dialog")
		if text := p.Text("#out"); text != "nothing yet" {
			t.Errorf("what was not agreed to was done: %q", text)
		}
		p.Click("#delete")
		p.Fill("#confirm-type", "wrong")
		p.WaitFor("dialog .button.negative:disabled")
		p.Fill("#confirm-type", "berlin")
		p.Click("dialog .button.negative")
		p.WaitText("#out", "Saved")
	})
	t.Run("toast", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.WaitText(".toasts", "Welcome") // a flash of the page
		p.Click("#save")
		p.WaitText("#out", "Saved")
		p.WaitText(".toasts", "It is saved")
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.Allow("resource", "422", "/refuse")
		p.Click("#refuse")
		p.WaitText("#out", "Name is missing")
		p.WaitFor("[data-error-summary]:focus")
	})
	t.Run("broken answer", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.Allow("resource", "502", "/crash")
		p.Click("#crash")
		p.WaitText(".toasts", "The server could not do this")
		if text := p.Text("#out"); text != "nothing yet" {
			t.Errorf("a raw answer is shown: %q", text)
		}
	})
	t.Run("focus", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.Click("#next")
		p.WaitFor("main > h1:focus")
	})
	t.Run("events", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.WaitText("#inner", "42") // an element that an event brought hears events too
		p.WaitFor(`[data-sse="/events"][data-sse-state="done"]`)
		if text := p.Text("#other"); text != "outside" {
			t.Errorf("an event changed what is outside: %q", text)
		}
	})
	t.Run("a page that nobody sees", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		see := func(hidden string) {
			p.Eval(`Object.defineProperty(document, "hidden", {configurable: true, value: `+hidden+`}) && document.dispatchEvent(new Event("visibilitychange"))`, nil)
		}
		p.WaitFor(`[data-sse="/events"][data-sse-state="done"]`)
		p.WaitFor(`[data-sse-state="live"]`)
		see("true")
		p.WaitFor(`[data-sse-state="paused"]`)
		see("false")
		p.WaitFor(`[data-sse-state="live"]`)
		p.WaitFor(`[data-sse="/events"][data-sse-state="done"]`) // what has ended does not begin again
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.Eval(`(() => { const form = document.querySelector("#once"); form.requestSubmit(); form.requestSubmit(); })()`, nil)
		p.WaitText("#counted", "1")
		p.Eval(`new Promise((done) => setTimeout(done, 1100))`, nil)
		p.Click("#once button")
		p.WaitText("#counted", "2")
	})
	t.Run("sandbox", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		for form, want := range map[string]string{"#there": "sb-1", "#anywhere": "null"} {
			var of string
			if p.Eval(`String(new FormData(document.querySelector("`+form+`")).get("of-sandbox"))`, &of); of != want {
				t.Errorf("%s says it is of %s, want %s", form, of, want)
			}
		}
		p.Eval(`document.addEventListener("htmx:afterRequest", ({detail}) => (window.asked = detail.requestConfig.headers["X-Of-Sandbox"]))`, nil)
		p.Click("#save")
		p.WaitText("#out", "Saved")
		var of string
		if p.Eval("window.asked", &of); of != "sb-1" {
			t.Errorf("a button says it is of %q", of)
		}
	})
	t.Run("small things", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.WaitText("time", "2026-11-23 09:00 UTC Nov 23, 10:00")
		p.Fill("[data-filter]", "curr")
		p.WaitGone("#list li:first-child")
		p.WaitFor("#list li:last-child")
		p.Fill("#source", "lower()")
		p.Eval(`document.querySelector("#source").setSelectionRange(6, 6)`, nil)
		p.Click("[data-insert]")
		var value string
		if p.Eval(`document.querySelector("#source").value`, &value); value != "lower(charge.currency)" {
			t.Errorf("inserted: %q", value)
		}
		p.Click("#all")
		if n := p.Count("#list input:checked"); n != 1 {
			t.Errorf("%d boxes are checked", n)
		}
		p.Click("[data-copy]")
		p.WaitText(".toasts", "Copied")
		p.Click("summary")
		p.WaitFor(".menu-panel")
		p.Press("Escape")
		p.WaitGone(".menu-panel")
	})
	t.Run("phone", func(t *testing.T) {
		t.Parallel()
		p := open(t)
		p.Show(browsertest.Narrow, browsertest.Light)
		p.WaitGone("#sidenav")
		p.Click(".nav-button")
		p.WaitFor("#sidenav")
		p.Click(".nav-button")
		p.WaitGone("#sidenav")
		p.FitsWidth()
	})
}
