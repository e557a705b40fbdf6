package expr

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The tables under testdata hold one case a line:
//
//	# a comment
//	record {"data": …}      the source record from here on
//	expression => value     text in quotes, date-times bare, the rest as JSON
//	expression ! words      fails for this record, with these words in the error
//	expression !! words     doesn't compile, with these words in the error
//
// The time is tableNow. Each expression must also print to a text that prints
// the same and has the same result.
type tableCase struct {
	file string
	line int
	expr string
	sign string
	want string
	env  *Env
}

func (c tableCase) String() string { return fmt.Sprintf("%s:%d: %s", c.file, c.line, c.expr) }

var tableNow = time.Date(2021, 10, 26, 10, 10, 24, 571e6, time.UTC)

func readTables(t testing.TB) []tableCase {
	t.Helper()
	files, err := filepath.Glob("testdata/*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no tables", err)
	}
	var cases []tableCase
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		record, _ := MapOf(nil, nil)
		for i, line := range strings.Split(string(text), "\n") {
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if raw, ok := strings.CutPrefix(line, "record "); ok {
				if record, err = ParseJSON([]byte(raw)); err != nil {
					t.Fatalf("%s:%d: %v", file, i+1, err)
				}
				continue
			}
			c := tableCase{file: file, line: i + 1}
			for _, sign := range []string{" => ", " !! ", " ! "} {
				if at := strings.LastIndex(line, sign); at >= 0 {
					c.expr, c.sign, c.want = line[:at], strings.TrimSpace(sign), line[at+len(sign):]
					break
				}
			}
			if c.want == "" {
				t.Fatalf("%s:%d: not a case: %s", file, i+1, line)
			}
			c.env = &Env{Record: record, Now: tableNow}
			cases = append(cases, c)
		}
	}
	return cases
}

// show is how the tables write a value.
func show(v Value) string {
	if v.Kind() == Time {
		return v.Text()
	}
	return string(v.AppendJSON(nil))
}

func (c tableCase) eval(text string) (sign, got string) {
	e, err := Compile(text)
	if err != nil {
		return "!!", err.Error()
	}
	c.env.Random = strings.NewReader("0123456789abcdef")
	v, err := e.Eval(c.env)
	if err != nil {
		return "!", err.Error()
	}
	if !(e.Result() | nullType).Has(v.Kind()) {
		return "wrong type", fmt.Sprintf("%s yields %s, which is none of %s", text, v.Kind(), e.Result())
	}
	return "=>", show(v)
}

func (c tableCase) ok(sign, got string) bool {
	return sign == c.sign && (got == c.want || sign != "=>" && strings.Contains(got, c.want))
}

func TestTables(t *testing.T) {
	t.Parallel()
	for _, c := range readTables(t) {
		sign, got := c.eval(c.expr)
		if !c.ok(sign, got) {
			t.Errorf("%s\n got %s %s\nwant %s %s", c, sign, got, c.sign, c.want)
			continue
		}
		if sign == "!!" {
			continue
		}
		e, err := Compile(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Compile(e.String())
		if err != nil {
			t.Errorf("%s prints as %s: %v", c, e, err)
			continue
		}
		if again.String() != e.String() {
			t.Errorf("%s prints as %s, and that as %s", c, e, again)
		}
		if diff := cmp.Diff(e.Fields(), again.Fields()); diff != "" {
			t.Errorf("%s printed reads other fields: %s", c, diff)
		}
		if _, printed := c.eval(e.String()); sign == "=>" && printed != got {
			t.Errorf("%s printed as %s is %s, not %s", c, e, printed, got)
		}
	}
}

// Each function has a case with a value, one with null and one that fails; and
// the functions are those of Data Prep's guide, no more and no less.
func TestTablesCover(t *testing.T) {
	t.Parallel()
	values, nulls, fails := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, c := range readTables(t) {
		n, err := parse(c.expr)
		if err != nil {
			continue
		}
		name, args := "", []node(nil)
		switch n := n.(type) {
		case *callNode:
			name, args = n.name, n.args
		case *methodNode:
			name, args = n.name, append([]node{n.x}, n.args...)
		}
		switch {
		case c.sign != "=>":
			fails[name] = true
		case c.want != "null" || name == "nullify":
			values[name] = true
		}
		for _, a := range args {
			if lit, ok := a.(*literal); ok && lit.v.kind == Null {
				nulls[name] = true
			}
		}
	}
	text, err := os.ReadFile("testdata/names.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for name := range strings.FieldsSeq(string(regexp.MustCompile(`(?m)^#.*`).ReplaceAll(text, nil))) {
		want[name] = true
	}
	for _, f := range Functions() {
		if !want[f.Name] {
			t.Errorf("%s is not in names.txt", f.Name)
		}
		delete(want, f.Name)
		if !fails[f.Name] {
			t.Errorf("%s has no case that fails", f.Name)
		}
		if f.Unavailable != "" {
			continue
		}
		if !values[f.Name] {
			t.Errorf("%s has no case with a value", f.Name)
		}
		if len(f.Params) > 0 && !nulls[f.Name] {
			t.Errorf("%s has no case with null", f.Name)
		}
	}
	for name := range want {
		t.Errorf("there is no function %s", name)
	}
}

// What is shown to users as an example is true.
func TestFunctionsDescribed(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range Functions() {
		if seen[f.Name] {
			t.Errorf("%s stands twice", f.Name)
		}
		seen[f.Name] = true
		if f.Category == "" || f.Description == "" || f.Returns == "" || f.Result == 0 || !strings.Contains(f.Syntax, f.Name+"(") {
			t.Errorf("%s is not described: %+v", f.Name, f)
		}
		for _, p := range f.Params {
			if p.Name == "" || p.Description == "" || p.Types == 0 && f.Name != "filterArray" && f.Name != "transformArray" {
				t.Errorf("%s: a parameter is not described: %+v", f.Name, p)
			}
		}
		if f.Example == "" {
			continue
		}
		c := tableCase{expr: f.Example, sign: "=>", want: f.Yields, env: &Env{Now: tableNow}}
		if sign, got := c.eval(f.Example); !c.ok(sign, got) {
			t.Errorf("%s: the example %s yields %s %s, not %s", f.Name, f.Example, sign, got, f.Yields)
		}
	}
	for _, o := range Operators() {
		c := tableCase{expr: o.Example, env: &Env{}}
		if sign, got := c.eval(o.Example); sign != "=>" || o.Description == "" || o.Method == "" {
			t.Errorf("operator %s: %s %s %s", o.Symbol, o.Example, sign, got)
		}
	}
}

func TestUUIDsDiffer(t *testing.T) {
	t.Parallel()
	e, err := Compile(`concat(uuid(), " ", guid())`)
	if err != nil {
		t.Fatal(err)
	}
	v, err := e.Eval(&Env{Random: bytes.NewReader(bytes.Repeat([]byte{0xff, 0x00, 0x11}, 12))})
	if err != nil {
		t.Fatal(err)
	}
	const want = "ff0011ff-0011-4f00-91ff-0011ff0011ff 0011ff00-11ff-4011-bf00-11ff0011ff00"
	if v.Text() != want {
		t.Errorf("got %s, want %s", v.Text(), want)
	}
	if _, err := e.Eval(&Env{}); err == nil {
		t.Error("an id without randomness")
	}
}
