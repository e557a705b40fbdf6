package app_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A breakage is a way to lose something without noticing. The comparison that
// the other tests trust must see it.
type breakage struct {
	name  string
	proxy func(http.Handler) http.Handler                   // stands before the account
	page  func(c *copied) func(string, *extract.Page)       // steps in between reading and landing
	after func(t *testing.T, c *copied, report *app.Report) // once the first pass is done
	want  string                                            // part of a difference; "" for none at all
}

var breakages = []breakage{
	{name: "nothing"},
	{name: "a page dropped", want: "is missing", page: func(*copied) func(string, *extract.Page) {
		n := 0
		return func(resource string, p *extract.Page) {
			if resource == "charges" {
				if n++; n == 2 {
					p.Items = nil
				}
			}
		}
	}},
	{name: "an object dropped", want: "is missing", page: func(*copied) func(string, *extract.Page) {
		return onCharge(func(p *extract.Page) { p.Items = p.Items[1:] })
	}},
	{name: "a digit changed", want: "raw.amount:", page: func(*copied) func(string, *extract.Page) {
		return onCharge(func(p *extract.Page) {
			raw := bytes.Clone(p.Items[0].Raw)
			at := bytes.Index(raw, []byte(`"amount":`)) + len(`"amount":`)
			at = rawjson.SkipSpace(raw, at)
			raw[at] = '1' + (raw[at]-'0')%9
			p.Items[0].Raw = raw
		})
	}},
	{name: "canceled subscriptions skipped", want: "subscriptions sub_", proxy: without("status")},
	{name: "inactive prices skipped", want: "prices price_", proxy: without("active")},
	{name: "expansions skipped", want: "currency_options", proxy: without("expand[]")},
	{name: "inline prices skipped", want: "prices price_", proxy: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/v1/prices/") {
				r.URL.Path += "gone"
			}
			next.ServeHTTP(w, r)
		})
	}},
	{name: "an item list cut short", want: "raw.items.data", proxy: shortItems},
	{name: "a stale upsert", want: "raw.description:", after: stale},
	{name: "a row appended twice", want: "stands twice", after: again},
	{name: "a deletion made up", want: "is marked deleted", after: tombstone},
}

// onCharge calls fn with the first page of charges.
func onCharge(fn func(*extract.Page)) func(string, *extract.Page) {
	done := false
	return func(resource string, p *extract.Page) {
		if resource == "charges" && !done {
			done = true
			fn(p)
		}
	}
}

// without takes a parameter from every list request.
func without(param string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			q.Del(param)
			r.URL.RawQuery = q.Encode()
			next.ServeHTTP(w, r)
		})
	}
}

// shortItems says of every list inside a subscription that it is whole.
func shortItems(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/subscriptions" {
			next.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		var list map[string]any
		d := json.NewDecoder(answer.Body)
		d.UseNumber()
		if d.Decode(&list) != nil {
			http.Error(w, "not a list", http.StatusInternalServerError)
			return
		}
		for _, s := range list["data"].([]any) {
			s.(map[string]any)["items"].(map[string]any)["has_more"] = false
		}
		for k, v := range answer.Header() {
			if k != "Content-Length" {
				w.Header()[k] = v
			}
		}
		_, _ = w.Write([]byte(marshal(list)))
	})
}

// stale changes a charge, copies the change, and hands over the state before
// it once more behind it.
func stale(t *testing.T, c *copied, _ *app.Report) {
	t.Helper()
	// One birth is read by its event; several are worth a page of the list.
	births := func() {
		if err := c.sim.Do(stripesim.Step{Do: "insert", Resource: stripesim.Charges, Count: 3}); err != nil {
			t.Fatal(err)
		}
	}
	births()
	var old []byte
	s := c.pass(t)
	s.Hooks.Page = onCharge(func(p *extract.Page) { old = bytes.Clone(p.Items[0].Raw) })
	complete(t, s)
	item, _, err := rawjson.One(old, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = c.sim.Mutate(stripesim.Charges, string(item.ID), func(o map[string]any) { o["description"] = "new" })
	if err != nil {
		t.Fatal(err)
	}
	births()
	s.Hooks.Page = onCharge(func(p *extract.Page) {
		p.Items = append(slices.Clip(p.Items), item)
		p.Start = p.Start.Add(time.Second)
	})
	complete(t, s)
}

// again lands an object as if it were not there.
func again(t *testing.T, c *copied, report *app.Report) {
	t.Helper()
	land(t, c, report, dataset.OpUpsert, false)
}

// tombstone marks an object deleted that is still in the account.
func tombstone(t *testing.T, c *copied, report *app.Report) {
	t.Helper()
	land(t, c, report, dataset.OpDelete, true)
}

func land(t *testing.T, c *copied, report *app.Report, op string, replaces bool) {
	t.Helper()
	schema, err := xdm.Stripe("refunds", app.DefaultTenant)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := mapping.Compile(mapping.Default(schema), schema, "refund")
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(t.Context(), c.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	table, err := l.Lane(t.Context(), schema, plan.Layout(), true)
	if err != nil {
		t.Fatal(err)
	}
	var rec dataset.Record
	for o := range c.sim.Oracle(stripesim.Refunds) {
		if bad := plan.Scan(o.JSON, &rec); bad != nil {
			t.Fatal(bad.Reason)
		}
		break
	}
	v := dataset.Version{Op: op, SeenAt: time.Unix(1, 0), Source: dataset.SourceBackfill, RunID: report.RunID, APIVersion: stripe.Version}
	if err := table.Append(&rec, &v, replaces); err != nil {
		t.Fatal(err)
	}
	if err := table.Commit(t.Context(), table.Checkpoint()); err != nil {
		t.Fatal(err)
	}
}

func TestBrokenCopies(t *testing.T) {
	t.Parallel()
	long(t)
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			cfg := stripesim.Config{
				Seed: 5, Expand: expansions,
				Counts: stripesim.Counts{Charges: 250, Customers: 30, Subscriptions: 60, Prices: 40},
			}
			c := serve(t, cfg, func(sim *stripesim.Sim) http.Handler {
				if b.proxy == nil {
					return sim
				}
				return b.proxy(sim)
			})
			if _, err := c.sim.Create(stripesim.Subscriptions, stripesim.Draft{Items: 25}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.sim.Create(stripesim.Charges, stripesim.Draft{}); err != nil { // a young one
				t.Fatal(err)
			}
			s := c.pass(t)
			if b.page != nil {
				s.Hooks.Page = b.page(c)
			}
			report := complete(t, s)
			if b.after != nil {
				b.after(t, c, report)
			}
			said := differences(t.Context(), c.sim, c.dir)
			found := slices.ContainsFunc(said, func(s string) bool { return strings.Contains(s, b.want) })
			if b.want == "" && len(said) > 0 || b.want != "" && !found {
				t.Errorf("the comparison says %q, want %q", said[:min(len(said), 5)], b.want)
			}
		})
	}
}
