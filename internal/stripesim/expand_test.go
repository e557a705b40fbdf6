package stripesim

import (
	"strings"
	"testing"
)

// Tiers and currency options are absent unless asked for, in the list and by
// id, before and after a change.
func TestExpansions(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	id := ""
	for truth := range s.Oracle(Prices) {
		if text := string(truth.JSON); strings.Contains(text, `"tiers": [`) && strings.Contains(text, `"gbp": {`) {
			id = truth.ID
		}
	}
	if id == "" {
		t.Fatal("no price with tiers and currencies")
	}
	check(t, s.Mutate(Prices, id, func(o map[string]any) { o["active"] = true }))
	tests := []struct {
		expand                 []string
		tiers, options, nested bool
	}{
		{nil, false, false, false},
		{[]string{"tiers"}, true, false, false},
		{[]string{"currency_options"}, false, true, false},
		{[]string{"currency_options.tiers"}, false, true, true},
		{[]string{"tiers", "currency_options", "currency_options.tiers"}, true, true, true},
	}
	for range 2 { // the second time the object is one that was changed
		for _, tt := range tests {
			single, all := "/v1/prices/"+id+"?", "/v1/prices?limit=100"
			for _, e := range tt.expand {
				single += "&expand[]=" + e
				all += "&expand[]=data." + e
			}
			listed := list(t, s, all)
			for _, raw := range append(listed.Data, request(s, single, nil).Body.Bytes()) {
				if head(raw).ID != id {
					continue
				}
				p := decoded(t, raw)
				options, hasOptions := p["currency_options"].(map[string]any)
				gbp, _ := options["gbp"].(map[string]any)
				if got := [3]bool{p["tiers"] != nil, hasOptions, gbp["tiers"] != nil}; got != [3]bool{tt.tiers, tt.options, tt.nested} {
					t.Errorf("%v: tiers, options, tiers of options: %v", tt.expand, got)
				}
			}
		}
		check(t, s.Mutate(Prices, id, func(o map[string]any) { o["nickname"] = "changed" }))
	}
}
