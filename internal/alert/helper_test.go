package alert_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/logtest"
	"github.com/tributary-data/tributary/internal/secret"
)

// A clock is set by the test.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) forward(d time.Duration) { c.at.Add(int64(d)) }

// A world is a database, its keys, and what alerts are delivered to.
type world struct {
	t     testing.TB
	clock *clock
	name  string // of the database
	dir   string // of the keys
	log   *logtest.Buffer
	hook  *receiver
	mail  *box
}

func newWorld(t testing.TB, name string) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), name: name, dir: t.TempDir(), log: &logtest.Buffer{}, hook: newReceiver(t), mail: &box{}}
	if name == "" {
		w.name = filepath.Join(w.dir, "control.db")
	}
	if err := secret.Create(filepath.Join(w.dir, secret.FileName)); err != nil {
		t.Fatal(err)
	}
	return w
}

// service opens the database as one more process would.
func (w *world) service() *alert.Service {
	w.t.Helper()
	db, err := docstore.Open(context.Background(), w.name, w.clock.now)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = db.Close() })
	keys, err := secret.Load(secret.Place{Dir: w.dir})
	if err != nil {
		w.t.Fatal(err)
	}
	return &alert.Service{
		DB: db, Keys: keys, Mail: w.mail, Client: w.hook.server.Client(), Now: w.clock.now, Poll: 2 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(w.log, nil)),
	}
}

// run lets services deliver until the function that it returns is called, or
// the test ends.
func run(t testing.TB, services ...*alert.Service) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, s := range services {
		wg.Go(func() {
			if err := s.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// until waits for a condition; a test that waits in vain fails.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// idle waits until nothing is left to be delivered now.
func (w *world) idle(t testing.TB, s *alert.Service) {
	t.Helper()
	until(t, "deliveries come to an end", func() bool { return !w.due(t, s) })
}

// due says whether a queue is due, or somebody works on one.
func (w *world) due(t testing.TB, s *alert.Service) bool {
	t.Helper()
	due := false
	err := s.DB.Do(context.Background(), func(tx *docstore.Tx) error {
		due = false
		docs, err := tx.List(docstore.Scope{}, "alertQueue", docstore.Page{})
		for _, d := range docs {
			var q struct{ Lease string }
			if err := json.Unmarshal(d.Body, &q); err != nil {
				return err
			}
			due = due || q.Lease != "" || !d.Created.After(w.clock.now())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return due
}

var prod = gatewaytest.Admin("prod")

func subscribe(t testing.TB, s *alert.Service, c access.Caller, sub alert.Subscription) (alert.Subscription, string) {
	t.Helper()
	sub.Enabled = true
	if sub.Name == "" {
		sub.Name = "test"
	}
	sub, key, err := s.Subscribe(context.Background(), c, sub)
	if err != nil {
		t.Fatal(err)
	}
	return sub, key
}

func tell(t testing.TB, s *alert.Service, c access.Caller, all ...alert.Event) {
	t.Helper()
	for _, e := range all {
		if err := s.Tell(context.Background(), c, e); err != nil {
			t.Fatal(err)
		}
	}
}

// A box takes mail.
type box struct {
	mu   sync.Mutex
	got  []alert.Mail
	fail func(alert.Mail) error
}

func (b *box) Send(_ context.Context, m alert.Mail) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(m); err != nil {
			return err
		}
	}
	b.got = append(b.got, m)
	return nil
}

func (b *box) set(fail func(alert.Mail) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

// subjects are those of the mails so far.
func (b *box) subjects() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []string{}
	for _, m := range b.got {
		all = append(all, m.Subject)
	}
	return all
}

func (b *box) last() alert.Mail {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.got[len(b.got)-1]
}

// A receiver takes webhooks.
type receiver struct {
	server *httptest.Server
	mu     sync.Mutex
	got    []received
	answer func(received) int // nil for 200
}

type received struct {
	header http.Header
	body   []byte
	status int
}

type sent struct {
	EventID string `json:"event_id"`
	Event   struct {
		Header struct {
			IO struct{ ImsOrgID, ProviderMetadata, EventCode string } `json:"_adobeio"`
		}
		Value json.RawMessage
		Alert struct {
			Kind   string
			FlowID string
			RunID  string
			Title  string
			Count  int
		}
	}
}

func newReceiver(t testing.TB) *receiver {
	r := &receiver{}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		got := received{header: req.Header, body: body, status: http.StatusOK}
		r.mu.Lock()
		if r.answer != nil {
			got.status = r.answer(got)
		}
		r.got = append(r.got, got)
		r.mu.Unlock()
		w.Header().Set("Location", "http://127.0.0.1:1/elsewhere")
		w.WriteHeader(got.status)
	}))
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) set(answer func(received) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

// all are the webhooks that were taken.
func (r *receiver) all(t testing.TB) []sent {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []sent
	for _, g := range r.got {
		if g.status >= 300 {
			continue
		}
		all = append(all, g.read(t))
	}
	return all
}

func (g received) read(t testing.TB) sent {
	t.Helper()
	var s sent
	if err := json.Unmarshal(g.body, &s); err != nil {
		t.Fatalf("%s: %v", g.body, err)
	}
	return s
}

func (r *receiver) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}
