package stripe

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tributary-data/tributary/internal/problem"
)

const madeWebhook = `{"id":"we_1","object":"webhook_endpoint","url":"https://example.com/webhooks/stripe","status":"enabled",
	"api_version":"2025-02-24.acacia","enabled_events":["charge.succeeded","customer.deleted"],"livemode":true,"created":1700000000,"secret":"whsec_4eC39HqLyjWDarjtT1zdp7dc"}`

// A POST is sent again with the same Idempotency-Key after a failure, and
// carries what makes the endpoint.
func TestCreateWebhook(t *testing.T) {
	t.Parallel()
	var keys []string
	c, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != webhookPath || r.URL.RawQuery != "" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		keys = append(keys, r.Header.Get("Idempotency-Key"))
		if len(keys) < 3 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		want := map[string][]string{
			"url": {"https://example.com/webhooks/stripe"}, "enabled_events[]": {"charge.succeeded", "customer.deleted"},
			"api_version": {Version}, "description": {"Tributary"}, "connect": {"true"},
		}
		if diff := cmp.Diff(want, map[string][]string(r.PostForm)); diff != "" {
			t.Error(diff)
		}
		fmt.Fprint(w, madeWebhook)
	})
	got, err := c.CreateWebhook(t.Context(), "https://example.com/webhooks/stripe", []string{"charge.succeeded", "customer.deleted"}, true, "attempt-1")
	if err != nil {
		t.Fatal(err)
	}
	want := WebhookEndpoint{
		ID: "we_1", URL: "https://example.com/webhooks/stripe", Status: "enabled", APIVersion: Version,
		Events: []string{"charge.succeeded", "customer.deleted"}, Livemode: true, Created: 1700000000,
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(WebhookEndpoint{}, "Secret")); diff != "" {
		t.Error(diff)
	}
	if got.Secret.Reveal() != "whsec_4eC39HqLyjWDarjtT1zdp7dc" {
		t.Error("the secret is another one")
	}
	if diff := cmp.Diff([]string{"attempt-1", "attempt-1", "attempt-1"}, keys); diff != "" {
		t.Error(diff)
	}
}

func TestWebhooks(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("starting_after") {
		case "":
			fmt.Fprintf(w, `{"object":"list","has_more":true,"data":[%s]}`, madeWebhook)
		case "we_1":
			fmt.Fprintf(w, `{"object":"list","has_more":false,"data":[%s]}`, strings.Replace(madeWebhook, "we_1", "we_2", 1))
		default:
			t.Errorf("%s", r.URL)
		}
	})
	got, err := c.Webhooks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range got {
		ids = append(ids, e.ID)
	}
	if diff := cmp.Diff([]string{"we_1", "we_2"}, ids); diff != "" {
		t.Error(diff)
	}
}

func TestDeleteWebhook(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		id      string
		answers []int
		want    problem.Kind
		ok      bool
	}{
		{name: "there", id: "we_1", answers: []int{200}, ok: true},
		{name: "the first answer was lost", id: "we_1", answers: []int{502, 404}, ok: true},
		{name: "not there", id: "we_1", answers: []int{404}, want: problem.NotFound},
		{name: "not an id", id: "we_1/../../charges", want: problem.Invalid},
		{name: "the id of something else", id: "ch_1", want: problem.Invalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := 0
			c, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodDelete || r.URL.Path != webhookPath+"/we_1" || r.Header.Get("Idempotency-Key") != "" {
					t.Errorf("%s %s", r.Method, r.URL)
				}
				status := tt.answers[n]
				n++
				w.Header().Set("Request-Id", "req_1")
				w.WriteHeader(status)
				if status == http.StatusNotFound {
					fmt.Fprint(w, stripeError("resource_missing", "No such webhook endpoint: 'we_1'"))
				} else {
					fmt.Fprint(w, `{"id":"we_1","object":"webhook_endpoint","deleted":true}`)
				}
			})
			err := c.DeleteWebhook(t.Context(), tt.id)
			if (err == nil) != tt.ok || err != nil && problem.KindOf(err) != tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A key that may read everything and manage nothing gets a sentence that says
// what is missing.
func TestWebhookForbidden(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, stripeError("more_permissions_required", "Permission denied. Enabling \"Webhook Endpoints Write\" ('rak_webhook_write') permissions on this key would allow this request to continue."))
	})
	_, err := c.CreateWebhook(t.Context(), "https://example.com", []string{"*"}, false, "k")
	if problem.KindOf(err) != problem.Forbidden {
		t.Fatalf("got %v", err)
	}
	for _, word := range []string{"Webhook endpoints (rak_webhook_write)", "POST /v1/webhook_endpoints", "set Webhook endpoints to Write"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q is missing: %v", word, err)
		}
	}
}
