package leaktest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/leaktest"
)

// What the search for addresses finds, and what it does not.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"": nil, "@": nil, "a@b": nil, "no address here": nil, "x@\x00y.de": nil, "-@1.c": nil,
		"a@b.de":                              {"a@b.de"},
		"{\"email\":\"a.b+c@d-e.com\"}":       {"a.b+c@d-e.com"},
		"\x00\x01a@b.de\xffc%d@e.fr@g.it":     {"a@b.de", "c%d@e.fr", "e.fr@g.it"},
		`esc\u0040example.com`:                {"esc@example.com"},
		`"\u0061b@example.com"`:               {"u0061b@example.com", "ab@example.com"},
		`"\u0065\u0073c\u0040\u0065x.com" \n`: {"esc@ex.com"},
		"@2025-02-24.acacia x@y.de":           {"x@y.de"},
		"abc@2025-02-24.acacia":               nil,
	} {
		if d := cmp.Diff(want, leaktest.Addresses(text)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
}
