package jsondoc_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/problem"
)

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := jsondoc.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func parse(t testing.TB, s string) any {
	t.Helper()
	v, err := jsondoc.Parse([]byte(s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v
}

// What is read is written as it was: order, numbers and signs.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, s := range []string{`{"z":1,"a":{"c":[],"b":{}}}`, `[1.50,-0,1e400,9007199254740993]`, `"<&>é "`, `null`, `true`, `{"":[null,false]}`} {
		if got := text(t, parse(t, s)); got != s && !strings.Contains(s, " ") {
			t.Errorf("%s became %s", s, got)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", jsondoc.MaxDepth+1) + strings.Repeat("]", jsondoc.MaxDepth+1)
	for s, want := range map[string]string{
		`{"a":1,"a":2}`: `"a" stands twice`, `{"a":`: "EOF", ``: "EOF", `{} {}`: "behind the document", deep: "deeper than 100 levels", `{a:1}`: "invalid character",
	} {
		if _, err := jsondoc.Parse([]byte(s)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: got %v; want %q in it", s, err, want)
		}
	}
	if _, err := jsondoc.Parse([]byte(deep[1 : len(deep)-1])); err != nil {
		t.Error(err)
	}
}

// The examples of RFC 6902, appendix A, and what else there is to get wrong.
func TestPatch(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ doc, patch, want string }{
		"add member":          {`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux"}]`, `{"foo":"bar","baz":"qux"}`},
		"add element":         {`{"foo":["bar","baz"]}`, `[{"op":"add","path":"/foo/1","value":"qux"}]`, `{"foo":["bar","qux","baz"]}`},
		"remove member":       {`{"baz":"qux","foo":"bar"}`, `[{"op":"remove","path":"/baz"}]`, `{"foo":"bar"}`},
		"remove element":      {`{"foo":["bar","qux","baz"]}`, `[{"op":"remove","path":"/foo/1"}]`, `{"foo":["bar","baz"]}`},
		"replace":             {`{"baz":"qux","foo":"bar"}`, `[{"op":"replace","path":"/baz","value":"boo"}]`, `{"baz":"boo","foo":"bar"}`},
		"move":                {`{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}`, `[{"op":"move","from":"/foo/waldo","path":"/qux/thud"}]`, `{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}`},
		"move element":        {`{"foo":["all","grass","cows","eat"]}`, `[{"op":"move","from":"/foo/1","path":"/foo/3"}]`, `{"foo":["all","cows","eat","grass"]}`},
		"test":                {`{"baz":"qux","foo":["a",2,"c"]}`, `[{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}]`, `{"baz":"qux","foo":["a",2,"c"]}`},
		"nested":              {`{"foo":"bar"}`, `[{"op":"add","path":"/child","value":{"grandchild":{}}}]`, `{"foo":"bar","child":{"grandchild":{}}}`},
		"unknown members":     {`{"foo":"bar"}`, `[{"op":"add","path":"/baz","value":"qux","xyz":123}]`, `{"foo":"bar","baz":"qux"}`},
		"escapes":             {`{"/":9,"~1":10}`, `[{"op":"test","path":"/~01","value":10},{"op":"replace","path":"/~1","value":1}]`, `{"/":1,"~1":10}`},
		"append array":        {`{"foo":["bar"]}`, `[{"op":"add","path":"/foo/-","value":["abc","def"]}]`, `{"foo":["bar",["abc","def"]]}`},
		"copy":                {`{"a":{"b":1}}`, `[{"op":"copy","from":"/a","path":"/c"},{"op":"replace","path":"/a/b","value":2}]`, `{"a":{"b":2},"c":{"b":1}}`},
		"whole document":      {`{"a":1}`, `[{"op":"replace","path":"","value":[1]},{"op":"add","path":"/-","value":2}]`, `[1,2]`},
		"empty name":          {`{"":1}`, `[{"op":"add","path":"/","value":2}]`, `{"":2}`},
		"array in an array":   {`[[1]]`, `[{"op":"add","path":"/0/0","value":0},{"op":"remove","path":"/0/1"}]`, `[[0]]`},
		"null":                {`{"a":1}`, `[{"op":"replace","path":"/a","value":null}]`, `{"a":null}`},
		"alone":               {`{"a":1}`, `{"op":"remove","path":"/a"}`, `{}`},
		"upper case":          {`{"a":1}`, `[{"op":"REMOVE","path":"/a"}]`, `{}`},
		"move to where it is": {`{"a":1}`, `[{"op":"move","from":"/a","path":"/a"}]`, `{"a":1}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ops, err := jsondoc.ParsePatch([]byte(c.patch))
			if err != nil {
				t.Fatal(err)
			}
			doc := parse(t, c.doc)
			got, err := jsondoc.Patch(doc, ops)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, text(t, got)); diff != "" {
				t.Error(diff)
			}
			if text(t, doc) != c.doc {
				t.Error("the document itself was changed")
			}
		})
	}
}

func TestPatchRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ patch, want string }{
		"no such member":     {`[{"op":"test","path":"/a","value":1},{"op":"remove","path":"/x"}]`, `operation 2 of the patch (remove /x): there is no "x"`},
		"replace missing":    {`[{"op":"replace","path":"/x","value":1}]`, `there is no "x"`},
		"parent missing":     {`[{"op":"add","path":"/x/y","value":1}]`, `there is no "x"`},
		"in a number":        {`[{"op":"add","path":"/a/y","value":1}]`, `neither an object nor an array`},
		"index too high":     {`[{"op":"add","path":"/l/4","value":1}]`, `"4" is no place in the array: those are 0 to 3`},
		"leading zero":       {`[{"op":"add","path":"/l/01","value":1}]`, `"01" is no place`},
		"negative":           {`[{"op":"add","path":"/l/-1","value":1}]`, `"-1" is no place`},
		"remove behind":      {`[{"op":"remove","path":"/l/-"}]`, `there is no "-"`},
		"test":               {`[{"op":"test","path":"/a","value":2}]`, "the value there is another one"},
		"no value":           {`[{"op":"add","path":"/b"}]`, `operation 1 of the patch: missing field "value"`},
		"no path":            {`[{"op":"add","value":1}]`, `missing field "path"`},
		"no from":            {`[{"op":"move","path":"/b"}]`, `missing field "from"`},
		"no pointer":         {`[{"op":"remove","path":"a"}]`, "it begins with a slash"},
		"bad escape":         {`[{"op":"remove","path":"/a~2"}]`, "~ is written ~0"},
		"path is a number":   {`[{"op":"remove","path":1}]`, "no JSON Pointer"},
		"unknown operation":  {`[{"op":"merge","path":"/a"}]`, "unsupported operation 'merge': add, remove"},
		"no operation":       {`[5]`, `an object with "op" and "path" is expected`},
		"into itself":        {`[{"op":"move","from":"/o","path":"/o/x"}]`, "nothing can be moved into itself"},
		"remove all":         {`[{"op":"remove","path":""}]`, "as a whole can't be removed"},
		"too deep":           {`[{"op":"add","path":"/o/x","value":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}]`, "deeper than 100 levels"},
		"too many":           {"[" + strings.Repeat(`{"op":"remove","path":"/a"},`, 1000) + `{"op":"remove","path":"/a"}]`, "at most 1000"},
		"nested by copies":   {"[" + strings.Repeat(`{"op":"copy","from":"","path":"/o/c"},`, 100) + `{"op":"remove","path":"/a"}]`, "deeper than 100 levels"},
		"blown up by copies": {`[{"op":"add","path":"/b","value":[1]},` + strings.Repeat(`{"op":"copy","from":"/b","path":"/b/-"},{"op":"copy","from":"/b","path":"/b/0"},`, 40) + `{"op":"remove","path":"/a"}]`, "copies more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ops, err := jsondoc.ParsePatch([]byte(c.patch))
			if err == nil {
				_, err = jsondoc.Patch(parse(t, `{"a":1,"l":[1,2,3],"o":{}}`), ops)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || problem.KindOf(err) != problem.Invalid {
				t.Errorf("got %v; want %q in it", err, c.want)
			}
		})
	}
}

// value draws any document.
func value(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kinds := 4
		if depth > 0 {
			kinds = 6
		}
		switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return json.Number(rapid.SampledFrom([]string{"0", "1", "2"}).Draw(t, "number"))
		case 3:
			return rapid.SampledFrom([]string{"", "a", "~/"}).Draw(t, "string")
		case 4:
			list := []any{}
			for range rapid.IntRange(0, 4).Draw(t, "n") {
				list = append(list, value(depth-1).Draw(t, "element"))
			}
			return list
		}
		o := &jsondoc.Object{}
		for range rapid.IntRange(0, 4).Draw(t, "n") {
			o.Set(rapid.SampledFrom([]string{"", "a", "b", "c/d", "~e", "0", "-"}).Draw(t, "name"), value(depth-1).Draw(t, "member"))
		}
		return o
	})
}

// What Diff says makes the one of the other.
func TestDiff(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := value(3).Draw(t, "a"), value(3).Draw(t, "b")
		got, err := jsondoc.Patch(a, jsondoc.Diff(a, b))
		if err != nil {
			t.Fatal(err)
		}
		if !jsondoc.Equal(got, b) {
			t.Fatalf("got %v", jsondoc.Plain(got))
		}
	})
}

func FuzzPatch(f *testing.F) {
	f.Add(`{"a":[1,{"b":null}]}`, `[{"op":"move","from":"/a/1","path":"/c"},{"op":"copy","from":"","path":"/a/-"}]`)
	f.Fuzz(func(t *testing.T, doc, patch string) {
		v, err := jsondoc.Parse([]byte(doc))
		if err != nil {
			return
		}
		ops, err := jsondoc.ParsePatch([]byte(patch))
		if err != nil {
			return
		}
		got, err := jsondoc.Patch(v, ops)
		if err != nil {
			return
		}
		back, err := jsondoc.Parse([]byte(text(t, got)))
		if err != nil || !jsondoc.Equal(got, back) {
			t.Fatalf("%s: %v", text(t, got), err)
		}
	})
}
