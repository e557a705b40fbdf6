package expr

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

func TestFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		expr string
		want []string
	}{
		{`1 + 2`, nil},
		{`data.id`, []string{"data.id"}},
		{`concat(data.id, data . a[0].b, data.id)`, []string{"data.id", "data.a[0].b"}},
		{`data.items[*].price.id`, []string{"data.items[*].price.id"}},
		{`data.${First Name}.web\.ecid`, []string{"data.${First Name}.${web.ecid}"}},
		{`iif(data.a == 1, data.b, data.c)`, []string{"data.a", "data.b", "data.c"}},
		{`data.list[data.n].x`, []string{"data.list", "data.n"}},
		{`str_to_object(data.s).get("k").equals(data.t)`, []string{"data.s", "data.t"}},
		{`transformArray(data.list, x -> x.price * data.factor)`, []string{"data.list", "data.factor"}},
		{`contains_key("data.a.b") && contains_key(data.c)`, []string{"data.a.b", "data.c"}},
		{`object_to_map(addresses, type)`, []string{"addresses"}},
		{`object_to_map("k", type)`, []string{"type"}},
		{`json_to_object(data.j).a.b`, []string{"data.j"}},
	} {
		e, err := Compile(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		var got []string
		for _, p := range e.Fields() {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.expr, diff)
		}
	}
}

func TestPath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want Path // nil: not a path
	}{
		{"data.id", Path{{Name: "data"}, {Name: "id"}}},
		{"_acme.list[0].b", Path{{Name: "_acme"}, {Name: "list"}, {Index: 0}, {Name: "b"}}},
		{"a[*].${b c}", Path{{Name: "a"}, {All: true}, {Name: "b c"}}},
		{"a[b]", nil},
		{"a[0 + 1]", nil},
		{"upper(a)", nil},
		{"'a'", nil},
		{"a.b == 1", nil},
		{"json_to_object(a).b", nil},
		{"a[99999999999]", nil},
		{"a.", nil},
	} {
		got, err := ParsePath(c.text)
		if diff := cmp.Diff(c.want, got); diff != "" || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v %s", c.text, err, diff)
		}
		e, err := Compile(c.text)
		if err != nil {
			continue
		}
		if p, ok := e.Path(); ok != (c.want != nil) || cmp.Diff(c.want, p) != "" {
			t.Errorf("%s as an expression: %v %v", c.text, p, ok)
		}
	}
}

func TestErrorsAreTyped(t *testing.T) {
	t.Parallel()
	e, err := Compile("concat(\n  'ł', upper(data.n))")
	if err != nil {
		t.Fatal(err)
	}
	record, err := ParseJSON([]byte(`{"data":{"n":5}}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.Eval(&Env{Record: record})
	var got *Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v", err)
	}
	want := &Error{Pos: Pos{2, 14}, Function: "upper", Argument: 1, Reason: "wants text, not integer"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if problem.KindOf(fmt.Errorf("x: %w", err)) != problem.Invalid {
		t.Error("not invalid")
	}
	for _, text := range []string{"", "1 +", "upper(5)", "frob()", "\xff", strings.Repeat("(", 200), strings.Repeat("1", 5000)} {
		if _, err := Compile(text); !errors.As(err, &got) || got.Pos.Line != 1 {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// No value of a record shows in an error.
func TestErrorsHoldNoData(t *testing.T) {
	t.Parallel()
	record, err := ParseJSON([]byte(`{"s":"secret","n":77777,"l":["secret"],"o":{"secret":"secret"},"d":{"k":[{"t":"secret"},{"t":"secret"}]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"s * 2", "upper(n)", "s[o]", "date(s)", "to_integer(s)", "json_to_object(s)", "substr('a', -n, 1)", "join(s, [l])", "o > 1",
		"str_to_object(s)", "zone_date_to_utc(s)", "date_part(s, '2020-01-01')", "dformat(n * n * n * n, 'yyyy')", "format('2020-01-01', s)",
		"zone_date_to_zone('2020-01-01', s)", "array_to_map(d.k, 't')", "contains_key(concat(s, '('))", "sha1('a', s)",
		"get_url_query_str('https://a.b/', s)", "map_get_values(o, [n])", "min(s, n)", "lpad('a', -n, 'x')", "make_date_time(n, 1, 1, 1, 1, 1, 1, 'UTC')",
		"filterArray(l, x -> x)", "add_to_map(o, s)", "1 / (n - 77777)", "s ? 1 : 2", "n =^ s", "set_date_part('m', n, '2020-01-01')",
	} {
		e, err := Compile(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		v, err := e.Eval(&Env{Record: record})
		if err == nil {
			t.Errorf("%s = %s", text, v.Text())
			continue
		}
		if s := err.Error(); strings.Contains(s, "secret") || strings.Contains(strings.ReplaceAll(s, text, ""), "77777") {
			t.Errorf("%s: %s", text, s)
		}
	}
}

// What would take long or much memory is refused, wherever it comes from.
func TestBounds(t *testing.T) {
	t.Parallel()
	nest := func(n int, open, body, closing string) string {
		return strings.Repeat(open, n) + body + strings.Repeat(closing, n)
	}
	list := "[" + strings.Repeat("1,", 1500) + "1]"
	long, _ := MapOf([]string{"s", "l", "j"}, []Value{
		TextOf(strings.Repeat("a,", 1<<20)), ArrayOf(make([]Value, 50000)), TextOf(nest(5000, "[", "", "]")),
	})
	for _, c := range []struct{ name, text, want string }{
		{"parentheses", nest(150, "(", "1", ")"), "nested deeper"},
		{"calls", nest(150, "upper(", "'a'", ")"), "nested deeper"},
		{"minus", strings.Repeat("-", 4000) + "1", "nested deeper"},
		{"not", strings.Repeat("!", 4000) + "true", "nested deeper"},
		{"choices", strings.Repeat("true ? 1 : ", 300) + "1", "nested deeper"},
		{"arrays", nest(2000, "[", "", "]"), "nested deeper"},
		{"length", strings.Repeat("1 + ", 1100) + "1", "characters; 4096 are allowed"},
		{"number", strings.Repeat("9", 1001), "more than 1000 digits"},
		{"exponent", "1e1001", "more than 1000 digits"},
		{"product", nest(12, "transformArray([", "1e999", "], x -> x)") + "[0]", ""},
		{"square", "1e900 * 1e900", "more than 1000 digits"},
		{"small square", "1e-900 * 1e-900", "more than 1000 digits"},
		{"doubling texts", nest(40, "transformArray(", "['aaaaaaaaaaaaaaaa']", ", x -> concat(x, x))"), "more"},
		{"doubling arrays", nest(40, "transformArray(", "[[1]]", ", x -> [x, x])"), "more"},
		{"doubling by a function", nest(40, "transformArray(", "[[1]]", ", x -> add_to_array(x, x))"), "more"},
		{"object of much", "to_object('a', s, 'b', s, 'c', s)", "more than 4 MiB"},
		{"array of much", "[s, s, s]", "more than 4 MiB"},
		{"quadratic loops", "transformArray(" + list + ", x -> size_of(transformArray(l, y -> [y, y, y])))", "more"},
		{"padding", "lpad('a', 1000000000000, 'x')", "is not one of"},
		{"replacing", "replacestr(s, 'a', s)", "more than 4 MiB"},
		{"joining", "join(s, l)", "more than 4 MiB"},
		{"splitting", "split(s, ',')", "elements"},
		{"exploding", "explode(s)", "elements"},
		{"exploding by regex", "explode(s, 'a')", "elements"},
		{"reading delimited", "str_to_object(s)", "elements"},
		{"arrays joined", "join_arrays(l, l)", "elements"},
		{"JSON nested", "json_to_object(j)", "nested deeper"},
		{"JSON of many", "json_to_object(concat('[', s, '1]'))", "elements"},
		{"regex", "matches_regex(s, '(a|,)*b')", ""},
		{"long regex", "matches_regex(s, '" + strings.Repeat("(a?,?)", 300) + "')", "more than 1000 bytes"},
		{"counted regex", "matches_regex(s, '((a{0,100}){0,100}){0,100}')", "regular expression"},
		{"repeating regex", "matches_regex(s, '(?:(?:[a-z],?[0-9]?){20}){45}')", "repeats too much"},
		{"repeating regex on much", "matches_regex(s, '(?:[a-z],?){300}')", "more work"},
		{"regex of the record", "transformArray(l, x -> 'a' =~ concat('', '(a|b)*'))", "more work"},
		{"zones of the record", "transformArray(l, x -> zone_date_to_zone('2020-01-01', concat('', 'Asia/Tokyo')))", "more work"},
		{"dates of the record", "size_of(transformArray(l, x -> format('23.7.2019', 'yyyy')))", "more work"},
		{"divisions", "size_of(transformArray(l, x -> 1e900 / 7e-90 / 3 > 0))", "more work"},
		{"long texts compared", "size_of(transformArray(l, x -> s < s))", "more work"},
		{"regex on much", "matches_regex(s, '" + strings.Repeat("(a?,?)", 150) + "')", "more work"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := Compile(c.text)
			if err == nil {
				_, err = e.Eval(&Env{Record: long})
			}
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %.300v", err)
			}
		})
	}
}

func TestConversions(t *testing.T) {
	t.Parallel()
	show := func(v any, err error) string {
		if err != nil {
			return "! " + err.Error()
		}
		return fmt.Sprint(v)
	}
	number := func(v Value) string {
		n, err := v.ToNumber()
		return show(n.Text(), err)
	}
	at := TimeOf(time.Date(2020, 2, 29, 1, 2, 3, 5e6, time.UTC))
	dec, err := parseNumber("10.50")
	if err != nil {
		t.Fatal(err)
	}
	object, _ := MapOf([]string{"t", "n"}, []Value{at, dec})
	for _, c := range []struct {
		name                            string
		v                               Value
		boolean, integer, decimal, text string
		when                            string
	}{
		{"null", Value{}, "! null is no boolean", "! null is no number", "! null is no number", "", "! null is no date-time"},
		{"true", BoolOf(true), "true", "! boolean is no number", "! boolean is no number", "true", "! boolean is no date-time"},
		{"1", IntOf(1), "true", "1", "1", "1", "! integer is no date-time"},
		{"0", IntOf(0), "false", "0", "0", "0", "! integer is no date-time"},
		{"1234", IntOf(1234), "! not a word for true or false", "1234", "1234", "1234", "! integer is no date-time"},
		{
			"10.5", dec, "! number with a fraction is no boolean", "! a number with a fraction is no integer", "10.5", "10.5",
			"! number with a fraction is no date-time",
		},
		{"y", TextOf("y"), "true", "! not a decimal number", "! not a decimal number", "y", "! not a date of a form that is known"},
		{"OFF", TextOf("OFF"), "false", "! not a decimal number", "! not a decimal number", "OFF", "! not a date of a form that is known"},
		{"True", TextOf("True"), "! not a word for true or false", "! not a decimal number", "! not a decimal number", "True", "! not a date of a form that is known"},
		{"text number", TextOf(" +7 "), "! not a word for true or false", "7", "7", " +7 ", "! not a date of a form that is known"},
		{
			"too big", TextOf("9223372036854775808"), "! not a word for true or false", "! a number outside the range of the type",
			"9223372036854775808", "9223372036854775808", "! not a date of a form that is known",
		},
		{
			"time", at, "! date-time is no boolean", "! date-time is no number", "! date-time is no number", "2020-02-29T01:02:03Z",
			"2020-02-29 01:02:03.005 +0000 UTC",
		},
		{
			"text date", TextOf("7/03/2019"), "! not a word for true or false", "! not a decimal number", "! not a decimal number", "7/03/2019",
			"2019-07-03 00:00:00 +0000 UTC",
		},
		{
			"array", ArrayOf([]Value{IntOf(1), TextOf("a")}), "! array is no boolean", "! array is no number", "! array is no number",
			`[1,"a"]`, "! array is no date-time",
		},
		{
			"object", object, "! object is no boolean", "! object is no number", "! object is no number",
			`{"t":"2020-02-29T01:02:03Z","n":10.5}`, "! object is no date-time",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, err := c.v.ToBool()
			n, errInt := c.v.ToInt()
			when, errTime := c.v.ToTime()
			got := []string{show(b, err), show(n, errInt), number(c.v), c.v.Text(), show(when, errTime)}
			if diff := cmp.Diff([]string{c.boolean, c.integer, c.decimal, c.text, c.when}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for word := range strings.FieldsSeq("y yes Y YES on ON true TRUE") {
		if b, err := TextOf(word).ToBool(); !b || err != nil {
			t.Errorf("%s: %v %v", word, b, err)
		}
	}
	for word := range strings.FieldsSeq("n N no NO off OFF false FALSE") {
		if b, err := TextOf(word).ToBool(); b || err != nil {
			t.Errorf("%s: %v %v", word, b, err)
		}
	}
	if f, err := TextOf("10.99").ToFloat(); f != 10.99 || err != nil {
		t.Error(f, err)
	}
	if _, err := TextOf("1e400").ToFloat(); err == nil {
		t.Error("1e400 is no float64")
	}
}

// One expression serves several goroutines.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	e, err := Compile(`transformArray(list, x -> concat(x, "/", size_of(list), "/", format("2020-01-01", "yyyy")))`)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 4 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			items := make([]Value, n+1)
			var want []string
			for i := range items {
				items[i] = IntOf(int64(n))
				want = append(want, fmt.Sprintf("%d/%d/2020", n, n+1))
			}
			record, _ := MapOf([]string{"list"}, []Value{ArrayOf(items)})
			for range 200 {
				v, err := e.Eval(&Env{Record: record})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, item := range v.Items() {
					got = append(got, item.Text())
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Fatal(diff)
				}
			}
		})
	}
}
