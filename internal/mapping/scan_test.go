package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/xdm"
)

func plan(t testing.TB, resource, object string, volatile ...string) *Plan {
	t.Helper()
	s, err := xdm.Stripe(resource, "acme")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(Default(s), s, object, volatile...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const charge = `{
  "id": "ch_1", "object": "charge", "amount": 1099, "created": 1700000000, "currency": "usd", "captured": true,
  "livemode": false, "customer": "cus_1", "description": "caf\u00e9 \"x\"", "metadata": {"a.b": "1", "k\u00e9": "v"},
  "balance_transaction": null, "receipt_url": "https://one",
  "outcome": {"risk_score": 12, "type": "authorized"},
  "payment_method_details": {"klarna": {"payment_method_category": "pay_later", "preferred_locale": null}, "type": "klarna"}
}`

// values renders a record by its layout as JSON, the way a reader of the table
// would see it.
func values(r *dataset.Record, nodes []*dataset.Node, frame []dataset.Slot) map[string]any {
	out := map[string]any{}
	for _, n := range nodes {
		if v := value(r, n, frame); v != nil {
			out[n.Field.Name] = v
		}
	}
	return out
}

func value(r *dataset.Record, n *dataset.Node, frame []dataset.Slot) any {
	s := frame[n.Slot]
	switch s.Kind {
	case dataset.Absent, dataset.Null, dataset.Invalid:
		return nil
	case dataset.String:
		return string(r.Value(nil, s))
	case dataset.Number:
		return json.Number(r.Text(s))
	case dataset.True, dataset.False:
		return s.Kind == dataset.True
	case dataset.JSON:
		return "json:" + string(r.Text(s))
	case dataset.Object:
		return values(r, n.Children, frame)
	case dataset.List:
	}
	dict, list := map[string]any{}, []any{}
	at := s.Start
	for range s.End {
		f := r.Frame(at, n.Elem.Size)
		v := value(r, n.Elem.Nodes[0], f)
		if n.Field.Kind == xdm.Map {
			dict[string(r.Value(nil, f[dataset.KeySlot]))] = v
		} else {
			list = append(list, v)
		}
		at = dataset.NextFrame(f)
	}
	if n.Field.Kind == xdm.Map {
		return dict
	}
	return list
}

func TestScan(t *testing.T) {
	t.Parallel()
	p := plan(t, "charges", "charge")
	var r dataset.Record
	if bad := p.Scan([]byte(charge), &r); bad != nil {
		t.Fatalf("%+v", bad)
	}
	want := map[string]any{
		"id": "ch_1", "object": "charge", "amount": json.Number("1099"), "created": json.Number("1700000000"), "currency": "usd",
		"captured": true, "livemode": false, "customer": "cus_1", "description": `café "x"`,
		"metadata": map[string]any{"a.b": "1", "ké": "v"}, "receipt_url": "https://one",
		"outcome":                map[string]any{"risk_score": json.Number("12"), "type": "authorized"},
		"payment_method_details": map[string]any{"type": "klarna", "klarna": map[string]any{"payment_method_category": "pay_later"}},
	}
	if d := cmp.Diff(want, values(&r, p.Layout().Nodes, r.Slots)); d != "" {
		t.Error(d)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(charge)); err != nil || compact.String() != string(r.Raw) {
		t.Errorf("raw: %s", r.Raw)
	}
	if string(r.ID) != "ch_1" || r.Created != 1700000000 || r.Warnings != 0 {
		t.Errorf("id %s created %d warnings %d", r.ID, r.Created, r.Warnings)
	}
}

func TestScanLists(t *testing.T) {
	t.Parallel()
	p := plan(t, "subscriptions", "subscription")
	sub := `{"id":"sub_1","object":"subscription","created":5,"status":"active","metadata":{},"items":{"object":"list","has_more":false,"url":"/v1/x","data":[
		{"id":"si_1","quantity":2,"metadata":{"a":"1"},"price":{"id":"price_1","unit_amount":500}},
		{"id":"si_2","price":{"id":"price_2","unit_amount":null,"unit_amount_decimal":"0.05"}}]}}`
	var r dataset.Record
	for range 2 { // memory is reused
		if bad := p.Scan([]byte(sub), &r); bad != nil {
			t.Fatalf("%+v", bad)
		}
	}
	got := values(&r, p.Layout().Nodes, r.Slots)["items"]
	want := map[string]any{"object": "list", "has_more": false, "url": "/v1/x", "data": []any{
		map[string]any{"id": "si_1", "quantity": json.Number("2"), "metadata": map[string]any{"a": "1"}, "price": map[string]any{"id": "price_1", "unit_amount": json.Number("500")}},
		map[string]any{"id": "si_2", "price": map[string]any{"id": "price_2", "unit_amount_decimal": "0.05"}},
	}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestExpanded(t *testing.T) {
	t.Parallel()
	p := plan(t, "charges", "charge")
	var r dataset.Record
	obj := edit(t, "transfer_data", `{"amount":5,"destination":{"object":"account","id":"acct_1","x":{"id":"no"}}}`)
	if bad := p.Scan([]byte(obj), &r); bad != nil {
		t.Fatalf("%+v", bad)
	}
	want := map[string]any{"amount": json.Number("5"), "destination": "acct_1"}
	if d := cmp.Diff(want, values(&r, p.Layout().Nodes, r.Slots)["transfer_data"]); d != "" {
		t.Error(d)
	}
	bad := p.Scan([]byte(edit(t, "transfer_data", `{"destination":{"object":"account"}}`)), &r)
	if bad == nil || bad.Path != "transfer_data.destination" {
		t.Errorf("an object without an id: %+v", bad)
	}
}

// edit returns the sample charge with one member replaced; an empty value
// removes it.
func edit(t testing.TB, name, value string) string {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(charge), &m); err != nil {
		t.Fatal(err)
	}
	delete(m, name)
	if value != "" {
		m[name] = json.RawMessage(value)
	}
	var parts []string
	for k, v := range m {
		parts = append(parts, fmt.Sprintf("%q:%s", k, v))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestReject(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, obj, path, reason string }{
		{"amount as string", edit(t, "amount", `"1099"`), "amount", "is a string, not an integer"},
		{"amount with a fraction", edit(t, "amount", `10.5`), "amount", "is a number, not an integer"},
		{"amount null", edit(t, "amount", `null`), "amount", "is null"},
		{"amount missing", edit(t, "amount", ``), "amount", "is missing"},
		{"overflow", edit(t, "amount_refunded", `9223372036854775808`), "amount_refunded", "does not fit a 64-bit integer"},
		{"nested overflow", edit(t, "outcome", `{"risk_score":99999999999999999999}`), "outcome.risk_score", "does not fit a 64-bit integer"},
		{"id null", edit(t, "id", `null`), "id", "is null, not a string"},
		{"id number", edit(t, "id", `5`), "id", "is a number, not a string"},
		{"id empty", edit(t, "id", `""`), "id", "is empty"},
		{"id missing", edit(t, "id", ``), "id", "is missing"},
		{"other object", edit(t, "object", `"refund"`), "object", `is "refund", not "charge"`},
		{"created as string", edit(t, "created", `"2020"`), "created", "is a string, not an integer"},
		{"created negative", edit(t, "created", `-5`), "created", "is not a time in unix seconds"},
		{"created in milliseconds", edit(t, "created", `1767225600000`), "created", "is not a time in unix seconds"},
		{"created after the year 9999", edit(t, "created", `253402300800`), "created", "is not a time in unix seconds"},
		{"metadata as array", edit(t, "metadata", `["a"]`), "metadata", "is an array, not an object"},
		{"object for an id", edit(t, "customer", `{"id":"cus_1"}`), "customer", "is an object, not a string"},
		{"object as string", edit(t, "outcome", `"authorized"`), "outcome", "is a string, not an object"},
		{"object as array", edit(t, "billing_details", `[]`), "billing_details", "is an array, not an object"},
		{"array", `["x"]`, "", "is an array, not an object"},
		{"null", `null`, "", "is null, not an object"},
		{"cut", charge[:200], "", "is not valid JSON: invalid JSON at byte 200: want"},
		{"number", edit(t, "description", `01`), "", "is not valid JSON: invalid JSON at byte"},
		{"twice", `{"id":"ch_1","amount":1,"amount":2}`, "amount", "stands twice in the object"},
		{"metadata key twice", edit(t, "metadata", `{"a":"1","\u0061":"2"}`), "metadata.a", "stands twice in the object"},
		{"control character", edit(t, "description", "\"a\x01\""), "", "is not valid JSON"},
		{"bad UTF-8", edit(t, "description", "\"a\xff\""), "", "is not valid JSON"},
		{"deep", edit(t, "surprise", strings.Repeat(`{"a":`, 200)+"1"+strings.Repeat("}", 200)), "", "is nested deeper than 100 levels"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bad := plan(t, "charges", "charge").Scan([]byte(tt.obj), &dataset.Record{})
			if bad == nil {
				t.Fatal("landed")
			}
			if bad.Path != tt.path || !strings.HasPrefix(bad.Reason, tt.reason) {
				t.Errorf("%q %q, want %q %q", bad.Path, bad.Reason, tt.path, tt.reason)
			}
		})
	}
	items := `{"id":"sub_1","object":"subscription","created":5,"items":{"data":[{"price":{"unit_amount":1}},{"price":{"unit_amount":"x"}}]}}`
	bad := plan(t, "subscriptions", "subscription").Scan([]byte(items), &dataset.Record{})
	if bad == nil || bad.Path != "items.data[1].price.unit_amount" {
		t.Errorf("inside a list: %+v", bad)
	}
}

// What is odd but harmless lands, is counted, and changes nothing else.
func TestDrift(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, obj string
		warnings  int
		want      map[Drift]Noted
	}{
		{"new field", edit(t, "surprise", `{"x":[1]}`), 0, map[Drift]Noted{{"surprise", DriftField, "object"}: {1, "ch_1"}}},
		{"new method", edit(t, "payment_method_details", `{"type":"newpay","newpay":{"id":"x"}}`), 0, map[Drift]Noted{
			{"payment_method_details.newpay", DriftField, "object"}: {1, "ch_1"},
			{"payment_method_details.type", DriftValue, "newpay"}:   {1, "ch_1"},
		}},
		{"optional of another type", edit(t, "description", `5`), 1, map[Drift]Noted{{"description", DriftType, "number"}: {1, "ch_1"}}},
		{"lone surrogate", edit(t, "description", `"a\ud800"`), 1, nil},
		{"NUL", edit(t, "description", `"a\u0000b"`), 0, nil},
		{"new value", edit(t, "status", `"paused"`), 0, map[Drift]Noted{{"status", DriftValue, "paused"}: {1, "ch_1"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := plan(t, "charges", "charge")
			var r dataset.Record
			if bad := p.Scan([]byte(tt.obj), &r); bad != nil {
				t.Fatalf("%+v", bad)
			}
			if d := cmp.Diff(tt.want, p.Drift()); d != "" || r.Warnings != tt.warnings {
				t.Errorf("warnings %d, drift %s", r.Warnings, d)
			}
			if !json.Valid(r.Raw) || strings.Contains(string(r.Raw), `\ud800`) {
				t.Errorf("raw %s", r.Raw)
			}
		})
	}
}

func hash(t testing.TB, p *Plan, obj string) [16]byte {
	t.Helper()
	var r dataset.Record
	if bad := p.Scan([]byte(obj), &r); bad != nil {
		t.Fatalf("%+v in %s", bad, obj)
	}
	return r.Hash
}

func TestHash(t *testing.T) {
	t.Parallel()
	p := plan(t, "charges", "charge", "receipt_url")
	base := hash(t, p, charge)
	same := map[string]string{
		"other order": edit(t, "amount", "1099"),
		"white space": strings.ReplaceAll(charge, "\n", " "),
		"escapes":     strings.ReplaceAll(charge, "cus_1", `\u0063us_1`),
		"volatile":    edit(t, "receipt_url", `"https://two"`),
	}
	for name, obj := range same {
		if hash(t, p, obj) != base {
			t.Errorf("%s: another hash", name)
		}
	}
	seen := map[[16]byte]string{base: "base"}
	for name, obj := range map[string]string{
		"amount": edit(t, "amount", "1098"), "amount as 0": edit(t, "amount", "0"), "null": edit(t, "customer", "null"), "absent": edit(t, "customer", ""),
		"metadata":       edit(t, "metadata", `{"a.b":"2","ké":"v"}`),
		"metadata moved": edit(t, "metadata", `{"a.b":"v","ké":"1"}`),
		"empty metadata": edit(t, "metadata", `{}`),
		"unknown":        edit(t, "surprise", `1`), "unknown string": edit(t, "surprise", `"1"`), "unknown list": edit(t, "surprise", `[1]`), "unknown empty": edit(t, "surprise", `[]`),
		"unknown nested": edit(t, "surprise", `[[1],2]`), "unknown nested other": edit(t, "surprise", `[[1,2]]`), "unknown order": edit(t, "surprise", `[2,[1]]`),
	} {
		h := hash(t, p, obj)
		if other, ok := seen[h]; ok {
			t.Errorf("%s and %s have the same hash", name, other)
		}
		seen[h] = name
	}
}

// The hash of any object depends on its content and not on its form.
func TestHashProperty(t *testing.T) {
	t.Parallel()
	p := plan(t, "charges", "charge")
	var gen func(depth int) *rapid.Generator[any]
	gen = func(depth int) *rapid.Generator[any] {
		scalars := []*rapid.Generator[any]{rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.StringN(0, 6, -1).AsAny()}
		if depth == 0 {
			return rapid.OneOf(scalars...)
		}
		return rapid.OneOf(append(scalars,
			rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return gen(depth - 1) }), 0, 3).AsAny(),
			rapid.MapOfN(rapid.StringN(0, 4, -1), rapid.Deferred(func() *rapid.Generator[any] { return gen(depth - 1) }), 0, 3).AsAny())...)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := gen(3).Draw(t, "a"), gen(3).Draw(t, "b")
		text := func(v any, indent string) string {
			raw, err := json.MarshalIndent(v, "", indent)
			if err != nil {
				t.Fatal(err)
			}
			return `{"id":"x","object":"charge","created":1,"amount":1,"currency":"usd","zz":` + string(raw) + `}`
		}
		one := func(s string) [16]byte {
			var r dataset.Record
			if bad := p.Scan([]byte(s), &r); bad != nil {
				t.Fatalf("%+v: %s", bad, s)
			}
			return r.Hash
		}
		if one(text(a, "")) != one(text(a, "   ")) {
			t.Fatal("white space changes the hash")
		}
		if equal := text(a, "") == text(b, ""); equal != (one(text(a, "")) == one(text(b, ""))) {
			t.Fatalf("equal: %v, hashes say otherwise", equal)
		}
	})
}

// FuzzScan holds the scanner against encoding/json.
func FuzzScan(f *testing.F) {
	f.Add([]byte(charge))
	f.Add([]byte(`{"id":"x","object":"charge","created":1,"amount":1,"currency":"usd","a":[{"b":1e5}],"metadata":{"x":null}}`))
	f.Add([]byte(`{"id":"\ud800","object":"charge"}`))
	p := plan(f, "charges", "charge")
	f.Fuzz(func(t *testing.T, obj []byte) {
		var r dataset.Record
		bad := p.Scan(obj, &r)
		p.Drift()
		if bad != nil {
			if bad.Reason == "" {
				t.Fatal("refused without a reason")
			}
			return
		}
		if !json.Valid(obj) {
			t.Fatal("landed, but is not JSON")
		}
		if !json.Valid(r.Raw) {
			t.Fatalf("raw is not JSON: %s", r.Raw)
		}
		var r2 dataset.Record
		if p.Scan(r.Raw, &r2) != nil || r2.Hash != r.Hash && r.Warnings == 0 {
			t.Fatal("the raw text is another object")
		}
		values(&r, p.Layout().Nodes, r.Slots)
	})
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	s, err := xdm.Stripe("charges", "acme")
	if err != nil {
		t.Fatal(err)
	}
	for name, rules := range map[string][]Rule{
		"no such field":  {{"id", "_acme.charges_data.nope"}},
		"other tenant":   {{"id", "_other.charges_data.id"}},
		"inside a whole": {{"outcome", "_acme.charges_data.outcome"}, {"outcome.type", "_acme.charges_data.status"}},
		"same source":    {{"status", "_acme.charges_data.status"}, {"status", "_acme.charges_data.description"}},
	} {
		if _, err := Compile(Set{Rules: rules}, s, "charge"); err == nil {
			t.Errorf("%s: compiled", name)
		}
	}
	p, err := Compile(Set{Rules: []Rule{{"outcome.type", "_acme.charges_data.status"}, {"shipping.address", "_acme.charges_data.billing_details.address"}}}, s, "charge")
	if err != nil {
		t.Fatal(err)
	}
	var r dataset.Record
	if bad := p.Scan([]byte(`{"id":"x","object":"charge","created":1,"outcome":{"type":"authorized"},"shipping":{"address":{"city":"Oslo"}}}`), &r); bad != nil && bad.Reason != "is missing" {
		t.Fatalf("%+v", bad)
	}
	got := values(&r, p.Layout().Nodes, r.Slots)
	if got["status"] != "authorized" {
		t.Errorf("renamed field: %v", got)
	}
}

func BenchmarkScan(b *testing.B) {
	p := plan(b, "charges", "charge")
	var r dataset.Record
	obj := []byte(charge)
	b.SetBytes(int64(len(obj)))
	b.ReportAllocs()
	for b.Loop() {
		if bad := p.Scan(obj, &r); bad != nil {
			b.Fatal(bad)
		}
	}
}

func BenchmarkScanSample(b *testing.B) {
	obj, err := os.ReadFile("../xdm/testdata/seed/charges.json")
	if err != nil {
		b.Fatal(err)
	}
	p := plan(b, "charges", "charge")
	var r dataset.Record
	b.SetBytes(int64(len(obj)))
	b.ReportAllocs()
	for b.Loop() {
		if bad := p.Scan(obj, &r); bad != nil {
			b.Fatal(bad)
		}
	}
}
