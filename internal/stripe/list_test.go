package stripe

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

func TestListQueries(t *testing.T) {
	t.Parallel()
	bounds := url.Values{"created[gte]": {"5"}, "created[lt]": {"9"}, "starting_after": {"x_1"}, "limit": {"3"}}
	expand := []string{"data.tiers", "data.currency_options", "data.currency_options.tiers"}
	want := map[string][]url.Values{
		"charges":              {{}},
		"subscriptions":        {{"status": {"all"}}},
		"refunds":              {{}},
		"balance_transactions": {{}},
		"customers":            {{}},
		"prices":               {{"active": {"true"}, "expand[]": expand}, {"active": {"false"}, "expand[]": expand}},
	}
	got := map[string][]url.Values{}
	c, seen := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		for k, v := range map[string]string{"created[gte]": "5", "created[lt]": "9", "starting_after": "x_1", "limit": "100"} {
			if !slices.Equal(q[k], []string{v}) {
				t.Errorf("%s: %s=%q", r.URL.Path, k, q[k])
			}
			q.Del(k)
		}
		name := strings.TrimPrefix(r.URL.Path, "/v1/")
		got[name] = append(got[name], q)
		w.Header().Set("Request-Id", "req_7")
		w.Header().Set("Stripe-Version", Version)
		_, _ = io.WriteString(w, listOf(2, 1, false))
	})
	for _, r := range Resources {
		for _, v := range r.Variants {
			page, err := c.List(t.Context(), r, v, bounds, 0)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.List.Items) != 2 || page.List.Items[1].Created != 1699999999 || page.Limit != 100 ||
				page.Resp.RequestID != "req_7" || page.Resp.Version != Version {
				t.Errorf("%s: %+v %+v", r.Name, page, page.Resp)
			}
			page.Release()
			page.Release()
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(bounds) != 4 || len(seen.list) != 7 {
		t.Errorf("the caller's query is %v after %d calls", bounds, len(seen.list))
	}
}

func TestResources(t *testing.T) {
	t.Parallel()
	for _, r := range Resources {
		got, ok := Lookup(r.Name)
		if !ok || got.Path != "/v1/"+r.Name || rowOf(r.Permission) != r.Row || permissionOf(r.Path+"/{id}") != r.Permission {
			t.Errorf("%s: %+v", r.Name, got)
		}
		for _, v := range r.Variants {
			var want []string
			for _, field := range r.Expand {
				want = append(want, "data."+field)
			}
			if !slices.Equal(v.Query["expand[]"], want) {
				t.Errorf("%s: the list expands %v, a retrieve %v", r.Name, v.Query["expand[]"], r.Expand)
			}
		}
	}
	if _, ok := Lookup("coupons"); ok {
		t.Error("coupons are a resource")
	}
}

func TestRetrieve(t *testing.T) {
	t.Parallel()
	prices, _ := Lookup("prices")
	charges, _ := Lookup("charges")
	tests := []struct {
		name string
		r    Resource
		id   string
		want string // path and query as sent; "" for a refusal before that
	}{
		{"plain", charges, "ch_1", "/v1/charges/ch_1"},
		{"expanded", prices, "price_1", "/v1/prices/price_1?" + url.Values{"expand[]": {"tiers", "currency_options", "currency_options.tiers"}}.Encode()},
		{"odd id", charges, "a/b?c=d#e %é", "/v1/charges/a%2Fb%3Fc=d%23e%20%25%C3%A9"},
		{"no id would be the list", charges, "", ""},
		{"way up", charges, "..", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, seen := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = fmt.Fprintf(w, `{"id":%q,"uri":%q}`, tt.id, r.RequestURI)
			})
			resp, err := c.Retrieve(t.Context(), tt.r, tt.id)
			if tt.want == "" {
				if problem.KindOf(err) != problem.Invalid || len(seen.list) != 0 {
					t.Errorf("%d calls, %v", len(seen.list), err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf(`{"id":%q,"uri":%q}`, tt.id, tt.want); string(resp.Body) != want || seen.list[0].Endpoint != tt.r.Path+"/{id}" {
				t.Errorf("got %s from %s, want %s", resp.Body, seen.list[0].Endpoint, want)
			}
		})
	}
}

// What a cache, or a server in trouble, puts in the place of an object is asked
// for again.
func TestRetrieveAnother(t *testing.T) {
	t.Parallel()
	charges, _ := Lookup("charges")
	bodies := []string{`{"id":"ch_2","object":"charge"}`, `{"error":{"type":"api_error","message":"x"}}`, `{"id":["ch_1"]}`, `{"id":"ch_\u0031"}`}
	n := 0
	c, _ := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Request-Id", "req_1")
		_, _ = io.WriteString(w, bodies[n])
		n++
	})
	resp, err := c.Retrieve(t.Context(), charges, "ch_1")
	if err != nil || n != len(bodies) {
		t.Fatalf("%d tries, %v", n, err)
	}
	if got := string(resp.Body); got != bodies[len(bodies)-1] {
		t.Errorf("got %s", got)
	}
}

func TestListURL(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, url, after string
		limit            int
		want, endpoint   string
	}{
		{"items", "/v1/subscription_items?subscription=sub_1", "", 0, "/v1/subscription_items?limit=100&subscription=sub_1", "/v1/subscription_items"},
		{"next page", "/v1/subscription_items?subscription=sub_1&limit=10", "si_9", 50, "/v1/subscription_items?limit=50&starting_after=si_9&subscription=sub_1", "/v1/subscription_items"},
		{"refunds", "/v1/charges/ch_3Ab/refunds", "", 500, "/v1/charges/ch_3Ab/refunds?limit=100", "/v1/charges/{id}/refunds"},
		{"odd id", "/v1/customers/a%2Fb/sources", "", 0, "/v1/customers/a%2Fb/sources?limit=100", ""},
		{"elsewhere", "https://evil.example/v1/charges", "", 0, "", ""},
		{"elsewhere without a scheme", "//evil.example/v1/charges", "", 0, "", ""},
		{"not the API", "/v2/charges", "", 0, "", ""},
		{"way up", "/v1/../admin", "", 0, "", ""},
		{"nothing", "", "", 0, "", ""},
		{"not a URL", "/v1/%zz", "", 0, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			c, seen := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.RequestURI
				_, _ = io.WriteString(w, listOf(1, 1, true))
			})
			page, err := c.ListURL(t.Context(), tt.url, tt.after, tt.limit)
			if tt.want == "" {
				if problem.KindOf(err) != problem.Invalid || len(seen.list) != 0 {
					t.Errorf("%d calls, %v", len(seen.list), err)
				}
				return
			}
			if err != nil || len(page.List.Items) != 1 {
				t.Fatal(page, err)
			}
			if got != tt.want || tt.endpoint != "" && seen.list[0].Endpoint != tt.endpoint {
				t.Errorf("got %s from %s, want %s from %s", got, seen.list[0].Endpoint, tt.want, tt.endpoint)
			}
		})
	}
}

func TestTemplate(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/v1/charges":                       "/v1/charges",
		"/v1/charges/ch_1":                  "/v1/charges/{id}",
		"/v1/prices/gold":                   "/v1/prices/{id}",
		"/v1/charges/ch_1/refunds":          "/v1/charges/{id}/refunds",
		"/v1/customers/cus_AbC/tax_ids":     "/v1/customers/{id}/tax_ids",
		"/v1/subscription_items":            "/v1/subscription_items",
		"/v1/invoices/in_1/lines":           "/v1/invoices/{id}/lines",
		"/v1/charges/ch_1/refunds/re_1":     "/v1/charges/{id}/refunds/{id}",
		"/v1/billing/meters/mtr_1/summarys": "/v1/billing/meters/{id}/summarys",
	} {
		if got := template(path); got != want {
			t.Errorf("template of %s is %s, want %s", path, got, want)
		}
	}
}

// Pages shrink while large ones fail again and again, for that endpoint only,
// and grow back afterwards.
func TestPagesShrinkAndGrow(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	heavy := 25 // the first page size that works
	var limits []int
	c, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var limit int
		_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
		if r.URL.Path == "/v1/charges" {
			limits = append(limits, limit)
			if limit > heavy {
				w.WriteHeader(http.StatusGatewayTimeout)
				return
			}
		}
		_, _ = io.WriteString(w, listOf(min(limit, 3), 1, true))
	})
	list := func(name string) int {
		r, _ := Lookup(name)
		page, err := c.List(t.Context(), r, r.Variants[0], nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer page.Release()
		return page.Limit
	}
	if got := list("charges"); got != 25 {
		t.Errorf("page of %d", got)
	}
	if want := []int{100, 100, 50, 50, 25}; !slices.Equal(limits, want) {
		t.Errorf("limits %v, want %v", limits, want)
	}
	if got := list("customers"); got != 100 {
		t.Errorf("page of %d customers", got)
	}
	heavy = 100
	var got []int
	for range 2 * streak {
		got = append(got, list("charges"))
	}
	want := slices.Concat(slices.Repeat([]int{25}, streak-1), slices.Repeat([]int{50}, streak), []int{100})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	heavy = 0
	limits = nil
	r, _ := Lookup("charges")
	_, err := c.List(t.Context(), r, Variant{}, nil, 0)
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusGatewayTimeout {
		t.Errorf("%v", err)
	}
	if want := []int{100, 100, 50, 50, 25, 25, 10, 10, 10, 10}; !slices.Equal(limits, want) {
		t.Errorf("limits %v, want %v", limits, want)
	}
	heavy = 100
	if page, err := c.ListURL(t.Context(), "/v1/charges", "", 5); err != nil || page.Limit != 5 {
		t.Errorf("%+v, %v", page, err)
	}
}

// A single failure, or one of the network, says nothing about the page size.
func TestPagesDoNotShrinkAtOnce(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*script{
		"one failure":        {answers: []answer{{status: 500}, {status: 200, body: listOf(1, 1, true)}}},
		"rate limit":         {answers: []answer{{status: 429}, {status: 429}, {status: 200, body: listOf(1, 1, true)}}},
		"connection refused": {answers: []answer{{err: nobody}, {err: nobody}, {status: 200, body: listOf(1, 1, true)}}},
		"cut off":            {answers: []answer{{err: io.ErrUnexpectedEOF}, {err: io.ErrUnexpectedEOF}, {status: 200, body: listOf(1, 1, true)}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := s.client(t)
			c.Retry = quick
			page, err := c.List(t.Context(), Resources[0], Variant{}, nil, 0)
			if err != nil || page.Limit != PageSize {
				t.Errorf("%+v, %v", page, err)
			}
		})
	}
	c := (&script{answers: []answer{
		{status: 429, header: map[string]string{"Stripe-Rate-Limited-Reason": "endpoint-concurrency"}},
		{status: 429, header: map[string]string{"Stripe-Rate-Limited-Reason": "endpoint-concurrency"}},
		{status: 200, body: listOf(1, 1, true)},
	}}).client(t)
	c.Retry = quick
	page, err := c.List(t.Context(), Resources[0], Variant{}, nil, 0)
	if err != nil || page.Limit != 50 {
		t.Errorf("too much at once: %+v, %v", page, err)
	}
}
