package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// A gate holds requests back once it is shut.
type gate struct {
	next http.Handler
	shut func(*http.Request) bool

	reached chan struct{} // closed when the first request is held back
	once    sync.Once
	opened  chan struct{}
}

func newGate(shut func(*http.Request) bool) *gate {
	return &gate{shut: shut, reached: make(chan struct{}), opened: make(chan struct{})}
}

func (g *gate) before(next http.Handler) http.Handler {
	g.next = next
	return g
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.shut(r) {
		g.once.Do(func() { close(g.reached) })
		select {
		case <-g.opened:
		case <-r.Context().Done():
			return
		}
	}
	g.next.ServeHTTP(w, r)
}

// laterCharges are the pages of charges behind the first.
func laterCharges(r *http.Request) bool {
	return r.URL.Path == "/v1/charges" && r.URL.Query().Has("starting_after")
}

// A running command.
type running struct {
	pid            int
	stdout, stderr bytes.Buffer
	signal         func(os.Signal) error
	wait           func() error
}

func (c command) start(t *testing.T) *running {
	t.Helper()
	r := &running{}
	cmd := c.prepare(t.Context())
	cmd.Stdout, cmd.Stderr = &r.stdout, &r.stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.pid, r.signal, r.wait = cmd.Process.Pid, cmd.Process.Signal, cmd.Wait
	return r
}

func (r *running) ended(t *testing.T) outcome {
	t.Helper()
	return outcome{ended(t, r.wait()), r.stdout.String(), r.stderr.String()}
}

func (g *gate) waitUntilReached(t *testing.T, r *running) {
	t.Helper()
	select {
	case <-g.reached:
	case <-time.After(2 * time.Minute):
		_ = r.signal(os.Kill)
		t.Fatalf("the sync did not come so far: %s", r.ended(t))
	}
}

// TestBeside calls other commands while a sync is at work.
func TestBeside(t *testing.T) {
	t.Parallel()
	g := newGate(laterCharges)
	s := openShop(t, small(nil), g.before)
	dir := filepath.Join(t.TempDir(), "copy")
	resources := []stripesim.Resource{stripesim.Charges, stripesim.Refunds}
	first := s.sync(dir, "--resources", "charges,refunds").start(t)
	g.waitUntilReached(t, first)

	for _, args := range [][]string{s.sync(dir).args, {"maintain", "--dir", dir}} {
		o := command{args: args, env: []string{"STRIPE_API_KEY=" + goodKey}}.run(t)
		o.sentence(t, app.ExitFailed, fmt.Sprintf("(pid %d) is writing to %s", first.pid, dir), "Wait until it has ended")
	}
	o := command{args: []string{
		"query", "--dir", dir, "--format", "csv",
		"select (select count(*) = count(distinct id) from charges) as one, (select count(*) from charges) = (select count(distinct id) from charges_history) as same",
	}}.run(t)
	if o.status != 0 || o.stdout != "one,same\r\ntrue,true\r\n" || o.stderr != "" {
		t.Errorf("query: %s", o)
	}
	o = command{args: []string{"datasets", "--dir", dir, "--format", "json"}}.run(t)
	var list []struct {
		Name             string
		MetadataLocation string `json:"metadata_location"`
		Rows, Bytes      *int64
		DataFiles        *int64 `json:"data_files"`
		DeleteFiles      *int64 `json:"delete_files"`
		SnapshotID       *int64 `json:"snapshot_id"`
		Location         string
		Partition        string
	}
	in := json.NewDecoder(strings.NewReader(o.stdout))
	in.DisallowUnknownFields()
	if err := in.Decode(&list); err != nil || o.status != 0 || o.stderr != "" || len(list) < 2 {
		t.Errorf("datasets: %v: %s", err, o)
	}
	for _, d := range list {
		if d.Name == "" || d.MetadataLocation == "" || d.Rows == nil || d.Bytes == nil || d.DataFiles == nil || d.DeleteFiles == nil || d.SnapshotID == nil || d.Location == "" || d.Partition != "none" {
			t.Errorf("fields are missing: %s", o.stdout)
		}
	}

	close(g.opened)
	if o := first.ended(t); o.status != 0 {
		t.Errorf("the sync that was waited for: %s", o)
	}
	s.exact(t, dir, resources...)
	o = command{args: []string{"maintain", "--dir", dir, "--partition", "month"}}.run(t)
	if o.status != 0 || strings.Count(o.stdout, "partition is now month") != len(resources) {
		t.Errorf("maintain: %s", o)
	}
	o = command{args: []string{"datasets", "--dir", dir}}.run(t)
	if o.status != 0 || strings.Count(o.stdout, "  month  ") != len(resources) || strings.Count(o.stdout, "  -  ") != len(resources) {
		t.Errorf("datasets: %s", o)
	}
	s.exact(t, dir, resources...)
}

// TestStopped ends a sync in the middle and lets the next go on.
func TestStopped(t *testing.T) {
	t.Parallel()
	g := newGate(laterCharges)
	s := openShop(t, small(nil), g.before)
	dir := filepath.Join(t.TempDir(), "copy")
	c := s.sync(dir, "--resources", "charges")
	first := c.start(t)
	g.waitUntilReached(t, first)
	if err := first.signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	o := first.ended(t)
	if o.status != app.ExitPartial || !strings.Contains(o.stdout, "Stopped. What was read is kept; the next sync goes on from there.\n") {
		t.Errorf("stopped: %s", o)
	}
	if n := len(ids(t, dir, "charges")); n == 0 || n == s.Count(stripesim.Charges) {
		t.Errorf("%d charges were kept", n)
	}
	close(g.opened)
	s.ResetStats()
	complete(t, c)
	s.exact(t, dir, stripesim.Charges)
	for _, e := range s.Log() {
		if strings.Contains(fmt.Sprintf("%+v", e), "/v1/account") {
			t.Errorf("the key was probed again: %+v", e)
		}
	}
}

// TestStoppedEarly ends a sync before it knows whether its key works.
func TestStoppedEarly(t *testing.T) {
	t.Parallel()
	g := newGate(func(*http.Request) bool { return true })
	s := openShop(t, small(nil), g.before)
	dir := filepath.Join(t.TempDir(), "copy")
	first := s.sync(dir).start(t)
	g.waitUntilReached(t, first)
	if err := first.signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if o := first.ended(t); o.status != app.ExitPartial || !strings.Contains(o.stdout, "\nStopped.") || strings.Contains(o.stderr, "tributary: ") {
		t.Errorf("stopped: %s", o)
	}
	absent(t, dir)
}

// A document is what `sync --output json` prints, field by field.
type document struct {
	Account   *string     `json:"account"`
	Livemode  *bool       `json:"livemode"`
	Status    string      `json:"status"`
	RunID     string      `json:"run_id"`
	Resources []resource  `json:"resources"`
	Budget    *readBudget `json:"read_budget"`
	Duration  *int64      `json:"duration_ms"`
	Floor     *int64      `json:"floor_ms"`
	Stopped   *bool       `json:"stopped"`
	Notes     []string    `json:"notes"`
}

type readBudget struct {
	Requests     *int64 `json:"requests"`
	Used         *int64 `json:"used_30_days"`
	Floor        *int64 `json:"floor_30_days"`
	Allowance    *int64 `json:"allowance_30_days"`
	Transactions *int64 `json:"transactions_30_days"`
	Remaining    *int64 `json:"remaining"`
	Forecast     *int64 `json:"forecast_30_days"`

	Every    int64    `json:"every_seconds"`
	Warnings []string `json:"warnings"`
}

type resource struct {
	Resource    string   `json:"resource"`
	Status      string   `json:"status"`
	Read        *int64   `json:"read"`
	Inserted    *int64   `json:"inserted"`
	Updated     *int64   `json:"updated"`
	Deleted     *int64   `json:"deleted"`
	Unchanged   *int64   `json:"unchanged"`
	Quarantined *int64   `json:"quarantined"`
	Seen        *int64   `json:"seen"`
	Warnings    *int64   `json:"warnings"`
	Requests    *int64   `json:"requests"`
	Refused     *int64   `json:"refused"`
	Duration    *int64   `json:"duration_ms"`
	Error       *trouble `json:"error"`
}

type trouble struct {
	HTTPStatus int    `json:"http_status"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	RequestID  string `json:"request_id"`
}

// decodeDocument takes one document, with every field and no other.
func decodeDocument(t *testing.T, text string) document {
	t.Helper()
	var d document
	in := json.NewDecoder(strings.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(&d); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if in.More() {
		t.Fatalf("more than one document: %s", text)
	}
	missing := d.Account == nil || d.Livemode == nil || d.Status == "" || d.RunID == "" || d.Duration == nil || d.Floor == nil || d.Stopped == nil ||
		d.Budget == nil || d.Budget.Requests == nil || d.Budget.Used == nil || d.Budget.Floor == nil
	for _, r := range d.Resources {
		for _, n := range []*int64{r.Read, r.Inserted, r.Updated, r.Deleted, r.Unchanged, r.Quarantined, r.Seen, r.Warnings, r.Requests, r.Refused, r.Duration} {
			missing = missing || n == nil
		}
		missing = missing || r.Resource == "" || r.Status == "" || (r.Error != nil && r.Error.Message == "")
	}
	if missing {
		t.Errorf("fields are missing: %s", text)
	}
	return d
}

// brief is what a resource came to: status, read, inserted, unchanged,
// quarantined, and Stripe's code.
func (d document) brief() map[string]string {
	m := map[string]string{}
	for _, r := range d.Resources {
		m[r.Resource] = fmt.Sprint(r.Status, " ", *r.Read, " ", *r.Inserted, " ", *r.Unchanged, " ", *r.Quarantined)
		if r.Error != nil {
			m[r.Resource] += fmt.Sprint(" ", r.Error.HTTPStatus, " ", r.Error.Code, " ", strings.HasPrefix(r.Error.RequestID, "req_"))
		}
	}
	return m
}

func TestDocument(t *testing.T) {
	t.Parallel()
	long(t)
	const restricted = "rk_test_51Nq8rTm5UteHx8dE4wGz1TaLf6Oi"
	s := openShop(t, small(map[string]stripesim.Key{restricted: {Permissions: []string{"charge_read", "refund_read"}}, expiredKey: {Expired: true}}), nil)
	if err := s.Put(stripesim.Refunds, []byte(`{"id":"re_bad","object":"refund","amount":"1099","created":1700000000}`)); err != nil {
		t.Fatal(err)
	}
	id, _ := s.Account()
	dir := filepath.Join(t.TempDir(), "copy")
	listed := map[stripesim.Resource]int{}
	for _, r := range stripesim.Resources() {
		listed[r] = s.Count(r)
	}
	landed := func(r stripesim.Resource) string { return fmt.Sprintf("complete %d %[1]d 0 0", listed[r]) }

	o := s.with(expiredKey).sync(dir, "--output", "json", "--resources", "charges,refunds").run(t)
	d := decodeDocument(t, o.stdout)
	want := map[string]string{"charges": "failed 0 0 0 0 401 api_key_expired true", "refunds": "failed 0 0 0 0 401 api_key_expired true"}
	if diff := cmp.Diff(want, d.brief()); diff != "" || o.status != app.ExitFailed || d.Status != "failed" {
		t.Errorf("an expired key (-want +got):\n%s%s", diff, o)
	}
	absent(t, dir)

	o = s.with(restricted).sync(dir, "--output", "json", "--resources", "charges,refunds,customers").run(t)
	d = decodeDocument(t, o.stdout)
	want = map[string]string{
		"charges":   landed(stripesim.Charges),
		"refunds":   fmt.Sprintf("partial %d %d 0 1", listed[stripesim.Refunds], listed[stripesim.Refunds]-1),
		"customers": "failed 0 0 0 0 403 more_permissions_required true",
	}
	if diff := cmp.Diff(want, d.brief()); diff != "" || o.status != app.ExitPartial || d.Status != "partial" || *d.Account != id || *d.Livemode || *d.Stopped || o.stderr != "" {
		t.Errorf("a restricted key (-want +got):\n%s%s", diff, o)
	}
	if *d.Budget.Requests == 0 || *d.Budget.Used < *d.Budget.Requests || *d.Budget.Floor != 10_000 {
		t.Errorf("read budget: %s", o.stdout)
	}

	if err := s.Delete(stripesim.Refunds, "re_bad"); err != nil {
		t.Fatal(err)
	}
	o = s.sync(dir, "--output", "json", "--resources", "charges,refunds,customers").run(t)
	d = decodeDocument(t, o.stdout)
	if b := d.brief(); o.status != 0 || d.Status != "complete" || b["customers"] != landed(stripesim.Customers) || !strings.HasPrefix(b["charges"], "complete ") {
		t.Errorf("the rest: %s", o)
	}
	s.exact(t, dir, stripesim.Charges, stripesim.Refunds, stripesim.Customers)
}

// TestText reads what people read.
func TestText(t *testing.T) {
	t.Parallel()
	long(t)
	s := openShop(t, small(nil), nil)
	if err := s.Put(stripesim.Customers, []byte(`{"id":"cus_bad","object":"customer","created":1700000000,"balance":"none"}`)); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(goodKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := s.with("").sync(dir, "--key-file", key, "--since", "2000-01-01")
	c.env = nil
	o := c.run(t)
	id, _ := s.Account()
	head, _, _ := strings.Cut(o.stdout, "\n")
	for _, column := range []string{"resource", "read", "new", "changed", "unchanged", "quarantined", "requests", "refused", "seconds", "status"} {
		if !slices.Contains(strings.Fields(head), column) {
			t.Errorf("the column %s is missing", column)
		}
	}
	for _, words := range []string{
		"\nAccount " + id + ", test mode: partial in ",
		"\nReads: ",
		"\nIn quarantine, not ingested: 1; see tributary query \"select resource, id, path, reason from quarantine\"\n",
	} {
		if !strings.Contains(o.stdout, words) {
			t.Errorf("%q is missing", words)
		}
	}
	if o.status != app.ExitPartial {
		t.Error("the status is not that of a partial pass")
	}
	for _, r := range stripesim.Resources() {
		if strings.Count(o.stdout, string(r)+"  ") != 1 || strings.Count(o.stderr, string(r)+"  ") != 1 {
			t.Errorf("%s is not told of once", r)
		}
	}
	silent(t, o, dir, goodKey)
	if t.Failed() {
		t.Log(o)
	}

	c = s.with("").sync(dir, "--key-file", "-")
	c.env, c.stdin = nil, goodKey+"\n"
	if o := c.run(t); o.status != 0 || !strings.Contains(o.stdout, "\nIn quarantine since earlier passes: 1;") {
		t.Errorf("a second sync: %s", o)
	}
	q := command{args: []string{"query", "--dir", dir, "--format", "csv", "select resource, id, path, request_id like 'req_%' as asked, raw from quarantine"}}
	if o := q.run(t); !strings.HasPrefix(o.stdout, "resource,id,path,asked,raw\r\ncustomers,cus_bad,balance,true,") {
		t.Errorf("quarantine: %s", o)
	}
}

// TestSince leaves out what is older.
func TestSince(t *testing.T) {
	t.Parallel()
	long(t)
	s := openShop(t, small(nil), nil)
	day := s.Now().AddDate(0, -6, 0).UTC().Truncate(24 * time.Hour)
	young := 0
	for o := range s.Oracle(stripesim.Charges) {
		if o.Created >= day.Unix() {
			young++
		}
	}
	if young == 0 || young == s.Count(stripesim.Charges) {
		t.Fatalf("%d charges are young", young)
	}
	dir := filepath.Join(t.TempDir(), "copy")
	args := []string{"--resources", "charges,charges"}
	complete(t, s.sync(dir, append(args, "--since", day.Format(time.DateOnly))...))
	complete(t, s.sync(dir, args...))
	if n := len(ids(t, dir, "charges")); n != young {
		t.Errorf("%d charges, want %d", n, young)
	}
	complete(t, s.sync(dir, append(args, "--since", "2000-01-01")...))
	s.exact(t, dir, stripesim.Charges)
}
