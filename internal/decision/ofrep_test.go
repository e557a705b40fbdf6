package decision_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/need"
)

// OpenFeature's own client gets its decisions.
func TestOpenFeature(t *testing.T) {
	t.Parallel()
	modules := need.Dir(t, "TRIBUTARY_TEST_OFREP")
	p := begin(t, t.TempDir(), "")
	key := p.key()
	object1 := p.run(cart("cart"))
	p.run(cart("flag", values(`true`)))
	p.run(cart("text", values(`"buy <now>"`)))
	p.run(cart("percent", values(`12.5`)))
	off := p.run(cart("off"))
	p.done(p.Trials.Kill(t.Context(), shop, off, whatever, true))
	type context = map[string]any
	type question struct {
		Flag      string  `json:"flag"`
		Type      string  `json:"type"`
		Otherwise any     `json:"otherwise"`
		Context   context `json:"context"`
	}
	wrapped := context{"targetingKey": p.of(object1, "wrap"), "cart": []string{"prod_1"}, "email": "someone@example.com"}
	asked, err := json.Marshal([]question{
		{"cart", "object", context{"show": false}, wrapped},
		{"cart", "object", context{"show": false}, context{"targetingKey": p.of(object1, "none")}},
		{"flag", "boolean", false, context{"targetingKey": "cus_1"}},
		{"text", "string", "", context{"targetingKey": "cus_1"}},
		{"percent", "number", 0, context{"targetingKey": "cus_1"}},
		{"off", "object", context{"show": false}, wrapped},
		{"nothing", "boolean", true, wrapped},
		{"cart", "object", context{"show": false}, context{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "node", "testdata/client.js", modules, p.url, key)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(asked), &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, complaint.String())
	}
	type answer struct {
		Value                      any
		Variant, Reason, ErrorCode string
		FlagMetadata               map[string]any
	}
	var got []answer
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	for i := range got[2:5] { // by chance, but with a value of the flag's type whichever it is
		if v := got[2+i].Variant; v != "none" && v != "wrap" {
			t.Errorf("variant %q", v)
		}
		got[2+i].Variant, got[2+i].FlagMetadata = "", nil
	}
	want := []answer{
		{context{"show": true, "text": "<b>"}, "wrap", "SPLIT", "", context{"experiment": object1, "phase": 1.0}},
		// The client of this version takes no answer without a value, and uses what the code has for another reason.
		{context{"show": false}, "", "ERROR", "GENERAL", context{}},
		{true, "", "SPLIT", "", nil},
		{"buy <now>", "", "SPLIT", "", nil},
		{12.5, "", "SPLIT", "", nil},
		{context{"show": false}, "", "ERROR", "GENERAL", context{}},
		{true, "", "ERROR", "FLAG_NOT_FOUND", context{}},
		{context{"show": false}, "", "ERROR", "TARGETING_KEY_MISSING", context{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if kept := p.exposed(object1); len(kept) != 2 {
		t.Errorf("exposures: %v", kept)
	}
	if strings.Contains(p.log.String(), "someone@example.com") {
		t.Error("the log has what stood in the context")
	}
}

// values gives both variants the same value.
func values(text string) func(*experiment.Experiment) {
	return func(e *experiment.Experiment) {
		e.Variants[0].Value, e.Variants[1].Value = json.RawMessage(text), json.RawMessage(text)
	}
}
