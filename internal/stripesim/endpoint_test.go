package stripesim

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func ask(s *Sim, method, path, form string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	r.Header.Set("Authorization", "Bearer "+s.Key())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestWebhookEndpoints(t *testing.T) {
	t.Parallel()
	s := frozen(t)
	const form = "url=http://127.0.0.1:9/hook&enabled_events[]=charge.succeeded&enabled_events[1]=refund.created&api_version=2025-02-24.acacia" +
		"&description=a+copy&metadata[made+by]=test"
	w := ask(s, http.MethodPost, "/v1/webhook_endpoints", form)
	made := decoded(t, w.Body.Bytes())
	id, key := made["id"].(string), made["secret"].(string)
	if w.Code != 200 || !strings.HasPrefix(id, "we_") || !strings.HasPrefix(key, "whsec_") || len(key) != 38 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	delete(made, "secret")
	want := map[string]any{
		"id": id, "object": "webhook_endpoint", "api_version": defaultVersion, "application": nil, "created": float64(end.Unix()),
		"description": "a copy", "enabled_events": []any{"refund.created", "charge.succeeded"}, "livemode": false,
		"metadata": map[string]any{"made by": "test"}, "status": "enabled", "url": "http://127.0.0.1:9/hook",
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(made, decoded(t, ask(s, http.MethodGet, "/v1/webhook_endpoints/"+id, "").Body.Bytes())); diff != "" {
		t.Errorf("retrieved (-created +got):\n%s", diff)
	}
	second, _, err := s.AddEndpoint("http://localhost:9/")
	check(t, err)
	l := list(t, s, "/v1/webhook_endpoints?limit=1")
	if len(l.Data) != 1 || !l.HasMore || head(l.Data[0]).ID != second {
		t.Errorf("list %+v", l)
	}
	if l := list(t, s, "/v1/webhook_endpoints?starting_after="+second); len(l.Data) != 1 || l.HasMore || strings.Contains(string(l.Data[0]), "whsec_") {
		t.Errorf("list after the first %+v", l)
	}
	if w := request(s, "/v1/webhook_endpoints/"+id, map[string]string{"Authorization": "Bearer sk_live_other"}); w.Code != 404 {
		t.Errorf("in the other mode: %d", w.Code)
	}
	must[string](t)(s.Create(Charges, Draft{Status: "succeeded"}))
	w = ask(s, http.MethodDelete, "/v1/webhook_endpoints/"+id, "")
	if w.Code != 200 || decoded(t, w.Body.Bytes())["deleted"] != true || s.Pending() != 1 {
		t.Errorf("deleted: %d %s, %d wait", w.Code, w.Body, s.Pending())
	}
	if w := ask(s, http.MethodGet, "/v1/webhook_endpoints/"+id, ""); w.Code != 404 {
		t.Errorf("after the delete: %d", w.Code)
	}
}

func TestWebhookEndpointsRefuse(t *testing.T) {
	t.Parallel()
	const good = "url=http://127.0.0.1:9/&enabled_events[]=*"
	tests := []struct {
		name, method, path, form string
		status                   int
		message                  string
	}{
		{"no url", "POST", "webhook_endpoints", "enabled_events[]=*", 400, "Missing required param: url."},
		{"bad url", "POST", "webhook_endpoints", "url=somewhere&enabled_events[]=*", 400, "Not a valid URL"},
		{"no events", "POST", "webhook_endpoints", "url=http://127.0.0.1:9/", 400, "Missing required param: enabled_events."},
		{"unknown event", "POST", "webhook_endpoints", "url=http://127.0.0.1:9/&enabled_events[]=charge.created", 400, "charge.created"},
		{"unknown version", "POST", "webhook_endpoints", good + "&api_version=2099-01-01", 400, "2099-01-01"},
		{"unknown parameter", "POST", "webhook_endpoints", good + "&colour=red", 400, "Received unknown parameter: colour"},
		{"unknown endpoint", "GET", "webhook_endpoints/we_nope", "", 404, "No such webhook endpoint: 'we_nope'"},
		{"delete an unknown one", "DELETE", "webhook_endpoints/we_nope", "", 404, "No such webhook endpoint"},
		{"delete all", "DELETE", "webhook_endpoints", "", 404, "Unrecognized request URL"},
		{"post elsewhere", "POST", "charges", "amount=1", 404, "Unrecognized request URL (POST: /v1/charges)"},
		{"delete elsewhere", "DELETE", "customers/cus_1", "", 404, "Unrecognized request URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := ask(newSim(t, small(1)), tt.method, "/v1/"+tt.path, tt.form)
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.message) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestWebhookEndpointsAreFew(t *testing.T) {
	t.Parallel()
	s := newSim(t, small(1))
	for range 16 {
		_, _, err := s.AddEndpoint("http://127.0.0.1:9/")
		check(t, err)
	}
	if _, _, err := s.AddEndpoint("http://127.0.0.1:9/"); err == nil {
		t.Error("a seventeenth")
	}
}

func TestWebhookPermissions(t *testing.T) {
	t.Parallel()
	cfg := small(1)
	cfg.Keys = map[string]Key{"rk_test_none": {Permissions: []string{}}, "rk_test_read": {Permissions: []string{"webhook_read"}}, "rk_test_write": {Permissions: []string{"rak_webhook_write"}}}
	s := newSim(t, cfg)
	for key, want := range map[string][]int{"none": {403, 403}, "read": {200, 403}, "write": {200, 200}} {
		var got []int
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, "/v1/webhook_endpoints", strings.NewReader("url=http://127.0.0.1:9/&enabled_events[]=*"))
			r.Header.Set("Authorization", "Bearer rk_test_"+key)
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			got = append(got, w.Code)
			if w.Code == 403 && !strings.Contains(w.Body.String(), "('webhook_") {
				t.Errorf("%s %s: %s", key, method, w.Body)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", key, got, want)
		}
	}
}
