package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A poison is an object as Stripe should never send it.
type poison struct {
	name     string
	resource stripesim.Resource // default: charges
	// One of the two makes it from a good object.
	change func(o map[string]any)
	text   func(o string) string
	// path and reason are what the quarantine says, in part; without a reason
	// the object lands.
	path, reason string
	nulled       int // warnings: values of a wrong type that land as null, texts that were repaired
}

func set(path string, v any) func(map[string]any) {
	return func(o map[string]any) {
		steps := strings.Split(path, ".")
		for _, s := range steps[:len(steps)-1] {
			if list, ok := o[s].([]any); ok {
				o = list[0].(map[string]any)
			} else {
				o = o[s].(map[string]any)
			}
		}
		o[steps[len(steps)-1]] = v
	}
}

func drop(field string) func(map[string]any) {
	return func(o map[string]any) { delete(o, field) }
}

// with puts raw text in front of the first field.
func with(text string) func(string) string {
	return func(o string) string { return strings.Replace(o, "{", "{"+text+",", 1) }
}

// instead replaces the value of the first field of that name, which must be a
// string or null.
func instead(field, text string) func(string) string {
	return func(o string) string {
		at := strings.Index(o, `"`+field+`":`) + len(field) + 3
		end := at + strings.IndexAny(o[at:], ",}")
		return o[:at] + text + o[end:]
	}
}

func nested(levels int) string {
	return strings.Repeat(`{"a":[`, levels/2) + "1" + strings.Repeat(`]}`, levels/2)
}

var poisons = []poison{
	{name: "an array", text: func(string) string { return `["ch_1"]` }, reason: "is an array, not an object"},
	{name: "null", text: func(string) string { return `null` }, reason: "is null, not an object"},
	{name: "a string", text: func(string) string { return `"ch_1"` }, reason: "is a string, not an object"},
	{name: "empty", text: func(string) string { return `{}` }, path: "id", reason: "is missing"},
	{name: "id null", change: set("id", nil), path: "id", reason: "is null, not a string"},
	{name: "id a number", change: set("id", 7), path: "id", reason: "is a number, not a string"},
	{name: "id missing", change: drop("id"), path: "id", reason: "is missing"},
	{name: "id empty", change: set("id", ""), path: "id", reason: "is empty"},
	{name: "id half a character", text: func(o string) string { return strings.Replace(o, "ch_bad_", `ch_\ud83d`, 1) }, path: "id", reason: "surrogate"},
	{name: "object of another kind", change: set("object", "refund"), path: "object", reason: `is "refund", not "charge"`},
	{name: "object missing", change: drop("object"), path: "object", reason: "is missing"},
	{name: "created a string", change: set("created", "1700000000"), path: "created", reason: "is a string, not an integer"},
	{name: "created null", change: set("created", nil), path: "created", reason: "is null, not an integer"},
	{name: "created missing", change: drop("created"), path: "created", reason: "is missing"},
	{name: "created a fraction", change: set("created", 1700000000.5), path: "created", reason: "is a number, not an integer"},
	{name: "amount a string", change: set("amount", "1099"), path: "amount", reason: "is a string, not an integer"},
	{name: "amount a fraction", change: set("amount", 10.5), path: "amount", reason: "is a number, not an integer"},
	{name: "amount null", change: set("amount", nil), path: "amount", reason: "is null"},
	{name: "amount missing", change: drop("amount"), path: "amount", reason: "is missing"},
	{name: "amount too large", change: set("amount", json.Number("9223372036854775808")), path: "amount", reason: "does not fit a 64-bit integer"},
	{name: "amount too small", change: set("amount", json.Number("-9223372036854775809")), path: "amount", reason: "does not fit a 64-bit integer"},
	{name: "amount with an exponent", change: set("amount", json.Number("1e3")), path: "amount", reason: "not an integer"},
	{name: "amount twice", text: with(`"amount":1`), path: "amount", reason: "stands twice"},
	{name: "id twice", text: with(`"id":"ch_other"`), path: "id", reason: "stands twice"},
	{name: "metadata an array", change: set("metadata", []any{"a"}), path: "metadata", reason: "is an array, not an object"},
	{name: "metadata a string", change: set("metadata", "a"), path: "metadata", reason: "is a string, not an object"},
	{name: "metadata key twice", change: nil, text: with(`"metadata":{"a":"1","a":"2"}`), path: "metadata", reason: "stands twice"},
	{name: "customer an object", change: set("customer", map[string]any{"id": "cus_1"}), path: "customer", reason: "is an object, not a string"},
	{name: "balance transaction an array", change: set("balance_transaction", []any{}), path: "balance_transaction", reason: "is an array, not a string"},
	{name: "details a string", change: set("payment_method_details", "card"), path: "payment_method_details", reason: "is a string, not an object"},
	{name: "details an array", change: set("payment_method_details", []any{1}), path: "payment_method_details", reason: "is an array, not an object"},
	{name: "nested beyond reason", text: with(`"new":` + nested(400)), reason: "is nested deeper than"},
	{name: "money in an item", resource: stripesim.Subscriptions, change: set("items.data.price.unit_amount", "5"), path: "items.data[0].price.unit_amount", reason: "is a string, not an integer"},
	{name: "items null in a list", resource: stripesim.Subscriptions, change: set("items.data", "none"), path: "items.data", reason: "is a string, not an array"},
	{name: "fee of a balance transaction", resource: stripesim.BalanceTransactions, change: set("fee", map[string]any{}), path: "fee", reason: "is an object, not an integer"},
	{name: "balance of a customer", resource: stripesim.Customers, change: set("balance", json.Number("99999999999999999999")), path: "balance", reason: "does not fit a 64-bit integer"},
	{name: "amount of a refund", resource: stripesim.Refunds, change: set("amount", true), path: "amount", reason: "is a boolean, not an integer"},
	{name: "unit amount of a price", resource: stripesim.Prices, change: set("unit_amount", "free"), path: "unit_amount", reason: "is a string, not an integer"},

	{name: "unknown fields", change: set("shiny", map[string]any{"a": []any{1, nil, "x"}})},
	{name: "an unknown field that is null", change: set("nothing", nil)},
	{name: "an unknown status", change: set("status", "levitating")},
	{name: "an unknown payment method", change: set("payment_method_details", map[string]any{"type": "barter", "barter": map[string]any{"goats": 2}})},
	{name: "a known method with another shape", change: set("payment_method_details", map[string]any{"type": "klarna", "klarna": nil})},
	{name: "a name for SQL to stumble on", change: func(o map[string]any) {
		for _, name := range []string{`quo"te`, `it's`, `back\slash`, "select", "$", "a b", "ünï", "dash-ed", "*", "j", "h", "seq", "raw", "_id", "__file", strings.Repeat("long", 100)} {
			o[name] = name
		}
	}},
	{name: "an empty name", text: with(`"":1`)},
	{name: "a name with NUL", text: with(`"nul\u0000":1`)},
	{name: "a name in other case", text: with(`"Amount":1,"ID":2,"aMount":3`)},
	{name: "a dotted name", change: set("metadata", map[string]any{"a.b": "1", "": "empty", "🍞": "🥖", `"`: "'"})},
	{name: "an unknown field twice", text: with(`"fresh":{"a":1,"a":2}`)},
	{name: "half a character", text: instead("description", `"a \ud83d b \ude00"`), nulled: 1},
	{name: "half a character as a key", text: with(`"odd\udfff":{"\ud800":"\udbff"}`), nulled: 3},
	{name: "NUL", text: instead("description", `"a\u0000b"`)},
	{name: "NUL in metadata", text: instead("description", `null,"statement":"\u0000"`)},
	{name: "escapes", text: instead("description", `"\b\f\n\r\t\/\\\"\u00e9\u2028\ud83e\udd56"`)},
	{name: "a key in escapes", text: func(o string) string { return strings.Replace(o, `"description":`, `"d\u0065scription":`, 1) }},
	{name: "nested deeply", text: with(`"deep":` + nested(90))},
	{name: "numbers", text: with(`"big":123456789012345678901234567890,"huge":1e400,"minus":-0,"exact":9007199254740993`)},
	{name: "a large amount", change: set("amount", json.Number("9223372036854775807"))},
	{name: "a boolean that is none", change: set("paid", "yes"), nulled: 1},
	{name: "a text that is a number", change: set("receipt_number", 5), nulled: 1},
	{name: "a far future", resource: stripesim.Subscriptions, change: set("cancel_at", json.Number("9223372036854775807"))},
	{name: "very long", change: set("description", strings.Repeat("long ", 200_000))},
}

// make returns the poisoned object and the good one that it was made from.
func (p poison) make(t *testing.T, sim *stripesim.Sim, n int) (bad, good string) {
	t.Helper()
	for o := range sim.Oracle(p.resource) {
		good = string(o.JSON)
		if p.resource == stripesim.Charges || p.resource == stripesim.Subscriptions {
			break
		}
	}
	v, err := decode(good)
	if err != nil {
		t.Fatal(err)
	}
	o := v.(map[string]any)
	o["id"], o["created"] = fmt.Sprintf("ch_bad_%d", n), sim.Now().Unix()-int64(n%50)
	o["description"] = nil
	good = marshal(o)
	bad = good
	if p.change != nil {
		p.change(o)
		bad = marshal(o)
	}
	if p.text != nil {
		bad = p.text(bad)
	}
	return bad, good
}

func TestPoison(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, stripesim.Config{Seed: 21, Expand: expansions, Counts: stripesim.Counts{Charges: 150, Customers: 30, Subscriptions: 20, Prices: 20}}, nil)
	c.batchRows = 60
	bad, good := make([]string, len(poisons)), make([]string, len(poisons))
	rejected, nulled := map[string]int64{}, map[string]int64{}
	for i := range poisons {
		p := &poisons[i]
		if p.resource == "" {
			p.resource = stripesim.Charges
		}
		bad[i], good[i] = p.make(t, c.sim, i)
		if p.reason != "" {
			rejected[string(p.resource)]++
		}
		nulled[string(p.resource)] += int64(p.nulled)
	}
	for i, p := range poisons {
		if err := c.sim.Put(p.resource, []byte(bad[i])); err != nil {
			t.Fatalf("%s: %v", p.name, err)
		}
	}
	first, err := c.pass(t).Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Status != app.Partial || first.ExitStatus() != app.ExitPartial {
		t.Errorf("status %s, exit status %d", first.Status, first.ExitStatus())
	}
	for _, r := range first.Resources {
		status := app.Complete
		if rejected[r.Resource] > 0 {
			status = app.Partial
		}
		if r.Quarantined != rejected[r.Resource] || r.Warnings != nulled[r.Resource] || r.Status != status || r.Error != nil {
			t.Errorf("%s, want %s with %d in quarantine and %d warnings", marshal(r), status, rejected[r.Resource], nulled[r.Resource])
		}
	}
	said := map[string][2]string{}
	for _, row := range selected(t, reader(t, c.dir), "select raw, path, reason from quarantine") {
		said[row["raw"].(string)] = [2]string{row["path"].(string), row["reason"].(string)}
	}
	for i, p := range poisons {
		got, held := said[bad[i]]
		if held != (p.reason != "") || !strings.HasPrefix(got[0], p.path) || !strings.Contains(got[1], p.reason) {
			t.Errorf("%s: in quarantine is %t with %q, want %q %q", p.name, held, got, p.path, p.reason)
		}
	}
	report(t, differences(t.Context(), c.sim, c.dir))
	everything(t, c.dir)
	mend(t, c, good)
}

// mend puts good objects in the place of the bad ones, which then land and
// leave the quarantine. What has no id cannot be told to be mended.
func mend(t *testing.T, c *copied, good []string) {
	t.Helper()
	for _, r := range stripesim.Resources() {
		var others []string
		for o := range c.sim.Oracle(r) {
			if o.Verbatim && !strings.HasPrefix(o.ID, "ch_bad_") {
				others = append(others, o.ID)
			}
		}
		for _, id := range others {
			if err := c.sim.Delete(r, id); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i, p := range poisons {
		if err := c.sim.Put(p.resource, []byte(good[i])); err != nil {
			t.Fatal(err)
		}
	}
	c.sim.Advance(25 * time.Hour) // no event tells of it; what is young is listed once a day
	complete(t, c.pass(t))
	for _, s := range differences(t.Context(), c.sim, c.dir) {
		if !strings.Contains(s, " is in quarantine ") {
			t.Error(s)
		}
	}
	for _, row := range selected(t, reader(t, c.dir), "select * from quarantine where id like 'ch_bad_%'") {
		t.Errorf("still in quarantine: %v", row)
	}
}

func reader(t *testing.T, dir string) *app.Reader {
	t.Helper()
	r, err := app.OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// selected returns the rows of a query as decoded JSON.
func selected(t *testing.T, r *app.Reader, query string) []map[string]any {
	t.Helper()
	rows, err := r.Query(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var out bytes.Buffer
	if _, err := duck.Write(&out, rows, "ndjson"); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var all []map[string]any
	for line := range strings.Lines(out.String()) {
		v, err := decode(line)
		if err != nil {
			t.Fatalf("%s: %v in %.200s", query, err, line)
		}
		all = append(all, v.(map[string]any))
	}
	return all
}

// everything reads every column of every table.
func everything(t *testing.T, dir string) {
	t.Helper()
	r := reader(t, dir)
	for _, resource := range xdm.Resources {
		for _, table := range []string{resource, resource + "_history", "xdm." + resource} {
			rows := selected(t, r, "select * from "+table)
			counted := selected(t, r, "select count(*) as n from "+table)
			if fmt.Sprint(len(rows)) != fmt.Sprint(counted[0]["n"]) || len(rows) == 0 {
				t.Errorf("%s has %v rows, and %d were printed", table, counted[0]["n"], len(rows))
			}
		}
	}
}
