package decision_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/browsertest"
	"github.com/tributary-data/tributary/internal/decision"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/need"
	"github.com/tributary-data/tributary/internal/trial"
)

func TestMain(m *testing.M) { os.Exit(browsertest.Main(m)) }

// A shopPage is a page of a shop that uses OpenFeature's provider for pages.
type shopPage struct {
	*browsertest.Page
	t *testing.T
}

// openShop serves the page and OpenFeature's modules from an origin of their own.
func openShop(t *testing.T) (origin string, open func() shopPage) {
	t.Helper()
	modules := filepath.Join(need.Dir(t, "TRIBUTARY_TEST_OFREP"), "node_modules")
	browser := browsertest.New(t)
	mux := http.NewServeMux()
	mux.Handle("GET /modules/", http.StripPrefix("/modules/", http.FileServer(http.Dir(modules))))
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/page.html") })
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.URL, func() shopPage {
		page := browser.Page(t)
		page.Open(srv.URL)
		page.Eval(`new Promise((done) => { const look = () => window.shop ? done(0) : setTimeout(look, 5); look(); })`, nil)
		return shopPage{page, t}
	}
}

// call calls a function of the page's shop.
func (p shopPage) call(out any, function string, args ...any) {
	p.t.Helper()
	text, err := json.Marshal(append([]any{}, args...))
	if err != nil {
		p.t.Fatal(err)
	}
	p.Eval(fmt.Sprintf("Promise.resolve(shop.%s(...%s)).then((v) => v ?? null)", function, text), out)
}

type question struct {
	Flag      string `json:"flag"`
	Type      string `json:"type"`
	Otherwise any    `json:"otherwise"`
}

type resolved struct {
	Value                      any
	Variant, Reason, ErrorCode string
	FlagMetadata               object
}

func (p shopPage) decide(all ...question) (got []resolved) {
	p.t.Helper()
	p.call(&got, "decide", all)
	return got
}

// calls are what a server was asked, as "POST etag 304".
type calls struct {
	mu  sync.Mutex
	all []string
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (c *calls) of(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sw := &statusWriter{w, http.StatusOK}
		h.ServeHTTP(sw, r)
		said := r.Method
		if r.Header.Get("If-None-Match") != "" {
			said += " etag"
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all = append(c.all, fmt.Sprint(said, " ", sw.status))
	})
}

// count returns how many calls there were of a kind.
func (c *calls) count(kind string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.all {
		if one == kind {
			n++
		}
	}
	return n
}

// OpenFeature's provider for pages gets its decisions in a browser, from another
// origin than the page's: all flags at once, others for another cart or customer, and what
// changes meanwhile. Who counts as exposed is who was told, of the experiments that the
// key names.
func TestOpenFeaturePage(t *testing.T) {
	t.Parallel()
	origin, open := openShop(t)
	p := begin(t, t.TempDir(), "")
	p.Recommend = func(_ context.Context, _ string, v decision.Visit, _ int) (json.RawMessage, error) {
		return json.Marshal("goes with " + strings.Join(v.Cart, " and "))
	}
	var tooOften atomic.Bool
	p.Take = func(string) (time.Duration, bool) { return time.Minute, !tooOften.Load() }
	var asked calls
	srv := httptest.NewServer(asked.of(p.Handler()))
	t.Cleanup(srv.Close)
	offered := p.run(cart("cart", func(e *experiment.Experiment) { e.Variants[1].Recommend = 2 }))
	p.run(cart("flag", values(`true`)))
	p.run(cart("text", values(`"buy <now>"`)))
	p.run(cart("percent", values(`12.5`)))
	off := p.run(cart("off"))
	p.done(p.Trials.Kill(t.Context(), shop, off, whatever, true))
	unused := p.run(cart("unused"))
	key := p.keyOf(trial.Key{Origins: []string{origin}, Experiments: []string{"cart", "flag", "text", "percent", "off"}})

	wrapped, plain := p.of(offered, "wrap"), p.of(offered, "none")
	visit := func(unit, product string) object {
		return object{"targetingKey": unit, "cart": []string{product}, "email": "someone@example.com"}
	}
	questions := []question{
		{"cart", "object", object{"show": false}},
		{"flag", "boolean", false},
		{"text", "string", ""},
		{"percent", "number", 0},
		{"off", "object", object{"show": false}},
		{"unused", "object", object{"show": false}},
		{"nothing", "boolean", true},
	}
	told := func(unit, product string) resolved {
		if unit == plain { // a control without a value
			return resolved{object{"show": false}, "none", "SPLIT", "", object{"experiment": offered, "phase": 1.0}}
		}
		value := object{"show": true, "text": "<b>", "recommendations": "goes with " + product}
		return resolved{value, "wrap", "SPLIT", "", object{"experiment": offered, "phase": 1.0}}
	}
	page := open()
	var why string
	page.call(&why, "open", srv.URL, key, visit(wrapped, "prod_1"), 10)
	if why != "" {
		t.Fatalf("the provider is of no use: %s", why)
	}
	got := page.decide(questions...)
	for i := range got[1:4] { // by chance, but with a value of the flag's type whichever it is
		if v := got[1+i].Variant; v != "none" && v != "wrap" {
			t.Errorf("variant %q", v)
		}
		got[1+i].Variant, got[1+i].FlagMetadata = "", nil
	}
	want := []resolved{
		told(wrapped, "prod_1"),
		{true, "", "SPLIT", "", nil},
		{"buy <now>", "", "SPLIT", "", nil},
		{12.5, "", "SPLIT", "", nil},
		{object{"show": false}, "", "DISABLED", "", object{"experiment": off, "because": "killed"}},
		{object{"show": false}, "", "ERROR", "FLAG_NOT_FOUND", object{}}, // the key is not for it
		{true, "", "ERROR", "FLAG_NOT_FOUND", object{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	// Another cart, another customer.
	for _, c := range []struct{ unit, product string }{{wrapped, "prod_2"}, {plain, "prod_2"}, {wrapped, "prod_3"}} {
		page.call(nil, "change", visit(c.unit, c.product))
		if diff := cmp.Diff([]resolved{told(c.unit, c.product)}, page.decide(questions[0])); diff != "" {
			t.Errorf("%v: %s", c, diff)
		}
	}

	// It asks again and again, and is told what is new, and else that nothing is.
	until(t, "nothing is new", func() bool { return asked.count("POST etag 304") > 2 })
	p.done(p.Trials.Kill(t.Context(), shop, offered, whatever, true))
	until(t, "it is switched off", func() bool { return page.decide(questions[0])[0].Reason == "DISABLED" })
	tooOften.Store(true)
	page.Allow("resource", "429")
	page.call(nil, "hears", "try again after") // it could read Retry-After
	page.call(nil, "close")
	if asked.count("OPTIONS 204") == 0 {
		t.Errorf("the browser did not ask whether the page may: %v", asked.all)
	}

	if diff := cmp.Diff(map[string]string{wrapped: "wrap", plain: "none"}, p.exposed(offered)); diff != "" {
		t.Error(diff)
	}
	if got := p.exposed(unused); len(got) != 0 {
		t.Errorf("of an experiment that the key does not name there are exposures: %v", got)
	}
	if strings.Contains(p.log.String(), "someone@example.com") {
		t.Error("the log has what stood in the context")
	}
}

// A page that the key is not for gets nothing, and nobody counts as exposed by it.
func TestOpenFeatureStranger(t *testing.T) {
	t.Parallel()
	origin, open := openShop(t)
	p := begin(t, t.TempDir(), "")
	mine, others := p.key("https://shop.example"), p.key()
	id := p.run(cart("cart"))
	page := open()
	page.Allow("resource", p.url)
	page.Allow("javascript", "CORS policy", p.url)
	refused := func(name, key string) {
		t.Helper()
		var why string
		page.call(&why, "open", p.url, key, object{"targetingKey": "cus_1"}, 0)
		if why != "TypeError" { // the browser's, who keeps the answer to himself
			t.Errorf("%s: %q", name, why)
		}
	}
	refused("no key names the origin", mine)
	refused("a server's key", others)
	third := p.key(origin)
	refused("another key names it", mine)
	refused("a server's key, and another names it", others)
	if got := p.exposed(id); len(got) != 0 {
		t.Errorf("exposures: %v", got)
	}
	var why string
	page.call(&why, "open", p.url, "tdk_0000", object{"targetingKey": "cus_1"}, 0)
	if !strings.Contains(why, "Unauthorized") { // the page may see that its key is none
		t.Errorf("without a key: %q", why)
	}
	page.call(&why, "open", p.url, third, object{"targetingKey": "cus_1"}, 0)
	if got := p.exposed(id); why != "" || len(got) != 1 {
		t.Errorf("with the key that names it: %q, exposures %v", why, got)
	}
}
