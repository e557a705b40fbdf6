package decision_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	page  = "https://shop.example"
	other = "https://other.example"
)

// allows returns what an answer says to browsers.
func allows(h http.Header) map[string]string {
	all := map[string]string{}
	for name, values := range h {
		if short, ok := strings.CutPrefix(name, "Access-Control-"); ok {
			all[short] = strings.Join(values, "|")
		}
	}
	return all
}

// send calls without a key.
func (p *process) send(method, path string, header ...string) reply {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	_ = resp.Body.Close()
	return reply{resp.StatusCode, resp.Header, ""}
}

// A browser asks without the key whether a page may ask, and is told so of the
// origins that keys name, whatever the path.
func TestPreflight(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	p.key()
	p.key(page)
	yes := map[string]string{
		"Allow-Origin": page, "Allow-Methods": "POST", "Allow-Headers": "Authorization, Content-Type, If-None-Match, X-Api-Key", "Max-Age": "600",
	}
	for _, c := range []struct {
		name, path, origin string
		want               map[string]string
	}{
		{"named", "/cart", page, yes},
		{"all flags", "", page, yes},
		{"no such flag", "/nothing", page, yes},
		{"not named", "/cart", other, map[string]string{}},
		{"another scheme", "/cart", "http://shop.example", map[string]string{}},
		{"another port", "/cart", page + ":8443", map[string]string{}},
		{"longer", "/cart", page + ".evil.example", map[string]string{}},
		{"other letters", "/cart", "https://SHOP.example", map[string]string{}}, // no browser writes it so
		{"null", "/cart", "null", map[string]string{}},
		{"all", "/cart", "*", map[string]string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := p.send("OPTIONS", "/ofrep/v1/evaluate/flags"+c.path, "Origin", c.origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
			if r.status != http.StatusNoContent || r.header.Get("Vary") != "Origin" {
				t.Errorf("%d, Vary %q", r.status, r.header.Get("Vary"))
			}
			if diff := cmp.Diff(c.want, allows(r.header)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if r := p.send("OPTIONS", "/ofrep/v1/evaluate/flags"); r.status != http.StatusMethodNotAllowed {
		t.Errorf("of no page: %d", r.status)
	}
	if r := p.send("OPTIONS", "/ofrep/v1/elsewhere", "Origin", page); r.status != http.StatusNotFound {
		t.Errorf("of another path: %d", r.status)
	}
}

// A page may ask with a key that names its origin. What its browser would not show it
// is not decided, and counts for nobody.
func TestPages(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	server, browser, elsewhere := p.key(), p.key(page, "http://localhost:3000"), p.key(other)
	id := p.run(cart("cart"))
	of := func(origin string) map[string]string {
		return map[string]string{"Allow-Origin": origin, "Expose-Headers": "ETag, Retry-After"}
	}
	none := map[string]string{}
	want := map[string]bool{}
	for _, c := range []struct {
		name, key, origin string
		status            int
		want              map[string]string
	}{
		{"its page", browser, page, 200, of(page)},
		{"its other page", browser, "http://localhost:3000", 200, of("http://localhost:3000")},
		{"a server with it", browser, "", 200, none},
		{"another key's page", browser, other, 403, none},
		{"a stranger's page", browser, "https://evil.example", 403, none},
		{"a file", browser, "null", 403, none},
		{"the other one's page", elsewhere, other, 200, of(other)},
		{"a server", server, "", 200, none},
		{"a server that hands on what a page asks", server, "https://own.example", 200, none},
		{"a server's key in a page", server, page, 403, none},
		{"no key", "tdk_0000", page, 401, of(page)},
		{"no key in a stranger's page", "tdk_0000", "https://evil.example", 401, none},
	} {
		for _, path := range []string{"/cart", ""} {
			t.Run(c.name+" "+path, func(t *testing.T) {
				unit := "visitor " + c.name + path
				var header []string
				if c.origin != "" {
					header = []string{"Origin", c.origin}
				}
				r := p.ask(c.key, path, object{"context": object{"targetingKey": unit}}, header...)
				if r.status != c.status || (r.header.Get("Vary") == "Origin") != (c.origin != "") {
					t.Errorf("%d, Vary %q: %s", r.status, r.header.Get("Vary"), r.body)
				}
				if diff := cmp.Diff(c.want, allows(r.header)); diff != "" {
					t.Error(diff)
				}
				if c.status == 200 {
					want[unit] = true
				}
			})
		}
	}
	got := map[string]bool{}
	for unit := range p.exposed(id) {
		got[unit] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	// The script may read what else is refused, and that nothing is new.
	first := p.ask(browser, "", unit("cus_1"), "Origin", page)
	same := p.ask(browser, "", unit("cus_1"), "Origin", page, "If-None-Match", first.header.Get("Etag"))
	if diff := cmp.Diff(of(page), allows(same.header)); same.status != 304 || diff != "" {
		t.Errorf("%d %s", same.status, diff)
	}
	p.Take = func(string) (time.Duration, bool) { return time.Second, false }
	if r := p.ask(browser, "", unit("cus_1"), "Origin", page); r.status != 429 || r.header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("too often: %d %v", r.status, r.header)
	}

	// Only servers' keys are known as such, and no page of a key that is gone.
	for secret, want := range map[string]bool{server: true, browser: false, "tdk_0000": false} {
		if got := p.Knows(&http.Request{Header: http.Header{"Authorization": {"Bearer " + secret}}}); got != want {
			t.Errorf("known: %v, want %v", got, want)
		}
	}
	keys, err := p.Trials.Keys(t.Context(), shop)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if err := p.Trials.RevokeKey(t.Context(), shop, k.ID); err != nil {
			t.Fatal(err)
		}
	}
	if r := p.send("OPTIONS", "/ofrep/v1/evaluate/flags", "Origin", page); len(allows(r.header)) != 0 {
		t.Errorf("for a key that is gone: %v", r.header)
	}
}
