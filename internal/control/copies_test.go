package control_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

const copiesBase = "/data/tributary/copies"

// into decodes an answer.
func into[T any](t testing.TB, r reply) (v T) {
	t.Helper()
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	return v
}

type copyView struct {
	Copy        string
	AccountID   string
	Livemode    bool
	Quarantined int64
	Drifted     int64
	Bytes       int64
	Connections []struct{ ID, Name string }
	Resources   []struct {
		Resource, State      string
		Objects, Bytes       int64
		CursorAt, LastPassAt int64
		CursorAge, Freshness *int64
		Quarantined, Drifted int64
	}
}

type reconcileView struct {
	State         string
	AcceptDeletes bool
	AskedAt       int64
	StartedAt     int64
	EndedAt       int64
	Waits         string
	Resources     []struct {
		Resource, State, Error string
		Guarded                bool
		Read, Requests         int64
	}
	Proofs []proofView
}

type proofView struct {
	Resource, Reason                                   string
	Equal                                              bool
	At, InStripe, InLake                               int64
	Missing, Stale, Extra, Repaired, Held, Quarantined int64
	Sums                                               []struct {
		Field, Currency  string
		InStripe, InLake int64
	}
}

// oldest returns the oldest charge.
func oldest(sim *stripesim.Sim) (o stripesim.Truth) {
	for o = range sim.Oracle(stripesim.Charges) {
		break
	}
	return o
}

// spoil puts charges into the account that can't be rows.
func spoil(t *testing.T, sim *stripesim.Sim, n int) {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(oldest(sim).JSON, &v); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		v["id"], v["amount"], v["created"] = fmt.Sprintf("ch_bad_%d", i), "12 gold", sim.Now().Unix()-int64(100+i)
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := sim.Put(stripesim.Charges, text); err != nil {
			t.Fatal(err)
		}
	}
}

// reconciled waits for the reconcile of a copy.
func (s *shop) reconciled(t *testing.T, name string) reconcileView {
	t.Helper()
	var v reconcileView
	for range 1500 {
		v = into[reconcileView](t, s.must(200, "GET", copiesBase+"/"+name+"/reconcile", nil))
		if v.State == "complete" || v.State == "failed" {
			return v
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the reconcile does not end: %+v\n%s", v, s.said())
	return v
}

// What stands in a copy is told to those who may view sources, and the objects
// themselves to those who may view datasets, too.
func TestCopies(t *testing.T) {
	t.Parallel()
	s := openShop(t, "")
	if got := into[struct{ Items []copyView }](t, s.must(200, "GET", copiesBase, nil)); len(got.Items) != 0 {
		t.Errorf("copies before there is one: %+v", got)
	}
	s.sim.SetNovelty(true)
	if _, err := s.sim.Create(stripesim.Charges, stripesim.Draft{}); err != nil {
		t.Fatal(err)
	}
	spoil(t, s.sim, 5)
	for _, resource := range []string{"charges", "customers"} {
		if run := s.ended(t, s.flow(t, resource, daily()), 1); status(run) != "success" {
			t.Fatalf("%v", run)
		}
	}
	account, _ := s.sim.Account()
	name := account + "-test"
	list := into[struct{ Items []copyView }](t, s.must(200, "GET", copiesBase, nil)).Items
	one := into[copyView](t, s.must(200, "GET", copiesBase+"/"+name, nil))
	if len(list) != 1 || list[0].Copy != name {
		t.Fatalf("%+v", list)
	}
	if one.AccountID != account || one.Livemode || one.Quarantined != 5 || one.Bytes < 1000 || len(one.Connections) != 1 || one.Connections[0].ID != s.connection {
		t.Errorf("%+v", one)
	}
	for _, r := range one.Resources {
		want := int64(s.sim.Count(stripesim.Resource(r.Resource)))
		if r.Resource == "charges" {
			want -= 5
		}
		if r.State != "complete" || r.Objects != want || r.Bytes == 0 || r.CursorAt == 0 || r.LastPassAt == 0 || r.Freshness == nil || *r.Freshness > 600 || r.CursorAge == nil {
			t.Errorf("%d are there: %+v", want, r)
		}
	}
	if len(one.Resources) != 2 || one.Resources[0].Quarantined != 5 {
		t.Errorf("%+v", one.Resources)
	}

	held := s.pages(t, copiesBase+"/"+name+"/quarantine?resource=charges&limit=2")
	if len(held) != 5 {
		t.Fatalf("%v", held)
	}
	for i, h := range held {
		if h["id"] != fmt.Sprintf("ch_bad_%d", i) || h["path"] != "amount" || !strings.Contains(h["reason"].(string), "is a string") || h["runId"] == "" || h["requestId"] == "" || !strings.Contains(h["raw"].(string), "12 gold") {
			t.Errorf("%v", h)
		}
	}
	if got := s.pages(t, copiesBase+"/"+name+"/quarantine?resource=customers"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	operator, err := s.plane.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	viewer, manager := s.plane.integration(t, operator, access.ViewSources), s.plane.integration(t, operator, access.ManageSources)
	if r := viewer.must(200, "GET", copiesBase+"/"+name+"/quarantine", nil); strings.Contains(string(r.body), "raw") || strings.Contains(string(r.body), "gold") || !strings.Contains(string(r.body), "ch_bad_4") {
		t.Errorf("without View Datasets: %s", r.body)
	}
	if r := viewer.do("POST", copiesBase+"/"+name+"/quarantine/replay", nil); r.status != 403 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := viewer.do("POST", copiesBase+"/"+name+"/reconcile", nil); r.status != 403 {
		t.Errorf("%d %s", r.status, r.body)
	}
	s.sim.ResetStats()
	replayed := into[struct{ Items []map[string]any }](t, manager.must(200, "POST", copiesBase+"/"+name+"/quarantine/replay", map[string]any{"resources": []string{"charges"}}))
	if diff := cmp.Diff([]map[string]any{{"resource": "charges", "landed": 0., "superseded": 0., "refused": 5.}}, replayed.Items); diff != "" {
		t.Error(diff)
	}
	if n := len(s.sim.Log()); n > 0 && s.sim.Stats().Requests > 0 {
		t.Errorf("a replay asked Stripe: %+v", s.sim.Stats())
	}

	drift := into[struct {
		Items []map[string]any
		Total int
	}](t, viewer.must(200, "GET", copiesBase+"/"+name+"/drift?limit=1", nil))
	if len(drift.Items) != 1 || drift.Total < 1 || int64(drift.Total) != one.Drifted || drift.Items[0]["count"].(float64) < 1 || drift.Items[0]["firstSeenAt"].(float64) > drift.Items[0]["lastSeenAt"].(float64) {
		t.Errorf("%+v, %d in the copy", drift, one.Drifted)
	}
	for _, path := range []string{
		"?limit=0", "?limit=101", "/" + name + "/quarantine?limit=501", "/" + name + "/quarantine?start=x", "/" + name + "/quarantine?resource=x",
		"/" + name + "/drift?limit=1001", "/" + name + "/drift?resource=x",
	} {
		s.must(400, "GET", copiesBase+path, nil)
	}
	s.must(400, "POST", copiesBase+"/"+name+"/reconcile", map[string]any{"resources": []string{"x"}})
	s.must(400, "POST", copiesBase+"/"+name+"/quarantine/replay", `[`)
}

// pages reads all pages of a list.
func (s *shop) pages(t *testing.T, path string) (all []map[string]any) {
	t.Helper()
	next := ""
	for range 100 {
		p := into[struct {
			Items []map[string]any
			Next  string
		}](t, s.must(200, "GET", path+next, nil))
		all = append(all, p.Items...)
		if p.Next == "" {
			return all
		}
		next = "&start=" + url.QueryEscape(p.Next)
	}
	t.Fatal("the pages do not end")
	return nil
}

// A reconcile repairs what no event told of, in the background, keeps its proof,
// and goes on in the next process.
func TestReconcileOfCopies(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, database string) {
		s := openShop(t, database)
		for _, resource := range []string{"charges", "subscriptions"} {
			s.ended(t, s.flow(t, resource, daily()), 1)
		}
		account, _ := s.sim.Account()
		name := account + "-test"
		path := copiesBase + "/" + name + "/reconcile"
		if v := into[reconcileView](t, s.must(200, "GET", path, nil)); v.State != "none" || len(v.Proofs) != 0 {
			t.Errorf("before the first: %+v", v)
		}
		// More than the guard lets go, as when test data is wiped.
		err := s.sim.Silently(func() error {
			for i := range 12 {
				if err := s.sim.Do(stripesim.Step{Do: "delete", Resource: stripesim.Subscriptions, Target: "oldest"}); err != nil {
					return fmt.Errorf("subscription %d: %w", i, err)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.sim.Quiet(stripesim.Charges, oldest(s.sim).ID, func(v map[string]any) { v["description"] = "without a word" }); err != nil {
			t.Fatal(err)
		}
		s.sim.Advance(time.Hour)
		s.must(202, "POST", path, nil)
		v := s.reconciled(t, name)
		if v.State != "failed" || len(v.Resources) != 2 || v.EndedAt < v.StartedAt || v.StartedAt < v.AskedAt {
			t.Fatalf("%+v\n%s", v, s.said())
		}
		for _, r := range v.Resources {
			switch r.Resource {
			case "charges":
				if r.State != "complete" || r.Guarded || r.Read < 150 || r.Requests == 0 || r.Error != "" {
					t.Errorf("%+v", r)
				}
			case "subscriptions":
				if r.State != "failed" || !r.Guarded || !strings.Contains(r.Error, "not in Stripe any more") {
					t.Errorf("%+v", r)
				}
			}
		}
		if len(v.Proofs) != 1 || v.Proofs[0].Resource != "charges" || v.Proofs[0].Stale != 1 || v.Proofs[0].Repaired != 1 || !v.Proofs[0].Equal || len(v.Proofs[0].Sums) == 0 {
			t.Errorf("%+v", v.Proofs)
		}
		// Without workers it waits; the next process does it.
		s.workers = -1
		s.again(t)
		s.must(202, "POST", path, map[string]any{"acceptDeletes": true, "resources": []string{"subscriptions"}})
		if r := s.do("POST", path, nil); r.status != 409 || !strings.Contains(string(r.body), "under way") {
			t.Errorf("%d %s", r.status, r.body)
		}
		if v := into[reconcileView](t, s.must(200, "GET", path, nil)); v.State != "queued" || !v.AcceptDeletes {
			t.Errorf("%+v", v)
		}
		s.workers = 0
		s.again(t)
		v = s.reconciled(t, name)
		i := slices.IndexFunc(v.Proofs, func(p proofView) bool { return p.Resource == "subscriptions" })
		if v.State != "complete" || len(v.Resources) != 1 || len(v.Proofs) != 2 || i < 0 || v.Proofs[i].Extra != 12 || !v.Proofs[i].Equal || v.Proofs[i].InLake != int64(s.sim.Count(stripesim.Subscriptions)) {
			t.Errorf("%+v", v)
		}
		for _, id := range s.flows {
			if run := s.ask(t, id); status(run) != "success" {
				t.Errorf("%v", run)
			}
		}
		s.exact(t)
	})
}

// A copy of another sandbox is not there, whatever it is asked for.
func TestCopiesOfSandboxes(t *testing.T) {
	t.Parallel()
	s := openShop(t, "")
	s.ended(t, s.flow(t, "prices", daily()), 1)
	s.must(202, "POST", "/data/foundation/sandbox-management/sandboxes", map[string]any{"name": "dev", "title": "Development", "type": "development"})
	dev := s.client
	dev.sandbox = "dev"
	account, _ := s.sim.Account()
	path := copiesBase + "/" + account + "-test"
	for _, call := range [][2]string{
		{"GET", ""}, {"GET", "/quarantine"}, {"GET", "/reconcile"}, {"GET", "/drift"}, {"POST", "/quarantine/replay"}, {"POST", "/reconcile"},
	} {
		if r := dev.do(call[0], path+call[1], nil); r.status != 404 {
			t.Errorf("%v: %d %s", call, r.status, r.body)
		}
		if r := s.do(call[0], copiesBase+"/"+url.PathEscape("../"+dev.sandbox)+call[1], nil); r.status != 404 {
			t.Errorf("%v by a path: %d %s", call, r.status, r.body)
		}
	}
	dev.must(404, "GET", copiesBase+"/connections/"+s.connection+"/account", nil)
	dev.must(404, "GET", copiesBase+"/forecast?frequency=day&interval=1&connectionId="+s.connection, nil)
	if got := dev.must(200, "GET", copiesBase, nil).json(t)["items"].([]any); len(got) != 0 {
		t.Errorf("%v", got)
	}
	s.must(200, "GET", path, nil)
}

// What a connection may read, at which pace and cost, is told without a secret and
// without asking Stripe each time.
func TestAccountOfConnection(t *testing.T) {
	t.Parallel()
	const key, wrong = "rk_test_few0123456789abcdef", "rk_test_none0123456789abcdef"
	sim, err := stripesim.New(stripesim.Config{
		Seed: 9, Counts: stripesim.Counts{Charges: 30, Customers: 5},
		Keys: map[string]stripesim.Key{
			key: {Permissions: []string{"charge_read", "customer_read", "event_read", "connected_account_read"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.Handler(sim))
	t.Cleanup(server.Close)
	p := startBy(t, t.TempDir(), "", control.Options{
		Stripe: app.Sync{URL: server.URL, Share: 0.5, Limits: &stripe.Limits{Global: 100, Endpoint: 25}, Warn: 0.8, Stop: app.Bound{Share: 0.9, Set: true}},
		Egress: guard.Egress{Addresses: []string{"203.0.113.9"}},
	}, time.Now)
	c := p.admin(t)
	id := c.connection("Bakery", key)
	path := copiesBase + "/connections/" + id + "/account"
	first := c.must(200, "GET", path, nil)
	type right struct{ ID, Name string }
	type readable struct {
		Resource string
		Readable bool
		Right    right
		Missing  []right
		Reason   string
	}
	type view struct {
		ConnectionID, AccountID, DisplayName, Copy string
		Livemode                                   bool
		CheckedAt                                  int64
		Resources                                  []readable
		Events                                     readable
		Rate                                       map[string]float64
		Budget                                     struct {
			WindowDays                                        int
			Used, Allowance, Floor, Remaining, WarnAt, StopAt int64
			Days                                              []any
		}
		Key struct {
			Page, Create string
			Rights       []struct {
				ID, Name, For string
				Required      bool
			}
		}
		EgressAddresses []string
	}
	v := into[view](t, first)
	account, _ := sim.Account()
	if v.ConnectionID != id || v.AccountID != account || v.DisplayName != "Tributary Shop" || v.Copy != account+"-test" || v.Livemode || !v.Events.Readable {
		t.Errorf("%+v", v)
	}
	want := map[string]string{
		"charges": "", "customers": "", "subscriptions": "Subscriptions: Read", "refunds": "Refunds (older Dashboards: Charges and Refunds): Read",
		"balance_transactions": "Balance transaction sources: Read", "prices": "Prices: Read",
	}
	got := map[string]string{}
	for _, r := range v.Resources {
		got[r.Resource] = ""
		if !r.Readable {
			got[r.Resource] = r.Missing[0].Name
			if r.Reason == "" || r.Missing[0] != r.Right {
				t.Errorf("%+v", r)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if v.Rate["limit"] != 100 || v.Rate["endpointLimit"] != 25 || v.Rate["share"] != 0.5 || v.Rate["allowed"] <= 0 || v.Rate["allowed"] > 50 {
		t.Errorf("%v", v.Rate)
	}
	if b := v.Budget; b.WindowDays != 30 || b.Used != 0 || b.Allowance != 10_000 || b.Remaining != 10_000 || b.WarnAt != 8000 || b.StopAt != 9000 {
		t.Errorf("%+v", b)
	}
	if len(v.Key.Rights) != 8 || !strings.Contains(v.Key.Create, "rak_balance_transaction_source_read") || !slices.Equal(v.EgressAddresses, []string{"203.0.113.9"}) {
		t.Errorf("%+v %v", v.Key, v.EgressAddresses)
	}
	asked := len(sim.Log())
	for range 5 {
		if again := into[view](t, c.must(200, "GET", path, nil)); again.CheckedAt != v.CheckedAt {
			t.Error("Stripe was asked again")
		}
	}
	if n := len(sim.Log()); n != asked {
		t.Errorf("%d requests more", n-asked)
	}
	// Other credentials are asked about at once, and a key that is refused is no
	// refusal of the caller's token.
	sim.SetKey(wrong, stripesim.Key{Expired: true})
	c.must(200, "PATCH", flowservice+"/connections/"+id, []any{map[string]any{"op": "replace", "path": "/auth/params/accessToken", "value": wrong}}, "If-Match", "*")
	refused := c.must(400, "GET", path, nil)
	if !strings.Contains(string(refused.body), "CONNECTOR-1308-400") {
		t.Errorf("%s", refused.body)
	}
	for _, r := range []reply{first, refused} {
		if strings.Contains(string(r.body), key) || strings.Contains(string(r.body), wrong) {
			t.Errorf("a key is in %s", r.body)
		}
	}
	c.must(404, "GET", copiesBase+"/connections/nothing/account", nil)
}

// The forecast of a schedule is made of its parts.
func TestForecastOfSchedule(t *testing.T) {
	t.Parallel()
	s := openShop(t, "")
	path := copiesBase + "/forecast?connectionId=" + s.connection
	type forecast struct {
		EverySeconds, Passes int64
		Resources            []string
		Idle                 struct {
			Reads          int64
			PerPass, Daily []struct {
				What  string
				Reads int64
			}
		}
		Measured  *struct{ Reads, Passes, PerPass int64 }
		Used      int64
		Allowance int64
		Fits      bool
		Share     float64
	}
	for query, want := range map[string]struct {
		every, passes, reads int64
		fits                 bool
	}{
		"&frequency=minute&interval=15":                                 {900, 2880, 2880*3 + 30*15, true},
		"&frequency=minute&interval=10":                                 {600, 4320, 4320*3 + 30*15, false},
		"&frequency=day&interval=1&resources=charges":                   {86400, 30, 30*2 + 30*(3+1), true},
		"&frequency=hour&interval=6&resources=balance_transactions":     {21600, 120, 120*2 + 30*(3+1), true},
		"&frequency=week&interval=1&resources=prices,%20charges,prices": {604800, 5, 5*2 + 30*(4+3), true},
		"&frequency=week&interval=1000000":                              {3153600000, 1, 3 + 30*15, true},
		"&frequency=once":                                               {0, 0, 0, true},
	} {
		got := into[forecast](t, s.must(200, "GET", path+query, nil))
		if got.EverySeconds != want.every || got.Passes != want.passes || got.Idle.Reads != want.reads || got.Fits != want.fits || got.Allowance != 10_000 || got.Measured != nil {
			t.Errorf("%s: %+v", query, got)
		}
	}
	for _, query := range []string{"", "&frequency=day", "&frequency=day&interval=0", "&frequency=year&interval=1", "&frequency=once&interval=1", "&frequency=day&interval=1&resources=payouts"} {
		s.must(400, "GET", path+query, nil)
	}
	s.must(400, "GET", copiesBase+"/forecast?frequency=day&interval=1", nil)
	s.must(404, "GET", copiesBase+"/forecast?frequency=day&interval=1&connectionId=nothing", nil)
	// What was read counts, and passes over all six are measured.
	for _, resource := range inOrder() {
		s.flow(t, resource, tomorrow())
	}
	for range 2 {
		for _, resource := range inOrder() {
			s.ask(t, s.flows[resource])
		}
	}
	got := into[forecast](t, s.must(200, "GET", path+"&frequency=day&interval=1", nil))
	if got.Used == 0 || got.Measured == nil || got.Measured.Passes == 0 || got.Measured.Reads < 30*got.Measured.PerPass || got.Allowance < 10_000 {
		t.Errorf("%+v %+v", got, got.Measured)
	}
	budget := at(s.must(200, "GET", copiesBase+"/connections/"+s.connection+"/account", nil).json(t), "budget").(map[string]any)
	if int64(budget["used"].(float64)) != got.Used || len(budget["days"].([]any)) == 0 {
		t.Errorf("%v", budget)
	}
	// The copy tells it, too, and asks Stripe for nothing.
	asked := len(s.sim.Log())
	account, _ := s.sim.Account()
	reads := s.must(200, "GET", copiesBase+"/"+account+"-test/budget", nil).json(t)
	if diff := cmp.Diff(budget, at(reads, "budget").(map[string]any)); diff != "" || at(reads, "rate").(map[string]any)["share"] != 1.0 {
		t.Errorf("%v %s", reads, diff)
	}
	if n := len(s.sim.Log()) - asked; n != 0 {
		t.Errorf("%d requests to Stripe", n)
	}
	s.must(404, "GET", copiesBase+"/acct_none-test/budget", nil)
}
