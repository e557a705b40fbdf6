package webui

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// facts are an account's as the API tells them.
const facts = `{"connectionId":"c","accountId":"acct_1","displayName":"My shop","livemode":true,"copy":"acct_1-live","checkedAt":1795000000000,
"resources":[{"resource":"charges","readable":true,"right":{"id":"rak_charge_read","name":"Charges: Read"},"missing":[]},
{"resource":"refunds","readable":false,"right":{"id":"rak_charge_read","name":"Charges: Read"},"missing":[{"id":"rak_charge_read","name":"Charges: Read"}],"reason":"no"},
{"resource":"prices","readable":false,"right":{"id":"rak_plan_read","name":"Plans: Read"},"missing":[],"reason":"<b>It is closed</b>"}],
"events":{"resource":"events","readable":true,"right":{"id":"rak_event_read","name":"Events: Read"},"missing":[]},
"rate":{"limit":100,"endpointLimit":25,"share":0.8,"allowed":80,"used":0},
"budget":{"windowDays":30,"used":2500,"allowance":10000,"remaining":7500},
"key":{"page":"https://dashboard.stripe.com/apikeys","create":"https://dashboard.stripe.com/apikeys/create?name=Tributary","rights":[{"id":"rak_charge_read","name":"Charges: Read","for":"charges","required":true},{"id":"rak_account_read","name":"Account: Read","for":"account","required":false}]},
"egressAddresses":["192.0.2.7"]}`

// What an account's key may read is said with each right by its name, in both
// languages.
func TestAccountFacts(t *testing.T) {
	t.Parallel()
	var f accountFacts
	if err := json.Unmarshal([]byte(facts), &f); err != nil {
		t.Fatal(err)
	}
	for lang, want := range map[string][]string{
		"en": {
			"acct_1", "Live mode", "Charges: Read", "Missing:", "&lt;b&gt;It is closed", "Stripe allows 100, of which Tributary uses at most 80.0 now.", "2,500 of 10,000 reads used in 30 days", "25%",
			"192.0.2.7", "https://dashboard.stripe.com/apikeys/create?name=Tributary", "(optional)", "Events (changes)",
		},
		"ko": {"실시간 모드", "부족한 권한:", "읽기 10,000회 중 2,500회 사용(30일 기준)", "이벤트(변경 사항)", "환불"},
	} {
		body := rendered(t, lang, "workflow_connect", "account-facts", &f)
		for _, text := range want {
			if !strings.Contains(body, text) {
				t.Errorf("%s lacks %q: %s", lang, text, body)
			}
		}
	}
}

// A forecast is held against the allocation.
func TestForecast(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"fits":     {`{"passes":720,"idle":{"reads":2160},"allowance":10000,"used":1234,"fits":true,"share":0.216}`, []string{"720", "2,160", "21.6%", "10,000", "1,234 are used so far", "nothing was measured yet"}},
		"measured": {`{"passes":720,"idle":{"reads":2160},"measured":{"reads":15000},"allowance":10000,"fits":false,"share":1.5}`, []string{"15,000", "150%", "more than Stripe allows", "By what runs took"}},
	} {
		var f forecast
		if err := json.Unmarshal([]byte(c.text), &f); err != nil {
			t.Fatal(err)
		}
		body := rendered(t, "en", "workflow_schedule", "forecast", f)
		for _, text := range c.want {
			if !strings.Contains(body, text) {
				t.Errorf("%s lacks %q: %s", name, text, body)
			}
		}
	}
	if body := rendered(t, "en", "workflow_schedule", "forecast", forecast{Once: true}); !strings.Contains(body, "One run reads") {
		t.Errorf("once: %s", body)
	}
}

// rendered is a template of a page's file with data, for nobody who is signed in.
func rendered(t *testing.T, lang, name, of string, data any) string {
	t.Helper()
	words, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := parsePages(words)
	if err != nil {
		t.Fatal(err)
	}
	u := &UI{pages: pages}
	w, began := httptest.NewRecorder(), false
	if err := u.write(w, 200, lang, name, of, view{Data: data, u: u, h: httptest.NewRequest(http.MethodGet, "/ui/", nil)}, &began); err != nil {
		t.Fatal(err)
	}
	return w.Body.String()
}
