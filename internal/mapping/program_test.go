package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/xdm"
)

func field(name string, kind xdm.Kind, fields ...*xdm.Field) *xdm.Field {
	return &xdm.Field{Name: name, Kind: kind, Fields: fields}
}

func listOf(name string, elem *xdm.Field) *xdm.Field {
	return &xdm.Field{Name: name, Kind: xdm.Array, Elem: elem}
}

func mapOf(name string, elem *xdm.Field) *xdm.Field {
	return &xdm.Field{Name: name, Kind: xdm.Map, Elem: elem}
}

// everything has a field of each kind and shape.
func everything() *xdm.Composition {
	point := func(f float64) *float64 { return &f }
	length := func(n int) *int { return &n }
	limited := func(name string, kind xdm.Kind, l xdm.Limits) *xdm.Field {
		f := field(name, kind)
		f.Limits = &l
		return f
	}
	mark := func(f *xdm.Field, do func(*xdm.Field)) *xdm.Field {
		do(f)
		return f
	}
	address := func(name string) *xdm.Field {
		return field(name, xdm.Object, field("city", xdm.String), field("zip", xdm.Long), field("geo", xdm.Object, field("lat", xdm.Double)))
	}
	return &xdm.Composition{ID: "https://ns.adobe.com/acme/schemas/1", Fields: []*xdm.Field{
		field("_acme", xdm.Object,
			field("s", xdm.String), field("b", xdm.Boolean), field("l", xdm.Long), field("i", xdm.Int), field("h", xdm.Short), field("y", xdm.Byte),
			field("d", xdm.Double), field("day", xdm.Date), field("at", xdm.DateTime),
			address("o"), listOf("ss", field("", xdm.String)), listOf("ll", field("", xdm.Long)), listOf("os", address("")),
			listOf("deep", listOf("", field("", xdm.String))), listOf("lists", field("", xdm.Object, listOf("names", field("", xdm.String)), field("n", xdm.Long))),
			mapOf("ms", field("", xdm.String)), mapOf("ml", field("", xdm.Long)), mapOf("mo", address("")),
			field("First.Name", xdm.String), field("or", xdm.String),
			mark(field("json", xdm.String), func(f *xdm.Field) { f.JSON = true }),
			mark(field("customer", xdm.String), func(f *xdm.Field) { f.Identifier = true }),
			limited("few", xdm.Long, xdm.Limits{Min: point(1), Max: point(5)}), limited("part", xdm.Double, xdm.Limits{Max: point(1)}),
			limited("code", xdm.String, xdm.Limits{Pattern: "^[a-z]+$", MinLength: length(2), MaxLength: length(4)}),
			limited("one", xdm.String, xdm.Limits{Values: []string{"a", "b"}}),
			mark(field("money", xdm.Long), func(f *xdm.Field) { f.Money = true }),
			mark(limited("added", xdm.Long, xdm.Limits{Max: point(5)}), func(f *xdm.Field) { f.Added, f.Required = true, true }),
			field("strict", xdm.Object, mark(field("id", xdm.String), func(f *xdm.Field) { f.Required = true }), field("n", xdm.Long)),
			listOf("stricts", field("", xdm.Object, mark(field("id", xdm.String), func(f *xdm.Field) { f.Required = true }), field("n", xdm.Long))),
		),
		field("_my-tenant", xdm.Object, field("x", xdm.String)),
	}}
}

// line reads "destination <- source": an attribute, =expression or 'static.
func line(text string) Mapping {
	to, from, _ := strings.Cut(text, " <- ")
	m := Mapping{Destination: to, Source: from}
	if !strings.HasPrefix(to, "_my") {
		m.Destination = "_acme." + to
	}
	switch {
	case strings.HasPrefix(from, "="):
		m.Type, m.Source = Expression, from[1:]
	case strings.HasPrefix(from, "'"):
		m.Type, m.Source = Static, from[1:]
	}
	return m
}

func lines(text string) []Mapping {
	var all []Mapping
	for l := range strings.SplitSeq(text, "; ") {
		all = append(all, line(l))
	}
	return all
}

func recordOf(t testing.TB, text string) expr.Value {
	t.Helper()
	v, err := expr.ParseJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestProgram(t *testing.T) {
	t.Parallel()
	const source = `{"data":{"id":"ch_1","n":12,"big":9007199254740993,"huge":1e30,"f":1.50,"t":true,"nil":null,"text":" 42 ","word":"maybe","yes":"YES","off":"off",
		"o":{"city":"Ulm","zip":"89073","geo":{"lat":48.4,"lon":10},"more":1},"badO":{"city":"Ulm","zip":"x"},"empty":{},
		"names":["a",null,"c"],"numbers":["1","x",3],"nothing":[],"people":[{"name":"Ann","age":1,"tags":["x","y"]},{"age":2},{"name":"Cy","age":3,"tags":["z"]}],
		"grid":[["a","b"],["c"]],"meta":{"k":"v","n":1,"z":null},"customer":{"id":"cus_1","object":"customer"},"bare":{"x":1},
		"when":"2019-10-23 11:24:35+0200","day":"7/03/2019","far":"2019-10-23T23:30:00.123456-05:00","long":"abcdefgh","ok":"abc","First.Name":"dot","or":"word"},"top":"level"}`
	tests := []struct {
		name, mappings, want string
		warn                 string // path: reason; … of all warnings
		refused              string // path: reason
	}{
		{"scalar to scalar", "s <- data.id", `{"s":"ch_1"}`, "", ""},
		{"outside the wrapper", "s <- top", `{"s":"level"}`, "", ""},
		{"order of the schema", "l <- data.n; s <- data.id", `{"s":"ch_1","l":12}`, "", ""},
		{"integers stay exact", "l <- data.big", `{"l":9007199254740993}`, "", ""},
		{"a path that leads nowhere", "s <- data.id; b <- data.nowhere.at[3].all", `{"s":"ch_1"}`, "", ""},
		{"null", "s <- data.id; l <- data.nil", `{"s":"ch_1"}`, "", ""},
		{"nothing at all", "l <- data.nil", "", "", ": no mapping has a value for it"},

		{"string from number", "s <- data.n", `{"s":"12"}`, "", ""},
		{"string from a fraction", "s <- data.f", `{"s":"1.5"}`, "", ""},
		{"string from boolean", "s <- data.t", `{"s":"true"}`, "", ""},
		{"string from object", "s <- data.empty; json <- data.badO", `{"s":"{}","json":"{\"city\":\"Ulm\",\"zip\":\"x\"}"}`, "", ""},
		{"string from a computed array", "s <- =data.names", `{"s":"[\"a\",null,\"c\"]"}`, "", ""},
		{"array to scalar", "s <- data.names; l <- data.numbers; i <- data.n", `{"i":12}`, "_acme.s: an array is no text; _acme.l: array is no number", ""},
		{"an array as JSON", "json <- data.names", `{"json":"[\"a\",null,\"c\"]"}`, "", ""},
		{"boolean from text", "b <- data.yes", `{"b":true}`, "", ""},
		{"boolean from off", "b <- data.off", `{"b":false}`, "", ""},
		{"boolean from other text", "b <- data.word; s <- data.id", `{"s":"ch_1"}`, "_acme.b: not a word for true or false", ""},
		{"boolean from number", "b <- =data.n - 11", `{"b":true}`, "", ""},
		{"boolean from another number", "b <- data.n; s <- data.id", `{"s":"ch_1"}`, "_acme.b: not a word for true or false", ""},
		{"integer from text", "l <- data.text", `{"l":42}`, "", ""},
		{"integer from a fraction", "l <- data.f; s <- data.id", `{"s":"ch_1"}`, "_acme.l: a number with a fraction is no integer", ""},
		{"integer from boolean", "l <- data.t; s <- data.id", `{"s":"ch_1"}`, "_acme.l: boolean is no number", ""},
		{"integer out of range", "l <- data.huge; s <- data.id", `{"s":"ch_1"}`, "_acme.l: a number outside the range of the type", ""},
		{"bounds of int", "i <- =2147483647; l <- =1", `{"l":1,"i":2147483647}`, "", ""},
		{"beyond int", "i <- =2147483648; l <- =1", `{"l":1}`, "_acme.i: a number outside the range of the type", ""},
		{"below int", "i <- =-2147483648; h <- =-32768; y <- =-128", `{"i":-2147483648,"h":-32768,"y":-128}`, "", ""},
		{"below short", "h <- =-32769; l <- =1", `{"l":1}`, "_acme.h: a number outside the range of the type", ""},
		{"beyond short and byte", "h <- =32768; y <- =128; l <- =1", `{"l":1}`, "_acme.h: a number outside the range of the type; _acme.y: a number outside the range of the type", ""},
		{"double from text", "d <- ='1.25'", `{"d":1.25}`, "", ""},
		{"double with a comma", "d <- ='1,25'; l <- =1", `{"l":1}`, "_acme.d: not a decimal number", ""},
		{"a long double", "d <- =1e300", `{"d":1e+300}`, "", ""},
		{"beyond double", "d <- =1e400; l <- =1", `{"l":1}`, "_acme.d: a number outside the range of the type", ""},
		{"date-time of a pattern", "at <- data.when", `{"at":"2019-10-23T09:24:35Z"}`, "", ""},
		{"date-time to the millisecond", "at <- data.far", `{"at":"2019-10-24T04:30:00.123Z"}`, "", ""},
		{"date-time without time", "at <- data.day", `{"at":"2019-07-03T00:00:00Z"}`, "", ""},
		{"date as it is written", "day <- data.far", `{"day":"2019-10-23"}`, "", ""},
		{"date-time from epoch", "at <- data.n; l <- =1", `{"l":1}`, "_acme.at: integer is no date-time", ""},
		{"date-time by dformat", `at <- =dformat(data.n * 1000, "yyyy-MM-dd'T'HH:mm:ssX")`, `{"at":"1970-01-01T00:00:12Z"}`, "", ""},
		{"date-time from words", "at <- data.word; l <- =1", `{"l":1}`, "_acme.at: not a date of a form that is known", ""},
		{"string from date-time", "s <- =date(data.when)", `{"s":"2019-10-23T11:24:35+02:00"}`, "", ""},

		{"object copy", "o <- data.o", `{"o":{"city":"Ulm","zip":89073,"geo":{"lat":48.4}}}`, "", ""},
		{"object copy with a member that fails", "o <- data.badO", `{"o":{"city":"Ulm"}}`, "_acme.o.zip: not a decimal number", ""},
		{"object copy of an empty one", "o <- data.empty", `{"o":{}}`, "", ""},
		{"object copy without common names", "o <- data.meta", `{"o":{}}`, "", ""},
		{"child after parent", "o <- data.o; o.city <- data.id", `{"o":{"city":"ch_1","zip":89073,"geo":{"lat":48.4}}}`, "", ""},
		{"child before parent", "o.city <- data.id; o.geo.lat <- data.n; o <- data.o", `{"o":{"city":"ch_1","zip":89073,"geo":{"lat":12}}}`, "", ""},
		{"child that is null", "o <- data.o; o.city <- data.nil", `{"o":{"city":"Ulm","zip":89073,"geo":{"lat":48.4}}}`, "", ""},
		{"child that is nullified", "o <- data.o; o.city <- =nullify()", `{"o":{"zip":89073,"geo":{"lat":48.4}}}`, "", ""},
		{"child that fails", "o <- data.o; o.zip <- data.word", `{"o":{"city":"Ulm","geo":{"lat":48.4}}}`, "_acme.o.zip: not a decimal number", ""},
		{"child that fails, alone", "o.zip <- data.word; o.geo.lat <- data.word; l <- =1", `{"l":1}`, "_acme.o.zip: not a decimal number; _acme.o.geo.lat: not a decimal number", ""},
		{"child whose expression fails", "o <- data.o; o.zip <- =1 / 0", `{"o":{"city":"Ulm","geo":{"lat":48.4}}}`, "_acme.o.zip: line 1, column 3: /: division by zero", ""},
		{"scalar to object", "o <- data.n; l <- =1", `{"l":1}`, "_acme.o: an integer is no object", ""},
		{"object to integer", "l <- data.o; i <- =1", `{"i":1}`, "_acme.l: object is no number", ""},
		{"array to object", "o <- data.people; l <- =1", `{"l":1}`, "_acme.o: an array is no object", ""},

		{"array to array", "ss <- data.names", `{"ss":["a",null,"c"]}`, "", ""},
		{"empty array", "ss <- data.nothing", `{"ss":[]}`, "", ""},
		{"elements that fail", "ll <- data.numbers", `{"ll":[1,null,3]}`, "_acme.ll[1]: not a decimal number", ""},
		{"objects to objects", "os <- =[data.o, data.badO]", `{"os":[{"city":"Ulm","zip":89073,"geo":{"lat":48.4}},{"city":"Ulm"}]}`, "_acme.os[1].zip: not a decimal number", ""},
		{"scalar to array", "ss <- data.id", `{"ss":["ch_1"]}`, "", ""},
		{"object to array", "os <- data.badO; os[0].zip <- =1", `{"os":[{"city":"Ulm","zip":1}]}`, "_acme.os[0].zip: not a decimal number", ""},
		{"element i to element i", "lists[*].n <- data.people[*].age", `{"lists":[{"n":1},{"n":2},{"n":3}]}`, "", ""},
		{"elements that lack it", "os[*].city <- data.people[*].name", `{"os":[{"city":"Ann"},null,{"city":"Cy"}]}`, "", ""},
		{"two pairings", "os[*].city <- data.people[*].name; os[*].zip <- data.people[*].age", `{"os":[{"city":"Ann","zip":1},{"zip":2},{"city":"Cy","zip":3}]}`, "", ""},
		{"element i to a list in element i", "lists[*].names <- data.people[*].tags", `{"lists":[{"names":["x","y"]},null,{"names":["z"]}]}`, "", ""},
		{"element i to a list of one", "lists[*].names <- data.people[*].name", `{"lists":[{"names":["Ann"]},null,{"names":["Cy"]}]}`, "", ""},
		{"one element", "os[0].city <- data.people[2].name", `{"os":[{"city":"Cy"}]}`, "", ""},
		{"a later element", "os[2].city <- data.people[0].name", `{"os":[null,null,{"city":"Ann"}]}`, "", ""},
		{"one element over all", "lists[1].n <- data.n; lists[*].n <- data.people[*].age", `{"lists":[{"n":1},{"n":12},{"n":3}]}`, "", ""},
		{"list of all names", "ss <- data.people[*].name", `{"ss":["Ann","Cy"]}`, "", ""},
		{"list of all tags", "ss <- data.people[*].tags[*]", `{"ss":["x","y","z"]}`, "", ""},
		{"list of lists", "deep <- data.grid", `{"deep":[["a","b"],["c"]]}`, "", ""},
		{"list of lists, paired", "deep[*][*] <- data.grid[*][*]", `{"deep":[["a","b"],["c"]]}`, "", ""},
		{"all elements", "ss <- data.names[*]", `{"ss":["a",null,"c"]}`, "", ""},
		{"names to a scalar", "s <- data.people[*].name; l <- =1", `{"l":1}`, "_acme.s: an array is no text", ""},
		{"an array to all elements", "os[*].city <- =data.names", `{"os":[{"city":"a"},null,{"city":"c"}]}`, "", ""},
		{"a scalar to all elements", "os[*].city <- data.id", `{"os":[{"city":"ch_1"}]}`, "", ""},

		{"object to map", "ms <- data.meta", `{"ms":{"k":"v","n":"1","z":null}}`, "", ""},
		{"map of numbers", "ml <- data.meta", `{"ml":{"k":null,"n":1,"z":null}}`, "_acme.ml.k: not a decimal number", ""},
		{"map of objects", `mo <- ={"a b": data.badO}`, `{"mo":{"a b":{"city":"Ulm"}}}`, "_acme.mo.${a b}.zip: not a decimal number", ""},
		{"key of a map", "ms <- data.meta; ms.k <- data.id; ms.${x y} <- data.n", `{"ms":{"k":"ch_1","n":"1","z":null,"x y":"12"}}`, "", ""},
		{"key that is nullified", "ms <- data.meta; ms.n <- =nullify(); ms.q <- data.id", `{"ms":{"k":"v","z":null,"q":"ch_1"}}`, "", ""},
		{"scalar to map", "ms <- data.n; l <- =1", `{"l":1}`, "_acme.ms: an integer is no map", ""},

		{"escaped dots", `First\.Name <- data.${First.Name}; ${or} <- data.${or}`, `{"First.Name":"dot","or":"word"}`, "", ""},
		{"a tenant with a dash", "_my-tenant.x <- data.id", `"_my-tenant":{"x":"ch_1"}`, "", ""},
		{"static", "s <- 'stripe; l <- '12; b <- 'on; at <- '2020-01-01", `{"s":"stripe","b":true,"l":12,"at":"2020-01-01T00:00:00Z"}`, "", ""},
		{"static that is empty", "s <- '", `{"s":""}`, "", ""},
		{"the last of two wins", "s <- data.id; s <- data.n", `{"s":"12"}`, "", ""},
		{"identifier of an object", "customer <- data.customer", `{"customer":"cus_1"}`, "", ""},
		{"identifier of none", "customer <- data.bare; l <- =1", `{"l":1}`, "_acme.customer: an object without an id is no identifier", ""},

		{"limits that hold", "few <- =5; part <- =0.5; code <- data.ok; one <- 'b", `{"few":5,"part":0.5,"code":"abc","one":"b"}`, "", ""},
		{"above the most", "few <- =6; l <- =1", `{"l":1}`, "_acme.few: a number above 5, the most that the schema allows", "_acme.few: a number above 5, the most that the schema allows"},
		{"below the least", "few <- =0; l <- =1", `{"l":1}`, "_acme.few: a number below 1, the least that the schema allows", "_acme.few: a number below 1, the least that the schema allows"},
		{"a fraction above", "part <- =1.0000000000000000001; l <- =1", `{"l":1}`, "_acme.part: a number above 1, the most that the schema allows", "_acme.part: a number above 1, the most that the schema allows"},
		{"too long", "code <- data.long; l <- =1", `{"l":1}`, "_acme.code: a text of more than the 4 characters that the schema allows", "_acme.code: a text of more than the 4 characters that the schema allows"},
		{"too short", "code <- =left(data.ok, 1); l <- =1", `{"l":1}`, "_acme.code: a text of less than the 2 characters that the schema wants", "_acme.code: a text of less than the 2 characters that the schema wants"},
		{"of another pattern", "code <- =upper(data.ok); l <- =1", `{"l":1}`, "_acme.code: a text that does not match the schema's pattern ^[a-z]+$", "_acme.code: a text that does not match the schema's pattern ^[a-z]+$"},
		{"none of the values", "one <- data.ok; l <- =1", `{"l":1}`, "_acme.one: not one of the values that the schema allows: a, b", "_acme.one: not one of the values that the schema allows: a, b"},
		{"money that is none", "money <- data.word; l <- =1", `{"l":1}`, "_acme.money: not a decimal number", "_acme.money: not a decimal number"},
		{"an added field never refuses", "added <- =6; l <- =1", `{"l":1}`, "_acme.added: a number above 5, the most that the schema allows", ""},
		{"required", "strict.id <- data.id; strict.n <- data.n", `{"strict":{"id":"ch_1","n":12}}`, "", ""},
		{"required and null", "strict.id <- data.nil; strict.n <- data.n", `{"strict":{"n":12}}`, "", "_acme.strict.id: is required and has no value"},
		{"required of an object that is not there", "strict.id <- data.nil; l <- =1", `{"l":1}`, "", ""},
		{"required and fails", "strict.id <- data.names; strict.n <- data.n", `{"strict":{"n":12}}`, "_acme.strict.id: an array is no text", "_acme.strict.id: an array is no text"},
		{"required in an element", "stricts[*].n <- data.people[*].age; stricts[*].id <- data.people[*].name", `{"stricts":[{"id":"Ann","n":1},{"n":2},{"id":"Cy","n":3}]}`, "", "_acme.stricts[1].id: is required and has no value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, faults := Assemble(everything(), lines(tt.mappings))
			for _, f := range faults {
				if f.Kind != FaultOverridden {
					t.Fatal(f)
				}
			}
			got := p.Apply(&expr.Env{Record: recordOf(t, source)})
			want := tt.want
			switch {
			case strings.HasPrefix(want, `"_my`):
				want = "{" + want + "}"
			case want != "":
				want = `{"_acme":` + want + "}"
			}
			if string(got.Record) != want {
				t.Errorf("got  %s\nwant %s", got.Record, want)
			}
			var warnings []string
			for _, w := range got.Warnings {
				warnings = append(warnings, w.Path+": "+w.Reason)
			}
			if all := strings.Join(warnings, "; "); all != tt.warn || got.Nulled != len(got.Warnings) {
				t.Errorf("%d warnings %q, want %q", got.Nulled, all, tt.warn)
			}
			refused := ""
			if got.Refused != nil {
				refused = got.Refused.Path + ": " + got.Refused.Reason
			}
			if refused != tt.refused {
				t.Errorf("refused %q, want %q", refused, tt.refused)
			}
		})
	}
}

func TestProgramFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		mapping string
		kind    FaultKind
		want    string
	}{
		{"s <- ", FaultSource, "the source is missing"},
		{"s <- =", FaultSource, "the source is missing"},
		{"s <- =upper(", FaultSource, "line 1, column 7: found the end"},
		{"s <- =uper(data.id)", FaultSource, "did you mean upper"},
		{"s <- data.first-name", FaultSource, "not a path"},
		{"s <- data..id", FaultSource, "line 1, column 6"},
		{"s..x <- data.id", FaultDestination, "line 1, column 3"},
		{"s + 1 <- data.id", FaultDestination, "not a path"},
		{"nowhere <- data.id", FaultUnknown, "the schema has no field _acme.nowhere"},
		{"o.country <- data.id", FaultUnknown, "the schema has no field _acme.o.country"},
		{"s.x <- data.id", FaultUnknown, "_acme.s is a string"},
		{"s[0] <- data.id", FaultUnknown, "_acme.s is no array but a string"},
		{"os.city <- data.id", FaultUnknown, "whose elements are _acme.os[*]"},
		{"ms[*] <- data.id", FaultUnknown, "_acme.ms is no array but an object"},
		{"os[1001].city <- data.id", FaultUnknown, "an index of more than 1000"},
		{"at <- =1 == 1", FaultType, "boolean is never a date-time"},
		{"o <- =concat('a')", FaultType, "text is never an object"},
		{"l <- 'twelve", FaultType, "the text is no long: not a decimal number"},
		{"one <- 'c", FaultType, "the text is no string: not one of the values"},
	}
	for _, tt := range tests {
		p, faults := Assemble(everything(), []Mapping{line("s <- data.id"), line(tt.mapping)})
		if len(faults) != 1 || faults[0].Mapping != 1 || faults[0].Kind != tt.kind || !strings.Contains(faults[0].Error(), tt.want) {
			t.Errorf("%s: %v", tt.mapping, faults)
		}
		if got := p.Apply(&expr.Env{Record: recordOf(t, `{"data":{"id":"x"}}`)}); string(got.Record) != `{"_acme":{"s":"x"}}` {
			t.Errorf("%s: the rest makes %s", tt.mapping, got.Record)
		}
	}
	_, faults := Assemble(everything(), []Mapping{line("s <- data.id"), line("l <- data.n"), line(" s <- data.x"), {Source: "a"}})
	faults[0].Err = fmt.Errorf("%w", faults[0].Err)
	if len(faults) != 2 || faults[0].Kind != FaultOverridden || faults[0].Mapping != 0 || !strings.Contains(faults[0].Error(), "mapping 3 ") ||
		faults[1].Kind != FaultDestination || faults[1].Error() != "the destination is missing" {
		t.Errorf("%v", faults)
	}
}

func TestUnfilled(t *testing.T) {
	t.Parallel()
	for mappings, want := range map[string]string{
		"s <- data.id":       "",
		"strict.n <- data.n": "_acme.strict.id",
		"strict.n <- data.n; strict.id <- data.id":  "",
		"strict <- data.x":                          "",
		"strict <- data.x; strict.n <- data.n":      "",
		"stricts[*].n <- data.x[*].n; s <- data.id": "",
	} {
		p, _ := Assemble(everything(), lines(mappings))
		if got := strings.Join(p.Unfilled(), " "); got != want {
			t.Errorf("%s: %q, want %q", mappings, got, want)
		}
	}
}

// A record that is no object is refused; work is bounded for one record and for
// several together.
func TestProgramBounds(t *testing.T) {
	t.Parallel()
	p, _ := Assemble(everything(), lines("s <- data.id"))
	if got := p.Apply(&expr.Env{Record: expr.TextOf("x")}); got.Refused == nil || got.Refused.Reason != "the record is a text, not an object" {
		t.Errorf("%+v", got)
	}
	if got := p.Apply(&expr.Env{}); got.Refused == nil || got.Refused.Reason != "the record is null, not an object" {
		t.Errorf("%+v", got)
	}
	hostile := `=size_of(rpad("", 1000000, "x")) + size_of(rpad("", 1000000, "y"))`
	var many []Mapping
	for i := range 200 {
		many = append(many, line(fmt.Sprintf("ms.k%d <- %s", i, hostile)))
	}
	p, faults := Assemble(everything(), many)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got := p.Apply(&expr.Env{Record: recordOf(t, `{}`)})
	if got.Refused == nil || got.Refused.Reason != "mapping it takes more work than is allowed" {
		t.Errorf("%+v %+v", got.Refused, got.Warnings)
	}
	work := 1 << 20
	if got := p.Apply(&expr.Env{Record: recordOf(t, `{}`), Work: &work}); got.Refused == nil || work >= 0 {
		t.Errorf("%+v, work %d", got.Refused, work)
	}
	work = 1 << 20
	small, _ := Assemble(everything(), lines("s <- data.id"))
	if got := small.Apply(&expr.Env{Record: recordOf(t, `{"data":{"id":"x"}}`), Work: &work}); got.Refused != nil || work >= 1<<20 || work < 1<<19 {
		t.Errorf("%+v, work %d", got.Refused, work)
	}
	items := strings.Repeat(`"x",`, 500) + `"x"`
	bad, _ := Assemble(everything(), lines("ll <- data"))
	if got := bad.Apply(&expr.Env{Record: recordOf(t, `{"data":[`+items+`]}`)}); got.Nulled != 501 || len(got.Warnings) != maxWarnings {
		t.Errorf("%d %d", got.Nulled, len(got.Warnings))
	}
}

// Whatever the order of the mappings, the record is the same, as long as no
// two have one destination.
func TestProgramOrder(t *testing.T) {
	t.Parallel()
	all := lines("o <- data.o; o.city <- data.id; o.geo <- data.geo; o.geo.lat <- data.n; os <- data.people; os[*].zip <- data.people[*].age; os[1].city <- data.id; " +
		"ms <- data.meta; ms.k <- data.n; strict.n <- data.n; strict.id <- data.id; s <- data.n; l <- data.word")
	source := recordOf(t, `{"data":{"id":"x","n":5,"o":{"city":"a","zip":1},"geo":{"lat":1},"people":[{"city":"q"},{"age":7}],"meta":{"k":"v"},"word":"w"}}`)
	want, _ := Assemble(everything(), all)
	first := want.Apply(&expr.Env{Record: source})
	rapid.Check(t, func(t *rapid.T) {
		p, faults := Assemble(everything(), rapid.Permutation(all).Draw(t, "mappings"))
		got := p.Apply(&expr.Env{Record: source})
		if len(faults) > 0 || string(got.Record) != string(first.Record) || got.Nulled != first.Nulled {
			t.Fatalf("%v\n%s\n%s", faults, got.Record, first.Record)
		}
	})
}

// A destination written along its own path is found there again.
func FuzzDestination(f *testing.F) {
	for _, s := range []string{"_acme.s", "_acme.os[2].city", "_acme.os[*].geo.lat", `_acme.First\.Name`, "_acme.ms.${a b}", "_my-tenant.x", "_acme.deep[*][0]", "_acme.lists[*].names", "${_acme}.o"} {
		f.Add(s, `{"data":{"x":"1"}}`)
	}
	f.Fuzz(func(t *testing.T, destination, record string) {
		v, err := expr.ParseJSON([]byte(record))
		if err != nil || len(destination) > 500 {
			return
		}
		p, faults := Assemble(everything(), []Mapping{{Destination: destination, Source: "data.x"}, {Type: Static, Source: "1", Destination: destination}, {Destination: "_acme.o", Source: "data"}})
		for _, f := range faults {
			if f.Error() == "" {
				t.Fatal("a fault without words")
			}
		}
		env := &expr.Env{Record: v, Now: time.Unix(0, 0)}
		got := p.Apply(env)
		if got.Record != nil && !json.Valid(got.Record) {
			t.Fatalf("%s: %s", destination, got.Record)
		}
		if got.Record == nil && got.Refused == nil {
			t.Fatal("neither a record nor a reason")
		}
		if again := p.Apply(env); !bytes.Equal(again.Record, got.Record) {
			t.Fatalf("%s, then %s", got.Record, again.Record)
		}
	})
}

// canonical makes values comparable: floats by what a column holds, members
// that are null left out.
func canonical(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = canonical(x)
		}
	case []any:
		for i, x := range v {
			v[i] = canonical(x)
		}
	case json.Number:
		if f, err := v.Float64(); err == nil && f != math.Trunc(f) {
			return f
		}
	case string:
		if text, ok := strings.CutPrefix(v, "json:"); ok {
			return text
		}
	}
	return v
}

func decode(t testing.TB, text []byte) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func sameRecord(t testing.TB, want, got map[string]any) {
	t.Helper()
	if d := cmp.Diff(canonical(want), canonical(got)); d != "" {
		t.Error(d)
	}
}

// Taking many keys out of a large map, and padding many lists, is paid for.
func TestProgramPays(t *testing.T) {
	t.Parallel()
	var keys, grow strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&keys, `,"k%d":"v"`, i)
		grow.WriteString(`,["x"]`)
	}
	all := lines("ms <- data.map")
	for i := range 2000 {
		all = append(all, line(fmt.Sprintf("ms.k%d <- =nullify()", i)))
	}
	p, _ := Assemble(everything(), all)
	got := p.Apply(&expr.Env{Record: recordOf(t, `{"data":{"map":{`+keys.String()[1:]+`}}}`)})
	if got.Refused == nil || got.Refused.Reason != "mapping it takes more work than is allowed" || got.Record != nil {
		t.Errorf("%+v", got.Refused)
	}
	p, faults := Assemble(everything(), lines("deep[*][1000] <- data.lists[*][0]"))
	got = p.Apply(&expr.Env{Record: recordOf(t, `{"data":{"lists":[`+grow.String()[1:]+`]}}`)})
	if len(faults) > 0 || got.Refused == nil || got.Refused.Reason != "mapping it takes more work than is allowed" {
		t.Errorf("%v %+v", faults, got.Refused)
	}
}
