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
		"v@b.VY": nil, "ab@example.com": nil, "abc@shop.com": nil, // they may be there by chance
		"abc@shops.de":                                   {"abc@shops.de"},
		"abc@mail.shops.de":                              {"abc@mail.shops.de"},
		"{\"email\":\"a.b+c@my-shop.com\"}":              {"a.b+c@my-shop.com"},
		"\x00\x01abc@shops.de\xffc%d@shops.fr@others.it": {"abc@shops.de", "c%d@shops.fr", "shops.fr@others.it"},
		`esc\u0040example.com`:                           {"esc@example.com"},
		`"\u0061bc@example.com"`:                         {"u0061bc@example.com", "abc@example.com"},
		`"\u0065\u0073c\u0040\u0065xample.com" \n`:       {"esc@example.com"},
		"@2025-02-24.acacia xyz@shops.de":                {"xyz@shops.de"},
		"abc@2025-02-24.acacia":                          nil,
	} {
		if d := cmp.Diff(want, leaktest.Addresses(text)); d != "" {
			t.Errorf("%q (-want +got):\n%s", text, d)
		}
	}
}
