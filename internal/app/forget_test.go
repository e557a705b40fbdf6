package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/leaktest"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A shopper is a customer with values planted wherever they may stand.
type shopper struct {
	id      string
	word    string          // in all that is planted
	ids     map[string]bool // of its objects
	needles []string        // none of which may stand anywhere once it is forgotten
}

// A shop is an account with two shoppers, and all that was said of its copy.
type shop struct {
	*copied
	a, b *shopper
	log  *bytes.Buffer
	said []string
}

func openShop(t *testing.T) *shop {
	t.Helper()
	c := serve(t, stripesim.Config{
		Seed: 77, Expand: expansions, Counts: stripesim.Counts{Charges: 120, Customers: 40, Subscriptions: 15, Prices: 8},
	}, nil)
	c.batchRows = 40
	s := &shop{copied: c, log: &bytes.Buffer{}}
	s.dir = filepath.Join(c.dir, "copy")
	s.a, s.b = s.shopper(t, "Aldegundis4711"), s.shopper(t, "Balthasar4711")
	return s
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (s *shop) shopper(t *testing.T, word string) *shopper {
	t.Helper()
	id, err := s.sim.Create(stripesim.Customers, stripesim.Draft{})
	p := &shopper{id: must(t, id, err), word: word, ids: map[string]bool{}, needles: []string{word}}
	p.owns(p.id)
	s.moves(t, p, 0)
	s.buys(t, p)
	// What can't be a record stands in quarantine, with and without an id.
	now := s.sim.Now().Unix() - 3600
	for r, text := range map[stripesim.Resource]string{
		stripesim.Charges: `{"id":"ch_bad` + word + `","object":"charge","created":%d,"amount":"lots","currency":"eur","customer":"` + id + `","description":"` + word + `"}`,
		stripesim.Refunds: `{"object":"refund","created":%d,"amount":null,"currency":"eur","charge":"ch_bad` + word + `","metadata":{"note":"` + word + `"}}`,
	} {
		if err := s.sim.Put(r, []byte(fmt.Sprintf(text, now))); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (p *shopper) owns(id string) {
	p.ids[id] = true
	p.needles = append(p.needles, id, id[:min(len(id), 16)]) // as bounds in manifests are cut
}

// moves changes what a customer says of itself.
func (s *shop) moves(t *testing.T, p *shopper, n int) {
	t.Helper()
	err := s.sim.Mutate(stripesim.Customers, p.id, func(o map[string]any) {
		o["name"], o["email"] = p.word+" Jones", fmt.Sprintf("%s%d@example.com", p.word, n)
		o["metadata"] = map[string]any{"note": p.word, "n": fmt.Sprint(n)}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// first returns the first of a shopper's objects with that prefix.
func (p *shopper) first(prefix string) string {
	ids := slices.Sorted(maps.Keys(p.ids))
	return ids[slices.IndexFunc(ids, func(id string) bool { return strings.HasPrefix(id, prefix) && !strings.Contains(id, "bad") })]
}

// balanceOf returns a balance transaction of the other shopper.
func balanceOf(t *testing.T, s *shop) string {
	t.Helper()
	for truth := range s.sim.Oracle(stripesim.BalanceTransactions) {
		var o struct{ Source string }
		if json.Unmarshal(truth.JSON, &o) == nil && s.b.ids[o.Source] {
			return truth.ID
		}
	}
	t.Fatal("there is none")
	return ""
}

// buys makes charges, refunds and a subscription of a customer.
func (s *shop) buys(t *testing.T, p *shopper) {
	t.Helper()
	for range 3 {
		id, err := s.sim.Create(stripesim.Charges, stripesim.Draft{Customer: p.id, Method: "card", Status: "succeeded", Amount: 4200})
		p.owns(must(t, id, err))
		err = s.sim.Mutate(stripesim.Charges, id, func(o map[string]any) {
			o["description"], o["metadata"] = "for "+p.word, map[string]any{"order": p.word}
		})
		if err != nil {
			t.Fatal(err)
		}
		re, err := s.sim.Create(stripesim.Refunds, stripesim.Draft{Charge: id, Amount: 100})
		p.owns(must(t, re, err))
	}
	sub, err := s.sim.Create(stripesim.Subscriptions, stripesim.Draft{Customer: p.id, Status: "active"})
	p.owns(must(t, sub, err))
}

// run does a pass; what is written of it is kept.
func (s *shop) run(t *testing.T, change ...func(*app.Sync)) *app.Report {
	t.Helper()
	p := s.pass(t)
	p.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, c := range change {
		c(&p)
	}
	report, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range report.Resources {
		if r.Error != nil {
			t.Fatal(marshal(report))
		}
	}
	s.said = append(s.said, marshal(report))
	return report
}

// lives lets the shop go on for some days, with tombstones, events that wait in
// the inbox, drift and compaction.
func (s *shop) lives(t *testing.T) {
	t.Helper()
	s.run(t)
	for day := range 2 {
		s.sim.Advance(20 * time.Hour)
		for _, p := range []*shopper{s.a, s.b} {
			s.moves(t, p, day+1)
			s.buys(t, p)
		}
		s.run(t)
	}
	if err := app.Maintain(t.Context(), s.dir, "auto", func(app.Maintenance) {}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*shopper{s.a, s.b} {
		s.moves(t, p, 9)
	}
	s.sim.Advance(time.Hour)
	s.run(t)
	db, err := sqlstore.Open(t.Context(), filepath.Join(s.dir, "tributary.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, p := range []*shopper{s.a, s.b} {
		text := fmt.Sprintf(`{"id":%q,"object":"customer","name":%q}`, p.id, p.word)
		err := db.PutNotices(t.Context(), []sqlstore.Notice{{
			ID: "evt_" + p.word[:1] + "1", Type: "customer.updated", Created: s.sim.Now().Unix(), Resource: "customers", ObjectID: p.id,
			Refs: []sqlstore.Ref{{Resource: "customers", ID: p.id}}, Snapshot: []byte(text),
		}})
		if err == nil {
			err = db.NoteDrift(t.Context(), []sqlstore.Drift{{Resource: "customers", Path: "new", Kind: "unknown_field", Seen: "string" + p.word[:1], Count: 1, Example: p.id}}, time.Now())
		}
		if err == nil {
			err = db.RecordRun(t.Context(), sqlstore.Run{ID: "run_" + p.word[:1], Kind: "sync", Status: "partial", Summary: `{"notes":["1 is not there: ` + p.id + `"]}`})
		}
		if err == nil {
			err = db.Want(t.Context(), "customers", []string{p.id}, "customers")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// kinds returns the kinds of places that tell of a shopper.
func (s *shop) kinds(t *testing.T, p *shopper) map[string][]string {
	t.Helper()
	found := leaktest.Scan(t, leaktest.Places{Dir: s.dir, Texts: map[string]string{"log": s.log.String(), "reports": strings.Join(s.said, "\n")}}, p.needles...)
	kinds := map[string][]string{}
	for _, f := range found {
		kind, _ := kindOfFile(f.Place)
		kinds[kind] = append(kinds[kind], f.Place+" "+f.Needle)
	}
	return kinds
}

// gone checks that nothing tells of A, and that the search finds B wherever A
// stood.
func (s *shop) gone(t *testing.T, places ...string) {
	t.Helper()
	for kind, found := range s.kinds(t, s.a) {
		t.Errorf("%s tells of the customer: %d times, as in %s", kind, len(found), found[0])
	}
	control := s.kinds(t, s.b)
	for _, kind := range places {
		if len(control[kind]) == 0 {
			t.Errorf("nothing in %s tells of the other customer: the search is blind there", kind)
		}
	}
}

// stands are the kinds of places where a customer stands before it is forgotten.
var stands = []string{"history", "dataset", "tributary.db", "quarantine", "index"}

// kept is what the copy may have of an object once A is forgotten.
func (s *shop) kept(r stripesim.Resource, id, text string) string {
	var o map[string]any
	if s.a.ids[id] || strings.Contains(text, s.a.word) {
		return ""
	}
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return text
	}
	if source, _ := o["source"].(string); r == stripesim.BalanceTransactions && s.a.ids[source] {
		delete(o, "source")
		delete(o, "description")
		return marshal(o)
	}
	return text
}

// A customer who is forgotten stands nowhere any more, and stays away: in
// history, datasets, old snapshots, metadata, quarantine, inbox, index, logs.
// Amounts of balance transactions stay, without what points to the customer.
func TestForgetCustomer(t *testing.T) {
	t.Parallel()
	long(t)
	s := openShop(t)
	s.lives(t)
	before := s.kinds(t, s.a)
	for _, kind := range append(slices.Clone(stands), "metadata") {
		if len(before[kind]) == 0 {
			t.Errorf("nothing in %s tells of the customer before", kind)
		}
	}
	trial, err := app.TryForget(t.Context(), s.dir, app.ForgetRequest{Customer: s.a.id})
	if err != nil {
		t.Fatal(err)
	}
	if d := s.kinds(t, s.a); len(d) != len(before) {
		t.Errorf("a trial changed what stands there: %v", d)
	}
	done, err := app.ForgetCustomer(t.Context(), s.dir, app.ForgetRequest{Customer: s.a.id})
	if err != nil {
		t.Fatal(err)
	}
	s.said = append(s.said, marshal(done), marshal(trial))
	s.gone(t, stands[:4]...) // the index is filled by who needs it
	if done.Result.Left != 0 || done.Result.Quarantine != 2 || done.Result.Events != 1 || done.Result.Blanked != 18 {
		t.Errorf("done: %s", marshal(done))
	}
	if trial.Quarantine != 2 || trial.Events != 1 || trial.Blanked != 18 || marshal(trial.Tables) != `[{"table":"customers","rows":1},{"table":"charges","rows":9},{"table":"subscriptions","rows":3},{"table":"refunds","rows":9},{"table":"balance_transactions","rows":18}]` {
		t.Errorf("the trial says %s", marshal(trial))
	}

	// The customer goes on at Stripe, and the copy does not hear of it.
	s.buys(t, s.a)
	s.moves(t, s.a, 20)
	s.buys(t, s.b)
	s.sim.Advance(25 * time.Hour)
	report := s.run(t)
	s.gone(t, stands...)
	var suppressed int64
	for _, r := range report.Resources {
		suppressed += r.Suppressed
	}
	if suppressed == 0 {
		t.Errorf("nothing is said to be suppressed: %s", marshal(report))
	}
	report2 := s.run(t, func(p *app.Sync) { p.Reconcile = true })
	for _, r := range report2.Resources {
		if r.Proof == nil || r.Resource != "charges" && r.Resource != "refunds" && !r.Proof.Equal {
			t.Errorf("%s: %s", r.Resource, marshal(r.Proof))
		}
		if want := map[string]int64{"customers": 1, "charges": 13, "refunds": 13, "subscriptions": 4}[r.Resource]; r.Proof != nil && r.Proof.Suppressed != want {
			t.Errorf("%s: the proof tells of %d suppressed, want %d", r.Resource, r.Proof.Suppressed, want)
		}
	}
	if err := app.Maintain(t.Context(), s.dir, "auto", func(app.Maintenance) {}); err != nil {
		t.Fatal(err)
	}
	s.gone(t, stands...)
	for _, d := range differencesBut(t.Context(), s.sim, s.dir, s.kept) {
		t.Error(d)
	}
}

// What lands before it is known whose it is goes at the end of the pass that
// learns it: a refund that was read before its charge.
func TestForgetLearnsLate(t *testing.T) {
	t.Parallel()
	long(t)
	s := openShop(t)
	s.run(t)
	key, err := stripe.ParseKey(s.sim.Key())
	if err != nil {
		t.Fatal(err)
	}
	k, err := app.Sync{Dir: s.dir, Key: key, URL: s.url, Share: 1, Limits: &stripe.Limits{}}.Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	if _, err := k.Forget(t.Context(), app.ForgetRequest{Customer: s.a.id}); err != nil {
		t.Fatal(err)
	}
	pass := func() *app.Report {
		report, err := k.Pass(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	pass()
	s.gone(t, "history", "dataset", "tributary.db", "quarantine")
	// No event tells of these, which would tell whose they are.
	late := func(r stripesim.Resource, id, from string, change map[string]any) {
		var o map[string]any
		for truth := range s.sim.Oracle(r) {
			if truth.ID == from {
				if err := json.Unmarshal(truth.JSON, &o); err != nil {
					t.Error(err)
				}
			}
		}
		o["id"], o["created"] = id, s.sim.Now().Unix()
		maps.Copy(o, change)
		if err := s.sim.Put(r, []byte(marshal(o))); err != nil {
			t.Fatal(err)
		}
		if r != stripesim.BalanceTransactions { // which stay
			s.a.owns(id)
		}
	}
	late(stripesim.Refunds, "re_lateAldegundis", s.b.first("re_"), map[string]any{"charge": "ch_lateAldegundis", "balance_transaction": nil})
	late(stripesim.BalanceTransactions, "txn_late", balanceOf(t, s), map[string]any{"source": "re_lateAldegundis"})
	s.sim.Advance(25 * time.Hour)
	if _, err := k.Advance(t.Context(), []string{"refunds", "balance_transactions"}, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	if len(s.kinds(t, s.a)) == 0 {
		t.Error("the refund did not land before its charge")
	}
	late(stripesim.Charges, "ch_lateAldegundis", s.b.first("ch_"), map[string]any{"customer": s.a.id, "description": s.a.word, "balance_transaction": nil})
	s.sim.Advance(25 * time.Hour)
	if _, err := k.Advance(t.Context(), []string{"charges", "customers"}, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	s.gone(t, "history", "dataset", "tributary.db", "quarantine")
	if _, err := k.Advance(t.Context(), xdm.Resources, time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	s.gone(t, "history", "dataset", "tributary.db", "quarantine")
	for _, d := range differencesBut(t.Context(), s.sim, s.dir, s.kept) {
		t.Error(d)
	}
}

// A copy without history, one with rules that hash who a charge belongs to, and
// a request that spares no balance transaction.
func TestForgetVariants(t *testing.T) {
	t.Parallel()
	long(t)
	for name, tt := range map[string]struct {
		rules string
		books bool
		lean  bool
	}{
		"no history": {lean: true},
		"rules":      {rules: `{"rules":[{"path":"customer","do":"hash"},{"path":"charge","do":"hash"}]}`},
		"books":      {books: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			if tt.rules != "" {
				if _, err := app.SetPrivacy(t.Context(), s.dir, []byte(tt.rules)); err != nil {
					t.Fatal(err)
				}
			}
			lean := func(p *app.Sync) { p.NoHistory = tt.lean }
			s.run(t, lean)
			count := func() string {
				return fmt.Sprint(selected(t, reader(t, s.dir), "select count(*) as n from balance_transactions")[0]["n"])
			}
			before := count()
			done, err := app.ForgetCustomer(t.Context(), s.dir, app.ForgetRequest{Customer: s.a.id, Books: tt.books})
			if err != nil {
				t.Fatal(err)
			}
			places := []string{"dataset", "tributary.db", "quarantine"}
			s.gone(t, places...)
			s.run(t, lean)
			s.run(t, lean, func(p *app.Sync) { p.Reconcile = true })
			s.gone(t, places...)
			want := int64(6)
			if tt.books {
				want = 0
			}
			if same := before == count(); done.Result.Blanked != want || same == tt.books {
				t.Errorf("%s balance transactions before and %s after: %s", before, count(), marshal(done))
			}
		})
	}
}

// A copy that is made after somebody was put on the list that copies share never has
// anything of him, whichever way it comes: by a backfill, events, webhooks, a reconcile, a
// replay, through rules that hash. One that has something loses it when it is opened.
func TestForgetList(t *testing.T) {
	t.Parallel()
	long(t)
	key := bytes.Repeat([]byte{7}, 32)
	for name, tt := range map[string]struct {
		rules string
		late  bool // the copy is there before
	}{
		"new": {}, "new with rules": {rules: `{"rules":[{"path":"customer","do":"hash"},{"path":"charge","do":"hash"}]}`}, "late": {late: true},
		"late with rules": {rules: `{"rules":[{"path":"customer","do":"hash"},{"path":"charge","do":"hash"}]}`, late: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			if tt.rules != "" {
				if _, err := app.SetPrivacy(t.Context(), s.dir, []byte(tt.rules)); err != nil {
					t.Fatal(err)
				}
			}
			list := func(context.Context) (app.ForgetList, error) {
				return app.ForgetList{Key: key, Customers: []app.ForgetEntry{{Request: "r1", Digest: app.ForgetDigest(key, s.a.id), Requested: time.Now()}}}, nil
			}
			listed := func(p *app.Sync) { p.Forgotten = list }
			if tt.late {
				s.run(t)
			}
			places := []string{"dataset", "history", "tributary.db", "quarantine"}
			s.run(t, listed)
			s.gone(t, places...)
			if tt.late {
				return
			}
			s.buys(t, s.a)
			s.moves(t, s.a, 20)
			s.buys(t, s.b)
			s.sim.Advance(25 * time.Hour)
			s.run(t, listed)
			s.run(t, listed, func(p *app.Sync) { p.Reconcile = true })
			s.gone(t, places...)
			if _, err := (app.Replay{Dir: s.dir, Forgotten: list}).Run(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.gone(t, places...)
			for _, p := range []*shopper{s.a, s.b} {
				s.told(t, p)
			}
			s.gone(t, places...)
			all, err := app.Forgettings(t.Context(), s.dir)
			if err != nil || len(all) != 1 || all[0].ID != "r1" || all[0].Done.IsZero() {
				t.Errorf("%s, %v", marshal(all), err)
			}
		})
	}
}

// told sends the copy an event about a shopper by its webhook.
func (s *shop) told(t *testing.T, p *shopper) {
	t.Helper()
	r, err := app.OpenReceiver(t.Context(), s.dir, func() {}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = r.Put(t.Context(), extract.Notice{
		ID: "evt_hook" + p.word, Type: "customer.updated", Created: s.sim.Now().Unix(), Resource: "customers", ObjectID: p.id,
		Object: []byte(fmt.Sprintf(`{"id":%q,"object":"customer","name":%q}`, p.id, p.word)), Refs: []extract.Ref{{Resource: "customers", ID: p.id}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A process that is killed while it forgets leaves the rest to the next one,
// whatever that was to do.
func TestForgetKilled(t *testing.T) {
	t.Parallel()
	long(t)
	s := openShop(t)
	s.lives(t)
	kills := 0
	for wait := 60 * time.Millisecond; ; wait += wait / 3 {
		out, ended := aliveFor(t, life{Dir: s.dir, Forget: s.a.id}, wait)
		if ended && !strings.Contains(out, done+" <nil>") {
			t.Fatal(out)
		}
		if ended {
			break
		}
		kills++
	}
	t.Logf("killed %d times", kills)
	s.gone(t, stands[:4]...)
	s.run(t)
	s.run(t)
	s.gone(t, stands...)
	for _, d := range differencesBut(t.Context(), s.sim, s.dir, s.kept) {
		t.Error(d)
	}
}
