package extract

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// newClient returns a client of a server that answers as it pleases.
func newClient(t *testing.T, answer func(r *http.Request) (status int, body string)) *stripe.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, body := answer(r)
		w.Header().Set("Request-Id", "req_1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	key, err := stripe.ParseKey("sk_test_walk")
	if err != nil {
		t.Fatal(err)
	}
	return &stripe.Client{
		BaseURL: server.URL, Key: key, HTTP: server.Client(), Now: time.Now,
		Retry: stripe.Retry{Tries: 3, Base: time.Microsecond, Cap: time.Microsecond},
	}
}

// walk reads charges before the time 1000 and returns the ids that came.
func walk(t *testing.T, c *stripe.Client) ([]string, error) {
	t.Helper()
	charges, _ := stripe.Lookup("charges")
	w := &Walk{Client: c, Resource: charges}
	var ids []string
	err := w.Run(t.Context(), []Range{{ID: 1, To: 1000}}, func(p *Page) error {
		defer p.Release()
		for _, it := range p.Items {
			ids = append(ids, string(it.ID))
		}
		return nil
	})
	return ids, err
}

const noCursor = `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"starting_after","message":"No such charge: 'x'"}}`

func TestWalkGoesOn(t *testing.T) {
	t.Parallel()
	first := `{"data":[{"id":"a","created":9},{"id":"b","created":8}],"has_more":true}`
	last := `{"data":[{"id":"c","created":7}],"has_more":false}`
	type reply struct {
		status int
		body   string
	}
	tests := []struct {
		name    string
		replies []reply // the first three of them; from then on: the last page
		want    []string
	}{
		{"as it should be", []reply{{200, first}}, []string{"a", "b", "c"}},
		{"more of nothing", []reply{{200, first}, {200, `{"data":[],"has_more":true}`}}, []string{"a", "b", "c"}},
		{"nobody says whether there is more", []reply{{200, `{"data":[{"id":"a","created":9}]}`}, {200, first}}, []string{"a", "b", "c"}},
		{"a page that repeats the cursor", []reply{{200, first}, {200, first}}, []string{"a", "b", "c"}},
		{"a page of another time", []reply{{200, first}, {200, `{"data":[{"id":"z","created":2000}],"has_more":false}`}}, []string{"a", "b", "c"}},
		{"the cursor is gone", []reply{{200, first}, {400, noCursor}, {200, `{"data":[{"id":"b2","created":8}],"has_more":true}`}}, []string{"a", "b", "b2", "c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := -1
			ids, err := walk(t, newClient(t, func(*http.Request) (int, string) {
				if n++; n < len(tt.replies) {
					return tt.replies[n].status, tt.replies[n].body
				}
				return 200, last
			}))
			if diff := cmp.Diff(tt.want, ids); err != nil || diff != "" {
				t.Errorf("%v\n%s", err, diff)
			}
		})
	}
}

// A server that never lets a list end is a failed run, not an endless one.
func TestWalkEnds(t *testing.T) {
	t.Parallel()
	second := `{"data":[{"id":"a","created":9},{"id":"b","created":9}],"has_more":true}`
	tests := []struct {
		name   string
		answer func(r *http.Request) (int, string)
	}{
		{"the cursor of a second is always gone", func(r *http.Request) (int, string) {
			if r.URL.Query().Has("starting_after") {
				return 400, noCursor
			}
			return 200, second
		}},
		{"every page is the first", func(*http.Request) (int, string) { return 200, second }},
		{"always more of nothing", func(*http.Request) (int, string) { return 200, `{"data":[],"has_more":true}` }},
		{"a cursor that nobody sent is gone", func(*http.Request) (int, string) { return 400, noCursor }},
		{"a list inside always loses its cursor", func(r *http.Request) (int, string) {
			if strings.HasPrefix(r.URL.Path, "/v1/subscription_items") {
				return 400, noCursor
			}
			return 200, `{"data":[{"id":"a","created":9,"items":` + items(true, "i1") + `}],"has_more":false}`
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			_, err := walk(t, newClient(t, func(r *http.Request) (int, string) {
				if n++; n > 50 {
					return 401, `{"error":{"message":"it does not end"}}`
				}
				return tt.answer(r)
			}))
			if err == nil || n > 50 {
				t.Errorf("%d requests, %v", n, err)
			}
		})
	}
}

// items returns a list as objects embed it.
func items(more bool, ids ...string) string {
	var all []string
	for _, id := range ids {
		all = append(all, fmt.Sprintf(`{"id":%q}`, id))
	}
	return fmt.Sprintf(`{"object":"list","data":[%s],"has_more":%v,"url":"\/v1\/subscription_items?subscription=s"}`, strings.Join(all, ","), more)
}

func TestComplete(t *testing.T) {
	t.Parallel()
	object := func(list string) string { return `{"id":"s","items":` + list + `}` }
	tests := []struct {
		name  string
		obj   string
		pages []string // of the list inside; the last one again and again
		want  string   // "" for an error
	}{
		{"nothing is missing", object(items(false, "i1")), nil, object(items(false, "i1"))},
		{"two pages", object(items(true, "i1")), []string{items(true, "i2"), items(false, "i3")}, object(items(false, "i1", "i2", "i3"))},
		{"none shown", object(items(true)), []string{items(false, "i1", "i2")}, object(items(false, "i1", "i2"))},
		{"one comes twice", object(items(true, "i1")), []string{items(false, "i1", "i2")}, object(items(false, "i1", "i2"))},
		{
			"elements without an id are kept", object(items(true, "i1")),
			[]string{`{"data":[{"a":1},{"b":2}],"has_more":false}`},
			`{"id":"s","items":{"object":"list","data":[{"id":"i1"},{"a":1},{"b":2}],"has_more":false,"url":"\/v1\/subscription_items?subscription=s"}}`,
		},
		{"more of nothing", object(items(true, "i1")), []string{items(true)}, ""},
		{"a circle", object(items(true, "i1")), []string{items(true, "i2"), items(true, "i3"), items(true, "i2")}, ""},
		{"no way to go on", object(items(true, "i1")), []string{`{"data":[{"a":1}],"has_more":true}`}, ""},
		{"no url", object(`{"object":"list","data":[{"id":"i1"}],"has_more":true}`), nil, ""},
		{"no data", object(`{"object":"list","has_more":true,"url":"/v1/x"}`), nil, ""},
		{"a way out of the API", object(`{"object":"list","data":[],"has_more":true,"url":"//example.com/v1/x"}`), nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			c := newClient(t, func(*http.Request) (int, string) {
				n++
				return 200, tt.pages[min(n, len(tt.pages))-1]
			})
			got, err := Complete(t.Context(), c, []byte(tt.obj))
			switch {
			case tt.want == "":
				if problem.KindOf(err) == problem.Internal {
					t.Errorf("%s, %v", got, err)
				}
			case err != nil:
				t.Error(err)
			default:
				if diff := cmp.Diff(tt.want, string(got)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// A list of events that never ends is a failed run; what it showed is kept.
func TestReadEventsEnds(t *testing.T) {
	t.Parallel()
	page := func(more bool, ids ...string) string {
		var all []string
		for _, id := range ids {
			all = append(all, fmt.Sprintf(`{"id":%q,"object":"event","type":"charge.updated","created":9,"data":{"object":{"id":"ch_%s"}}}`, id, id))
		}
		return fmt.Sprintf(`{"data":[%s],"has_more":%v}`, strings.Join(all, ","), more)
	}
	n := 0
	c := newClient(t, func(r *http.Request) (int, string) {
		if n++; n > 50 {
			return 401, `{"error":{"message":"it does not end"}}`
		}
		if r.URL.Query().Get("starting_after") == "b" {
			return 200, page(true, "c", "d")
		}
		return 200, page(true, "a", "b")
	})
	seen := map[string]bool{}
	err := ReadEvents(t.Context(), c, 0, func(page []Notice) error {
		for _, n := range page {
			seen[n.ID] = true
		}
		return nil
	})
	if problem.KindOf(err) != problem.Unavailable || n > 50 || len(seen) != 4 {
		t.Errorf("%d requests, %d events, %v", n, len(seen), err)
	}
}
