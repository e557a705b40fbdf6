package stripesim

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// A walk with any filter and any page sizes gives exactly the objects that
// pass the filter, newest first, each once; and walking back by ending_before
// gives the same in pages read the other way.
func TestWalk(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapidSim(t)
		disturb(t, s)
		r := rapid.SampledFrom(Resources()).Draw(t, "resource")
		params, passes := drawFilter(t, s, r)
		want := expected(t, s, r, passes)

		limit := func() int { return rapid.IntRange(1, 100).Draw(t, "limit") }
		got := []string{}
		last := int64(1 << 62)
		for _, raw := range walkAll(t, s, "/v1/"+string(r), params, limit) {
			h := head(raw)
			if h.Created > last {
				t.Fatalf("%s is newer than the object before it", h.ID)
			}
			last = h.Created
			got = append(got, h.ID)
		}
		if diff := cmp.Diff(want, slices.Sorted(slices.Values(got)), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("walk of %s?%s (-want +got):\n%s", r, params.Encode(), diff)
		}
		back := walkBack(t, s, r, params, got, limit)
		if len(got) > 1 && !slices.Equal(back, got[:len(got)-1]) {
			t.Fatalf("walking back gives %v, want %v", back, got[:len(got)-1])
		}
	})
}

// walkBack follows ending_before from the last object and returns the ids in
// the order of the list.
func walkBack(t *rapid.T, s *Sim, r Resource, params url.Values, ids []string, limit func() int) []string {
	if len(ids) == 0 {
		return nil
	}
	cursor := ids[len(ids)-1]
	var back []string
	for {
		q := url.Values{"limit": {strconv.Itoa(limit())}, "ending_before": {cursor}}
		maps.Copy(q, params)
		w := request(s, "/v1/"+string(r)+"?"+q.Encode(), nil)
		var l listJSON
		if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil || w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		back = append(slices.Clone(l.ids()), back...)
		if !l.HasMore {
			return back
		}
		cursor = head(l.Data[0]).ID
	}
}

func rapidSim(t *rapid.T) *Sim {
	cfg := Config{
		Seed: rapid.Uint64Range(1, 30).Draw(t, "seed"), End: end, Frozen: true,
		Counts: Counts{Charges: 90, Customers: 60, Subscriptions: 25, Prices: 25},
		Shape: Shape{
			Burst: rapid.SampledFrom([]int{0, 40}).Draw(t, "burst"), HeavyDay: rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "heavy"),
			Silences: rapid.IntRange(0, 4).Draw(t, "silences"),
		},
		OddIDs: rapid.Bool().Draw(t, "odd ids"),
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// disturb changes the account in some ways.
func disturb(t *rapid.T, s *Sim) {
	for range rapid.IntRange(0, 12).Draw(t, "steps") {
		step := Step{
			Do:       rapid.SampledFrom([]string{"insert", "update", "delete", "refund", "cancel"}).Draw(t, "do"),
			Resource: rapid.SampledFrom(Resources()).Draw(t, "of"),
			Target:   rapid.SampledFrom([]string{"random", "newest", "oldest"}).Draw(t, "target"),
			Age:      Duration(rapid.Int64Range(0, 3600).Draw(t, "age") * 1e9),
			Count:    rapid.IntRange(1, 5).Draw(t, "count"),
		}
		_ = s.Do(step) // nothing to change, or balance transactions by themselves: not the matter here
	}
}

// drawFilter returns parameters, and the same as a condition on an object.
func drawFilter(t *rapid.T, s *Sim, r Resource) (url.Values, func(map[string]any) bool) {
	params := url.Values{}
	conditions := []func(map[string]any) bool{}
	if rapid.Bool().Draw(t, "by time") {
		at := func(name string) int64 { return rapid.Int64Range(s.world.start-5, s.world.end+5).Draw(t, name) }
		if rapid.Bool().Draw(t, "on an object") {
			pos := rapid.IntRange(0, s.shelves[r].n-1).Draw(t, "object")
			at = func(string) int64 { return s.shelves[r].created(pos) }
		}
		for _, op := range []struct {
			param string
			ok    func(c, t int64) bool
		}{
			{"created[gt]", func(c, t int64) bool { return c > t }},
			{"created[gte]", func(c, t int64) bool { return c >= t }},
			{"created[lt]", func(c, t int64) bool { return c < t }},
			{"created[lte]", func(c, t int64) bool { return c <= t }},
			{"created", func(c, t int64) bool { return c == t }},
		} {
			if !rapid.Bool().Draw(t, "use "+op.param) {
				continue
			}
			v := at(op.param)
			params.Set(op.param, fmt.Sprint(v))
			conditions = append(conditions, func(o map[string]any) bool { return op.ok(int64(o["created"].(float64)), v) })
		}
	}
	switch r {
	case Subscriptions:
		state := rapid.SampledFrom(append([]string{""}, subscriptionStates...)).Draw(t, "status")
		if state != "" {
			params.Set("status", state)
		}
		conditions = append(conditions, func(o map[string]any) bool { return inState(o["status"].(string), state) })
	case Prices:
		active := rapid.SampledFrom([]string{"", "true", "false"}).Draw(t, "active")
		if active != "" {
			params.Set("active", active)
		}
		conditions = append(conditions, func(o map[string]any) bool { return o["active"] == (active != "false") })
	}
	return params, func(o map[string]any) bool {
		return !slices.ContainsFunc(conditions, func(ok func(map[string]any) bool) bool { return !ok(o) })
	}
}

func inState(status, asked string) bool {
	switch asked {
	case "":
		return status != "canceled"
	case "all":
		return true
	case "ended":
		return status == "canceled" || status == "incomplete_expired"
	}
	return status == asked
}

// expected returns the sorted ids of the objects that pass.
func expected(t *rapid.T, s *Sim, r Resource, passes func(map[string]any) bool) []string {
	want := []string{}
	for truth := range s.Oracle(r) {
		if passes(decoded(t, truth.JSON)) {
			want = append(want, truth.ID)
		}
	}
	slices.Sort(want)
	return want
}

// The order within a second is not that of the ids, nor that of the making.
func TestTies(t *testing.T) {
	t.Parallel()
	s := newSim(t, Config{Seed: 3, Counts: Counts{Charges: 1000}, Shape: Shape{Burst: 500}})
	_, second := moments(s.world.start, s.world.end)
	burst := walkAll(t, s, "/v1/charges", url.Values{"created": {fmt.Sprint(second)}}, hundred)
	if len(burst) < 500 {
		t.Fatalf("%d charges in the second of the burst, want 500 or more", len(burst))
	}
	var made []string
	for range 20 {
		id, err := s.Create(Charges, Draft{})
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, id)
	}
	l := list(t, s, "/v1/charges?limit=20")
	ids := l.ids()
	for name, order := range map[string][]string{"insertion": made, "ids": slices.Sorted(slices.Values(ids))} {
		reversed := slices.Clone(order)
		slices.Reverse(reversed)
		if slices.Equal(ids, order) || slices.Equal(ids, reversed) {
			t.Errorf("objects of one second come in the order of %s", name)
		}
	}
	if again := list(t, s, "/v1/charges?limit=20"); !slices.Equal(ids, again.ids()) {
		t.Error("the order is not stable")
	}
}

func TestBadParameters(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	tests := []struct {
		query, code, param string
		status             int
	}{
		{"charges?limit=0", "parameter_invalid_integer", "limit", 400},
		{"charges?limit=101", "parameter_invalid_integer", "limit", 400},
		{"charges?limit=ten", "parameter_invalid_integer", "limit", 400},
		{"charges?starting_after=ch_nope", "resource_missing", "starting_after", 400},
		{"charges?ending_before=ch_nope", "resource_missing", "ending_before", 400},
		{"charges?starting_after=a&ending_before=b", "", "ending_before", 400},
		{"charges?colour=red", "parameter_unknown", "colour", 400},
		{"charges?status=all", "parameter_unknown", "status", 400},
		{"charges?created[after]=1", "parameter_unknown", "created[after]", 400},
		{"charges?created=now", "parameter_invalid_integer", "created", 400},
		{"charges?expand[]=data.customer", "", "expand", 400},
		{"prices?expand[]=tiers", "", "expand", 400},
		{"prices?expand[]=data.a.b.c.d", "", "expand", 400},
		{"prices?active=maybe", "", "active", 400},
		{"subscriptions?status=dead", "parameter_invalid_enum", "status", 400},
		{"subscription_items", "parameter_missing", "subscription", 400},
		{"subscription_items?subscription=sub_nope", "resource_missing", "subscription", 404},
		{"events?types[]=a&type=b", "", "types", 400},
		{"charges/ch_nope", "resource_missing", "id", 404},
		{"charges/ch_nope?limit=1", "parameter_unknown", "limit", 400},
		{"products", "", "", 404},
		{"charges/", "", "", 404},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			t.Parallel()
			w := request(s, "/v1/"+tt.query, nil)
			var l listJSON
			if err := json.Unmarshal(w.Body.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			if w.Code != tt.status || l.Error.Code != tt.code || l.Error.Param != tt.param || l.Error.Type != "invalid_request_error" {
				t.Errorf("got %d %+v", w.Code, l.Error)
			}
		})
	}
}

func TestDefaultLimit(t *testing.T) {
	t.Parallel()
	l := list(t, newSim(t, small(1)), "/v1/charges")
	if len(l.Data) != 10 || !l.HasMore || l.Object != "list" || l.URL != "/v1/charges" {
		t.Errorf("got %d objects, has_more %v, %s %s", len(l.Data), l.HasMore, l.Object, l.URL)
	}
}
