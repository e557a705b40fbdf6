package privacy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/privacy"
	"github.com/tributary-data/tributary/internal/problem"
)

func TestParse(t *testing.T) {
	t.Parallel()
	text := `{"rules": [
		{"resource": "*", "path": "**.email", "do": "hash"},
		{"path": "metadata.**", "do": "drop"},
		{"resource": "charges", "path": "shipping.*.line1", "do": "mask"}
	]}`
	want := []privacy.Rule{
		{Resource: "*", Path: "**.email", Do: "hash"},
		{Resource: "*", Path: "metadata.**", Do: "drop"},
		{Resource: "charges", Path: "shipping.*.line1", Do: "mask"},
	}
	got, err := privacy.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	again, err := privacy.Parse(privacy.Encode(got))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, again); d != "" {
		t.Errorf("written and read (-want +got):\n%s", d)
	}
	if none, err := privacy.Parse(privacy.Encode(nil)); err != nil || len(none) != 0 {
		t.Errorf("no rules became %v, %v", none, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		says []string
	}{
		"nothing":        {``, []string{"can't be read"}},
		"no JSON":        {"{\n\n  rules: []}", []string{"can't be read", "line 3"}},
		"a list":         {`[]`, []string{"can't be read"}},
		"no rules":       {`{}`, []string{"no member named rules"}},
		"null":           {`{"rules":null}`, []string{"no member named rules"}},
		"another member": {`{"rules":[],"version":1}`, []string{"version"}},
		"text behind":    {`{"rules":[]} x`, []string{"behind the end"}},
		"a string":       {`{"rules":["email"]}`, []string{"rule 1"}},
		"another field":  {`{"rules":[{"path":"a","do":"drop"},{"path":"a","do":"drop","if":1}]}`, []string{"rule 2", "if"}},
		"no path":        {`{"rules":[{"do":"drop"}]}`, []string{"rule 1", "no path"}},
		"no action":      {`{"rules":[{"path":"a.b"}]}`, []string{"rule 1", `"a.b"`, "what to do"}},
		"another action": {`{"rules":[{"path":"a","do":"encrypt"}]}`, []string{"rule 1", `"encrypt"`}},
		"an empty name":  {`{"rules":[{"path":"a..b","do":"drop"}]}`, []string{"rule 1", `"a..b"`, "is empty"}},
		"a dot behind":   {`{"rules":[{"path":"a.","do":"drop"}]}`, []string{"is empty"}},
		"part of a name": {`{"rules":[{"path":"a.e*","do":"drop"}]}`, []string{`"e*"`, "whole one"}},
		"three stars":    {`{"rules":[{"path":"***","do":"drop"}]}`, []string{"whole one"}},
		"brackets":       {`{"rules":[{"path":"a[].b","do":"drop"}]}`, []string{"without being named"}},
		"JSONPath":       {`{"rules":[{"path":"$.a","do":"drop"}]}`, []string{"begins with"}},
		"a backslash":    {`{"rules":[{"path":"a\\","do":"drop"}]}`, []string{"backslash"}},
		"everything":     {`{"rules":[{"path":"**.**","do":"drop"}]}`, []string{"as a whole"}},
		"too deep":       {`{"rules":[{"path":"a` + strings.Repeat(".a", 40) + `","do":"drop"}]}`, []string{"41 names"}},
		"too many":       {`{"rules":[` + strings.Repeat(`{},`, 600) + `{}]}`, []string{"601"}},
	} {
		_, err := privacy.Parse([]byte(tt.text))
		if err == nil || problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, s := range tt.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%s: %v lacks %q", name, err, s)
			}
		}
	}
}

func TestCompileWantsAKey(t *testing.T) {
	t.Parallel()
	rules := []privacy.Rule{{Resource: "*", Path: "email", Do: "hash"}}
	if _, err := privacy.Compile(rules, nil); err == nil || !privacy.Keyed(rules) {
		t.Error("a hash rule needs no key")
	}
	rules[0].Do = "mask"
	if _, err := privacy.Compile(rules, nil); err != nil || privacy.Keyed(rules) {
		t.Error("a mask rule needs a key")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"rules": [{"resource": "*", "path": "**.email", "do": "hash"}]}`))
	f.Add([]byte(`{"rules": [{"path": "a\\.b.*.\\*", "do": "drop"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		rules, err := privacy.Parse(text)
		if err != nil {
			if problem.KindOf(err) != problem.Invalid {
				t.Fatal(err)
			}
			return
		}
		if _, err := privacy.Compile(rules, key); err != nil {
			t.Fatal(err)
		}
		again, err := privacy.Parse(privacy.Encode(rules))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(rules, again); d != "" {
			t.Fatal(d)
		}
	})
}
