package webui

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// Of streams of server-sent events.
const (
	streamEvery = time.Second // between two looks
	streamBeat  = 10          // looks without news, after which something is sent in any case: proxies wait no longer, and a dead connection shows
	maxStreams  = 256         // at once
)

// eventStream is what browsers accept of a stream. Opening one again, which they do
// by themselves, does not keep a session alive.
const eventStream = "text/event-stream"

// A part replaces what an element of the page holds.
type part struct {
	ID   string // of the element, and of the event
	Of   string // the template of it
	Data any
}

// streams counts those that are open.
type streams struct{ open atomic.Int64 }

// stream sends parts of a page whenever they have changed, until look says that it
// was the last time, who signed in is gone, or the server ends. Nothing is held
// between two looks: no transaction and no call.
func (r *request) stream(name string, look func() (parts []part, last bool, err error)) error {
	if r.ui.streams.open.Add(1) > maxStreams {
		r.ui.streams.open.Add(-1)
		return gateway.Fail(http.StatusServiceUnavailable, "", "", "%s", r.t("Too many pages are being kept up to date at once. Reload this one to see what is new."))
	}
	defer r.ui.streams.open.Add(-1)
	s := &sender{r: r, page: name, out: http.NewResponseController(r.w), sent: map[string]string{}}
	h := r.w.Header()
	h.Set("Content-Type", eventStream)
	h.Set("X-Accel-Buffering", "no") // nginx would hold it back
	r.began = true
	r.w.WriteHeader(http.StatusOK)
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	quiet := 0
	for {
		sent, last, err := s.look(look)
		switch {
		case err != nil:
			return err
		case last:
			return s.send("done", "")
		case sent:
			quiet = 0
		default:
			quiet++
		}
		if quiet >= streamBeat {
			quiet = 0
			if err := s.write(": still here\n\n"); err != nil {
				return err
			}
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-r.ui.Ending:
			return nil // the browser tries again, and finds the next server
		case <-tick.C:
		}
		if !r.stays() {
			return s.send("done", "")
		}
	}
}

// stays says whether who signed in still is, in the same sandbox.
func (r *request) stays() bool {
	s, err := r.ui.session(r.http)
	if err != nil || s == nil {
		return false
	}
	c, token, err := r.ui.caller(r.Context(), s)
	if err != nil || c.Sandbox.ID != r.Caller.Sandbox.ID {
		return false
	}
	r.Caller, r.token = c, token
	return true
}

// A sender writes events.
type sender struct {
	r    *request
	page string
	out  *http.ResponseController
	sent map[string]string
}

// look sends what has changed. A refusal that time heals is passed over; any other
// ends the stream.
func (s *sender) look(look func() ([]part, bool, error)) (sent, last bool, err error) {
	parts, last, err := look()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return false, false, nil // the loop ends
		}
		refused, ok := errors.AsType[*gateway.Failure](err)
		if ok && (refused.Status == http.StatusTooManyRequests || refused.Status == http.StatusServiceUnavailable) {
			return false, false, nil
		}
		if ok || problem.KindOf(err) != problem.Internal {
			return false, true, nil // it is not there any more, or not for them
		}
		return false, false, err
	}
	for _, p := range parts {
		html, err := s.html(p)
		if err != nil {
			return sent, last, err
		}
		if s.sent[p.ID] == html {
			continue
		}
		s.sent[p.ID], sent = html, true
		if err := s.send(p.ID, html); err != nil {
			return sent, last, err
		}
	}
	return sent, last, nil
}

func (s *sender) html(p part) (string, error) {
	t := s.r.ui.pages[s.r.lang][s.page]
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, p.Of, view{Data: p.Data, r: s.r, u: s.r.ui, h: s.r.http})
	return strings.TrimSpace(b.String()), err
}

// send writes an event; each line of its text is one of data.
func (s *sender) send(name, text string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "event: %s\n", name)
	for line := range strings.Lines(text) {
		b.WriteString("data: " + strings.TrimRight(line, "\r\n") + "\n")
	}
	if text == "" {
		b.WriteString("data:\n") // an event without data is none
	}
	b.WriteString("\n")
	return s.write(b.String())
}

// write sends at once. That the browser is gone is no fault.
func (s *sender) write(text string) error {
	_, err := s.r.w.Write([]byte(text))
	if err == nil {
		err = s.out.Flush()
	}
	if s.r.Context().Err() != nil {
		return nil //nolint:nilerr // see above
	}
	return err
}
