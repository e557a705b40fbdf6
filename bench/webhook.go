package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	webhookKey    = "sk_test_bench"
	webhookSecret = "whsec_bench_0123456789abcdef"
)

var serving = regexp.MustCompile(`msg=listening url=(http://\S+)`)

// webhook measures how long it takes from a webhook until `query` shows the
// row: objects of an account are changed one after the other, Stripe's event is
// sent to `serve`, and `query` is asked again and again, as a process of its own
// each time.
func (b *bench) webhook(ctx context.Context, latency time.Duration, changes int) error {
	url, stop, err := b.simulate(ctx, "--seed", "1", "--charges", "20000", "--customers", "5000", "--subscriptions", "2000", "--prices", "100",
		"--limits", "25/25", "--latency", latency.String())
	if err != nil {
		return err
	}
	defer stop()
	dir := filepath.Join(b.tmp, "webhook")
	if err := b.tributary(ctx, "", nil, "sync", "--dir", dir, "--stripe-url", url, "--rate-limit", "none", "--rate-share", "1", "--output", "json"); err != nil {
		return err
	}
	if err := b.tributary(ctx, webhookSecret, nil, "webhook", "add", "--dir", dir, "--secret-file", "-"); err != nil {
		return err
	}
	at, end, err := b.serve(ctx, "kind=schedule", dir, "--stripe-url", url, "--rate-limit", "25/25")
	if err != nil {
		return err
	}
	defer end()
	w := &hooked{b: b, stripe: url, serve: at, dir: dir, known: map[string]bool{}}
	var seen, answered []time.Duration
	for i := range changes {
		r := []string{"charges", "customers", "subscriptions", "prices"}[i%4]
		took, answer, err := w.change(ctx, r)
		if err != nil {
			return err
		}
		seen, answered = append(seen, took), append(answered, answer)
	}
	slices.Sort(seen)
	slices.Sort(answered)
	p := func(sorted []time.Duration, share float64) time.Duration {
		return percentile(sorted, share).Round(time.Millisecond)
	}
	fmt.Printf("\nFrom a webhook to the row in `query`, %s latency of Stripe, %d changes\n\n", latency, changes)
	fmt.Printf("row visible   p50 %s  p99 %s  longest %s (goal: p99 of 5s at most; asking takes %s)\n", p(seen, 0.5), p(seen, 0.99), p(seen, 1), w.asking.Round(time.Millisecond))
	fmt.Printf("answered in   p50 %s  p99 %s  longest %s\n", p(answered, 0.5), p(answered, 0.99), p(answered, 1))
	return nil
}

// tributary runs a command of the built program.
func (b *bench) tributary(ctx context.Context, stdin string, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, b.bin, args...)
	cmd.Env = append(os.Environ(), "STRIPE_API_KEY="+webhookKey)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), out, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", args[0], err)
	}
	return nil
}

// serve starts `serve` and returns its URL once it has said until.
func (b *bench) serve(ctx context.Context, until, dir string, more ...string) (url string, stop func(), err error) {
	args := slices.Concat(b.on, []string{b.bin, "serve", "--dir", dir, "--listen", "127.0.0.1:0"}, more)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "STRIPE_API_KEY="+webhookKey)
	log, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	b.serving = cmd.Process.Pid
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		if m := serving.FindStringSubmatch(lines.Text()); m != nil {
			url = m[1]
		}
		if url != "" && strings.Contains(lines.Text(), until) {
			go func() {
				for lines.Scan() {
				}
			}()
			return url, stop, nil
		}
	}
	stop()
	return "", nil, errors.New("serve did not start")
}

// A hooked account is one whose webhooks are sent to a `serve`.
type hooked struct {
	b                  *bench
	stripe, serve, dir string
	known              map[string]bool // events
	asking             time.Duration   // the longest that `query` took
}

// change changes an object of a resource, sends the event, and returns how long
// it took to be seen and to be answered.
func (h *hooked) change(ctx context.Context, resource string) (seen, answered time.Duration, err error) {
	step := fmt.Sprintf(`{"do":"update","resource":%q,"target":"random"}`, resource)
	if _, err := h.call(ctx, http.MethodPost, h.stripe+"/sim/do", step, ""); err != nil {
		return 0, 0, err
	}
	event, err := h.news(ctx)
	if err != nil {
		return 0, 0, err
	}
	var e struct {
		Data struct {
			Object struct {
				ID       string
				Metadata struct{ Changed string }
			}
		}
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return 0, 0, err
	}
	now := time.Now().Unix() // the account's clock is the host's
	mac := hmac.New(sha256.New, []byte(webhookSecret))
	fmt.Fprintf(mac, "%d.%s", now, event)
	began := time.Now()
	if _, err := h.call(ctx, http.MethodPost, h.serve+"/webhooks/stripe", string(event), fmt.Sprintf("t=%d,v1=%s", now, hex.EncodeToString(mac.Sum(nil)))); err != nil {
		return 0, 0, err
	}
	answered = time.Since(began)
	query := fmt.Sprintf("select metadata->>'changed' as c from %s where id = '%s'", resource, e.Data.Object.ID)
	for time.Since(began) < time.Minute {
		var out bytes.Buffer
		asked := time.Now()
		if err := h.b.tributary(ctx, "", &out, "query", "--dir", h.dir, "--format", "csv", query); err != nil {
			return 0, 0, err
		}
		h.asking = max(h.asking, time.Since(asked))
		if _, row, _ := strings.Cut(out.String(), "\n"); strings.TrimSpace(row) == e.Data.Object.Metadata.Changed {
			return time.Since(began), answered, nil
		}
	}
	return 0, 0, fmt.Errorf("%s of %s did not show up within a minute", e.Data.Object.ID, resource)
}

// news returns the event that was not there before.
func (h *hooked) news(ctx context.Context) ([]byte, error) {
	body, err := h.call(ctx, http.MethodGet, h.stripe+"/v1/events?limit=100", "", "")
	if err != nil {
		return nil, err
	}
	var list struct{ Data []json.RawMessage }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	var fresh json.RawMessage
	for _, raw := range list.Data {
		var e struct{ ID string }
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, err
		}
		if !h.known[e.ID] {
			fresh = raw
		}
		h.known[e.ID] = true
	}
	if fresh == nil {
		return nil, errors.New("the change made no event")
	}
	return fresh, nil
}

func (h *hooked) call(ctx context.Context, method, url, body, signature string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+webhookKey)
	if signature != "" {
		req.Header.Set("Stripe-Signature", signature)
		req.Header.Del("Authorization")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, answer)
	}
	return answer, err
}
