package recommend_test

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/recommend"
	"github.com/tributary-data/tributary/internal/stripesim"
)

var end = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// simulated returns the shop's orders, read from what its charges say.
func simulated(tb testing.TB, charges int) (*stripesim.Sim, []recommend.Order) {
	tb.Helper()
	s, err := stripesim.New(stripesim.Config{
		Seed: 1, End: end, Frozen: true, Complements: true,
		Counts: stripesim.Counts{Charges: charges, Customers: charges / 6, Subscriptions: 20, Prices: 10},
	})
	if err != nil {
		tb.Fatal(err)
	}
	var orders []recommend.Order
	for truth := range s.Oracle(stripesim.Charges) {
		var c struct {
			Customer, Status string
			Created          int64
			Metadata         map[string]string
		}
		if err := json.Unmarshal(truth.JSON, &c); err != nil {
			tb.Fatal(err)
		}
		if text := c.Metadata["items"]; text != "" && c.Status == "succeeded" {
			items, whole := recommend.ParseItems(text, recommend.Auto)
			if !whole {
				tb.Fatalf("%s is not whole", text)
			}
			orders = append(orders, recommend.Order{Customer: c.Customer, At: time.Unix(c.Created, 0).UTC(), Items: items})
		}
	}
	return s, orders
}

// On orders that it has not seen, the model comes near the best that the
// generator of the baskets makes possible, and is far above the best sellers.
func TestRecommendationsBeatPopularity(t *testing.T) {
	t.Parallel()
	s, orders := simulated(t, 12_000)
	oracle := func(known bool) func(string, []string, int) []string {
		return func(customer string, cart []string, n int) []string {
			if !known {
				customer = ""
			}
			var out []string
			for _, l := range s.BestAddOns(customer, cart, n) {
				out = append(out, l.SKU)
			}
			return out
		}
	}
	const k = 3
	e, err := recommend.Evaluate(orders, recommend.Options{}, k, 0.2,
		recommend.Recommender{Name: "oracle", Recommend: oracle(true)}, recommend.Recommender{Name: "oracle without the customer", Recommend: oracle(false)})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d orders trained, %d held out, %d questions, %d items", e.Trained, e.Orders, e.Asked, e.Items)
	for _, r := range e.Results {
		t.Logf("%-30s hit rate@%d %.3f [%.3f, %.3f]  MRR %.3f [%.3f, %.3f]  coverage %.2f", r.Name, k,
			r.HitRate.Value, r.HitRate.Low, r.HitRate.High, r.MRR.Value, r.MRR.Low, r.MRR.High, r.Coverage)
	}
	mine, popular, best := e.Results[0].HitRate, e.Results[1].HitRate, e.Results[2].HitRate
	share := (mine.Value - popular.Value) / (best.Value - popular.Value)
	t.Logf("gain %.3f [%.3f, %.3f], %.0f %% of what is possible", e.Gain.Value, e.Gain.Low, e.Gain.High, 100*share)
	if share < 0.8 || e.Gain.Low <= 0.2 || mine.Low > best.High {
		t.Errorf("recommendations %v, popularity %v, oracle %v", mine, popular, best)
	}
}

// bought counts some orders.
func bought(o recommend.Options, orders ...[]string) *recommend.Model {
	b := recommend.NewBuilder()
	for _, items := range orders {
		b.Add(items)
	}
	return b.Model(o)
}

func repeat(n int, items ...string) [][]string {
	out := make([][]string, n)
	for i := range out {
		out[i] = items
	}
	return out
}

func TestReasons(t *testing.T) {
	t.Parallel()
	m := bought(recommend.Options{}, slices.Concat(repeat(30, "tent", "pegs"), repeat(10, "tent"), repeat(50, "sock"), repeat(9, "hat", "sock"), repeat(1, "tent", "yacht"))...)
	got := m.Recommend([]string{"tent", "tent", "nobody sells this"}, 2)
	want := recommend.Reason{With: "tent", Orders: 30, Support: 0.3, Confidence: 30.0 / 41, Lift: 30.0 / 41 / 0.3}
	if len(got) != 2 || got[0].Item != "pegs" || got[0].Reason != want || got[0].Score < 0.5 || got[0].Score > 0.9 {
		t.Errorf("%+v", got)
	}
	if got[1].Item == "yacht" || got[1].Reason.With != "" {
		t.Errorf("an accident is a rule: %+v", got[1])
	}
	cold := m.Recommend(nil, 2)
	if len(cold) != 2 || cold[0].Item != "sock" || cold[0].Reason != (recommend.Reason{Orders: 59, Support: 0.59}) || math.Abs(cold[0].Score-0.59) > 0.01 {
		t.Errorf("of an empty cart: %+v", cold)
	}
	if all := m.Recommend([]string{"sock"}, 99); len(all) != 3 { // no yacht
		t.Errorf("%d of 3", len(all))
	}
	if none := bought(recommend.Options{}).Recommend([]string{"tent"}, 3); none != nil {
		t.Errorf("of nothing: %v", none)
	}
}

// Whatever was bought: no item of the cart is recommended, none twice, scores fall
// and are probabilities, reasons are true, and a stored model is the same.
func TestRecommendProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		item := rapid.SampledFrom([]string{"a", "b", "c", "d", "e", "f", "g", "é, \"☃"})
		orders := rapid.SliceOfN(rapid.SliceOfN(item, 0, 6), 0, 60).Draw(rt, "orders")
		m := bought(recommend.Options{MinSupport: rapid.IntRange(1, 4).Draw(rt, "support"), Rules: rapid.IntRange(1, 9).Draw(rt, "rules")}, orders...)
		cart, n := rapid.SliceOfN(item, 0, 5).Draw(rt, "cart"), rapid.IntRange(0, 10).Draw(rt, "n")
		got := m.Recommend(cart, n)
		if len(got) > n {
			rt.Fatalf("%d of %d", len(got), n)
		}
		for i, r := range got {
			if slices.Contains(cart, r.Item) || r.Score <= 0 || r.Score >= 1 || i > 0 && r.Score > got[i-1].Score || slices.ContainsFunc(got[:i], func(o recommend.Recommendation) bool { return o.Item == r.Item }) {
				rt.Fatalf("%d of %+v", i, got)
			}
			both := 0
			for _, o := range orders {
				if slices.Contains(o, r.Item) && (r.Reason.With == "" || slices.Contains(o, r.Reason.With)) {
					both++
				}
			}
			if r.Reason.Orders != int64(both) {
				rt.Fatalf("%+v, but %d orders", r, both)
			}
		}
		text, err := m.Encode()
		if err != nil {
			rt.Fatal(err)
		}
		again, err := recommend.Decode(text)
		if err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(got, again.Recommend(cart, n)); diff != "" {
			rt.Fatalf("stored (-before +after):\n%s", diff)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"nothing": ``, "format": `{"format":2}`, "lengths": `{"format":1,"orders":1,"items":["a"],"counts":[1],"rules":[]}`,
		"place": `{"format":1,"orders":1,"items":["a"],"counts":[1],"rules":[[7,1]]}`, "half a rule": `{"format":1,"orders":1,"items":["a"],"counts":[1],"rules":[[0]]}`,
		"counts": `{"format":1,"orders":1,"items":["a"],"counts":[2],"rules":[[]]}`, "more than both": `{"format":1,"orders":3,"items":["a","b"],"counts":[2,1],"rules":[[1,2],[]]}`,
	} {
		if _, err := recommend.Decode([]byte(text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestParseItems(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text, format string
		want         []string
		cut          bool
	}{
		"list":                 {" a, b ,,a", "", []string{"a", "b"}, false},
		"array":                {`["a", 7, "a", null]`, "", []string{"a", "7"}, false},
		"order items":          {`[{"sku":"24-MB01","qty":1,"price":3400},{"item_id":9,"name":"x"},{"name":"no id"}]`, "", []string{"24-MB01", "9"}, false},
		"in an object":         {`{"items":[{"sku":"a"}]}`, "json", []string{"a"}, false},
		"one object":           {`{"sku":"a"}`, "", []string{"a"}, false},
		"cut short":            {`[{"sku":"a"},{"sku":"b"},{"sk`, "", []string{"a", "b"}, true},
		"cut at the end":       {`["a"`, "", []string{"a"}, true},
		"list as JSON":         {`a,b`, "json", nil, true},
		"JSON as list":         {`[1`, "list", []string{"[1"}, false},
		"empty":                {``, "", nil, false},
		"cut in an object":     {`{"total":3,"items":[{"sku":"a"},{"sku":"b"},{"sk`, "", []string{"a", "b"}, true},
		"cut behind the items": {`{"items":[{"sku":"a"}],"tot`, "", []string{"a"}, true},
		"cut before the items": {`{"total":3,"it`, "", nil, true},
		"JSON in JSON":         {`"[{\"sku\":\"a\"},{\"sku\":\"b\"}]"`, "", []string{"a", "b"}, false},
		"no JSON in JSON":      {`"a`, "json", nil, true},
		"lines of an order":    {`[{"id":315,"product_id":93,"sku":""},{"item_id":7,"product_id":"94"}]`, "", []string{"93", "94"}, false},
		"amounts":              {`[{"name":"x","price":12},{"name":"y","price":"12.50"},{"price":"price_1"}]`, "", []string{"price_1"}, false},
		"parts of a bundle": {`[{"item_id":1,"sku":"kit","product_type":"bundle","parent_item_id":null},{"item_id":2,"sku":"bag","parent_item_id":1},
			{"item_id":3,"sku":"mat","parent_item_id":"1"},{"item_id":4,"sku":"pen","parent_item_id":9}]`, "", []string{"kit", "pen"}, false},
		"a list as long as it can be": {strings.Repeat("a,", 249) + "bc", "", []string{"a"}, true},
		"a list that is not":          {strings.Repeat("a,", 249) + "b", "", []string{"a", "b"}, false},
	} {
		got, whole := recommend.ParseItems(c.text, c.format)
		if !slices.Equal(got, c.want) || whole == c.cut {
			t.Errorf("%s: %q, whole %v", name, got, whole)
		}
	}
}

func FuzzParseItems(f *testing.F) {
	f.Add(`[{"sku":"a"},{"sk`, "")
	f.Add("a,b", "json")
	f.Fuzz(func(t *testing.T, text, format string) {
		items, _ := recommend.ParseItems(text, format)
		for i, item := range items {
			if item == "" || slices.Contains(items[:i], item) {
				t.Fatalf("%q", items)
			}
		}
	})
}

// BenchmarkRecommend asks a model of twenty thousand items, of which each goes with
// a hundred, for a cart of ten.
func BenchmarkRecommend(b *testing.B) {
	build := recommend.NewBuilder()
	const items = 20_000
	for i := range 20 * items {
		first := i * 7919 % items
		order := make([]string, 12)
		for k := range order {
			order[k] = strconv.Itoa((first + k*(i%9+1)) % items)
		}
		build.Add(order)
	}
	m := build.Model(recommend.Options{})
	cart := []string{"1", "500", "900", "1200", "4000", "7000", "9000", "12000", "15000", "19000"}
	for b.Loop() {
		if len(m.Recommend(cart, 5)) != 5 {
			b.Fatal("too few")
		}
	}
}
