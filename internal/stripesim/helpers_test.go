package stripesim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// end is the present of the accounts that tests make.
var end = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// long leaves out in short mode what one goroutine does for long: the race detector
// makes it slow, and sees nothing. scripts/test runs these tests without it.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}

// small is a shop that has everything and is quickly walked.
func small(seed uint64) Config {
	return Config{Seed: seed, Counts: Counts{Charges: 600, Customers: 150, Subscriptions: 120, Prices: 40}}
}

type listJSON struct {
	Object  string            `json:"object"`
	URL     string            `json:"url"`
	HasMore bool              `json:"has_more"`
	Data    []json.RawMessage `json:"data"`
	Error   struct{ Type, Code, Message, Param string }
}

func (l listJSON) ids() []string {
	out := []string{}
	for _, raw := range l.Data {
		out = append(out, head(raw).ID)
	}
	return out
}

type headJSON struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	Status  string `json:"status"`
	Active  bool   `json:"active"`
}

func head(raw []byte) headJSON {
	var h headJSON
	_ = json.Unmarshal(raw, &h) // objects with a wrong type in a field keep the others
	return h
}

// request calls the account without a network.
func request(s *Sim, path string, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+s.Key())
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// list calls a list and decodes the answer, which may be an error object.
func list(tb testing.TB, s *Sim, path string) listJSON {
	tb.Helper()
	w := request(s, path, nil)
	var l listJSON
	if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
		tb.Fatalf("GET %s: %v\n%s", path, err, w.Body)
	}
	return l
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// walkAll follows a list by starting_after to its end and returns its objects.
func walkAll(tb fataler, s *Sim, path string, params url.Values, limit func() int) []json.RawMessage {
	tb.Helper()
	var out []json.RawMessage
	after := ""
	for range 10000 {
		q := url.Values{"limit": {fmt.Sprint(limit())}}
		maps.Copy(q, params)
		if after != "" {
			q.Set("starting_after", after)
		}
		w := request(s, path+"?"+q.Encode(), nil)
		var l listJSON
		if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || w.Code != http.StatusOK {
			tb.Fatalf("GET %s?%s: %d %v\n%s", path, q.Encode(), w.Code, err, w.Body)
		}
		out = append(out, l.Data...)
		if !l.HasMore {
			return out
		}
		after = head(l.Data[len(l.Data)-1]).ID
	}
	tb.Fatalf("GET %s does not end", path)
	return nil
}

func hundred() int { return 100 }

// object returns an object as encoding/json decodes it.
func decoded(tb fataler, raw []byte) map[string]any {
	tb.Helper()
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		tb.Fatalf("%v: %s", err, raw)
	}
	return m
}

// truths returns what the oracle says of a resource, by id.
func truths(s *Sim, r Resource) map[string]string {
	out := map[string]string{}
	for t := range s.Oracle(r) {
		out[t.ID] = string(t.JSON)
	}
	return out
}
