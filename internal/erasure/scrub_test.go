package erasure_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/erasure"
)

type one string

func (o one) Mentions(text string) bool { return erasure.Names(text, string(o)) }
func (o one) Scrub(text string) string  { return erasure.Unname(text, string(o)) }

func TestUnname(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "", "cus_1": "(removed)", "cus_12": "cus_12", "xcus_1": "xcus_1", "cus_1cus_1": "cus_1cus_1", "cus_12 cus_1": "cus_12 (removed)",
		"orders-cus_1.csv and cus_1_2026": "orders-(removed).csv and (removed)_2026", "ücus_1": "ücus_1", "\xffcus_1\xff": "\xff(removed)\xff", "cus_1,cus_1": "(removed),(removed)",
	} {
		if got := erasure.Unname(text, "cus_1"); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
		if erasure.Names(text, "cus_1") != strings.Contains(want, "(removed)") {
			t.Errorf("%q: Names says otherwise", text)
		}
	}
}

// Of a message nothing stays, as it may quote values; of names and queries the id goes;
// all else stays as it was.
func TestScrub(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"b":1.50,"a":"cus_2"}`:                                             `{"b":1.50,"a":"cus_2"}`,
		`{"name":"orders of cus_1","z":[1e3],"a":null}`:                      `{"name":"orders of (removed)","z":[1e3],"a":null}`,
		`{"errors":[{"message":"cus_1: name expected, found \"Alde\""}]}`:    `{"errors":[{"message":"(removed)"}]}`,
		`{"message":{"of":"cus_1 x"},"rows":["cus_1","2"],"cus_1":{"a":1}}`:  `{"message":{"of":"(removed) x"},"rows":["(removed)","2"],"(removed)":{"a":1}}`,
		`{"description":["fine","about cus_1"],"text":"{\"id\":\"cus_1\"}"}`: `{"description":["fine","(removed)"],"text":"(removed)"}`,
	} {
		d := docstore.Doc{Kind: "k", ID: "7", Body: []byte(body), Keys: []string{"of cus_1", "cus_2"}}
		changed, err := erasure.Scrub(&d, one("cus_1"))
		if err != nil || !changed {
			t.Errorf("%s: %v, %v", body, changed, err)
		}
		if diff := cmp.Diff(want, string(d.Body)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"of (removed) 7", "cus_2"}, d.Keys); diff != "" {
			t.Error(diff)
		}
		again := docstore.Doc{Body: []byte(want), Keys: []string{"cus_2"}}
		if changed, err := erasure.Scrub(&again, one("cus_1")); err != nil || changed {
			t.Errorf("%s: changed a second time, %v", want, err)
		}
	}
}
