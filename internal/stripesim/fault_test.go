package stripesim

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A reply is what a client gets over a real connection.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // of the request
	cut    error // of reading the body
}

func call(t *testing.T, base, path string, header map[string]string) reply {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk_test_x")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Do(r)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	body, cut := io.ReadAll(res.Body)
	return reply{status: res.StatusCode, header: res.Header, body: body, cut: cut}
}

func serve(t *testing.T, cfg Config) (*Sim, string) {
	t.Helper()
	s := newSim(t, cfg)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv.URL
}

func TestFaults(t *testing.T) {
	t.Parallel()
	limited := func(reason string) func(*testing.T, reply) {
		return func(t *testing.T, r reply) {
			if r.status != 429 || r.header.Get("Stripe-Rate-Limited-Reason") != reason || !strings.Contains(string(r.body), `"code": "rate_limit"`) {
				t.Errorf("%d %v %s", r.status, r.header, r.body)
			}
		}
	}
	html := func(status int) func(*testing.T, reply) {
		return func(t *testing.T, r reply) {
			if r.status != status || r.header.Get("Content-Type") != "text/html" || json.Valid(r.body) {
				t.Errorf("%d %v %s", r.status, r.header, r.body)
			}
		}
	}
	retry := func(v string) func(*testing.T, reply) {
		return func(t *testing.T, r reply) {
			if r.status != 503 || r.header.Get("Stripe-Should-Retry") != v || !json.Valid(r.body) {
				t.Errorf("%d %v %s", r.status, r.header, r.body)
			}
		}
	}
	fine := func(t *testing.T, r reply) {
		if r.status != 200 || r.cut != nil || !json.Valid(r.body) {
			t.Errorf("%d %v", r.status, r.cut)
		}
	}
	tests := map[Action]func(*testing.T, reply){
		"global-rate":          limited("global-rate"),
		"endpoint-rate":        limited("endpoint-rate"),
		"global-concurrency":   limited("global-concurrency"),
		"endpoint-concurrency": limited("endpoint-concurrency"),
		"resource-specific":    limited("resource-specific"),
		LockTimeout: func(t *testing.T, r reply) {
			_, id := r.header["Request-Id"]
			_, reason := r.header["Stripe-Rate-Limited-Reason"]
			if r.status != 429 || id || reason || !strings.Contains(string(r.body), "lock_timeout") {
				t.Errorf("%d %v %s", r.status, r.header, r.body)
			}
		},
		InternalError:  html(500),
		BadGateway:     html(502),
		Unavailable:    retry("true"),
		UnavailableEnd: retry("false"),
		Respond: func(t *testing.T, r reply) {
			if r.status != 418 || string(r.body) != "teapot" || r.header.Get("X-Pot") != "yes" {
				t.Errorf("%d %v %s", r.status, r.header, r.body)
			}
		},
		Reset: func(t *testing.T, r reply) {
			if !errors.Is(r.err, syscall.ECONNRESET) && !errors.Is(r.err, io.EOF) {
				t.Errorf("got %v", r.err)
			}
		},
		Cut: func(t *testing.T, r reply) {
			if r.status != 200 || !errors.Is(r.cut, io.ErrUnexpectedEOF) || len(r.body) == 0 {
				t.Errorf("%d, %d bytes, %v", r.status, len(r.body), r.cut)
			}
		},
		Truncate: func(t *testing.T, r reply) {
			if r.status != 200 || r.cut != nil || json.Valid(r.body) || r.header.Get("Content-Length") == "" || len(r.body) == 0 {
				t.Errorf("%d %v %v", r.status, r.header, r.cut)
			}
		},
		Stall:     fine,
		StallBody: fine,
	}
	for action, check := range tests {
		t.Run(string(action), func(t *testing.T) {
			t.Parallel()
			cfg := small(1)
			cfg.Plan = Plan{Rules: []Rule{{
				Endpoint: "charges", Nth: 2, Action: action, Delay: Duration(time.Millisecond),
				Status: 418, Body: "teapot", Headers: map[string]string{"X-Pot": "yes"},
			}}}
			s, base := serve(t, cfg)
			good := call(t, base, "/v1/charges", nil)
			fine(t, good)
			fine(t, call(t, base, "/v1/customers", nil))
			check(t, call(t, base, "/v1/charges", nil))
			if again := call(t, base, "/v1/charges", nil); string(again.body) != string(good.body) {
				t.Errorf("after the fault: %d %v", again.status, again.err)
			}
			if st := s.Stats(); st.Faults != 1 || st.Requests != 4 || st.Endpoints["GET /v1/charges"].Requests != 3 {
				t.Errorf("stats %+v", st)
			}
			if e := s.Log()[2]; e.Fault != string(action) {
				t.Errorf("log %+v", e)
			}
		})
	}
}

func TestStallWaits(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Plan = Plan{Rules: []Rule{{Action: Stall, Delay: Duration(time.Hour)}}}
	_, base := serve(t, cfg)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/charges", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sk_test_x")
	if res, err := http.DefaultClient.Do(r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v %v", res, err)
	}
}

func TestPageFaults(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	first := list(t, s, "/v1/charges?limit=20")
	after := "/v1/charges?limit=20&starting_after=" + first.ids()[19]
	second := list(t, s, after)

	if err := s.SetPlan(Plan{Rules: []Rule{{Nth: 2, Action: Repeat}}}); err != nil {
		t.Fatal(err)
	}
	list(t, s, "/v1/charges?limit=20")
	if repeated := list(t, s, after); !cmp.Equal(repeated.ids(), first.ids()) {
		t.Errorf("repeat: got %v", repeated.ids())
	}
	if again := list(t, s, after); !cmp.Equal(again.ids(), second.ids()) {
		t.Errorf("after the repeat: got %v", again.ids())
	}

	if err := s.SetPlan(Plan{Rules: []Rule{{Action: ShortPage}}}); err != nil {
		t.Fatal(err)
	}
	if short := list(t, s, after); !cmp.Equal(short.ids(), second.ids()[:10]) || !short.HasMore {
		t.Errorf("short page: got %v", short.ids())
	}

	if err := s.SetPlan(Plan{Rules: []Rule{{Action: EmptyLast}}}); err != nil {
		t.Fatal(err)
	}
	all := list(t, s, "/v1/prices?limit=100")
	if !all.HasMore {
		t.Error("the last page says that it is the last")
	}
	empty := list(t, s, "/v1/prices?limit=100&starting_after="+all.ids()[len(all.Data)-1])
	if len(empty.Data) != 0 || empty.HasMore {
		t.Errorf("then come %d objects, has_more %v", len(empty.Data), empty.HasMore)
	}
}

func TestRulesOfAPlan(t *testing.T) {
	t.Parallel()
	fired := func(r Rule, n int) []int {
		s := newSim(t, small(1))
		r.Action = BadGateway
		if err := s.SetPlan(Plan{Seed: 9, Rules: []Rule{r}}); err != nil {
			t.Fatal(err)
		}
		out := []int{}
		for i := range n {
			if request(s, "/v1/charges?limit=1", nil).Code == 502 {
				out = append(out, i+1)
			}
		}
		return out
	}
	tests := []struct {
		name string
		rule Rule
		want []int
	}{
		{"nth", Rule{Nth: 3}, []int{3}},
		{"every", Rule{Every: 3}, []int{3, 6}},
		{"between", Rule{From: 2, To: 4}, []int{2, 3, 4}},
		{"times", Rule{From: 2, Times: 2}, []int{2, 3}},
		{"other endpoint", Rule{Endpoint: "prices"}, []int{}},
		{"endpoint", Rule{Endpoint: "GET /v1/charges", Nth: 1}, []int{1}},
		{"retrieval", Rule{Endpoint: "charges/{id}"}, []int{}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, fired(tt.rule, 6)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	once := fired(Rule{Probability: 0.5}, 100)
	if len(once) < 30 || len(once) > 70 || !cmp.Equal(once, fired(Rule{Probability: 0.5}, 100)) {
		t.Errorf("probability 0.5 fired %d of 100 times, or not twice the same", len(once))
	}
}

func TestPlanAsJSON(t *testing.T) {
	t.Parallel()
	var p Plan
	text := `{"seed":7,"rules":[{"endpoint":"charges","nth":2,"action":"stall","delay":"1.5s"},
		{"from":3,"then":[{"do":"insert","resource":"charges","count":2,"age":"90s"}]}]}`
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	want := Plan{Seed: 7, Rules: []Rule{
		{Endpoint: "charges", Nth: 2, Action: Stall, Delay: Duration(1500 * time.Millisecond)},
		{From: 3, Then: []Step{{Do: "insert", Resource: Charges, Count: 2, Age: Duration(90 * time.Second)}}},
	}}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var again Plan
	if err := json.Unmarshal(raw, &again); err != nil || !cmp.Equal(p, again) {
		t.Errorf("written and read again: %+v, %v", again, err)
	}
	for _, bad := range []Rule{
		{},
		{Action: "explode"},
		{Action: Respond},
		{Action: Stall},
		{Action: Cut, Probability: 2},
		{Then: []Step{{Do: "sing", Resource: Charges}}},
		{Then: []Step{{Do: "insert", Resource: "pets"}}},
	} {
		if _, err := New(Config{Plan: Plan{Rules: []Rule{bad}}}); err == nil {
			t.Errorf("%+v was accepted", bad)
		}
	}
}

// Steps happen between two pages: the cursor vanishes, new objects appear in
// front.
func TestScript(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Plan = Plan{Rules: []Rule{
		{Endpoint: "customers", Nth: 1, Then: []Step{
			{Do: "delete", Resource: Customers, Target: "cursor"},
			{Do: "insert", Resource: Customers, Count: 3},
			{Do: "insert", Resource: Charges, Count: 2},
		}},
	}}
	s := newSim(t, cfg)
	n := s.Count(Charges)
	first := list(t, s, "/v1/customers?limit=10")
	cursor := first.ids()[9]
	w := request(s, "/v1/customers?starting_after="+cursor, nil)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "No such customer: '"+cursor+"'") {
		t.Errorf("after the deleted cursor: %d %s", w.Code, w.Body)
	}
	if w := request(s, "/v1/customers/"+cursor, nil); w.Code != 200 || !cmp.Equal(decoded(t, w.Body.Bytes()), map[string]any{"id": cursor, "object": "customer", "deleted": true}) {
		t.Errorf("the deleted customer: %d %s", w.Code, w.Body)
	}
	if now := list(t, s, "/v1/customers?limit=10"); !cmp.Equal(now.ids()[3:], first.ids()[:7]) {
		t.Errorf("new objects are not in front: %v, before %v", now.ids(), first.ids())
	}
	if got := s.Count(Charges); got != n+2 {
		t.Errorf("%d charges, want %d", got, n+2)
	}
}

func TestGzip(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Gzip = true
	_, base := serve(t, cfg)
	r := call(t, base, "/v1/charges", map[string]string{"Accept-Encoding": "gzip"})
	if r.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers %v", r.header)
	}
	z, err := gzip.NewReader(strings.NewReader(string(r.body)))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || !json.Valid(plain) {
		t.Errorf("%v", err)
	}
	if r := call(t, base, "/v1/charges", map[string]string{"Accept-Encoding": "identity"}); r.header.Get("Content-Encoding") != "" || string(r.body) != string(plain) {
		t.Errorf("without gzip: %v", r.header)
	}
}

// A plan may be set while requests are answered: those of a client that was
// killed, say.
func TestSetPlanMeanwhile(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for range 50 {
			request(s, "/v1/prices?limit=1", nil)
		}
	}()
	for n := 1; ; n++ {
		if err := s.SetPlan(Plan{Rules: []Rule{{Nth: n, Action: Repeat}}}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-asked:
			return
		default:
		}
	}
}
