package stripesim

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A Sending is how a delivery is made. All but Genuine and Lost are what a
// receiver must refuse, or must not act on.
type Sending string

// The ways to send.
const (
	Genuine        Sending = "genuine"
	Lost           Sending = "lost"            // never arrives
	Forged         Sending = "forged"          // signed with a secret that is not the endpoint's
	Unsigned       Sending = "unsigned"        // without a signature
	Stale          Sending = "stale"           // signed an hour ago
	Future         Sending = "future"          // signed an hour ahead
	Tampered       Sending = "tampered"        // changed after it was signed
	Downgraded     Sending = "downgraded"      // with a v0 signature only
	Broken         Sending = "broken"          // half of the JSON, signed
	ForeignAccount Sending = "foreign-account" // of another account, signed
	OtherMode      Sending = "other-mode"      // of the other mode, signed
	Thin           Sending = "thin"            // an event of the v2 API, signed
)

func (a Sending) known() bool {
	return a == "" || slices.Contains([]Sending{
		Genuine, Lost, Forged, Unsigned, Stale, Future, Tampered, Downgraded, Broken, ForeignAccount, OtherMode, Thin,
	}, a)
}

// sign returns the v1 signature of a body: HMAC-SHA256 over "t.body".
func sign(secretText string, t int64, body []byte) string {
	m := hmac.New(sha256.New, []byte(secretText))
	m.Write(strconv.AppendInt(nil, t, 10))
	m.Write([]byte{'.'})
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// signature is the Stripe-Signature header: one v1 for each secret in force,
// and the v0 that events of test mode have besides.
func (s *Sim) signature(ep *endpoint, as Sending, t int64, body []byte) string {
	now := s.clock.unix()
	parts := []string{"t=" + strconv.FormatInt(t, 10)}
	s.mu.RLock()
	secrets := slices.Clone(ep.secrets)
	s.mu.RUnlock()
	for _, one := range secrets {
		if as == Downgraded || one.until != 0 && one.until <= now {
			continue
		}
		key := one.text
		if as == Forged {
			key += "x"
		}
		parts = append(parts, "v1="+sign(key, t, body))
	}
	if as == Downgraded || s.cfg.Mode == Test {
		parts = append(parts, "v0="+sign(secrets[0].text, t, body))
	}
	return strings.Join(parts, ",")
}

// posted returns the body and the signature of a delivery.
func (s *Sim) posted(d *delivery, as Sending) (body []byte, header string) {
	t, body := s.clock.unix(), d.body
	switch as {
	case Stale:
		t -= 3600
	case Future:
		t += 3600
	case Broken:
		body = body[:len(body)/2]
	case ForeignAccount:
		body = rewritten(body, "account", stringNode("acct_1SomebodyElse00"))
	case OtherMode:
		body = rewritten(body, "livemode", boolNode(s.cfg.Mode != Live))
	case Thin:
		body = thin(d)
	}
	header = s.signature(d.to, as, t, body)
	if as == Tampered {
		body = bytes.Replace(body, []byte(`"created": `), []byte(`"created": 1`), 1)
	}
	return body, header
}

func rewritten(body []byte, k string, v *node) []byte {
	e := &enc{}
	e.node(mustParse(body).with(k, v))
	return e.b
}

func thin(d *delivery) []byte {
	data := mustParse(d.body).at("data", "object")
	e := &enc{}
	e.node(fields(
		"id", d.event, "object", "v2.core.event", "type", "v1."+d.kind, "livemode", false, "created", "2026-06-01T12:00:00.000Z",
		"related_object", fields("id", data.at("id"), "type", data.at("object"), "url", "/v1/"+data.at("object").value()+"s/"+data.at("id").value())))
	return e.b
}

// send1 makes one delivery.
func (s *Sim) send1(ctx context.Context, client *http.Client, d *delivery, as Sending, twice bool) Delivered {
	d.attempts++
	out := Delivered{Event: d.event, Type: d.kind, Endpoint: d.to.id, As: as, Attempt: d.attempts}
	if as == Lost {
		return out
	}
	body, header := s.posted(d, as)
	for range 2 {
		status, err := post(ctx, client, d.to.url, as, body, header)
		out.Status, out.Error = status, ""
		if err != nil {
			out.Error = err.Error()
		}
		if !twice {
			break
		}
	}
	return out
}

func post(ctx context.Context, client *http.Client, target string, as Sending, body []byte, header string) (status int, err error) {
	u, err := url.Parse(target)
	if err != nil || !isLoopback(u.Hostname()) {
		return 0, fmt.Errorf("%s is not a loopback address: nothing is sent there", target)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
	if as != Unsigned {
		req.Header.Set("Stripe-Signature", header)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, err
}

// newSender makes the client: no proxy, no redirects, nothing beyond this
// machine whatever a name resolves to.
func newSender() *http.Client {
	dial := &net.Dialer{Timeout: 5 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		if !net.ParseIP(host).IsLoopback() {
			return fmt.Errorf("%s is not a loopback address", address)
		}
		return nil
	}}
	return &http.Client{
		Timeout:       10 * time.Second,
		Transport:     &http.Transport{DialContext: dial.DialContext, MaxIdleConnsPerHost: 16},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func isLoopback(host string) bool {
	return host == "localhost" || net.ParseIP(host).IsLoopback()
}
