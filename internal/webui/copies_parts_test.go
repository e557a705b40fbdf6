package webui

import (
	"encoding/json"
	"strings"
	"testing"
)

// While a comparison goes on, its part asks again by itself, and offers no other.
func TestReconcileGoes(t *testing.T) {
	t.Parallel()
	var v reconcileView
	text := `{"state":"running","askedAt":1795000000000,"askedBy":"me","waits":"Stripe <rests>","resources":[{"resource":"charges","state":"running","read":1200,"requests":13,"pagesLeft":7},{"resource":"refunds","state":"failed","read":0,"requests":1,"error":"it is <closed>"}],
"proofs":[{"resource":"charges","equal":false,"at":1795000000000,"inStripe":5,"inLake":6,"held":1,"sums":[{"field":"amount","currency":"jpy","inStripe":1234,"inLake":1235}]}]}`
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	v.Copy, v.Open = "acct_1-test", true
	body := rendered(t, "en", "copy", "reconcile", v)
	for _, want := range []string{
		`hx-get="/ui/copies/acct_1-test/reconcile"`, `hx-headers='{"X-By-Itself":"1"}'`, "1,200", "Stripe &lt;rests&gt;", "it is &lt;closed&gt;", "1,234 JPY", "1 stays until", "Differs", "Under way", "Failed",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("it lacks %q: %s", want, body)
		}
	}
	if strings.Contains(body, "<form") {
		t.Errorf("another is offered: %s", body)
	}
	if body := rendered(t, "ko", "copy", "reconcile", v); !strings.Contains(body, "진행 중") || !strings.Contains(body, "청구") {
		t.Errorf("in Korean: %s", body)
	}
}
