package audience

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
)

// A rig is a service whose copy and clock do what the test says.
type rig struct {
	*Service
	c access.Caller

	mu      sync.Mutex
	now     time.Time
	version string
	broken  error
	opened  int // how many are open now
	most    int // at once
	runs    int // how often members were worked out
}

func newRig(t *testing.T) *rig {
	t.Helper()
	_, dir := little.Copy(t)
	r := &rig{c: gatewaytest.Admin("prod"), now: present, version: "1"}
	r.Service = New(&Service{
		DB: docstoretest.Open(t, filepath.Join(t.TempDir(), "control.db")), Dir: filepath.Join(t.TempDir(), Folder), Log: slog.New(slog.DiscardHandler), Now: r.clock,
		Open: func(ctx context.Context, _ access.Caller, _ string) (Copy, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.broken != nil {
				return nil, r.broken
			}
			copied, err := app.OpenReader(ctx, dir)
			r.opened++
			r.runs++
			r.most = max(r.most, r.opened)
			return &counted{copied, r}, err
		},
		Version: func(context.Context, access.Caller, string) (string, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			return r.version, nil
		},
		Operators:  func(context.Context) ([]access.Caller, error) { return []access.Caller{r.c}, nil },
		OperatorIn: func(context.Context, string, string) (access.Caller, error) { return r.c, nil },
	})
	return r
}

type counted struct {
	*app.Reader
	r *rig
}

func (c *counted) Close() error {
	c.r.mu.Lock()
	c.r.opened--
	c.r.mu.Unlock()
	return c.Reader.Close()
}

func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) set(ahead time.Duration, version string, broken error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now, r.version, r.broken = r.now.Add(ahead), version, broken
}

// Members follow the copy: once it stands still, not too often, and never two at a
// time; what goes wrong is told with the audience and tried again.
func TestRounds(t *testing.T) {
	little.Hold(t)
	t.Parallel()
	r := newRig(t)
	a, err := r.Create(t.Context(), r.c, Draft{Name: "All who paid", Predicate: Predicate{Charges: &Charges{}}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWatch(r.Service)
	steps := []struct {
		name    string
		ahead   time.Duration
		version string
		broken  error
		runs    int // by then
		fails   string
	}{
		{"at once", 0, "1", nil, 1, ""},
		{"nothing happened", time.Hour, "1", nil, 1, ""},
		{"the copy moves", time.Second, "2", nil, 1, ""},
		{"and moves", 4 * time.Second, "3", nil, 1, ""},
		{"and stands", 5 * time.Second, "3", nil, 2, ""},
		{"moves too early", 30 * time.Second, "4", nil, 2, ""},
		{"has stood", 30 * time.Second, "4", nil, 3, ""},
		{"moves on and on", 2 * time.Minute, "5", nil, 3, ""},
		{"for long", 10 * time.Minute, "6", nil, 4, ""},
		{"moves again", 2 * time.Minute, "7", nil, 4, ""},
		{"can't be read", 5 * time.Second, "7", errors.New("secret path"), 4, "an internal error"},
		{"is tried not too often", 2 * time.Minute, "7", nil, 4, "an internal error"},
		{"is tried again", 10 * time.Minute, "7", nil, 5, ""},
		{"is gone", 10 * time.Minute, "8", problem.Errorf(problem.NotFound, "there is no copy"), 5, ""},
		{"and says so", 5 * time.Second, "8", problem.Errorf(problem.NotFound, "there is no copy"), 5, "there is no copy"},
	}
	for _, s := range steps {
		r.set(s.ahead, s.version, s.broken)
		if err := w.round(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := r.Audience(t.Context(), r.c, a.ID)
		if err != nil {
			t.Fatal(err)
		}
		if r.runs != s.runs || !strings.HasPrefix(got.State.Error, s.fails) || (got.State.Error == "") != (s.fails == "") || strings.Contains(got.State.Error, "secret") {
			t.Errorf("%s: worked out %d times, want %d; %q", s.name, r.runs, s.runs, got.State.Error)
		}
		if len(got.State.History) != s.runs || got.State.Made == nil || got.State.Made.Count == 0 {
			t.Errorf("%s: %v", s.name, got.State)
		}
	}
	// Another version waits for nothing.
	if _, err := r.Change(t.Context(), r.c, a.ID, func(int64) error { return nil }, Draft{Name: "None", Predicate: Predicate{Not: &Predicate{Charges: &Charges{}}}}); err != nil {
		t.Fatal(err)
	}
	r.set(0, "8", nil)
	if err := w.round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Audience(t.Context(), r.c, a.ID); err != nil || got.State.Made.Version != 2 || got.State.Made.Left == 0 {
		t.Errorf("%v %v", got.State, err)
	}

	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := r.Materialise(t.Context(), r.c, a.ID); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if r.most != 1 {
		t.Errorf("%d at once", r.most)
	}
}

// What a process left that was killed is removed, and members that were damaged are
// worked out anew.
func TestAfterCrash(t *testing.T) {
	little.Hold(t)
	t.Parallel()
	r := newRig(t)
	a, err := r.Create(t.Context(), r.c, Draft{Name: "A", Predicate: Predicate{Charges: &Charges{}}})
	if err != nil {
		t.Fatal(err)
	}
	if a, err = r.Materialise(t.Context(), r.c, a.ID); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(r.Dir, a.ID)
	for name, text := range map[string]string{"members.123.new": "half", "members": setHeader + "{}\nrubbish"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := r.Members(t.Context(), r.c, a.ID); err == nil {
		t.Error("rubbish is taken for members")
	}
	b, err := r.Materialise(t.Context(), r.c, a.ID)
	if err != nil || b.State.Made.Count != a.State.Made.Count {
		t.Fatal(b.State, err)
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("%v %v", left, err)
	}
}

// Who is of an audience that counts days changes though the copy stands still: it is
// worked out anew each hour.
func TestDaysPass(t *testing.T) {
	t.Parallel()
	now := present
	s := New(&Service{Now: func() time.Time { return now }, Version: func(context.Context, access.Caller, string) (string, error) { return "1", nil }})
	c := gatewaytest.Admin("prod")
	seen, err := s.seen(t.Context(), c, "")
	if err != nil {
		t.Fatal(err)
	}
	w := newWatch(s)
	for _, p := range []struct {
		name  string
		p     Predicate
		moves bool
	}{
		{"paid lately", Predicate{Charges: &Charges{Within: 30}}, true},
		{"new", Predicate{Any: []Predicate{{Charges: &Charges{}}, {Customer: &Customer{CreatedWithin: 30}}}}, true},
		{"old", Predicate{Not: &Predicate{All: []Predicate{{Customer: &Customer{CreatedBefore: 30}}}}}, true},
		{"ever", Predicate{All: []Predicate{{Charges: &Charges{}}, {Customer: &Customer{Countries: []string{"DE"}}}, {Subscription: &Subscription{}}}}, false},
	} {
		a := Audience{ID: p.name, Version: 1, Predicate: p.p, State: State{Seen: seen, Which: 1, Tried: present}}
		for after, want := range map[time.Duration]bool{0: false, time.Hour - 1: false, time.Hour: p.moves} {
			if now = present.Add(after); w.due(t.Context(), c, a) != want {
				t.Errorf("%s after %s: it is not %v", p.name, after, want)
			}
		}
	}
}

// The API refuses what it can't take, in words that say where it is wrong.
func TestRefusals(t *testing.T) {
	little.Hold(t)
	t.Parallel()
	r := newRig(t)
	s := gatewaytest.New(t, r.HTTP())
	deep := strings.Repeat(`{"not":`, 9) + `{"charges":{}}` + strings.Repeat(`}`, 9)
	many := `{"any":[` + strings.Repeat(`{"charges":{}},`, 24) + `{"charges":{}}]}`
	for predicate, has := range map[string]string{
		`{}`:                                  "exactly one of all, any, not",
		`null`:                                "exactly one of all",
		`[]`:                                  "can't be read",
		`{"all":[]}`:                          "the list is empty",
		`{"all":[{"any":[{}]}]}`:              "/all/0/any/0: exactly one",
		`{"charges":{},"not":{}}`:             "exactly one",
		`{"charges":{"metod":["klarna"]}}`:    "unknown field",
		deep:                                  "more than 8 deep",
		many:                                  "more than 24 conditions",
		`{"charges":{"state":"lost"}}`:        `none of paid, attempted`,
		`{"charges":{"methods":["a'b"]}}`:     "/charges/methods/0",
		`{"charges":{"classes":["cash"]}}`:    "/charges/classes/0",
		`{"charges":{"countries":["de"]}}`:    "/charges/countries/0",
		`{"charges":{"currency":"EUR"}}`:      "/charges/currency",
		`{"charges":{"within":-1}}`:           "/charges/within",
		`{"charges":{"count":{}}}`:            "/charges/count: atLeast",
		`{"charges":{"count":{"above":-1}}}`:  "/charges/count: a number",
		`{"charges":{"count":{"above":0.5}}}`: "can't be read",
		`{"charges":{"sum":{"above":1}}}`:     "sum and average need a currency",
		`{"charges":{"state":"failed","currency":"eur","average":{"above":1}}}`: "don't go with the state failed",
		`{"customer":{}}`:                              "/customer: createdWithin",
		`{"customer":{"metadata":{"key":""}}}`:         "/customer/metadata: a key",
		`{"customer":{"metadata":{"key":"a\u0000b"}}}`: "/customer/metadata",
		`{"subscription":{"prices":["x y"]}}`:          "/subscription/prices/0",
	} {
		for _, path := range []string{"/preview", ""} {
			got := s.Do("POST", base+path, `{"name":"A","predicate":`+predicate+`}`, "X-Sandbox-Name", "prod")
			if got.Status != 400 || !strings.Contains(string(got.Body), has) {
				t.Errorf("%s: %d %s, want %s", predicate, got.Status, got.Body, has)
			}
		}
	}
	made := s.Do("POST", base, `{"name":" One ","predicate":{"charges":{}}}`, "X-Sandbox-Name", "prod")
	if made.Status != 201 {
		t.Fatal(made.Status, string(made.Body))
	}
	one := strings.TrimPrefix(made.Header.Get("Location"), base)
	for _, c := range []struct {
		method, path, body string
		status             int
		has                string
	}{
		{"POST", "", `{"name":"oNE","predicate":{"charges":{}}}`, 409, "already"},
		{"POST", "", `{"name":" ","predicate":{"charges":{}}}`, 400, "name:"},
		{"POST", "", `{"name":"a\nb","predicate":{"charges":{}}}`, 400, "name:"},
		{"POST", "", `{"name":"B"}`, 400, "predicate: it is missing"},
		{"POST", "/preview", `{"predicate":{"charges":{}},"sample":101}`, 400, "sample:"},
		{"GET", "/nothing", "", 404, "there is no audience"},
		{"GET", one + "/export", "", 409, "not worked out yet"},
		{"GET", one + "/export?format=xml", "", 400, "csv or parquet"},
		{"GET", one + "/members?limit=0", "", 400, "limit=0"},
		{"GET", one + "/members?page=1", "", 400, "there is no parameter"},
		{"GET", one + "/members?generation=old", "", 409, "worked out anew"},
		{"GET", one + "/members", "", 200, `"total":0`},
	} {
		var body any
		if c.body != "" {
			body = c.body
		}
		got := s.Do(c.method, base+c.path, body, "X-Sandbox-Name", "prod")
		if got.Status != c.status || !strings.Contains(string(got.Body), c.has) {
			t.Errorf("%s %s %s: %d %s", c.method, c.path, c.body, got.Status, got.Body)
		}
	}
	if got := s.Do("GET", base+one, nil, "X-Sandbox-Name", "dev"); got.Status != 404 {
		t.Errorf("in another sandbox: %d %s", got.Status, got.Body)
	}
}

// What was parsed is checked: it compiles, and its text has nothing of what the
// user wrote.
func FuzzPredicate(f *testing.F) {
	for _, s := range []string{
		`{"all":[{"charges":{"methods":["klarna"],"within":90,"currency":"eur","count":{"atLeast":2},"average":{"above":8000}}},{"not":{"subscription":{"prices":["marker"]}}}]}`,
		`{"any":[{"customer":{"createdBefore":3,"countries":["??"],"metadata":{"key":"marker'\"","values":["marker"]}}}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		q, err := compile(&p, present)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range q.args {
			if s, ok := v.(string); ok && len(s) > 4 && strings.Contains(q.with, s) && !slices.Contains(Classes, s) && !strings.Contains(fixed(), s) {
				t.Fatalf("%q stands in %s", s, q.with)
			}
		}
		if n := len(regexp.MustCompile(`\$\d+::`).FindAllString(q.with, -1)); n != len(q.args) {
			t.Fatalf("%d values, %d places in %s", len(q.args), n, q.with)
		}
	})
}

// fixed is the text of a query that asks about everything and has no values of a user's.
func fixed() string {
	q, err := compile(&Predicate{All: []Predicate{{Charges: &Charges{}}, {Customer: &Customer{}}, {Subscription: &Subscription{Prices: []string{"p"}}}}}, present)
	if err != nil {
		panic(err)
	}
	return q.with
}
