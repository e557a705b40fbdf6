package app_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/logtest"
	"github.com/tributary-data/tributary/internal/need"
	"github.com/tributary-data/tributary/internal/stripe"
)

// stripeMock runs Stripe's own mock, which checks the shape of requests against
// Stripe's specification and answers with an object of each kind.
func stripeMock(t *testing.T) (url string) {
	t.Helper()
	binary := need.Binary(t, "TRIBUTARY_TEST_STRIPE_MOCK")
	plain, secure := freeAddress(t), freeAddress(t)
	// Without an address of ours for HTTPS it takes a fixed one, on all interfaces.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "-http-addr", plain, "-https-addr", secure)
	said := &logtest.Buffer{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
	})
	// It is ours that listens: another's port would have ended it.
	for !strings.Contains(said.String(), "Listening for HTTP at address: "+plain) {
		select {
		case <-ended:
			t.Fatalf("stripe-mock ended: %s", said)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return "http://" + plain
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// inPages passes requests on to stripe-mock and makes of its lists, which have
// one object whatever is asked, lists that go on with an empty page: so it sees
// every request that a longer list would lead to.
func inPages(t *testing.T, mock string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, answer := fetch(t, mock+r.URL.RequestURI(), r.Header)
		if list, ok := answer.(map[string]any); ok && r.URL.Query().Has("starting_after") {
			list["data"] = []any{}
		} else {
			continued(answer)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, marshal(answer))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// fetch returns the status and the JSON of an answer.
func fetch(t *testing.T, url string, h http.Header) (status int, answer any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	req.Header = h.Clone()
	req.Header.Del("Accept-Encoding")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	defer res.Body.Close()
	d := json.NewDecoder(res.Body)
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		t.Errorf("%s: %v", url, err)
	}
	return res.StatusCode, answer
}

func continued(v any) {
	switch v := v.(type) {
	case map[string]any:
		if v["object"] == "list" {
			v["has_more"] = true
		}
		for _, e := range v {
			continued(e)
		}
	case []any:
		for _, e := range v {
			continued(e)
		}
	}
}

func TestStripeMock(t *testing.T) {
	t.Parallel()
	mock := stripeMock(t)
	tests := []struct {
		name, url string
		pages     bool
	}{
		{"in pages", inPages(t, mock), true},
		{"as it is", mock, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			key, err := stripe.ParseKey("sk_test_123")
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var mu sync.Mutex
			var calls []string
			s := app.Sync{Dir: dir, Key: key, URL: tt.url, Share: 1, Limits: &stripe.Limits{}, Hooks: app.Hooks{OnCall: func(c stripe.Call) {
				mu.Lock()
				defer mu.Unlock()
				if calls = append(calls, c.Endpoint); c.Status != http.StatusOK {
					t.Errorf("%s was answered %d", c.Endpoint, c.Status)
				}
			}}}
			report, err := s.Run(t.Context())
			if err != nil || report.Status != app.Complete {
				t.Fatalf("%v: %s", err, marshal(report))
			}
			copied := openCopy(t, dir)
			if d := cmp.Diff([]string(nil), copied.column("select concat_ws(' ', resource, path, reason) as v from quarantine order by 1")); d != "" {
				t.Errorf("quarantine (-want +got):\n%s", d)
			}
			for _, r := range stripe.Resources {
				if !slices.Contains(calls, r.Path) {
					t.Errorf("%s was not asked for", r.Path)
				}
				if d := cmp.Diff(shownByMock(t, mock, r), copied.column("select id as v from "+r.Name+" order by 1")); d != "" {
					t.Errorf("%s (-want +got):\n%s", r.Name, d)
				}
			}
			if tt.pages && !slices.Contains(calls, "/v1/subscription_items") {
				t.Errorf("further items were not asked for: %q", calls)
			}
		})
	}
}

// shownByMock returns the ids that a copy of what stripe-mock shows must have.
func shownByMock(t *testing.T, mock string, r stripe.Resource) []string {
	t.Helper()
	_, answer := fetch(t, mock+r.Path, http.Header{"Authorization": {"Bearer sk_test_123"}})
	list, _ := answer.(map[string]any)
	data, _ := list["data"].([]any)
	var ids []string
	for _, o := range data {
		id, _ := o.(map[string]any)["id"].(string)
		ids = append(ids, id)
	}
	if len(ids) != 1 || ids[0] == "" {
		t.Fatalf("stripe-mock shows %v", answer)
	}
	return ids
}
