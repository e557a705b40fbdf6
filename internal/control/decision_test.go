package control_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/leaktest"
)

// experiment makes a draft and returns its id.
func (c client) experiment(key string) string {
	c.t.Helper()
	return c.must(201, "POST", "/data/tributary/experiments", map[string]any{
		"key": key, "name": key,
		"variants": []any{map[string]any{"key": "none", "weight": 5000}, map[string]any{"key": "wrap", "weight": 5000, "value": map[string]any{"show": true}}},
		"measure":  map[string]any{"metric": "revenue", "currency": "eur", "days": 14},
	}).json(c.t)["id"].(string)
}

// running makes an experiment that runs, and a key for decisions.
func (c client) running(key string) (id, secret string) {
	c.t.Helper()
	id = c.experiment(key)
	c.must(200, "POST", "/data/tributary/experiments/"+id+"/start", nil)
	return id, c.must(201, "POST", "/data/tributary/experiments/keys", map[string]any{"name": "The shop"}).json(c.t)["key"].(string)
}

// decide asks for a decision, as a shop does.
func (p *plane) decide(t testing.TB, secret, path, body string, header ...string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+"/ofrep/v1/evaluate/flags"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+secret)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// Who is decided about stands in the exposures and nowhere else, and a key for
// decisions nowhere at all.
func TestDecisionsTellNothing(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, database string) {
		p := start(t, t.TempDir(), database)
		c := p.admin(t)
		_, secret := c.running("cart")
		const unit, customer, product = "cus_plantedunit", "cus_plantedcustomer", "prod_plantedproduct"
		context := `{"context": {"targetingKey": "` + unit + `", "cart": ["` + product + `"], "email": "planted@example.com"}}`
		visitor := strings.Replace(context, `"cart"`, `"customer": "`+customer+`", "cart"`, 1)
		for _, call := range []struct {
			status             int
			secret, path, body string
		}{
			{200, secret, "/cart", context},
			{200, secret, "/cart", context},
			{200, secret, "", context},
			{200, secret, "?expose=other", visitor},
			{400, secret, "/cart", context + unit},
			{400, secret, "/cart", strings.Replace(context, `["`, `[5, "`, 1)},
			{404, secret, "/" + unit, context},
			{404, secret, "/cart/" + unit, context},
			{401, secret + "0", "/cart", context},
		} {
			if status, said := p.decide(t, call.secret, call.path, call.body, "Cookie", unit, "User-Agent", unit, "Referer", "https://"+customer+".example"); status != call.status {
				t.Errorf("%s: %d %s, want %d", call.path, status, said, call.status)
			}
		}
		var answers strings.Builder
		for _, path := range []string{"/data/foundation/audit/events?limit=100", "/data/tributary/experiments", "/data/tributary/experiments/keys", "/metrics"} {
			answers.Write(c.do("GET", path, nil).body)
		}
		p.stop() // what waits to be written is
		scan := func(needles ...string) []leaktest.Find {
			return leaktest.Scan(t, leaktest.Places{
				Dir: p.dir, Postgres: database, Texts: map[string]string{"log": p.log.String(), "traces": p.traces.String(), "answers": answers.String()},
			}, needles...)
		}
		for _, f := range scan(unit, customer, product, "planted@example.com", secret, strings.TrimPrefix(secret, "tdk_")) {
			if f.Needle != unit || !strings.HasPrefix(f.Place, exposure.Folder+"/") {
				t.Errorf("%+v", f)
			}
		}
		found := strings.Join(leaktest.In(scan(unit, "experiments/keys", "evaluate/flags")), "\n") + "\n"
		for _, place := range []string{".exposures", "log\n", "traces\n", "answers\n"} {
			if !strings.Contains(found, place) {
				t.Errorf("the search does not find in %q what is there, only in\n%s", place, found)
			}
		}
		for line := range strings.SplitSeq(p.log.String(), "\n") {
			if !strings.Contains(line, "service=decisions") {
				continue
			}
			if strings.Contains(line, "status=200") || strings.Contains(line, "address=") != strings.Contains(line, "status=401") {
				t.Errorf("the log says too much: %s", line)
			}
		}
	})
}

// A shop's calls come from one address, and are bounded by its key; those without a
// key are bounded as all others are. A decision stays over a restart, and goes with
// its sandbox.
func TestDecisions(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o := control.Options{Stripe: app.Sync{URL: account(t), Share: 1}, Rates: guard.Rates{Refused: guard.Rate{PerSecond: 0.001, Burst: 20}, Decisions: guard.Rate{PerSecond: 0.001, Burst: 60}}}
	p := startBy(t, dir, "", o, time.Now)
	c := p.admin(t)
	c.must(202, "POST", "/data/foundation/sandbox-management/sandboxes", map[string]any{"name": "dev", "title": "Development", "type": "development"})
	dev := c
	dev.sandbox = "dev"
	_, secret := c.running("cart")
	_, other := dev.running("mail")
	public := c.must(201, "POST", "/data/tributary/experiments/keys", map[string]any{"name": "The page", "origins": []string{"https://shop.example"}}).json(t)["key"].(string)
	context := func(i int) string { return fmt.Sprintf(`{"context": {"targetingKey": "cus_%d"}}`, i) }
	told := make([]string, 50)
	for i := range told {
		status, said := p.decide(t, secret, "/cart", context(i))
		if told[i] = said; status != 200 {
			t.Fatalf("%d %s", status, said)
		}
	}
	if status, _ := p.decide(t, other, "/mail", context(0)); status != 200 {
		t.Errorf("in another sandbox: %d", status)
	}
	if status, _ := p.decide(t, other, "/cart", context(0)); status != 404 {
		t.Errorf("with the key of another sandbox: %d", status)
	}
	for range 20 {
		if status, _ := p.decide(t, "tdk_wrong", "/cart", context(0)); status != 401 {
			t.Fatalf("without a key: %d", status)
		}
	}
	if status, _ := p.decide(t, "tdk_wrong", "/cart", context(0)); status != 429 {
		t.Errorf("without a key, again and again: %d", status)
	}
	// A key that pages have passes by no bound: whoever reads it may be anybody.
	if status, _ := p.decide(t, public, "/cart", context(0), "Origin", "https://shop.example"); status != 429 {
		t.Errorf("from a page, at an address that guessed too often: %d", status)
	}
	// Its browser may still ask whether the page may, and show it how long to wait.
	for origin, allowed := range map[string]string{"https://shop.example": "https://shop.example", "https://evil.example": ""} {
		for method, want := range map[string]int{http.MethodOptions: 204, http.MethodPost: 429} {
			r, err := http.NewRequestWithContext(t.Context(), method, p.url+"/ofrep/v1/evaluate/flags", strings.NewReader(context(0)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+public)
			r.Header.Set("Origin", origin)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			h := resp.Header
			readable := want == 204 || h.Get("Retry-After") != "" && strings.Contains(h.Get("Access-Control-Expose-Headers"), "Retry-After") == (allowed != "")
			if resp.StatusCode != want || h.Get("Access-Control-Allow-Origin") != allowed || !readable {
				t.Errorf("%s from %s: %d %v", method, origin, resp.StatusCode, h)
			}
		}
	}
	for i := range 11 {
		want := 200
		if i == 10 {
			want = 429
		}
		if status, _ := p.decide(t, secret, "/cart", context(0)); status != want {
			t.Errorf("call %d of the key: %d", 51+i, status)
		}
	}
	p.stop()

	p = startBy(t, dir, "", o, time.Now)
	for i, want := range told {
		if _, said := p.decide(t, secret, "/cart", context(i)); said != want {
			t.Fatalf("after a restart: %s, before: %s", said, want)
		}
	}
	exposures := func() int {
		entries, err := os.ReadDir(filepath.Join(dir, exposure.Folder))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := exposures()
	p.admin(t).must(202, "DELETE", "/data/foundation/sandbox-management/sandboxes/dev", nil)
	if after := exposures(); before != 2 || after != 1 {
		t.Errorf("the exposures of %d sandboxes before, of %d after", before, after)
	}
	if status, _ := p.decide(t, other, "/mail", context(0)); status != 401 {
		t.Errorf("with the key of a sandbox that is gone: %d", status)
	}
}
