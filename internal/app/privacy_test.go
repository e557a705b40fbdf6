package app_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/leaktest"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// mailRules cover every path at which Stripe's objects have addresses.
const mailRules = `{"rules": [
	{"resource": "*", "path": "**.email", "do": "hash"},
	{"resource": "charges", "path": "receipt_email", "do": "drop"},
	{"path": "**.payer_email", "do": "mask"},
	{"resource": "refunds", "path": "instructions_email", "do": "drop"}
]}`

// control is planted where no rule leads.
const control = "control-value-4711"

// A search is what was found in the files of a directory, by kind of file.
type search struct {
	addresses map[string][]string
	controls  map[string]int
	files     map[string]int
}

func (s *search) look(kind, text string) {
	for _, a := range leaktest.Addresses(text) {
		if len(s.addresses[kind]) < 3 {
			s.addresses[kind] = append(s.addresses[kind], a)
		}
	}
	if strings.Contains(text, control) {
		s.controls[kind]++
	}
}

func newSearch() *search {
	return &search{map[string][]string{}, map[string]int{}, map[string]int{}}
}

// everyFile looks into every file below dir, and into what it decodes to.
func (s *search) everyFile(t *testing.T, dir string) {
	t.Helper()
	leaktest.Walk(t, dir, func(place string, text []byte) {
		kind, part := kindOfFile(place)
		if part == "" {
			s.files[kind]++
		}
		s.look(kind, string(text))
	})
}

// databases looks into the databases, their logs and the index while a pass
// uses them.
func (s *search) databases(dir string) {
	for _, path := range []string{"tributary.db", "tributary.db-wal", "tributary.db-shm", "lake/catalog.db", "lake/catalog.db-wal", "index/*"} {
		names, _ := filepath.Glob(filepath.Join(dir, path))
		for _, name := range names {
			text, _ := os.ReadFile(name) // gone, perhaps
			rel, _ := filepath.Rel(dir, name)
			kind, _ := kindOfFile(filepath.ToSlash(rel))
			s.look(kind, string(text))
		}
	}
}

// kindOfFile tells the kind of a place, and what of a file it is.
func kindOfFile(place string) (kind, part string) {
	rel, part, _ := strings.Cut(place, ": ")
	parts := strings.Split(rel, "/")
	switch {
	case part == "quarantine":
		return part, part
	case parts[0] == "index":
		return "index", part
	case len(parts) == 5 && strings.HasSuffix(rel, ".parquet"):
		if strings.HasSuffix(parts[2], "_history") {
			return "history", part
		}
		return "dataset", part
	case len(parts) == 5:
		return "metadata", part
	}
	return rel, part
}

// A household is an account with addresses wherever they may stand.
type household struct {
	*copied
	r     *rand.Rand
	log   *bytes.Buffer
	ended []string // reports and errors, as users see them
	mid   *search  // what stood in the databases during passes
	mu    sync.Mutex
}

func openHousehold(t *testing.T) *household {
	t.Helper()
	c := serve(t, stripesim.Config{
		Seed: 31, Expand: expansions, Counts: stripesim.Counts{Charges: 200, Customers: 50, Subscriptions: 20, Prices: 10},
	}, nil)
	c.batchRows = 40
	h := &household{copied: c, r: rand.New(rand.NewPCG(1, 2)), log: &bytes.Buffer{}, mid: newSearch()}
	h.dir = filepath.Join(c.dir, "copy")
	err := h.sim.SetPlan(stripesim.Plan{Rules: []stripesim.Rule{
		{Endpoint: "customers", Nth: 1, Action: stripesim.Respond, Status: 500, Body: `{"error":{"message":"jane@example.com failed"}}`},
		{Endpoint: "charges", Nth: 2, Action: stripesim.Respond, Status: 502, Body: `<p>jane@example.com</p>`},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for r, texts := range map[stripesim.Resource][]string{
		stripesim.Customers: {
			`{"id":"cus_full","object":"customer","created":%d,"livemode":false,"email":"full@example.com","metadata":{"email":"meta@example.com","note":"` + control + `"},
				"shipping":{"name":"J","address":{"city":"x"},"email":"ship@example.com"},"sources":{"object":"list","data":[{"owner":{"email":"source@example.com"}}],"has_more":false}}`,
			`{"id":"cus_esc","object":"customer","created":%d,"livemode":false,"\u0065mail":"esc\u0040example.com","email":"twice@example.com","metadata":{"note":"` + control + `"}}`,
			`{"id":"cus_bad","object":"customer","created":%d,"balance":"none","email":"bad@example.com","metadata":{"em\u0061il":["list@example.com",{"x":"deep\u0040example.com"}],"note":"` + control + `"}}`,
			`{"object":"customer","created":%d,"email":"nobody@example.com","metadata":{"note":"` + control + `"}}`,
			`["an array",%d,{"email":"array@example.com","note":"` + control + `"}]`,
		},
		stripesim.Charges: {
			`{"id":"ch_bad","object":"charge","created":%d,"amount":"lots","currency":"eur","receipt_email":"receipt@example.com","billing_details":{"email":"billing@example.com"},
				"payment_method_details":{"type":"new","new":{"payer_email":"payer@example.com"}},"metadata":{"note":"` + control + `","long":"` + strings.Repeat("long ", 5000) + `","email":"long@example.com"}}`,
			`{"id":"ch_unwalkable","object":"charge","created":%d,"amount":5,"currency":"eur","receipt_email":"unwalkable@example.com","metadata":{}}`,
		},
		stripesim.Refunds: {
			`{"id":"re_bad","object":"refund","created":%d,"amount":null,"currency":"eur","instructions_email":"refund@example.com","metadata":{"note":"` + control + `"}}`,
		},
	} {
		for _, text := range texts {
			if err := h.sim.Put(r, []byte(fmt.Sprintf(text, h.sim.Now().Unix()-3600))); err != nil {
				t.Fatal(err)
			}
		}
	}
	return h
}

// unwalkable makes a text of an object that is balanced and no JSON.
func unwalkable(_ string, p *extract.Page) {
	for i := range p.Items {
		if string(p.Items[i].ID) == "ch_unwalkable" {
			p.Items[i].Raw = bytes.Replace(p.Items[i].Raw, []byte(`"amount":5`), []byte(`"amount":+`), 1)
		}
	}
}

func (h *household) run(t *testing.T) *app.Report {
	t.Helper()
	s := h.pass(t)
	s.Log = slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Hooks.Page = unwalkable
	s.Hooks.Between = func(string) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.mid.databases(h.dir)
	}
	report, err := s.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Resources {
		if r.Error != nil {
			t.Fatal(marshal(report))
		}
	}
	h.ended = append(h.ended, marshal(report))
	return report
}

// change lets some days pass in which customers change their addresses, leave
// and come, a pass after each.
func (h *household) change(t *testing.T, days int) {
	t.Helper()
	for day := range days {
		var moved []string
		for truth := range h.sim.Oracle(stripesim.Customers) {
			if !truth.Verbatim && h.r.IntN(4) == 0 {
				moved = append(moved, truth.ID)
			}
		}
		for _, id := range moved {
			err := h.sim.Mutate(stripesim.Customers, id, func(o map[string]any) {
				o["email"] = fmt.Sprintf("moved%d.%s@example.com", day, id)
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := h.sim.Delete(stripesim.Customers, moved[0]); err != nil {
			t.Fatal(err)
		}
		for _, r := range []stripesim.Resource{stripesim.Charges, stripesim.Customers, stripesim.Subscriptions} {
			if _, err := h.sim.Create(r, stripesim.Draft{}); err != nil {
				t.Fatal(err)
			}
		}
		h.sim.Advance(20 * time.Hour)
		h.run(t)
	}
}

func (h *household) maintain(t *testing.T) {
	t.Helper()
	if err := app.Maintain(t.Context(), h.dir, "auto", func(app.Maintenance) {}); err != nil {
		t.Fatal(err)
	}
}

// clean checks that no address is found and that the control is, everywhere.
func (h *household) clean(t *testing.T) {
	t.Helper()
	now := newSearch()
	now.everyFile(t, h.dir)
	now.look("log", h.log.String())
	now.look("reports", strings.Join(h.ended, "\n"))
	for _, s := range []*search{now, h.mid} {
		for kind, found := range s.addresses {
			t.Errorf("addresses in %s: %v", kind, found)
		}
	}
	for _, kind := range []string{"history", "dataset", "tributary.db", "quarantine"} {
		if now.controls[kind] == 0 {
			t.Errorf("the control is not found in %s: %v", kind, now.controls)
		}
	}
	// The message of a failure is logged, without the address that it has.
	if !strings.Contains(h.log.String(), "*** failed") || now.files["index"] == 0 || now.files["history"] < 6 || now.files["dataset"] < 6 {
		t.Errorf("files %v, log:\n%s", now.files, h.log)
	}
}

// No address reaches any file when the rules are there before the first pass.
func TestPrivacyBeforeFirstPass(t *testing.T) {
	t.Parallel()
	long(t)
	h := openHousehold(t)
	change, err := app.SetPrivacy(t.Context(), h.dir, []byte(mailRules))
	if err != nil {
		t.Fatal(err)
	}
	if change.Version != 1 || change.Rules != 4 || !change.Changed || change.Relaxed || len(change.Tables) != 0 {
		t.Errorf("%+v", change)
	}
	first := h.run(t)
	h.change(t, 4)
	h.maintain(t)
	h.change(t, 2)
	if h.mid.controls["tributary.db-wal"] == 0 {
		t.Errorf("the control is not found in the log of the database: %v", h.mid.controls)
	}
	h.clean(t)
	h.stored(t)
	if strings.Contains(strings.Join(h.ended, ""), "had not gone through") {
		t.Error("a pass found what did not go through the rules")
	}
	for _, r := range first.Resources {
		if want := map[string]int64{"customers": 4, "charges": 2, "refunds": 1}[r.Resource]; r.Quarantined != want {
			t.Errorf("%s: %d in quarantine, want %d", r.Resource, r.Quarantined, want)
		}
	}
}

// stored checks what stands in the place of addresses.
func (h *household) stored(t *testing.T) {
	t.Helper()
	r := reader(t, h.dir)
	for query, want := range map[string]string{
		"select count(*) as n from customers where email not like 'hmac-sha256:%'":                                                                                                                             "0",
		"select count(*) > 10 as n from customers where length(email) = 76":                                                                                                                                    "true",
		"select count(*) as n from charges where receipt_email is not null":                                                                                                                                    "0",
		"select count(*) > 10 as n from charges where billing_details->>'email' like 'hmac-sha256:%'":                                                                                                          "true",
		"select count(*) > 10 as n from charges c join customers u on c.billing_details->>'email' = u.email":                                                                                                   "true",
		"select count(*) > 0 as n from charges where payment_method_details->'paypal'->>'payer_email' = '***'":                                                                                                 "true",
		"select count(*) as n from quarantine where id = 'ch_unwalkable' and raw = '' and reason like '%withheld%'":                                                                                            "1",
		"select count(*) as n from quarantine where id = 'cus_bad' and raw like '%\"em\\u0061il\":[\"hmac-sha256:%'":                                                                                           "1",
		"select count(*) as n from quarantine where id = '' and raw like '[\"an array\",%,{\"email\":\"hmac-sha256:%'":                                                                                         "1",
		"select count(*) as n from customers_history where raw like '%receipt_email%' or raw like '%@example.com%'":                                                                                            "0",
		"select count(*) > 0 as n from customers_history where op = 'delete' and raw like '%\"email\":\"hmac-sha256:%'":                                                                                        "true",
		"select count(*) as n from (select id, seq, hash, lag(hash) over (partition by id order by seq) b from customers_history) where hash = b and id not in (select _id from xdm.customers where _deleted)": "0",
	} {
		got := fmt.Sprint(selected(t, r, query)[0]["n"])
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// Rules that are set later reach what is stored: history, datasets, quarantine,
// old snapshots, the pages of the database.
func TestPrivacyAfterPasses(t *testing.T) {
	t.Parallel()
	long(t)
	h := openHousehold(t)
	h.run(t)
	h.change(t, 3)
	h.maintain(t)
	h.change(t, 2)
	before := newSearch()
	before.everyFile(t, h.dir)
	for _, kind := range []string{"history", "dataset", "tributary.db", "quarantine"} {
		if len(before.addresses[kind]) == 0 {
			t.Errorf("no address is found in %s where there must be some", kind)
		}
	}
	h.mid = newSearch() // what passes leave from now on
	rows := h.shape(t)
	change, err := app.SetPrivacy(t.Context(), h.dir, []byte(mailRules))
	if err != nil {
		t.Fatal(err)
	}
	if len(change.Tables) != len(xdm.Resources) || change.Quarantine == 0 {
		t.Errorf("%+v", change)
	}
	h.clean(t)
	h.stored(t)
	if after := h.shape(t); !maps.Equal(rows, after) {
		t.Errorf("rows before %v, after %v", rows, after)
	}

	// What is read again is what is stored: the hashes are those of the rules.
	h.sim.Advance(25 * time.Hour)
	for _, r := range h.run(t).Resources {
		if r.Updated != 0 && r.Resource != "balance_transactions" || r.Resource == "charges" && r.Unchanged == 0 {
			t.Errorf("after the rewrite: %s", marshal(r))
		}
	}
	h.change(t, 2)
	h.clean(t)

	// The same rules again do nothing; fewer rules give nothing back.
	again, err := app.SetPrivacy(t.Context(), h.dir, []byte(mailRules))
	if err != nil || again.Changed || again.Version != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	fewer, err := app.SetPrivacy(t.Context(), h.dir, []byte(`{"rules":[]}`))
	if err != nil || !fewer.Changed || !fewer.Relaxed || fewer.Version != 2 || len(fewer.Tables) != 0 {
		t.Errorf("%+v, %v", fewer, err)
	}
	h.clean(t)
	h.change(t, 1)
	free := newSearch()
	if free.everyFile(t, h.dir); len(free.addresses["history"]) == 0 {
		t.Error("without rules, addresses are not stored")
	}
	if _, err := app.SetPrivacy(t.Context(), h.dir, []byte(mailRules)); err != nil {
		t.Fatal(err)
	}
	h.mid = newSearch()
	h.clean(t)
}

// shape returns what the tables hold, apart from texts.
func (h *household) shape(t *testing.T) map[string]string {
	t.Helper()
	r := reader(t, h.dir)
	out := map[string]string{}
	for _, name := range xdm.Resources {
		for _, q := range []string{
			"select count(*) as n, sum(seq) as s, sum(created) as c, count(distinct id) as d from " + name + "_history",
			"select count(*) as n, sum(_seq) as s, count(distinct _id) as d, count(*) filter (_deleted) as x from xdm." + name,
		} {
			out[q] = fmt.Sprint(selected(t, r, q))
		}
	}
	return out
}
