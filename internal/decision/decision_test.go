package decision_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/decision"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/trial"
)

// of returns a unit that gets the variant.
func (p *process) of(id, variant string) string {
	p.t.Helper()
	e, err := p.Trials.Experiment(p.t.Context(), shop, id)
	if err != nil {
		p.t.Fatal(err)
	}
	for i := range 1000 {
		unit := fmt.Sprint("cus_", i)
		if v, _ := e.Assign(experiment.Holdout{}, unit, func(string) bool { return true }); v == variant {
			return unit
		}
	}
	p.t.Fatalf("no unit gets %q", variant)
	return ""
}

// What clients are told in each state of an experiment.
func TestAnswers(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	draft := p.create(cart("draft"))
	runs := p.run(cart("runs"))
	killed := p.run(cart("killed"))
	p.done(p.Trials.Kill(t.Context(), shop, killed, whatever, true))
	stopped := p.run(cart("stopped"))
	p.done(p.Trials.Stop(t.Context(), shop, stopped, whatever, ""))
	ships := p.run(cart("ships"))
	p.done(p.Trials.Stop(t.Context(), shop, ships, whatever, "wrap"))
	recalled := p.run(cart("recalled"))
	p.done(p.Trials.Stop(t.Context(), shop, recalled, whatever, "wrap"))
	p.done(p.Trials.Kill(t.Context(), shop, recalled, whatever, true))
	narrow := p.run(cart("narrow", func(e *experiment.Experiment) { e.Range = experiment.Range{From: 0, To: 1} }))

	value := `"value":{"show":true,"text":"<b>"},`
	for _, c := range []struct{ flag, unit, want string }{
		{"draft", "cus_1", `{"key":"draft","reason":"DISABLED","metadata":{"experiment":"` + draft + `","because":"draft"}}`},
		{"runs", p.of(runs, "wrap"), `{"key":"runs",` + value + `"reason":"SPLIT","variant":"wrap","metadata":{"experiment":"` + runs + `","phase":1}}`},
		{"runs", p.of(runs, "none"), `{"key":"runs","reason":"SPLIT","variant":"none","metadata":{"experiment":"` + runs + `","phase":1}}`},
		{"killed", "cus_1", `{"key":"killed","reason":"DISABLED","metadata":{"experiment":"` + killed + `","because":"killed"}}`},
		{"stopped", "cus_1", `{"key":"stopped","reason":"DISABLED","metadata":{"experiment":"` + stopped + `","because":"stopped"}}`},
		{"ships", "cus_1", `{"key":"ships",` + value + `"reason":"STATIC","variant":"wrap","metadata":{"experiment":"` + ships + `"}}`},
		{"recalled", "cus_1", `{"key":"recalled","reason":"DISABLED","metadata":{"experiment":"` + recalled + `","because":"killed"}}`},
		{"narrow", "cus_1", `{"key":"narrow","reason":"STATIC","metadata":{"experiment":"` + narrow + `","phase":1,"because":"range"}}`},
	} {
		t.Run(c.flag, func(t *testing.T) {
			if diff := cmp.Diff(c.want, p.ask(key, "/"+c.flag, unit(c.unit)).body); diff != "" {
				t.Error(diff)
			}
		})
	}
	for id, want := range map[string]int{draft: 0, runs: 2, killed: 0, stopped: 0, ships: 0, narrow: 0} {
		if got := p.exposed(id); len(got) != want {
			t.Errorf("the exposures of %s: %v, want %d", id, got, want)
		}
	}
}

// What is wrong with a call is told in the words of the protocol, and nothing of it
// is kept.
func TestFaults(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	id := p.run(cart("cart"))
	one := unit("cus_1")
	for _, c := range []struct {
		name, path string
		body       any
		header     []string
		status     int
		want       string // code
	}{
		{"no JSON", "/cart", "{", nil, 400, "PARSE_ERROR"},
		{"not UTF-8", "/cart", "{\"context\":{\"targetingKey\":\"\xff\"}}", nil, 400, "PARSE_ERROR"},
		{"two documents", "/cart", "{}{}", nil, 400, "PARSE_ERROR"},
		{"too long", "/cart", `{"context":{"targetingKey":"` + strings.Repeat("x", 70_000) + `"}}`, nil, 400, "PARSE_ERROR"},
		{"no context", "/cart", object{}, nil, 400, "INVALID_CONTEXT"},
		{"a list", "/cart", object{"context": []string{}}, nil, 400, "INVALID_CONTEXT"},
		{"no targeting key", "/cart", object{"context": object{}}, nil, 400, "TARGETING_KEY_MISSING"},
		{"an empty one", "/cart", unit(""), nil, 400, "TARGETING_KEY_MISSING"},
		{"a number", "/cart", object{"context": object{"targetingKey": 5}}, nil, 400, "INVALID_CONTEXT"},
		{"a long one", "/cart", unit(strings.Repeat("x", 257)), nil, 400, "INVALID_CONTEXT"},
		{"a NUL", "/cart", unit("a\x00"), nil, 400, "INVALID_CONTEXT"},
		{"a cart of numbers", "/cart", object{"context": object{"targetingKey": "a", "cart": []int{1}}}, nil, 400, "INVALID_CONTEXT"},
		{"all of them", "", object{}, nil, 400, "INVALID_CONTEXT"},
		{"a context by another name", "/cart", object{"Context": object{"targetingKey": "cus_1"}}, nil, 400, "INVALID_CONTEXT"},
		{"a targeting key by another name", "/cart", object{"context": object{"TargetingKey": "cus_1"}}, nil, 400, "TARGETING_KEY_MISSING"},
		{"other names", "/cart", `{"context":{"targetingKey":"cus_1","TargetingKey":5,"Customer":"Jane Doe","CART":{}}}`, nil, 200, ""},
		{"deep", "/cart", `{"context":{"targetingKey":"cus_1","x":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}}`, nil, 200, ""},
		{"deeper", "/cart", `{"context":{"targetingKey":"cus_1","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}}`, nil, 400, "PARSE_ERROR"},
		{"flags that can't be read", "?expose=cart;flag", one, nil, 400, "PARSE_ERROR"},
		{"flags in another writing", "?expose=%zz", one, nil, 400, "PARSE_ERROR"},
		{"a slash in it", "/cart%2Fmore", one, nil, 404, "FLAG_NOT_FOUND"},
		{"other letters", "/%EC%B9%B4%ED%8A%B8", one, nil, 404, "FLAG_NOT_FOUND"},
		{"unknown", "/nothing", one, nil, 404, "FLAG_NOT_FOUND"},
		{"a longer path", "/cart/more", one, nil, 404, ""},
		{"no key", "/cart", one, []string{"Authorization", ""}, 401, ""},
		{"a wrong one", "/cart", one, []string{"Authorization", "Bearer tdk_0000"}, 401, ""},
		{"another scheme", "/cart", one, []string{"Authorization", "Basic " + key}, 401, ""},
		{"the other header", "/cart", one, []string{"Authorization", "", "X-API-Key", key}, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := p.ask(key, c.path, c.body, c.header...)
			var said struct{ Key, ErrorCode, ErrorDetails string }
			if err := json.Unmarshal([]byte(r.body), &said); err != nil {
				t.Fatalf("%d %s", r.status, r.body)
			}
			if r.status != c.status || said.ErrorCode != c.want || (r.status != 200) == (said.ErrorDetails == "") {
				t.Errorf("%d %s, want %d %s", r.status, r.body, c.status, c.want)
			}
			path, _, _ := strings.Cut(c.path, "?")
			if flag, err := url.PathUnescape(strings.TrimPrefix(path, "/")); c.want != "" && said.Key != flag || err != nil {
				t.Errorf("it is said of the flag %q", said.Key)
			}
		})
	}
	if got := p.exposed(id); len(got) != 1 { // the one that was no fault
		t.Errorf("exposures: %v", got)
	}
	r, err := http.Get(p.url + "/ofrep/v1/evaluate/flags/cart")
	if err != nil {
		t.Fatal(err)
	}
	if r.Body.Close(); r.StatusCode != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "POST" {
		t.Errorf("GET: %d", r.StatusCode)
	}
}

// A unit gets the same in all processes and after a restart; variants have the
// shares that they were given; each exposure is kept once, as it was told.
func TestStays(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		dir := t.TempDir()
		first, second := begin(t, dir, name), begin(t, dir, name)
		key := first.key()
		id := first.run(cart("cart", func(e *experiment.Experiment) {
			e.Variants[0].Weight, e.Variants[1].Weight = 2000, 8000
		}))
		until(t, "it runs in the other process", func() bool { return strings.Contains(second.ask(key, "/cart", unit("cus_0")).body, "SPLIT") })
		const n = 1000
		told, wrapped := map[string]string{}, 0
		var mu sync.Mutex
		var wg sync.WaitGroup
		for w := range 8 {
			wg.Go(func() {
				for i := w; i < n; i += 8 {
					u := fmt.Sprint("cus_", i)
					a, b := first.decide(key, "cart", unit(u)), second.decide(key, "cart", unit(u))
					if a.Variant != b.Variant || a.Variant == "" {
						t.Errorf("%s gets %q here and %q there", u, a.Variant, b.Variant)
					}
					mu.Lock()
					told[u] = a.Variant
					if a.Variant == "wrap" {
						wrapped++
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if deviation := math.Abs(float64(wrapped)-0.8*n) / math.Sqrt(0.8*0.2*n); deviation > 5 {
			t.Errorf("%d of %d units get a variant of 80 %%", wrapped, n)
		}
		first.stop()
		second.stop()
		again := begin(t, dir, name)
		for u, variant := range told {
			if got := again.decide(key, "cart", unit(u)).Variant; got != variant {
				t.Fatalf("%s had %q before the restart and gets %q", u, variant, got)
			}
		}
		if diff := cmp.Diff(told, again.exposed(id)); diff != "" {
			t.Error(diff)
		}
	})
}

// Forty calls for one unit at once are one exposure, and none is answered before
// it is kept.
func TestOnce(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	id := p.run(cart("cart"))
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			d := p.decide(key, "cart", unit("cus_1"))
			if kept := p.exposed(id)["cus_1"]; kept != d.Variant || kept == "" {
				t.Errorf("told %q, kept %q", d.Variant, kept)
			}
		})
	}
	wg.Wait()
}

// Without an exposure on the disk there is no variant.
func TestUnkept(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	id := p.run(cart("cart"))
	if err := p.exposures.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/cart", ""} {
		if r := p.ask(key, path, unit(p.of(id, "wrap"))); r.status != 500 || strings.Contains(r.body, "wrap") {
			t.Errorf("%q: %d %s", path, r.status, r.body)
		}
	}
}

// Of whom nothing may be kept nothing is, neither as a unit nor as a visitor's
// customer, from the turn on that says so.
func TestForgotten(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key, gone := p.key(), "cus_gone"
	ids := []string{p.run(cart("cart")), p.run(cart("visits", func(e *experiment.Experiment) { e.Unit.Metadata, e.Layer = "visitor", "visits" }))}
	visitor := object{"context": object{"targetingKey": "visitor 1", "customer": gone}}
	p.forgotten.Store(&gone)
	if err := p.db.Do(t.Context(), func(tx *docstore.Tx) error { return trial.Turn(tx, shop) }); err != nil {
		t.Fatal(err)
	}
	p.Changed(t.Context())
	for _, d := range []decided{p.decide(key, "cart", unit(gone)), p.decide(key, "cart", visitor), p.decide(key, "visits", visitor)} {
		if d.Reason != "STATIC" || d.Metadata.Because != "forgotten" || d.Variant != "" || d.Value != nil {
			t.Errorf("%+v", d)
		}
	}
	if r := p.ask(key, "", unit(gone)); r.status != 200 || strings.Contains(r.body, "SPLIT") {
		t.Errorf("%d %s", r.status, r.body)
	}
	if d := p.decide(key, "cart", unit("cus_stays")); d.Reason != "SPLIT" {
		t.Errorf("%+v", d)
	}
	kept := []map[string]string{p.exposed(ids[0]), p.exposed(ids[1])}
	if len(kept[0]) != 1 || kept[0]["cus_stays"] == "" || len(kept[1]) != 0 {
		t.Errorf("%v", kept)
	}
}

// What is switched off here is off in another process soon, and so is a key.
func TestSwitches(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		dir := t.TempDir()
		here, there := begin(t, dir, name), begin(t, dir, name)
		key := here.key()
		spare := here.key()
		id := here.run(cart("cart"))
		u := unit(here.of(id, "wrap"))
		variant := func() string { return there.decide(key, "cart", u).Variant }
		until(t, "it runs there", func() bool { return there.ask(key, "/cart", u).status == 200 && variant() == "wrap" })
		here.done(here.Trials.Kill(t.Context(), shop, id, whatever, true))
		if got := here.decide(key, "cart", u); got.Variant != "" || got.Reason != "DISABLED" {
			t.Errorf("it was killed here, and is decided as %+v", got)
		}
		until(t, "it is off there", func() bool { return variant() == "" })
		here.done(here.Trials.Kill(t.Context(), shop, id, whatever, false))
		until(t, "it is on there", func() bool { return variant() == "wrap" })

		// The key's use is told by the hour, and that of one that was never used not at all.
		keyOf := func(secret string) (k trial.Key) {
			all, err := here.Trials.Keys(t.Context(), shop)
			if err != nil || len(all) != 2 {
				t.Fatal(all, err)
			}
			return all[slices.IndexFunc(all, func(k trial.Key) bool { return k.Hint == secret[len(secret)-4:] })]
		}
		until(t, "the use of the key is noted", func() bool { return time.Since(keyOf(key).Used) < 2*time.Hour })
		if at := keyOf(key).Used; !at.Equal(at.Truncate(time.Hour)) || !keyOf(spare).Used.IsZero() {
			t.Errorf("used at %s, and the other at %s", at, keyOf(spare).Used)
		}
		if err := here.Trials.RevokeKey(t.Context(), shop, keyOf(key).ID); err != nil {
			t.Fatal(err)
		}
		if r := here.ask(key, "/cart", u); r.status != 401 {
			t.Errorf("with a revoked key: %d", r.status)
		}
		until(t, "the key is no good there", func() bool { return there.ask(key, "/cart", u).status == 401 })

		// A sandbox that goes takes its decisions along.
		if err := here.Trials.Forget(t.Context(), shop.Scope()); err != nil {
			t.Fatal(err)
		}
		if r := here.ask(spare, "/cart", u); r.status != 401 {
			t.Errorf("with a key of a sandbox that is gone: %d", r.status)
		}
	})
}

// Experiments of one layer share no unit; the holdout is in none.
func TestLayerAndHoldout(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	if _, err := p.Trials.SetHoldout(t.Context(), shop, 1000, noHoldout); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"lower", "upper"} {
		p.run(cart(name, func(e *experiment.Experiment) {
			e.Layer, e.Range = "checkout", experiment.Range{From: i * 5000, To: (i + 1) * 5000}
		}))
	}
	held := 0
	for i := range 300 {
		u := unit(fmt.Sprint("cus_", i))
		lower, upper := p.decide(key, "lower", u), p.decide(key, "upper", u)
		switch holdout := lower.Metadata.Because == "holdout"; {
		case holdout && upper.Metadata.Because == "holdout":
			held++
		case holdout || (lower.Variant == "") == (upper.Variant == ""):
			t.Errorf("%v gets %+v and %+v", u, lower, upper)
		}
	}
	if held < 10 || held > 60 { // 30 are expected, with a deviation of 5.2
		t.Errorf("%d of 300 units are held out, of a tenth", held)
	}
}

// Who was exposed keeps what he got when he leaves the audience; who the customer
// is follows the experiment's unit.
func TestAudience(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	var mu sync.Mutex
	loyal := map[string]bool{"cus_1": true}
	p.Audience = func(_ context.Context, sandbox, audience, customer string) (bool, error) {
		mu.Lock()
		defer mu.Unlock()
		if sandbox != shop.Sandbox.ID || audience != "loyal" {
			return false, errors.New("a strange question")
		}
		return loyal[customer], nil
	}
	p.run(cart("members", func(e *experiment.Experiment) { e.Audience = "loyal" }))
	p.run(cart("visitors", func(e *experiment.Experiment) { e.Audience, e.Unit.Metadata = "loyal", "visitor" }))
	visitor := func(id, customer string) object {
		return object{"context": object{"targetingKey": id, "customer": customer}}
	}
	got := p.decide(key, "members", unit("cus_1"))
	if got.Variant == "" {
		t.Errorf("a member gets %+v", got)
	}
	for _, c := range []struct {
		flag string
		body object
	}{{"members", unit("cus_2")}, {"visitors", unit("cus_1")}, {"visitors", visitor("v2", "cus_2")}} {
		if d := p.decide(key, c.flag, c.body); d.Variant != "" || d.Metadata.Because != "audience" {
			t.Errorf("%v gets %+v", c.body, d)
		}
	}
	if d := p.decide(key, "visitors", visitor("v1", "cus_1")); d.Variant == "" {
		t.Errorf("a member's visit gets %+v", d)
	}
	if d := p.decide(key, "members", visitor("v1", "cus_1")); d.Variant != got.Variant {
		t.Errorf("by his id %q, by his visit %q", got.Variant, d.Variant)
	}
	mu.Lock()
	clear(loyal)
	mu.Unlock()
	if d := p.decide(key, "members", unit("cus_1")); d.Variant != got.Variant {
		t.Errorf("he left the audience and gets %+v", d)
	}
}

// Who was exposed by one process keeps what he got in another one, too.
func TestAudienceElsewhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := begin(t, dir, ""), begin(t, dir, "")
	key := here.key()
	here.Audience = func(context.Context, string, string, string) (bool, error) { return true, nil }
	there.Audience = func(context.Context, string, string, string) (bool, error) { return false, nil } // he left it
	id := here.run(cart("cart", func(e *experiment.Experiment) { e.Audience = "loyal" }))
	until(t, "it runs there", func() bool { return strings.Contains(there.ask(key, "/cart", unit("cus_0")).body, `"audience"`) })
	for _, u := range []string{here.of(id, "wrap"), here.of(id, "none")} {
		got := here.decide(key, "cart", unit(u)).Variant
		until(t, "it stays", func() bool { return there.decide(key, "cart", unit(u)).Variant == got })
	}
	if d := there.decide(key, "cart", unit("cus_other")); d.Metadata.Because != "audience" {
		t.Errorf("somebody else gets %+v", d)
	}
	if got := here.exposed(id); len(got) != 2 {
		t.Errorf("exposures: %v", got)
	}
}

// Offers and add-ons are parts of the value. What of them can't be had, or isn't for
// this customer and cart, is left out; who is assigned, and who counts as exposed, is the
// same: else one of the groups would be chosen by what came after.
func TestValue(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	id := p.run(cart("cart", func(e *experiment.Experiment) {
		e.Variants[1].Offer, e.Variants[1].Recommend = "gift", 2
	}))
	const secret = "prod_secret"
	u := p.of(id, "wrap")
	visit := func(targeting string) object {
		return object{"context": object{"targetingKey": targeting, "cart": []string{secret, "price_2"}, "cartValue": 3400, "currency": "EUR", "country": "de"}}
	}
	type offers = func(context.Context, string, string, decision.Visit) (json.RawMessage, string, error)
	type addOns = func(context.Context, string, decision.Visit, int) (json.RawMessage, error)
	gives := func(_ context.Context, _, id string, _ decision.Visit) (json.RawMessage, string, error) {
		return json.RawMessage(`{"id":"` + id + `","price":500}`), "", nil
	}
	var asked decision.Visit
	recommends := func(_ context.Context, _ string, v decision.Visit, n int) (json.RawMessage, error) {
		asked = v
		return json.RawMessage(fmt.Sprintf(`[{"product":"prod_9","n":%d}]`, n)), nil
	}
	withholds := func(why string, err error) offers {
		return func(_ context.Context, _, _ string, v decision.Visit) (json.RawMessage, string, error) {
			if err != nil {
				err = fmt.Errorf("for %s with %v: %w", v.Customer, v.Cart, err)
			}
			return json.RawMessage(`"not for you"`), why, err
		}
	}
	for _, c := range []struct {
		name      string
		offer     offers
		recommend addOns
		want      string // of the value
		withheld  string
	}{
		{"both", gives, recommends, `{"offer":{"id":"gift","price":500},"recommendations":[{"product":"prod_9","n":2}],"show":true,"text":"<b>"}`, ""},
		{"another cart", withholds("minimumCart", nil), recommends, `{"offer":null,"recommendations":[{"product":"prod_9","n":2}],"show":true,"text":"<b>"}`, "minimumCart"},
		{"deleted", withholds("", problem.Errorf(problem.NotFound, "no offer")), recommends, `{"offer":null,"recommendations":[{"product":"prod_9","n":2}],"show":true,"text":"<b>"}`, "gone"},
		{"broken", withholds("", errors.New("broken")), recommends, `{"offer":null,"recommendations":[{"product":"prod_9","n":2}],"show":true,"text":"<b>"}`, "failed"},
		{"no add-ons", gives, func(_ context.Context, _ string, v decision.Visit, _ int) (json.RawMessage, error) {
			return nil, fmt.Errorf("no idea what %s with %v needs", v.Customer, v.Cart)
		}, `{"offer":{"id":"gift","price":500},"recommendations":[],"show":true,"text":"<b>"}`, "failed"},
		{"neither", nil, nil, `{"offer":null,"recommendations":[],"show":true,"text":"<b>"}`, "failed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p.Offer, p.Recommend = c.offer, c.recommend
			got := p.decide(key, "cart", visit(u))
			if string(got.Value) != c.want || got.Metadata.Withheld != c.withheld || got.Variant != "wrap" || got.Reason != "SPLIT" {
				t.Errorf("%s, withheld %q, of %s for %s; want %s, %q", got.Value, got.Metadata.Withheld, got.Variant, got.Reason, c.want, c.withheld)
			}
			if log := p.log.String(); strings.Contains(log, u) || strings.Contains(log, secret) {
				t.Errorf("the log tells of the customer: %s", log)
			}
		})
	}
	if diff := cmp.Diff(decision.Visit{Customer: u, Cart: []string{secret, "price_2"}, Value: 3400, Currency: "eur", Country: "DE"}, asked); diff != "" {
		t.Error(diff)
	}
	// Each of a hundred has the exposure that he would have if all were given something.
	p.Offer, p.Recommend = withholds("audience", nil), recommends
	want := map[string]string{u: "wrap"}
	for i := range 100 {
		unit := fmt.Sprint("cus_other", i)
		want[unit] = p.decide(key, "cart", visit(unit)).Variant
	}
	if diff := cmp.Diff(want, p.exposed(id)); diff != "" {
		t.Error(diff)
	}
}

// What a context has of another form than decisions know is as if it were not there.
func TestVisit(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	id := p.run(cart("cart", func(e *experiment.Experiment) { e.Variants[1].Offer = "gift" }))
	var got decision.Visit
	p.Offer = func(_ context.Context, _, _ string, v decision.Visit) (json.RawMessage, string, error) {
		got = v
		return nil, "items", nil
	}
	u := p.of(id, "wrap")
	for _, c := range []struct {
		name, with string
		want       decision.Visit
	}{
		{"nothing", ``, decision.Visit{}},
		{"all", `, "cartValue": 1999, "currency": "Usd", "country": "us"`, decision.Visit{Value: 1999, Currency: "usd", Country: "US"}},
		{"other forms", `, "cartValue": "1999", "currency": "dollars", "country": "Germany"`, decision.Visit{}},
		{"other types", `, "cartValue": {"amount": 1}, "currency": 5, "country": ["US"]`, decision.Visit{}},
		{"of a language without integers", `, "cartValue": 1999.0`, decision.Visit{Value: 1999}},
		{"with an exponent", `, "cartValue": 1.999e3`, decision.Visit{Value: 1999}},
		{"a fraction", `, "cartValue": 19.99`, decision.Visit{}},
		{"below nothing", `, "cartValue": -5`, decision.Visit{}},
		{"beyond belief", `, "cartValue": 1000000000001`, decision.Visit{}},
		{"null", `, "cartValue": null, "currency": null, "country": null`, decision.Visit{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.want.Customer = u
			p.decide(key, "cart", `{"context": {"targetingKey": "`+u+`"`+c.with+`}}`)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Keys have a rate, and sandboxes have lists of addresses.
func TestRefusals(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	p.run(cart("cart"))
	if p.ask(key, "/cart", unit("cus_1")).status != 200 {
		t.Fatal("it is refused without a reason")
	}
	p.Allowed = func(_ *http.Request, c *access.Caller) error {
		return gateway.Fail(403, "", "Forbidden", "not on the list of %s", c.Sandbox.Name)
	}
	if r := p.ask(key, "/cart", unit("cus_1")); r.status != 403 {
		t.Errorf("from elsewhere: %d %s", r.status, r.body)
	}
	p.Take = func(string) (time.Duration, bool) { return 1500 * time.Millisecond, false }
	if r := p.ask(key, "/cart", unit("cus_1")); r.status != 429 || r.header.Get("Retry-After") != "2" {
		t.Errorf("too often: %d %v", r.status, r.header)
	}
}
