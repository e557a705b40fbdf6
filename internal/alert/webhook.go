package alert

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// SignatureHeader signs a webhook: t=<epoch seconds>,v1=<HMAC-SHA256 in hex of
// "<t>.<body>" with the subscription's secret>.
const SignatureHeader = "Tributary-Signature"

// Sign returns the header's value for a body.
func Sign(secret string, at time.Time, body []byte) string {
	t := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(t + "."))
	mac.Write(body)
	return "t=" + t + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// postTime is how long a receiver may take.
const postTime = 10 * time.Second

// codes are the names of events that Adobe's sources have, or would have.
var codes = map[Kind]string{
	RunStart: "sources_flow_run_start", RunSuccess: "sources_flow_run_success", RunNoData: "sources_flow_run_success", Recovered: "sources_flow_run_success",
	RunFailure: "sources_flow_run_failure", RunDelay: "sources_flow_run_delay", ReadBudget: "sources_read_budget", Drift: "sources_drift",
	Test: "alert_test", Digest: "alert_digest",
}

// envelope writes a message the way in which Experience Platform sends flow
// runs as I/O events. Adobe shows the run's members in the event itself, and
// elsewhere under value; so they are in both places.
func envelope(p place, m message) ([]byte, error) {
	event := map[string]any{}
	value := m.Value
	if len(value) > 0 && value[0] == '{' {
		var members map[string]json.RawMessage
		if err := json.Unmarshal(value, &members); err != nil {
			return nil, fmt.Errorf("the body of event %s: %w", m.EventID, err)
		}
		for name, v := range members {
			event[name] = v
		}
	}
	told := m
	told.Value = nil
	if len(value) == 0 {
		var err error
		if value, err = json.Marshal(told); err != nil {
			return nil, err
		}
	}
	told.Events = nil
	maps.Copy(event, map[string]any{
		"header": map[string]any{"_adobeio": map[string]string{"imsOrgId": p.Org, "providerMetadata": "aep_observability_catalog_events", "eventCode": codes[m.Kind]}},
		"value":  value,
		"alert":  told, // ours
	})
	event["sandboxId"], event["sandboxName"] = p.Sandbox, p.Name
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{"event_id": m.EventID, "event": event}); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// post sends a message to a webhook. Errors name no path: it may be a secret.
func (s *Service) post(ctx context.Context, p place, sub stored, m message) error {
	if s.Client == nil || sub.Secret == nil {
		return problem.Errorf(problem.Unavailable, "this server sends no webhooks of alerts")
	}
	key, err := s.Keys.Open(sub.Secret.Text, about(p, sub.ID))
	if err != nil {
		return fmt.Errorf("the secret of its signatures: %w", err)
	}
	body, err := envelope(p, m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, postTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, sub.URL, bytes.NewReader(body))
	if err != nil {
		return problem.Errorf(problem.Unavailable, "its URL is not valid")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "Tributary")
	req.Header.Set(SignatureHeader, Sign(string(key), s.Now(), body))
	client := *s.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return unreached(ctx, err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection may be used again
	switch c := resp.StatusCode; {
	case c >= 200 && c < 300:
		return nil
	case c >= 300 && c < 400:
		return problem.Errorf(problem.Unavailable, "it answered %d: redirects are not followed", c)
	case c >= 500, c == http.StatusTooManyRequests, c == http.StatusRequestTimeout, c == http.StatusTooEarly:
		return problem.Errorf(problem.Unavailable, "it answered %d", c)
	case c == http.StatusUnauthorized, c == http.StatusForbidden, c == http.StatusNotFound, c == http.StatusGone:
		return problem.Errorf(problem.Unavailable, "it answered %d: the URL or what guards it has changed", c)
	default:
		return problem.Errorf(problem.Conflict, "it answered %d to this event", c)
	}
}

// unreached words an error of the client, without the URL that it names.
func unreached(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return problem.Errorf(problem.Unavailable, "it did not answer within %s", postTime)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) {
		err = u.Err
	}
	return &problem.Error{Kind: problem.Unavailable, Detail: "it can't be reached", Err: err}
}
