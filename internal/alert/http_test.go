package alert_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
)

const (
	subscriptions = "/data/infrastructure/observability/alerts/subscriptions"
	shown         = "/data/infrastructure/observability/alerts/notices"
)

func object(t testing.TB, r gatewaytest.Reply, status int) map[string]any {
	t.Helper()
	if r.Status != status {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	v, ok := r.JSON(t).(map[string]any)
	if !ok {
		t.Fatalf("%s", r.Body)
	}
	return v
}

// A subscription's life: made, read, changed, tried, removed.
func TestLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	srv := gatewaytest.New(t, s.HTTP())
	r := srv.Do("POST", subscriptions, map[string]any{"name": "hook", "channel": "webhook", "url": w.hook.server.URL, "flows": []string{"f"}})
	made := object(t, r, 201)
	id, _ := made["id"].(string)
	if key, _ := made["secret"].(string); !strings.HasPrefix(key, "tas_") || len(key) < 40 || r.Header.Get("Location") != subscriptions+"/"+id {
		t.Errorf("%s %v", r.Body, r.Header)
	}
	delete(made, "secret")
	at := json.Number(fmt.Sprint(w.clock.now().UnixMilli()))
	want := map[string]any{
		"id": id, "name": "hook", "channel": "webhook", "url": w.hook.server.URL, "kinds": []any{"run-failure", "run-delay", "read-budget", "drift"}, "flows": []any{"f"},
		"delivery": "immediate", "everyRun": true, "enabled": true, "version": "1", "createdAt": at, "updatedAt": at, "createdBy": prod.User, "updatedBy": prod.User,
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Error(diff)
	}
	path := subscriptions + "/" + id
	if diff := cmp.Diff(want, object(t, srv.Do("GET", path, nil), 200)); diff != "" {
		t.Error(diff)
	}
	changed := srv.Do("PATCH", path, map[string]any{"flows": []string{}, "kinds": []string{"run-start"}, "delivery": "digest", "digestHour": 7}, "If-Match", `"1"`)
	want["flows"], want["kinds"], want["delivery"], want["digestHour"], want["version"] = []any{}, []any{"run-start"}, "digest", json.Number("7"), "2"
	if diff := cmp.Diff(want, object(t, changed, 200)); diff != "" || changed.Header.Get("Etag") != `"2"` {
		t.Error(diff, changed.Header)
	}
	if r := srv.Do("PATCH", path, map[string]any{"enabled": false}, "If-Match", "1"); r.Status != http.StatusPreconditionFailed {
		t.Errorf("stale: %d %s", r.Status, r.Body)
	}
	if got := object(t, srv.Do("POST", path+"/test", nil), 200); got["delivered"] != true || len(w.hook.all(t)) != 1 {
		t.Error(got)
	}
	w.hook.set(func(received) int { return 500 })
	if got := object(t, srv.Do("POST", path+"/test", nil), 200); got["delivered"] != false || got["error"] != "it answered 500" {
		t.Error(got)
	}
	items, _ := object(t, srv.Do("GET", subscriptions, nil), 200)["items"].([]any)
	if diff := cmp.Diff([]any{want}, items); diff != "" {
		t.Error(diff)
	}
	if r := srv.Do("DELETE", path, nil); r.Status != http.StatusNoContent {
		t.Error(r.Status)
	}
	for _, call := range [][2]string{{"GET", path}, {"PATCH", path}, {"DELETE", path}, {"POST", path + "/test"}, {"POST", shown + "/" + id + "/read"}} {
		if r := srv.Do(call[0], call[1], map[string]any{}); r.Status != 404 || !strings.Contains(string(r.Body), `"errorCode":"ALERT-1000-404"`) {
			t.Errorf("%v: %d %s", call, r.Status, r.Body)
		}
	}
}

// What is refused, and in what words.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	srv := gatewaytest.New(t, s.HTTP())
	mail := func(more string) string {
		return `{"name": "n", "channel": "email", "to": ["ops@example.com"]` + more + `}`
	}
	webhook := func(url string) string { return `{"name": "n", "channel": "webhook", "url": "` + url + `"}` }
	for body, says := range map[string]string{
		``:                                    "the body is empty",
		`[]`:                                  "line 1, column 1",
		`null`:                                "an object is expected",
		`{"name": "n",}`:                      "line 1, column 14",
		`{}`:                                  "name: it is missing",
		`{"name": " n"}`:                      "name: it must be one line",
		`{"name": "a\nb"}`:                    "name: it must be one line",
		`{"name": "n"}`:                       "is none of email, webhook, app",
		`{"name": "n", "channel": "sms"}`:     "is none of email, webhook, app",
		`{"name": "n", "channel": "email"}`:   "to: at least one",
		`{"name": "n", "channel": "webhook"}`: "url: it is missing",
		`{"name": "n", "channel": "app", "delivery": "digest"}`: "neither to nor url nor digest",
		mail(`, "secret": "x"`):                                 "secret can't be set; only these can: channel, delivery",
		mail(`, "enabled": "yes"`):                              "enabled: true or false is expected",
		mail(`, "enabled": null`):                               "enabled: it can't be null",
		mail(`, "kinds": ["run-away"]`):                         `kinds: there is no kind "run-away"; there are run-start`,
		mail(`, "kinds": ["test"]`):                             `there is no kind "test"`,
		mail(`, "delivery": "weekly"`):                          "delivery:",
		mail(`, "digestHour": 24`):                              "digestHour: 24",
		mail(`, "digestHour": 1.5`):                             "digestHour: a whole number is expected",
		mail(`, "flows": [""]`):                                 "flows: entry 0",
		mail(`, "url": "https://x"`):                            "url: it goes with the channel webhook",
		mail(`, "to": []`):                                      "to: at least one",
		mail(`, "to": ["a@b.c", "a@b.c"]`):                      "entry 1 is there twice",
		mail(`, "to": ["a@b.c\r\nBcc: x@y.z"]`):                 "entry 0 is no e-mail address",
		mail(`, "to": ["a@b.c> NOTIFY=NEVER"]`):                 "entry 0 is no e-mail address",
		mail(`, "to": ["\"a b\"@c.d"]`):                         "entry 0 is no e-mail address",
		mail(`, "to": ["ä@b.c"]`):                               "entry 0 is no e-mail address",
		webhook("ftp://example.com"):                            "url: it is no URL",
		webhook("https://"):                                     "url: it is no URL",
		webhook("//example.com"):                                "url: it is no URL",
		webhook("https://u:geheim@example.com"):                 "user name or a password",
		webhook("https://example.com/#fragment"):                "fragment",
		webhook("https://example.com/\\u0000"):                  "url: it is no URL",
	} {
		r := srv.Do("POST", subscriptions, body)
		if r.Status != 400 || !strings.Contains(strings.ReplaceAll(string(r.Body), `\"`, `"`), says) || strings.Contains(string(r.Body), "geheim") {
			t.Errorf("%s: %d %s", body, r.Status, r.Body)
		}
	}
	for path, says := range map[string]string{
		shown + "?limit=0": "limit", shown + "?limit=501": "limit", shown + "?unread=maybe": "unread", shown + "?continuationToken=x": "continuationToken", shown + "?continuationToken=LTEgeA": "continuationToken",
	} {
		if r := srv.Do("GET", path, nil); r.Status != 400 || !strings.Contains(string(r.Body), says) {
			t.Errorf("%s: %d %s", path, r.Status, r.Body)
		}
	}
	if r := srv.Do("PUT", subscriptions, `{}`); r.Status != http.StatusMethodNotAllowed {
		t.Error(r.Status)
	}
	if r := srv.Do("POST", subscriptions, `{"name":"`+strings.Repeat("x", 300<<10)+`"}`); r.Status != http.StatusRequestEntityTooLarge {
		t.Error(r.Status)
	}
	s.Mail, s.Client = nil, nil
	for _, body := range []string{mail(""), webhook("https://example.com")} {
		if r := srv.Do("POST", subscriptions, body); r.Status != 409 || !strings.Contains(string(r.Body), "this server sends no") {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
	if r := srv.Do("POST", subscriptions, mail(`, "enabled": false`)); r.Status != 201 {
		t.Errorf("switched off: %d %s", r.Status, r.Body)
	}
}

// The channel of a subscription stays, and a sandbox has no more than 200.
func TestLimits(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	sub, _ := subscribe(t, s, prod, alert.Subscription{Channel: alert.App})
	_, err := s.Change(t.Context(), prod, sub.ID, func(sub *alert.Subscription) error {
		sub.Channel, sub.To = alert.Email, []string{"a@b.c"}
		return nil
	})
	if problem.KindOf(err) != problem.Invalid {
		t.Error(err)
	}
	for range 199 {
		subscribe(t, s, prod, alert.Subscription{Channel: alert.App})
	}
	if _, _, err := s.Subscribe(t.Context(), prod, sub); problem.KindOf(err) != problem.Conflict {
		t.Error(err)
	}
}

// Pages of notices, newest first; who has read them is each user's own.
func TestNotices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	s := w.service()
	srv := gatewaytest.New(t, s.HTTP())
	subscribe(t, s, prod, alert.Subscription{Channel: alert.App, Kinds: []alert.Kind{alert.RunStart}, Flows: []string{"f1"}})
	for i := range 7 {
		w.clock.forward(time.Second)
		tell(t, s, prod, alert.Event{Kind: alert.RunFailure, Flow: fmt.Sprint("f", i), FlowName: fmt.Sprint("F", i), Run: "r", Text: "why"})
	}
	w.clock.forward(time.Second)
	tell(t, s, prod, alert.Event{Kind: alert.RunStart, Flow: "f0", Run: "s"}, alert.Event{Kind: alert.RunStart, Flow: "f1", Run: "s"})
	page := func(path string) (flows []string, ids []string, next string) {
		v := object(t, srv.Do("GET", path, nil), 200)
		items, _ := v["items"].([]any)
		for _, i := range items {
			n, _ := i.(map[string]any)
			flows, ids = append(flows, fmt.Sprint(n["flowId"])), append(ids, fmt.Sprint(n["id"]))
		}
		links, _ := v["_links"].(map[string]any)
		if n, ok := links["next"].(map[string]any); ok {
			next, _ = n["href"].(string)
		}
		return flows, ids, next
	}
	var all []string
	next, pages := shown+"?limit=3", 0
	for ; next != ""; pages++ {
		var flows []string
		flows, _, next = page(next)
		all = append(all, flows...)
	}
	if diff := cmp.Diff([]string{"f1", "f6", "f5", "f4", "f3", "f2", "f1", "f0"}, all); diff != "" || pages != 3 {
		t.Error(pages, diff)
	}
	if flows, _, _ := page(shown + "?flowId=f1"); !slices.Equal(flows, []string{"f1", "f1"}) {
		t.Error(flows)
	}
	if flows, _, _ := page(shown + "?kind=run-start"); !slices.Equal(flows, []string{"f1"}) {
		t.Error(flows)
	}
	_, ids, _ := page(shown + "?limit=5")
	for _, id := range ids {
		n := object(t, srv.Do("POST", shown+"/"+id+"/read", nil), 200)
		if n["read"] != true {
			t.Error(n)
		}
	}
	object(t, srv.Do("POST", shown+"/"+ids[2]+"/unread", nil), 200)
	if flows, _, _ := page(shown + "?unread=true"); !slices.Equal(flows, []string{"f5", "f2", "f1", "f0"}) {
		t.Error(flows)
	}
	other := access.Principal{Org: gatewaytest.Org, Client: "other", User: "other", Grants: map[string][]access.Permission{"prod": {access.ViewAlerts}}}
	v := object(t, srv.As(other, "GET", shown+"?unread=true&limit=500", nil), 200)
	if items, _ := v["items"].([]any); len(items) != 8 {
		t.Errorf("another user: %d", len(items))
	}
	if r := srv.As(other, "POST", subscriptions, `{}`); r.Status != 403 {
		t.Error(r.Status)
	}
	if r := srv.Do("POST", shown+"/"+ids[0]+"/read", nil, "X-Sandbox-Name", "dev"); r.Status != 404 {
		t.Errorf("from another sandbox: %d", r.Status)
	}
}

// Whatever a body says, it is taken or refused, and what was taken can be read.
func FuzzSubscription(f *testing.F) {
	for _, s := range []string{
		`{"name":"n","channel":"email","to":["a@b.c"],"kinds":["drift"],"flows":["x"],"delivery":"digest","digestHour":3}`, `{"name":"n","channel":"webhook","url":"https://a.b/c?d=e"}`,
		`{"name":"n","channel":"app","everyRun":true}`, `{"flows":null,"kinds":null}`, `[]`, `{"name":"\ud800"}`, `{"digestHour":1e400}`, `{"to":[1]}`,
	} {
		f.Add(s)
	}
	w := newWorld(f, "")
	service := w.service()
	srv := gatewaytest.New(f, service.HTTP())
	f.Fuzz(func(t *testing.T, body string) {
		s := srv.With(t)
		r := s.Do("POST", subscriptions, body)
		if r.Status >= 500 || r.Status != 201 && r.Status >= 300 && !strings.Contains(string(r.Body), "errorCode") {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		if r.Status != 201 {
			return
		}
		id, _ := object(t, r, 201)["id"].(string)
		path := subscriptions + "/" + id
		object(t, s.Do("GET", path, nil), 200)
		if r := s.Do("PATCH", path, body); r.Status != 200 {
			t.Fatalf("the same again: %d %s", r.Status, r.Body)
		}
		if r := s.Do("DELETE", path, nil); r.Status != 204 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	})
}

// A continuation token that was not given is refused, and never a failure.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "MTcgeA", "x", "LTEgeA", "\x00", "MSAA"} {
		f.Add(s)
	}
	w := newWorld(f, "")
	s := w.service()
	srv := gatewaytest.New(f, s.HTTP())
	tell(f, s, prod, alert.Event{Kind: alert.Drift, Key: "k"})
	f.Fuzz(func(t *testing.T, text string) {
		q := url.Values{"continuationToken": {text}}
		if r := srv.With(t).Do("GET", shown+"?"+q.Encode(), nil); r.Status != 200 && r.Status != 400 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	})
}
