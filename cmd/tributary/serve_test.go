package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

const goodSecret = "whsec_wq8Zt3Lm5Rk2Vx9Bn4Cd7Fg1"

// A served copy is a `serve` at work.
type served struct {
	*running
	url string
	log string // file
}

// serve starts `serve` on the shop's copy and waits for its first pass.
func (s *shop) serve(t *testing.T, dir string, args ...string) *served {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	c := command{
		args: append([]string{"serve", "--dir", dir, "--stripe-url", s.url, "--rate-limit", "none", "--listen", "127.0.0.1:0"}, args...),
		env:  []string{"STRIPE_API_KEY=" + s.key},
	}
	cmd := c.prepare(t.Context())
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v := &served{running: &running{pid: cmd.Process.Pid, signal: cmd.Process.Signal, wait: cmd.Wait}, log: log.Name()}
	v.url = v.says(t, `msg=listening url=(\S+)`)
	v.says(t, `(kind=schedule)`)
	return v
}

// says waits until the log matches, and returns the first group.
func (v *served) says(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if m := re.FindSubmatch(v.text(t)); m != nil {
			return string(m[1])
		}
	}
	t.Fatalf("the log never says %s: %s", pattern, v.text(t))
	return ""
}

func (v *served) text(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(v.log)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// events are the shop's, as Stripe lists them.
func (s *shop) events(t *testing.T) []string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/events?limit=100", nil)
	r.Header.Set("Authorization", "Bearer "+s.key)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var list struct{ Data []json.RawMessage }
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, raw := range list.Data {
		out = append(out, string(raw))
	}
	return out
}

// sends sends a webhook now and returns the status.
func (v *served) sends(t *testing.T, body, secret string) int {
	t.Helper()
	now := time.Now().Unix() // the shop's clock is the host's
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", now, body)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.url+"/webhooks/stripe", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Stripe-Signature", fmt.Sprintf("t=%d,v1=%s", now, hex.EncodeToString(mac.Sum(nil))))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// TestServe kills a `serve` between storing a webhook and reading what it is
// about. The next one makes it good, although no list tells of the change.
func TestServe(t *testing.T) {
	t.Parallel()
	g := newGate(func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/v1/charges/") })
	var hide atomic.Bool
	s := openShop(t, small(nil), func(sim http.Handler) http.Handler {
		next := g.before(sim)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if hide.Load() && r.URL.Path == "/v1/events" {
				r.URL.RawQuery = "created[gte]=99999999999"
			}
			next.ServeHTTP(w, r)
		})
	})
	dir := filepath.Join(t.TempDir(), "copy")
	v := s.serve(t, dir) // makes the copy
	add := command{args: []string{"webhook", "add", "--dir", dir, "--secret-file", "-"}, stdin: goodSecret + "\n"}
	if o := add.run(t); o.status != 0 || strings.Contains(o.String(), goodSecret) {
		t.Fatalf("add: %s", o)
	}
	for _, args := range [][]string{s.sync(dir).args, {"serve", "--dir", dir}, {"maintain", "--dir", dir}} {
		o := command{args: args, env: []string{"STRIPE_API_KEY=" + goodKey}}.run(t)
		o.sentence(t, app.ExitFailed, fmt.Sprintf("(pid %d) is writing to %s", v.pid, dir))
	}
	if err := s.Do(stripesim.Step{Do: "update", Resource: stripesim.Charges, Target: "newest"}); err != nil {
		t.Fatal(err)
	}
	events := s.events(t)
	if status := v.sends(t, events[0], "whsec_of_somebody_else"); status != http.StatusBadRequest {
		t.Errorf("forged: %d", status)
	}
	if status := v.sends(t, events[0], goodSecret); status != http.StatusOK {
		t.Fatalf("status %d: %s", status, v.text(t))
	}
	g.waitUntilReached(t, v.running) // it is stored, and its charge is being asked for
	if err := v.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = v.wait() // it was killed
	first := v.text(t)
	hide.Store(true)
	close(g.opened)

	v = s.serve(t, dir, "--log-format", "text")
	count := command{args: []string{"query", "--dir", dir, "--format", "csv", "select count(*) as n from charges_history where source in ('webhook', 'event')"}}
	o := count.run(t)
	for o.status == 0 && o.stdout == "n\r\n0\r\n" {
		o = count.run(t)
	}
	if o.status != 0 || o.stdout != "n\r\n1\r\n" {
		t.Errorf("query beside serve: %s", o)
	}
	if err := v.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := v.wait(); err != nil {
		t.Errorf("stopped: %v: %s", err, v.text(t))
	}
	if !bytes.Contains(v.text(t), []byte("msg=stopped")) {
		t.Errorf("the log does not end: %s", v.text(t))
	}
	s.exact(t, dir, stripesim.Charges, stripesim.Customers)
	all := everything(t, outcome{stderr: string(first) + string(v.text(t))}, dir)
	for name, data := range all {
		if bytes.Contains(data, []byte(goodSecret[6:])) != (filepath.Base(name) == "webhooks.json") {
			t.Errorf("%s has the secret, or lacks it", name)
		}
	}
	silent(t, outcome{stderr: string(first)}, dir, goodKey)
}

// TestServeRefused names what `serve` does not do.
func TestServeRefused(t *testing.T) {
	t.Parallel()
	s := openShop(t, small(map[string]stripesim.Key{"sk_test_expired": {Expired: true}}), nil)
	tests := []struct {
		name   string
		args   []string
		key    string
		status int
		words  []string
	}{
		{"an address that others reach", []string{"--listen", "0.0.0.0:0"}, goodKey, app.ExitUsage, []string{"0.0.0.0:0", "not encrypted", "--public"}},
		{"all addresses", []string{"--listen", ":8080"}, goodKey, app.ExitUsage, []string{"--public"}},
		{"too often", []string{"--every", "10s"}, goodKey, app.ExitUsage, []string{"--every 10s"}},
		{"not a key", nil, "whsec_" + goodKey, app.ExitUsage, []string{"not a key"}},
		{"a key that is not accepted", nil, "sk_test_expired", app.ExitFailed, []string{"was rolled or has expired"}},
		{"not an address", []string{"--listen", "127.0.0.1:99999"}, goodKey, app.ExitFailed, []string{"cannot listen on 127.0.0.1:99999"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "copy")
			args := append([]string{"serve", "--dir", dir, "--stripe-url", s.url, "--listen", "127.0.0.1:0"}, tt.args...)
			o := command{args: args, env: []string{"STRIPE_API_KEY=" + tt.key}}.run(t)
			lines := strings.Split(strings.TrimSpace(o.stderr), "\n")
			o.stderr = ""
			for _, l := range lines {
				if !strings.HasPrefix(l, "time=") { // the log
					o.stderr += l + "\n"
				}
			}
			o.sentence(t, tt.status, tt.words...)
			if tt.key == "sk_test_expired" {
				dir = filepath.Join(dir, "tributary.db") // the services began, no copy did
			}
			absent(t, dir)
		})
	}
}
