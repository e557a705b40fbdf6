package flow_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/stripe"
)

const (
	root = "/data/foundation/flowservice"

	goodKey       = "sk_test_good00001234"
	restrictedKey = "rk_test_some00001234" // charges and events alone
	expiredKey    = "rk_test_old000001234"
)

func TestCreateConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := connectionWith(goodKey)
	for name, c := range map[string]struct{ code, body, word string }{
		"no body":         {"FLOW-1405-400", "", ""},
		"null":            {"FLOW-1405-400", "null", ""},
		"empty":           {"FLOW-1405-400", "{}", ""},
		"a comma":         {"FLOW-1455-400", strings.Replace(body, `"}}}`, `",}}}`, 1), "line 3"},
		"no object":       {"FLOW-1455-400", "[1]", "line 1"},
		"no name":         {"FLOW-1455-400", with(t, body, "name", ""), `Missing field "name"`},
		"blank name":      {"FLOW-1455-400", with(t, body, "name", `"  "`), "name"},
		"number for name": {"FLOW-1455-400", with(t, body, "name", "5"), "name"},
		"state":           {"FLOW-1410-400", with(t, body, "state", `"enabled"`), "state"},
		"no spec":         {"FLOW-1413-400", with(t, body, "connectionSpec", ""), "spec"},
		"unknown spec":    {"FLOW-1413-400", with(t, body, "connectionSpec.id", `"`+flow.FlowSpec+`"`), flow.FlowSpec},
		"unknown version": {"FLOW-1413-400", with(t, body, "connectionSpec.version", `"2.0"`), "2.0"},
		"a target's spec": {"FLOW-1413-400", with(t, body, "connectionSpec.id", `"`+flow.DataLakeSpec+`"`), "no base connection"},
		"no auth":         {"FLOW-1415-400", with(t, body, "auth", ""), flow.StripeSpec},
		"unknown auth":    {"FLOW-1415-400", with(t, body, "auth.specName", `"Basic"`), `"Basic"`},
		"no token":        {"CONNECTOR-1304-400", with(t, body, "auth.params", "{}"), "accessToken"},
		"null token":      {"CONNECTOR-1304-400", with(t, body, "auth.params.accessToken", "null"), "accessToken"},
		"blank token":     {"CONNECTOR-1304-400", connectionWith("  "), "accessToken"},
		"number token":    {"CONNECTOR-1312-400", with(t, body, "auth.params.accessToken", "5"), "accessToken"},
		"publishable":     {"CONNECTOR-1312-400", connectionWith("pk_test_planted12345"), "publishable"},
		"a day":           {"CONNECTOR-1312-400", with(t, body, "auth.params.expirationDate", `"tomorrow"`), "expirationDate"},
		"an object":       {"CONNECTOR-1312-400", with(t, body, "auth.params.requestParameterOverride", `"x"`), "requestParameterOverride"},
		"an account":      {"CONNECTOR-1312-400", with(t, body, "auth.params.stripeAccount", `"acct_1/../"`), "stripeAccount"},
		"wrong key":       {"FLOW-1100-400", connectionWith("sk_test_planted12345"), "Invalid API Key provided"},
		"expired key":     {"FLOW-1100-400", connectionWith(expiredKey), "expired"},
		"foreign account": {"FLOW-1100-400", connectionWith(goodKey, `"stripeAccount": "acct_1Other"`), "acct_1Other"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := (&rig{r.With(t), t, r.svc, r.sim}).failed(c.code, "POST /connections", c.body)
			text := fmt.Sprint(answer["errorMessage"])
			if !strings.Contains(text, c.word) || strings.Contains(fmt.Sprint(answer), "planted") {
				t.Errorf("%s", text)
			}
		})
	}
	r.failed("CONNECTOR-1368-400", "POST /connections?mode=dry", body)
	for name, body := range map[string]string{
		"as printed":        body,
		"no version":        with(t, body, "connectionSpec.version", ""),
		"written otherwise": with(t, body, "auth.specName", `"oAuth2-refresh_code"`),
		"restricted":        connectionWith(restrictedKey),
		"a token":           connectionWith("oauth-token-of-an-app"),
		"its own account":   connectionWith(goodKey, `"stripeAccount": "acct_1M2JTkLkdIwHu7ix"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{r.With(t), t, r.svc, r.sim}
			id, etag := r.made("/connections", body)
			got := r.item("/connections/" + id + "/")
			if got["etag"] != etag || got["version"] != etag || got["state"] != "enabled" || got["imsOrgId"] != gatewaytest.Org || got["sandboxName"] != "prod" {
				t.Errorf("%v", got)
			}
			if diff := cmp.Diff(map[string]any{"id": flow.StripeSpec, "version": "1.0"}, got["connectionSpec"]); diff != "" {
				t.Error(diff)
			}
			c, err := r.svc.Connection(t.Context(), gatewaytest.Admin("prod"), id)
			if err != nil || c.Account == nil || c.Account.ID != "acct_1M2JTkLkdIwHu7ix" || c.Account.Livemode || c.Account.Fingerprint == "" {
				t.Errorf("%+v, %v", c.Account, err)
			}
		})
	}
}

// What is secret is in no answer; what is not, and what nobody knows, is kept.
func TestSecretsOfConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.made("/connections", connectionWith(goodKey,
		`"refreshToken": "planted one"`, `"clientSecret": "planted two"`, `"clientId": "ca_shown"`, `"shop": {"a": [1.50]}`, `"apiKey": "sk_test_planted\u0033three"`, `"expirationDate": "2026-01-31"`))
	got := r.item("/connections/" + id)
	want := map[string]any{"specName": "OAuth2 Refresh Code", "params": map[string]any{
		"clientId": "ca_shown", "shop": map[string]any{"a": []any{json.Number("1.50")}}, "expirationDate": "2026-01-31",
	}}
	if diff := cmp.Diff(want, got["auth"]); diff != "" {
		t.Error(diff)
	}
	for _, call := range []string{"GET /connections", "GET /connections?property=auth", "GET /connections?property=auth.params.accessToken==" + goodKey, "GET /connections?property=auth.sealed.about!=x"} {
		if body := r.do(200, call, nil).Body; bytes.Contains(body, []byte("planted")) || bytes.Contains(body, []byte(goodKey)) || bytes.Contains(body, []byte("sealed")) {
			t.Errorf("%s: %s", call, body)
		}
	}
	c, err := r.svc.Connection(t.Context(), gatewaytest.Admin("prod"), id)
	if err != nil {
		t.Fatal(err)
	}
	cred, err := r.svc.Credentials(c)
	if key, e := stripe.ParseKey(goodKey); err != nil || e != nil || cred.Key.Fingerprint("") != key.Fingerprint("") {
		t.Errorf("%v %v", cred, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", cred, cred, cred); strings.Contains(text, "good") {
		t.Errorf("printed: %s", text)
	}
	// Sealed for this connection, in this sandbox, of this organisation.
	for name, change := range map[string]func(*flow.Connection){
		"id": func(c *flow.Connection) { c.ID = "another" }, "sandbox": func(c *flow.Connection) { c.SandboxID = "another" }, "organisation": func(c *flow.Connection) { c.Org = "another" },
	} {
		other := *c
		change(&other)
		if _, err := r.svc.Credentials(&other); err == nil {
			t.Errorf("it opens for another %s", name)
		}
	}
}

func TestDraftConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, etag := r.made("/connections?mode=draft", `{"name": "Later"}`)
	if got := r.item("/connections/" + id); got["state"] != "draft" || fmt.Sprint(got["auth"]) != "map[params:map[] specName:]" {
		t.Errorf("%v", got)
	}
	publish := "POST /connections/" + id + "/action?op="
	r.failed("FLOW-1413-400", publish+"PUBLISH", nil)
	r.failed("FLOW-1402-400", publish+"FINALIZE_UPDATE", nil)
	r.failed("FLOW-1451-400", publish+"enable", nil)
	r.failed("FLOW-1451-400", publish, nil)
	r.failed("FLOW-1404-412", publish+"publish", nil, "If-Match", "old")
	patch := `[{"op": "add", "path": "/connectionSpec", "value": {"id": "` + flow.StripeSpec + `"}}]`
	etag = fmt.Sprint(r.do(200, "PATCH /connections/"+id, patch, "If-Match", etag).JSON(t).(map[string]any)["etag"])
	r.failed("FLOW-1415-400", publish+"publish", nil)
	r.do(200, "PATCH /connections/"+id, `{"op": "ADD", "path": "/auth", "value": {"specName": "OAuth2 Refresh Code", "params": {"accessToken": "sk_test_wrong1234567"}}}`, "If-Match", etag)
	r.failed("FLOW-1100-400", publish+"publish", nil)
	r.do(200, "PATCH /connections/"+id, `[{"op": "replace", "path": "/auth/params/accessToken", "value": "`+goodKey+`"}]`, "If-Match", "*")
	answer := r.do(200, publish+"publish", nil).JSON(t).(map[string]any)
	if got := r.item("/connections/" + id); got["state"] != "enabled" || got["etag"] != answer["etag"] {
		t.Errorf("%v %v", got, answer)
	}
	if again := r.do(200, publish+"publish", nil).JSON(t).(map[string]any); again["etag"] != answer["etag"] {
		t.Errorf("published twice: %v", again)
	}
	r.failed("FLOW-1439-404", "POST /connections/nothing/action?op=publish", nil)
}

func TestPatchConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, etag := r.made("/connections", connectionWith(goodKey, `"clientId": "ca_shown"`))
	path := "PATCH /connections/" + id
	before := r.item("/connections/" + id)
	for name, c := range map[string]struct{ code, patch string }{
		"no body":             {"FLOW-1405-400", ""},
		"no patch":            {"FLOW-1455-400", "5"},
		"comma":               {"FLOW-1455-400", `[{"op": "replace", "path": "/name", "value": "x"},]`},
		"move":                {"FLOW-1434-400", `[{"op": "move", "path": "/name", "from": "/auth/params/accessToken"}]`},
		"copy":                {"FLOW-1434-400", `[{"op": "COPY", "path": "/name", "from": "/auth/params/accessToken"}]`},
		"test":                {"FLOW-1434-400", `[{"op": "test", "path": "/auth/params/accessToken", "value": "x"}]`},
		"another":             {"FLOW-1434-400", `[{"op": "mend", "path": "/name"}]`},
		"no value":            {"FLOW-1455-400", `[{"op": "replace", "path": "/name"}]`},
		"no path":             {"FLOW-1455-400", `[{"op": "remove"}]`},
		"all of it":           {"FLOW-1455-400", `[{"op": "replace", "path": "", "value": {}}]`},
		"missing":             {"FLOW-1455-400", `[{"op": "replace", "path": "/labels", "value": ["a"]}]`},
		"nothing to remove":   {"FLOW-1455-400", `[{"op": "remove", "path": "/auth/params/nothing"}]`},
		"read only":           {"FLOW-1455-400", `[{"op": "replace", "path": "/state", "value": "disabled"}]`},
		"ours":                {"FLOW-1455-400", `[{"op": "add", "path": "/account", "value": {"id": "acct_1"}}]`},
		"the seal":            {"FLOW-1455-400", `[{"op": "remove", "path": "/auth/sealed"}]`},
		"no name":             {"FLOW-1455-400", `[{"op": "remove", "path": "/name"}]`},
		"a number":            {"FLOW-1455-400", `[{"op": "replace", "path": "/name", "value": 5}]`},
		"another spec":        {"FLOW-1413-400", `[{"op": "replace", "path": "/connectionSpec/id", "value": "x"}]`},
		"no spec":             {"FLOW-1413-400", `[{"op": "remove", "path": "/connectionSpec"}]`},
		"a spec of targets":   {"FLOW-1413-400", `[{"op": "replace", "path": "/connectionSpec/id", "value": "` + flow.DataLakeSpec + `"}]`},
		"no token":            {"CONNECTOR-1304-400", `[{"op": "replace", "path": "/auth/params", "value": {"refreshToken": "x"}}]`},
		"another auth":        {"FLOW-1415-400", `[{"op": "replace", "path": "/auth/specName", "value": "Basic"}]`},
		"one of two is wrong": {"FLOW-1455-400", `[{"op": "replace", "path": "/name", "value": "New"}, {"op": "remove", "path": "/nothing"}]`},
	} {
		t.Run(name, func(t *testing.T) {
			(&rig{r.With(t), t, r.svc, r.sim}).failed(c.code, path, c.patch, "If-Match", etag)
		})
	}
	rename := `[{"op": "replace", "path": "/name", "value": "Renamed"}]`
	r.failed("FLOW-1403-400", path, rename)
	stale := r.failed("FLOW-1404-412", path, rename, "If-Match", `"00000000-0000-0200-0000-000000000000"`)
	if text := fmt.Sprint(stale["errorMessage"]); !strings.Contains(text, "does not match the current version") {
		t.Error(text)
	}
	if diff := cmp.Diff(before, r.item("/connections/"+id)); diff != "" {
		t.Fatalf("it changed: %s", diff)
	}

	key := func() string {
		t.Helper()
		c, err := r.svc.Connection(t.Context(), gatewaytest.Admin("prod"), id)
		if err != nil {
			t.Fatal(err)
		}
		cred, err := r.svc.Credentials(c)
		if err != nil {
			t.Fatal(err)
		}
		known := "unknown"
		if c.Account != nil {
			known = c.Account.ID
		}
		return cred.Key.String() + " " + known + " " + cred.Account
	}
	const known = " acct_1M2JTkLkdIwHu7ix "
	// Etags are taken however clients write them.
	for i, write := range []func(string) string{
		func(s string) string { return s },
		func(s string) string { return strings.Trim(s, `"`) },
		func(s string) string { return `\` + strings.TrimSuffix(s, `"`) + `\"` },
		func(string) string { return "*" },
	} {
		answer := r.do(200, path, fmt.Sprintf(`[{"op": "replace", "path": "/name", "value": "Name %d"}, {"op": "add", "path": "/labels", "value": ["core/C12"]}]`, i), "If-Match", write(etag))
		now := answer.JSON(t).(map[string]any)
		if now["etag"] == etag || now["id"] != id || answer.Header.Get("ETag") != now["etag"] {
			t.Errorf("%v", now)
		}
		etag = fmt.Sprint(now["etag"])
	}
	r.do(200, path+"?if-match="+strings.Trim(etag, `"`), `[{"op": "remove", "path": "/labels"}]`)
	got := r.item("/connections/" + id)
	if got["name"] != "Name 3" || got["labels"] != nil || got["description"] != before["description"] || got["createdAt"] != before["createdAt"] {
		t.Errorf("%v", got)
	}
	if k := key(); k != "sk_test_…1234"+known {
		t.Errorf("the key became %s", k)
	}
	// Secrets that are not named are kept, unless all parameters are replaced;
	// whose data other credentials give is not known.
	r.do(200, path, `[{"op": "add", "path": "/auth/params/refreshToken", "value": "planted"}]`, "If-Match", "*")
	if k := key(); k != "sk_test_…1234"+known {
		t.Errorf("the key became %s", k)
	}
	r.do(200, path, `[{"op": "replace", "path": "/auth/params/accessToken", "value": "sk_test_other0005678"}]`, "If-Match", "*")
	if k := key(); k != "sk_test_…5678 unknown " {
		t.Errorf("the key became %s", k)
	}
	r.do(200, path, `[{"op": "replace", "path": "/auth/params", "value": {"accessToken": "`+goodKey+`", "stripeAccount": "acct_1M2JTkLkdIwHu7ix"}}]`, "If-Match", "*")
	if k := key(); k != "sk_test_…1234 unknown acct_1M2JTkLkdIwHu7ix" {
		t.Errorf("the key became %s", k)
	}
	if diff := cmp.Diff(map[string]any{"stripeAccount": "acct_1M2JTkLkdIwHu7ix"}, r.item("/connections/" + id)["auth"].(map[string]any)["params"]); diff != "" {
		t.Error(diff)
	}
	r.failed("CONNECTOR-1304-400", path, `[{"op": "remove", "path": "/auth/params/accessToken"}]`, "If-Match", "*")
	r.failed("FLOW-1439-404", "PATCH /connections/nothing", rename, "If-Match", "*")
}

func TestTestConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.svc.VerifyOnCreate = false
	for name, c := range map[string]struct {
		body   string
		result bool
		words  []string
	}{
		"good":         {connectionWith(goodKey), true, nil},
		"restricted":   {connectionWith(restrictedKey), true, []string{"customers: the key lacks a permission: Customers (rak_customer_read)", "prices: "}},
		"wrong":        {connectionWith("sk_test_planted12345"), false, []string{"did not accept the key", "Invalid API Key provided"}},
		"expired":      {connectionWith(expiredKey), false, []string{"expired"}},
		"no such keys": {connectionWith("{ACCESS_TOKEN}"), false, []string{"did not accept the key"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &rig{r.With(t), t, r.svc, r.sim}
			id, etag := r.made("/connections", c.body)
			reply := r.do(200, "GET /connections/"+id+"/test", nil)
			answer := reply.JSON(t).(map[string]any)
			message, _ := answer["message"].(string)
			if answer["result"] != c.result || (message == "") != (c.words == nil) || bytes.Contains(reply.Body, []byte("planted")) {
				t.Errorf("%s", reply.Body)
			}
			for _, w := range c.words {
				if !strings.Contains(message, w) {
					t.Errorf("no %q in %q", w, message)
				}
			}
			conn, err := r.svc.Connection(t.Context(), gatewaytest.Admin("prod"), id)
			if err != nil || (conn.Account != nil) != c.result || conn.Etag != etag {
				t.Errorf("%+v %v", conn, err)
			}
			if account, err := r.svc.Account(t.Context(), gatewaytest.Admin("prod"), id); (err == nil) != c.result || c.result && account.ID == "" {
				t.Errorf("%v %v", account, err)
			}
		})
	}
	id, _ := r.made("/connections?mode=draft", `{"name": "Later"}`)
	if answer := r.do(200, "GET /connections/"+id+"/test", nil).JSON(t).(map[string]any); answer["result"] != false || !strings.Contains(fmt.Sprint(answer["message"]), "accessToken") {
		t.Errorf("%v", answer)
	}
	r.failed("FLOW-1439-404", "GET /connections/nothing/test", nil)
}

// Hosts that are not there, do not answer, or are not Stripe.
func TestHosts(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	html := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html><body>planted</body></html>"))
		}
	}
	stop := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(silent.Close)
	t.Cleanup(func() { close(stop) })
	at := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	for name, c := range map[string]struct{ url, code, message string }{
		"unreachable":   {gone.URL, "FLOW-1103-503", "connection refused"},
		"slow":          {silent.URL, "FLOW-1104-504", "did not answer in time"},
		"HTML":          {at(html(200)), "FLOW-1103-503", "can't be used"},
		"HTML, 502":     {at(html(502)), "FLOW-1103-503", "HTTP 502"},
		"HTML, 404":     {at(html(404)), "CONNECTOR-1308-400", "is not Stripe's API"},
		"HTML, 401":     {at(html(401)), "CONNECTOR-1308-400", "HTTP 401"},
		"another shape": {at(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"object":"list"}`)) }), "FLOW-1103-503", "can't be used"},
		"a redirect": {at(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}), "FLOW-1103-503", "redirects elsewhere"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := rigAt(t, nil, c.url)
			r.svc.Wait = 300 * time.Millisecond
			if name != "slow" {
				r.svc.Wait = 20 * time.Second
			}
			// It is created all the same.
			id, _ := r.made("/connections", connectionWith(goodKey))
			answer := r.failed(c.code, "GET /connections/"+id+"/explore?objectType=rest&sourceParams=eyJyZXNvdXJjZVBhdGgiOiJjaGFyZ2VzIn0", nil)
			if text := fmt.Sprint(answer); !strings.Contains(text, c.message) || strings.Contains(text, "planted") || strings.Contains(text, goodKey) {
				t.Errorf("%v", answer)
			}
			tested := r.do(200, "GET /connections/"+id+"/test", nil).JSON(t).(map[string]any)
			if tested["result"] != false || tested["message"] == nil {
				t.Errorf("%v", tested)
			}
			if _, err := r.svc.Account(t.Context(), gatewaytest.Admin("prod"), id); err == nil {
				t.Error("an account of nobody")
			}
		})
	}
}

func TestDeleteConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.made("/connections", connectionWith(goodKey))
	src, _ := r.made("/sourceConnections", sourceOn(id))
	tgt, _ := r.made("/targetConnections", targetOn(mine))
	for range 3 {
		r.made("/connections", connectionWith(goodKey))
	}
	put := func(f flow.Flow) {
		t.Helper()
		body, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		c := gatewaytest.Admin("prod")
		err = r.svc.DB.Do(t.Context(), func(tx *docstore.Tx) error {
			_, err := tx.Put(docstore.Scope{Org: c.Org, Sandbox: c.Sandbox.ID}, docstore.Doc{Kind: "flow.flow", ID: f.ID, Body: body})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	put(flow.Flow{Item: flow.Item{ID: "f0"}, Route: flow.Route{ConnectionID: "another"}, SourceIDs: []string{"x"}, TargetIDs: []string{"y"}})
	put(flow.Flow{Item: flow.Item{ID: "f1", State: flow.Disabled}, Route: flow.Route{ConnectionID: id}, SourceIDs: []string{src}, TargetIDs: []string{tgt}})
	for code, path := range map[string]string{"FLOW-1418-400": "/connections/" + id, "FLOW-1447-400": "/sourceConnections/" + src, "FLOW-1447-400 ": "/targetConnections/" + tgt} {
		if answer := r.failed(strings.TrimSpace(code), "DELETE "+path, nil); !strings.Contains(fmt.Sprint(answer["errorMessage"]), "f1") {
			t.Errorf("%v", answer)
		}
		r.do(200, "GET "+path, nil)
	}
	c := gatewaytest.Admin("prod")
	err := r.svc.DB.Do(t.Context(), func(tx *docstore.Tx) error {
		return tx.Delete(docstore.Scope{Org: c.Org, Sandbox: c.Sandbox.ID}, "flow.flow", "f1")
	})
	if err != nil {
		t.Fatal(err)
	}
	r.failed("FLOW-1404-412", "DELETE /connections/"+id, nil, "If-Match", "old")
	r.do(204, "DELETE /connections/"+id+"/", nil)
	answer := r.failed("FLOW-1439-404", "GET /connections/"+id, nil)
	if report := answer["report"].(map[string]any); report["id"] != id || report["type"] != "connections" {
		t.Errorf("%v", report)
	}
	r.failed("FLOW-1439-404", "DELETE /connections/"+id, nil)
	r.do(200, "GET /sourceConnections/"+src, nil) // it stays, and can't be used
	r.do(204, "DELETE /sourceConnections/"+src, nil)
	r.do(204, "DELETE /targetConnections/"+tgt, nil)
}

// Nothing is seen from elsewhere.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	id, _ := r.made("/connections", connectionWith(goodKey))
	r.failed("FLOW-1439-404", "GET /connections/"+id, nil, "X-Sandbox-Name", "dev")
	r.failed("FLOW-1439-404", "POST /sourceConnections", sourceOn(id), "X-Sandbox-Name", "dev")
	viewer := access.Principal{Org: gatewaytest.Org, Client: "client", Grants: map[string][]access.Permission{"prod": {access.ViewSources}}}
	for _, call := range []string{"POST /connections", "DELETE /connections/" + id, "PATCH /connections/" + id, "POST /connections/" + id + "/action", "POST /connectionSpecs", "PUT /flowSpecs/" + flow.FlowSpec} {
		method, path, _ := strings.Cut(call, " ")
		if got := r.As(viewer, method, root+path, "{"); got.Status != 403 || !bytes.Contains(got.Body, []byte("FLOW-2120-403")) {
			t.Errorf("%s: %d %s", call, got.Status, got.Body)
		}
	}
	for _, call := range []string{"GET /connections/" + id, "GET /connections/" + id + "/test", "POST /connections/search"} {
		method, path, _ := strings.Cut(call, " ")
		if got := r.As(viewer, method, root+path, `{"limit": 1}`); got.Status != 200 {
			t.Errorf("%s: %d %s", call, got.Status, got.Body)
		}
	}
	for call, want := range map[string]int{"PUT /connections/" + id: 405, "GET /connections/search": 405, "GET /nothing": 404, "GET /sandbox": 404} {
		method, path, _ := strings.Cut(call, " ")
		if got := r.Do(method, root+path, nil); got.Status != want || !bytes.Contains(got.Body, []byte("FLOW-")) {
			t.Errorf("%s: %d %s", call, got.Status, got.Body)
		}
	}
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
