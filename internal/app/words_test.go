package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An id is found whatever stands around it, and where it stands.
func TestWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"": nil, " ": nil, "ch_1": {"ch_1"}, "_": {"_"}, "__": {"__"}, "a_": {"a_"},
		"Refund of ch_1.":              {"Refund", "of", "ch_1.", "ch_1"},
		"receipt-ch_1.pdf":             {"receipt-ch_1.pdf", "ch_1"},
		"of_ch_1_2026":                 {"of_ch_1_2026", "of_ch", "ch_1", "1_2026"},
		"ch__1":                        {"ch__1"},
		`{"charge":"ch_1","n":"a b"}`:  {"charge", "ch_1", "n", "a", "b"},
		"user-7@x.example,(py_2|re_3)": {"user-7@x.example", "py_2|re_3", "py_2", "re_3"},
		"größe-ch_1é":                  {"größe-ch_1é", "ch_1"},
	} {
		var got []string
		for w := range words(text) {
			got = append(got, w.text)
			if text[w.at:w.at+len(w.text)] != w.text {
				t.Errorf("%q: %q does not stand at %d", text, w.text, w.at)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}
