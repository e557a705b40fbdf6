package tables_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/tables"
	"github.com/tributary-data/tributary/internal/xdm"
)

func form() *xdm.Composition {
	return &xdm.Composition{ID: "https://ns.adobe.com/acme/schemas/1", Fields: []*xdm.Field{
		{Name: "s", Kind: xdm.String, Limits: &xdm.Limits{MinLength: new(2), MaxLength: new(4)}},
		{Name: "e", Kind: xdm.String, Limits: &xdm.Limits{Values: []string{"a", "b"}}},
		{Name: "p", Kind: xdm.String, Limits: &xdm.Limits{Pattern: "^x+$"}},
		{Name: "l", Kind: xdm.Long, Limits: &xdm.Limits{Max: new(float64(1 << 53))}},
		{Name: "ll", Kind: xdm.Long},
		{Name: "i", Kind: xdm.Int},
		{Name: "h", Kind: xdm.Short},
		{Name: "y", Kind: xdm.Byte},
		{Name: "n", Kind: xdm.Double, Limits: &xdm.Limits{Min: new(0.0), Max: new(1.0)}},
		{Name: "b", Kind: xdm.Boolean},
		{Name: "d", Kind: xdm.Date},
		{Name: "t", Kind: xdm.DateTime},
		{Name: "o", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "r", Kind: xdm.String, Required: true}, {Name: "q", Kind: xdm.Long}}},
		{Name: "a", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.Object, Fields: []*xdm.Field{{Name: "k", Kind: xdm.Int, Required: true}}}},
		{Name: "m", Kind: xdm.Map, Elem: &xdm.Field{Kind: xdm.Long}},
	}}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		row  string
		want string // the record
		bad  string // path keyword, …
	}{
		{row: `{}`, want: `{}`},
		{row: ` { "ll" : 1 , "b" : null } `, want: `{"ll":1}`},
		{row: `{"ll":9223372036854775807}`, want: `{"ll":9223372036854775807}`},
		{row: `{"ll":-9223372036854775808}`, want: `{"ll":-9223372036854775808}`},
		{row: `{"ll":9223372036854775808}`, bad: "ll type"},
		{row: `{"ll":9.223372036854775807e18}`, want: `{"ll":9223372036854775807}`},
		{row: `{"ll":1.0}`, want: `{"ll":1}`},
		{row: `{"ll":120e-1}`, want: `{"ll":12}`},
		{row: `{"ll":-0.0}`, want: `{"ll":0}`},
		{row: `{"ll":0e999999999}`, want: `{"ll":0}`},
		{row: `{"ll":1e999999999}`, bad: "ll type"},
		{row: `{"ll":1e-999999999}`, bad: "ll type"},
		{row: `{"ll":1.5}`, bad: "ll type"},
		{row: `{"ll":-15e-1}`, bad: "ll type"},
		{row: `{"ll":"1"}`, bad: "ll type"},
		{row: `{"ll":true}`, bad: "ll type"},
		{row: `{"l":9007199254740992}`, want: `{"l":9007199254740992}`},
		{row: `{"l":9007199254740993}`, bad: "l maximum"},
		{row: `{"i":2147483647}`, want: `{"i":2147483647}`},
		{row: `{"i":2147483648}`, bad: "i type"},
		{row: `{"h":-32768}`, want: `{"h":-32768}`},
		{row: `{"h":-32769}`, bad: "h type"},
		{row: `{"y":128}`, bad: "y type"},
		{row: `{"n":0.1}`, want: `{"n":0.1}`},
		{row: `{"n":1.1}`, bad: "n maximum"},
		{row: `{"n":-1}`, bad: "n minimum"},
		{row: `{"n":1e400}`, bad: "n type"},
		{row: `{"b":"true"}`, bad: "b type"},
		{row: `{"s":"é€"}`, want: `{"s":"é€"}`},
		{row: `{"s":"x"}`, bad: "s minLength"},
		{row: `{"s":"\u00e9abcd"}`, bad: "s maxLength"},
		{row: `{"s":1}`, bad: "s type"},
		{row: `{"e":"c"}`, bad: "e enum"},
		{row: `{"p":"y"}`, bad: "p pattern"},
		{row: `{"d":"2026-01-31"}`, want: `{"d":"2026-01-31"}`},
		{row: `{"d":"2026-02-30"}`, bad: "d format"},
		{row: `{"d":"2026-01-31T00:00:00Z"}`, bad: "d format"},
		{row: `{"t":"2026-01-31T10:00:00Z"}`, want: `{"t":"2026-01-31T10:00:00.000Z"}`},
		{row: `{"t":"2026-01-31T10:00:00.9999+01:00"}`, want: `{"t":"2026-01-31T09:00:00.999Z"}`},
		{row: `{"t":"1969-12-31T23:59:59.9999Z"}`, want: `{"t":"1969-12-31T23:59:59.999Z"}`},
		{row: `{"t":"2026-01-31t10:00:00z"}`, want: `{"t":"2026-01-31T10:00:00.000Z"}`},
		{row: `{"t":"2026-01-31 10:00:00"}`, want: `{"t":"2026-01-31T10:00:00.000Z"}`},
		{row: `{"t":1769853600000}`, bad: "t type"},
		{row: `{"t":"0000-01-01T00:00:00Z"}`, bad: "t format"},
		{row: `{"t":"9999-12-31T23:59:59-01:00"}`, bad: "t format"},
		{row: `{"o":{"r":"x","q":1}}`, want: `{"o":{"r":"x","q":1}}`},
		{row: `{"o":{}}`, bad: "o.r required"},
		{row: `{"o":{"r":null}}`, bad: "o.r required"},
		{row: `{"o":[]}`, bad: "o type"},
		{row: `{"a":[{"k":1},null]}`, want: `{"a":[{"k":1},null]}`},
		{row: `{"a":[{"k":1},{"k":"x"},{}]}`, bad: "a[1].k type, a[2].k required"},
		{row: `{"a":{}}`, bad: "a type"},
		{row: `{"m":{"x":1,"y":null,"":2}}`, want: `{"m":{"x":1,"y":null,"":2}}`},
		{row: `{"m":{"x":"1"}}`, bad: "m.x type"},
		{row: `{"m":{"x":1,"\u0078":2}}`, bad: "m.x uniqueItems"},
		{row: `{"other":{"deep":[1]}}`, bad: "other additionalProperties"},
		{row: `{"other":null}`, bad: "other additionalProperties"},
		{row: `{"b":true,"\u0062":false}`, bad: "b uniqueItems"},
		{row: ``, bad: " corrupt"},
		{row: `[]`, bad: " corrupt"},
		{row: `{"b":tru}`, bad: " corrupt"},
		{row: `{"b":true`, bad: " corrupt"},
		{row: `{"b":true,}`, bad: " corrupt"},
		{row: `{"a":[{"k":1},]}`, bad: " corrupt"},
		{row: `{"a":[`, bad: " corrupt"},
		{row: `{"b" true}`, bad: " corrupt"},
		{row: `{"b":true}{}`, bad: " corrupt"},
		{row: "{\"s\":\"\xff\xff\"}", bad: " corrupt"},
	} {
		record, violations, err := tables.Check(form(), json.RawMessage(test.row))
		if err != nil {
			t.Fatal(err)
		}
		var bad []string
		for _, v := range violations {
			bad = append(bad, v.Path+" "+v.Keyword)
		}
		if string(record) != test.want || strings.Join(bad, ", ") != test.bad {
			t.Errorf("%s: %s %v, want %s %s", test.row, record, violations, test.want, test.bad)
		}
	}
}

func TestCheckRefusesPatterns(t *testing.T) {
	t.Parallel()
	_, err := tables.NewChecker(&xdm.Composition{Fields: []*xdm.Field{{Name: "p", Kind: xdm.String, Limits: &xdm.Limits{Pattern: "("}}}})
	if problem.KindOf(err) != problem.Invalid {
		t.Error(err)
	}
}

func TestFlat(t *testing.T) {
	t.Parallel()
	k, err := tables.NewChecker(form())
	if err != nil {
		t.Fatal(err)
	}
	text := func(s string) *string { return &s }
	for _, test := range []struct{ column, cell, want string }{
		{"b", " Y ", `{"b":true}`},
		{"b", "off", `{"b":false}`},
		{"b", "1", `{"b":true}`},
		{"b", "maybe", ""},
		{"i", " +12 ", `{"i":12}`},
		{"i", "12.0", ""},
		{"y", "200", ""},
		{"n", "0.50", `{"n":0.5}`},
		{"n", "0x1p-2", ""},
		{"n", "NaN", ""},
		{"s", " ab ", `{"s":" ab "}`},
		{"d", "2026/01/31", `{"d":"2026-01-31"}`},
		{"d", "01-31-2026", `{"d":"2026-01-31"}`},
		{"d", "2026-Jan-31", `{"d":"2026-01-31"}`},
		{"d", "31.1.2026", `{"d":"2026-01-31"}`},
		{"d", "20260131", `{"d":"2026-01-31"}`},
		{"t", "2026-01-31 10:00:00+0100", `{"t":"2026-01-31T09:00:00.000Z"}`},
		{"t", "1/31/2026 01:02:03 PM", `{"t":"2026-01-31T13:02:03.000Z"}`},
		{"t", "1769853600", ""},
		{"o.r", "x", `{"o":{"r":"x"}}`},
		{"q", "1", "violation"}, // o.r is required once there is an o
	} {
		f, err := k.Flat([]string{test.column})
		if err != nil {
			t.Fatal(err)
		}
		record, violations, warnings := f.Record([]*string{text(test.cell)})
		got := string(record)
		switch {
		case len(violations) > 0:
			got = "violation"
		case len(warnings) > 0:
			if got != "{}" {
				t.Errorf("%s %q: %s with %v", test.column, test.cell, got, warnings)
			}
			got = ""
		}
		if got != test.want {
			t.Errorf("%s %q: %s %v %v, want %s", test.column, test.cell, got, violations, warnings, test.want)
		}
	}
	for _, columns := range [][]string{{"nothing"}, {"b", "b"}, {"a"}, {"m"}, {""}, {"o"}} {
		if _, err := k.Flat(columns); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%v: %v", columns, err)
		}
	}
}

// A record that passes is unchanged when it is checked again.
func TestCheckIsStable(t *testing.T) {
	t.Parallel()
	k, err := tables.NewChecker(form())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		row := map[string]any{}
		for name, value := range map[string]*rapid.Generator[any]{
			"s": rapid.StringN(2, 4, -1).AsAny(), "ll": rapid.Int64().AsAny(), "n": rapid.Float64Range(0, 1).AsAny(),
			"m": rapid.MapOf(rapid.String(), rapid.Int64()).AsAny(), "b": rapid.Bool().AsAny(),
		} {
			if rapid.Bool().Draw(t, "has "+name) {
				row[name] = value.Draw(t, name)
			}
		}
		text, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		once, bad := k.Record(text)
		if len(bad) > 0 {
			t.Fatal(bad)
		}
		twice, bad := k.Record(once)
		if diff := cmp.Diff(string(once), string(twice)); diff != "" || len(bad) > 0 {
			t.Fatal(diff, bad)
		}
	})
}

// Whatever comes, the checker says whether it is JSON, and what it returns is.
func FuzzCheck(f *testing.F) {
	k, err := tables.NewChecker(form())
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range []string{`{"s":"ab","a":[{"k":1}],"m":{"x":1},"o":{"r":"x"},"t":"2026-01-31T10:00:00Z"}`, `{"ll":1e5}`, `{"a":[[[`, `{"s":"\ud800"}`, `{"n":-0e-0}`, `{"":"\ud.00"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		record, violations := k.Record(row)
		if corrupt := len(violations) > 0 && violations[0].Keyword == tables.Corrupt; !corrupt && !json.Valid(row) {
			t.Errorf("%q is no JSON and was taken for it", row)
		}
		if len(violations) == 0 && !json.Valid(record) {
			t.Errorf("%q became %q", row, record)
		}
	})
}
