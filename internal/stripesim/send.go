package stripesim

import (
	"bytes"
	"compress/gzip"
	"context"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// latency draws how long an answer takes.
func (s *Sim) latency() time.Duration {
	l := s.cfg.Latency
	if l.Sigma <= 0 {
		return l.Median
	}
	return time.Duration(float64(l.Median) * math.Exp(l.Sigma*rand.NormFloat64()))
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// send writes the answer, or as much of it as the rule lets through.
func (s *Sim) send(w http.ResponseWriter, r *http.Request, a *answer, rule *Rule, id string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Date", s.clock.now().Format(http.TimeFormat))
	if v, err := s.versionOf(r); err == nil && !a.silent {
		h.Set("Stripe-Version", v)
	}
	if id != "" {
		h.Set("Request-Id", id)
	}
	for k, v := range a.header {
		h.Set(k, v)
	}
	body := a.body
	if rule != nil && rule.Action == Truncate {
		body = body[:len(body)/2]
	}
	if s.cfg.Gzip && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = compressed(body)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	half := len(body)
	if rule != nil && (rule.Action == Cut || rule.Action == StallBody) {
		half /= 2
	}
	_, _ = w.Write(body[:half]) // a client that went away is none of our business
	if half == len(body) {
		return
	}
	_ = http.NewResponseController(w).Flush()
	if rule.Action == Cut {
		panic(http.ErrAbortHandler)
	}
	wait(r.Context(), time.Duration(rule.Delay))
	_, _ = w.Write(body[half:])
}

func compressed(body []byte) []byte {
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant
	}
	_, _ = z.Write(body) // a bytes.Buffer takes everything
	_ = z.Close()
	return out.Bytes()
}

// reset breaks the connection so that the client sees a reset, not an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func (s *Sim) recycle(a *answer) {
	if a.enc == nil {
		return
	}
	a.enc.b = a.enc.b[:0]
	s.pages.Put(a.enc)
	a.enc = nil
}
