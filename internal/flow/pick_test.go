package flow

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// What is picked out of a text is what decoding all of it would find there.
func FuzzPick(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"a":1}`, ` { "a" : [1, {"b": "}"}] , "b":null,"c":{"a":2}} `, `{"a":1,"a":2}`, `{"a":"\u0061\"","b":-1.5e3}`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `[1]`, `null`, ``, `{"a" 1}`, `{a:1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := pick(text, []string{"a", "b"})
		if !json.Valid(text) || !utf8.Valid(text) || bytes.ContainsRune(text, '\\') {
			return // stored documents are ours: nothing is promised of others but an end
		}
		var all map[string]any
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if d.Decode(&all) != nil || all == nil {
			if err == nil {
				t.Fatalf("%q is no object", text)
			}
			return
		}
		want := map[string]any{}
		for _, name := range []string{"a", "b"} {
			if v, ok := all[name]; ok {
				want[name] = v
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatalf("%q: %v %s", text, err, diff)
		}
	})
}
