package browsertest

import (
	"bytes"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

// verdict records how a test that uses a page ends.
type verdict struct {
	testing.TB
	mu       sync.Mutex
	said     []string
	cleanups []func()
}

func (v *verdict) Helper()          {}
func (v *verdict) Cleanup(f func()) { v.cleanups = append(v.cleanups, f) }

func (v *verdict) Errorf(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.said = append(v.said, fmt.Sprintf(format, args...))
}

func (v *verdict) Fatalf(format string, args ...any) {
	v.Errorf(format, args...)
	runtime.Goexit()
}

// verdictOf runs a test of a page to its end and returns what it failed with.
func verdictOf(t *testing.T, b *Browser, test func(*Page)) []string {
	t.Helper()
	v := &verdict{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(v.cleanups) {
				f()
			}
		}()
		p := b.Page(v)
		p.wait = 5 * time.Second
		test(p)
	}()
	<-done
	return v.said
}

const strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'"

// site serves a page whose body is given, and a script, under a content security policy.
func site(t *testing.T, policy, body, js string) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, `<!doctype html><html lang="en"><head><title>Page</title><meta name="viewport" content="width=device-width">
			<link rel="stylesheet" href="/page.css"><link rel="icon" href="data:,"><script src="/page.js" defer></script></head><body><main><h1>Heading</h1>%s</main></body></html>`, body)
	})
	mux.HandleFunc("GET /page.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, js)
	})
	mux.HandleFunc("GET /page.css", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/css")
		_, _ = io.WriteString(w, `body { background: #fff; color: #000 } .pale { color: #ccc } .wide { width: 2000px }
			.lid { position: fixed; inset: 0; background: #eee } .gone { display: none }
			.dark { display: none } @media (prefers-color-scheme: dark) { .dark { display: block } }`)
	})
	mux.HandleFunc("GET /elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://redirected.example.com/", http.StatusFound)
	})
	mux.HandleFunc("GET /refused", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnprocessableEntity) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

// Every kind of fault is found, and only that.
func TestFaults(t *testing.T) {
	t.Parallel()
	b := New(t)
	tests := []struct {
		name, policy, body, js string
		test                   func(*Page)
		want                   []string // parts that the verdict has, none of which may be missing; nil: the test passes
	}{
		{name: "good page", policy: strict, body: `<p>Fine</p><img alt="" src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">`, js: `console.log("x"); console.warn("y"); fetch("/page.css")`},
		{name: "picture from elsewhere", body: `<img alt="" src="http://pictures.example.com/a.png">`, want: []string{"request: http://pictures.example.com/a.png leaves this machine"}},
		{name: "request elsewhere", js: `fetch("https://192.0.2.1/api").catch(() => {})`, want: []string{"request: https://192.0.2.1/api leaves"}},
		{name: "redirect elsewhere", js: `fetch("/elsewhere").catch(() => {})`, want: []string{"request: http://redirected.example.com/ leaves"}},
		{name: "socket elsewhere", js: `new WebSocket("ws://sockets.example.com/")`, want: []string{"request: ws://sockets.example.com/ leaves"}},
		{name: "request elsewhere is never allowed", js: `fetch("http://192.0.2.1/api").catch(() => {})`, test: func(p *Page) { p.Allow() }, want: []string{"request: http://192.0.2.1/api leaves"}},
		{name: "error on the console", js: `console.error("broken", {part: 1}, 42)`, want: []string{`console: "broken" Object 42`}},
		{name: "failed assertion", js: `console.assert(1 === 2, "sums")`, want: []string{`console: "sums"`}},
		{name: "exception", js: `throw new Error("thrown here")`, want: []string{"exception: ", "thrown here"}},
		{name: "rejected promise", js: `Promise.reject(new Error("nobody cared"))`, want: []string{"exception: ", "nobody cared"}},
		{name: "missing file", js: `fetch("/missing")`, want: []string{"resource: ", "404", "/missing"}},
		{name: "refused request", js: `fetch("/refused")`, want: []string{"resource: ", "422", "/refused"}},
		{name: "refused request, expected", js: `fetch("/refused")`, test: func(p *Page) { p.Allow("resource", "422", "/refused") }},
		{name: "another refused request", js: `fetch("/refused")`, test: func(p *Page) { p.Allow("resource", "422", "/other") }, want: []string{"/refused"}},
		{name: "script in the page", policy: strict, body: `<script>window.x = 1</script>`, want: []string{"content security policy: script-src", "kInlineViolation"}},
		{name: "style in the page", policy: strict, body: `<p style="color: red">Red</p>`, want: []string{"content security policy: style-src"}},
		{name: "script from elsewhere", policy: strict, body: `<script src="http://scripts.example.com/a.js"></script>`, want: []string{"content security policy: script-src", "http://scripts.example.com/a.js"}},
		{name: "eval", policy: strict, js: `try { eval("1") } catch {}`, want: []string{"content security policy: script-src", "kEvalViolation"}},
		{name: "dialog", js: `alert("stop")`, want: []string{`dialog: alert "stop"`}},
		{name: "pale text", policy: strict, body: `<p class="pale">Hard to read</p>`, test: (*Page).Axe, want: []string{"axe: color-contrast (serious", `at [p]`, "Hard to read"}},
		{name: "field without a name", policy: strict, body: `<input type="text">`, test: (*Page).Axe, want: []string{"axe: label (critical"}},
		{name: "accessible page", policy: strict, body: `<label>Name <input type="text"></label>`, test: func(p *Page) { p.Axe(); p.Axe() }},
		{name: "page too wide", body: `<p class="wide">Wide</p>`, test: func(p *Page) { p.Show(Narrow, Light); p.FitsWidth() }, want: []string{"at 390 pixels the page scrolls sideways", "2008 pixels wide"}},
		{name: "page that fits", body: `<p>Narrow</p>`, test: func(p *Page) { p.Show(Narrow, Light); p.FitsWidth() }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url := site(t, test.policy, test.body, test.js)
			said := verdictOf(t, b, func(p *Page) {
				if test.test != nil && strings.Contains(test.name, "request") {
					test.test(p)
				}
				p.Open(url)
				p.WaitText("h1", "Heading")
				if test.test != nil && !strings.Contains(test.name, "request") {
					test.test(p)
				}
				// What scripts do after the page is there: their requests have ended when this one has.
				p.Eval(`fetch("/page.css").then((r) => r.status)`, nil)
				p.Eval(`new Promise((done) => setTimeout(done, 100))`, nil)
			})
			all := strings.Join(said, "\n")
			if len(test.want) == 0 && all != "" {
				t.Errorf("a good page failed: %s", all)
			}
			for _, want := range test.want {
				if !strings.Contains(all, want) {
					t.Errorf("%q lacks %q", all, want)
				}
			}
		})
	}
}

// What is waited for in vain ends the test with a picture in words of the page.
func TestWaitsInVain(t *testing.T) {
	t.Parallel()
	b := New(t)
	body := `<p id="there">Some text</p><p class="gone">Hidden</p><button disabled id="off">Off</button>
		<button id="under">Under</button><div class="lid"></div><select aria-label="s" id="s"><option>a</option></select><input readonly id="r">`
	url := site(t, "", body, "")
	tests := []struct {
		name string
		test func(*Page)
		want []string
	}{
		{"missing", func(p *Page) { p.WaitFor(".missing") }, []string{"wait for .missing: there is no such element", `title "Page"`, url, "Some text"}},
		{"hidden", func(p *Page) { p.WaitFor(".gone") }, []string{"not shown"}},
		{"still there", func(p *Page) { p.WaitGone("#there") }, []string{"still shown"}},
		{"another text", func(p *Page) { p.WaitText("#there", "Other") }, []string{`wait for "Other" in #there: it says "Some text"`}},
		{"another address", func(p *Page) { p.WaitURL("/other") }, []string{"wait for the address /other: it is " + url}},
		{"disabled", func(p *Page) { p.Click("#off") }, []string{"click on #off: the element is disabled"}},
		{"covered", func(p *Page) { p.Click("#under") }, []string{"covered by <div class=\"lid\">"}},
		{"no such option", func(p *Page) { p.Select("#s", "b") }, []string{`the options are ["a"]`}},
		{"field for reading", func(p *Page) { p.Fill("#r", "x") }, []string{"takes no text"}},
		{"wrong selector", func(p *Page) { p.WaitFor("[[") }, []string{"wait for [[", "not a valid selector"}},
		{"wrong script", func(p *Page) { p.Eval("nothing.here", nil) }, []string{"ReferenceError"}},
		{"no server", func(p *Page) { p.Open("http://127.0.0.1:1/") }, []string{"open http://127.0.0.1:1/", "ERR_"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			said := verdictOf(t, b, func(p *Page) {
				p.Open(url)
				p.wait = time.Second / 2
				test.test(p)
				p.t.Errorf("the test went on")
			})
			if len(said) == 0 || slices.Contains(said, "the test went on") {
				t.Fatalf("the test did not end: %q", said)
			}
			for _, want := range test.want {
				if !strings.Contains(said[0], want) {
					t.Errorf("%q lacks %q", said[0], want)
				}
			}
		})
	}
}

func TestActions(t *testing.T) {
	t.Parallel()
	b := New(t)
	body := `<form id="f"><label>Name <input id="name" value="old"></label><label>Day <input id="day" type="date"></label>
		<label>Kind <select id="kind"><option value="">-</option><option value="b">B</option></select></label>
		<label><input type="checkbox" id="box"> Box</label><input type="file" aria-label="File" id="file"><button id="go">Go</button></form>
		<p id="out"></p><p class="dark" id="night">Night</p>`
	js := `const out = document.querySelector("#out");
		document.querySelector("#kind").addEventListener("change", (e) => out.append("kind=" + e.target.value + " "));
		document.querySelector("#name").addEventListener("input", (e) => out.append("typed "));
		document.querySelector("#f").addEventListener("submit", (e) => { e.preventDefault(); const f = e.target;
			setTimeout(() => out.append("sent " + [f.elements.name.value, f.day.value, f.box.checked, f.file.files.length].join(",")), 50) });`
	url := site(t, strict, body, js)
	p := b.Page(t)
	p.SetCookie(url, &http.Cookie{Name: "session", Value: "s3"})
	p.Open(url)
	p.Fill("#name", "Ada")
	p.Fill("#day", "2026-11-23")
	p.Select("#kind", "b")
	p.Click("#box")
	p.Upload("#file", "browser.go")
	p.Click("#go")
	p.WaitText("#out", "sent Ada,2026-11-23,true,1")
	p.Fill("#name", "")
	p.Press("x")
	p.Press("Enter")
	p.WaitText("#out", "sent x,2026-11-23,true,1")
	if text := p.Text("#out"); !strings.Contains(text, "kind=b") || !strings.Contains(text, "typed") {
		t.Errorf("events: %q", text)
	}
	var cookie, zone string
	p.Eval("document.cookie", &cookie)
	p.SetTimezone("Europe/Berlin")
	p.Eval("Intl.DateTimeFormat().resolvedOptions().timeZone", &zone)
	if cookie != "session=s3" || zone != "Europe/Berlin" || p.URL() != url+"/" || p.Count("input") != 4 {
		t.Errorf("cookie %q, zone %q, address %q, inputs %d", cookie, zone, p.URL(), p.Count("input"))
	}

	p.WaitGone("#night")
	p.Show(Wide, Dark)
	p.WaitFor("#night")
	p.Show(Wide, Light)
	picture, err := png.Decode(bytes.NewReader(p.Screenshot(Narrow, Dark)))
	if err != nil || picture.Bounds().Dx() != Narrow {
		t.Errorf("picture %v (%v)", picture.Bounds(), err)
	}
	p.WaitGone("#night")
	p.Reload()
	p.WaitText("#out", "")
	p.WaitFor("#name")

	// Another page knows nothing of the first one's cookies.
	other := b.Page(t)
	other.Open(url)
	if other.Eval("document.cookie", &cookie); cookie != "" {
		t.Errorf("a fresh page has the cookie %q", cookie)
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"http://127.0.0.1:80/x": true, "http://127.8.0.1/": true, "https://localhost/": true, "ws://[::1]:9/": true, "data:,x": true, "blob:http://a.example/1": true,
		"http://localhost.example.com/": false, "http://10.0.0.1/": false, "https://example.com/127.0.0.1": false, "file:///etc/passwd": false, "http://127.0.0.1.example.com/": false, "http://0.0.0.0/": false, "http://127.0.0.1@example.com/": false,
	} {
		if local(address) != want {
			t.Errorf("local(%q) = %t", address, !want)
		}
	}
}
