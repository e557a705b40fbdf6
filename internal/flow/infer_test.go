package flow

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const long = `{"type":"integer","minimum":-9007199254740992,"maximum":9007199254740991}`

func TestInfer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values []string
		want   string
	}{
		"nothing":             {nil, `{}`},
		"null":                {[]string{`null`, `null`}, `{}`},
		"text":                {[]string{`"a"`}, `{"type":"string"}`},
		"boolean":             {[]string{`true`, `false`}, `{"type":"boolean"}`},
		"integer":             {[]string{`1`, `-99999999999999999999`}, long},
		"fraction":            {[]string{`1.5`}, `{"type":"number"}`},
		"exponent":            {[]string{`1e3`}, `{"type":"number"}`},
		"null in some":        {[]string{`null`, `5`, `null`}, long},
		"integer and number":  {[]string{`1`, `1.5`}, `{"type":"number"}`},
		"number and text":     {[]string{`1.5`, `"a"`}, `{"type":"string"}`},
		"boolean and integer": {[]string{`true`, `1`}, `{"type":"string"}`},
		"empty object":        {[]string{`{}`}, `{"type":"object","properties":{}}`},
		"object":              {[]string{`{"a":1}`, `{"b":null}`, `{"a":null,"c":{"d":"x"}}`}, `{"type":"object","properties":{"a":` + long + `,"b":{},"c":{"type":"object","properties":{"d":{"type":"string"}}}}}`},
		"object and text":     {[]string{`"cus_1"`, `{"id":"cus_1"}`}, `{"type":"object","properties":{"id":{"type":"string"}}}`},
		"object and array":    {[]string{`[1]`, `{}`}, `{"type":"object","properties":{}}`},
		"empty array":         {[]string{`[]`}, `{"type":"array","items":{}}`},
		"array":               {[]string{`[]`, `[1]`, `[null, 2.5]`}, `{"type":"array","items":{"type":"number"}}`},
		"array of objects":    {[]string{`[{"a":1},{"b":[]}]`}, `{"type":"array","items":{"type":"object","properties":{"a":` + long + `,"b":{"type":"array","items":{}}}}}`},
		"array and text":      {[]string{`[1]`, `"x"`}, `{"type":"array","items":` + long + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.want, inferred(t, c.values)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func inferred(t rapid.TB, values []string) string {
	n := newNode()
	for _, v := range values {
		if err := n.add([]byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A jsonValue draws any JSON.
func jsonValue(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.Float64Range(-1e9, 1e9).AsAny(), rapid.String().AsAny(),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	return rapid.OneOf(append(
		scalars,
		rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return jsonValue(depth - 1) }), 0, 3).AsAny(),
		rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), rapid.Deferred(func() *rapid.Generator[any] { return jsonValue(depth - 1) }), 0, 3).AsAny(),
	)...)
}

// The order of records, and seeing one twice, changes nothing.
func TestInferOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var texts []string
		for _, v := range rapid.SliceOfN(jsonValue(3), 1, 6).Draw(t, "records") {
			b, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(b))
		}
		want := inferred(t, texts)
		again := append(append([]string{}, texts...), texts[0])
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)) //nolint:gosec // an order, not a secret
		r.Shuffle(len(again), func(i, j int) { again[i], again[j] = again[j], again[i] })
		if got := inferred(t, again); got != want {
			t.Fatalf("%s\n%s", want, got)
		}
	})
}
