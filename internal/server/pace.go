package server

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Bodies, in either direction, may be of any size but not slow without end:
// beside a grace they must keep a speed on the average. What counts is the time
// that is spent on waiting for the caller, not what the handler takes.
const (
	bodyGrace = 20 * time.Second
	bodySpeed = 16 << 10 // bytes a second
)

// paced holds each request and each answer to the speed.
func paced(next http.Handler, now func() time.Time) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// What has no deadlines, in tests, goes without.
		rc := http.NewResponseController(w)
		_ = rc.SetWriteDeadline(time.Time{}) // the last request's of the connection
		out := &writer{ResponseWriter: w, rc: rc, pace: pace{now: now}}
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(out, r)
			_ = rc.SetWriteDeadline(now().Add(bodyGrace))
			return
		}
		in := &body{ReadCloser: r.Body, rc: rc, pace: pace{now: now}}
		r.Body = in
		next.ServeHTTP(out, r)
		_ = rc.SetWriteDeadline(now().Add(bodyGrace)) // for what is in the buffer
		if !in.ended {
			_ = rc.SetReadDeadline(now().Add(bodyGrace)) // the server reads on for a bit, to keep the connection
		}
	})
}

// A pace is how far a body has come.
type pace struct {
	now    func() time.Time
	bytes  int64
	waited time.Duration
}

// deadline returns when the next step must have ended.
func (p *pace) deadline(begin time.Time) time.Time {
	return begin.Add(bodyGrace + time.Duration(p.bytes/bodySpeed)*time.Second - p.waited)
}

func (p *pace) step(begin time.Time, n int) {
	p.bytes += int64(n)
	p.waited += p.now().Sub(begin)
}

type body struct {
	io.ReadCloser
	pace
	rc    *http.ResponseController
	ended bool
}

func (b *body) Read(p []byte) (int, error) {
	begin := b.now()
	if !b.ended {
		_ = b.rc.SetReadDeadline(b.deadline(begin))
	}
	n, err := b.ReadCloser.Read(p)
	b.step(begin, n)
	if errors.Is(err, io.EOF) && !b.ended {
		b.ended = true
		// From here on the server only watches whether the caller is still
		// there, for as long as the handler takes.
		_ = b.rc.SetReadDeadline(time.Time{})
	}
	return n, err
}

type writer struct {
	http.ResponseWriter
	pace
	rc *http.ResponseController
}

func (w *writer) Write(p []byte) (int, error) {
	const most = 256 << 10 // at once: what a caller may take slowly is less than the grace's worth
	written := 0
	for {
		part := p[written:min(len(p), written+most)]
		begin := w.now()
		_ = w.rc.SetWriteDeadline(w.deadline(begin))
		n, err := w.ResponseWriter.Write(part)
		w.step(begin, n)
		written += n
		if err != nil {
			return written, err
		}
		if written == len(p) {
			_ = w.rc.SetWriteDeadline(time.Time{}) // until the next one the handler takes its time
			return written, nil
		}
	}
}

// FlushError is for http.ResponseController.
func (w *writer) FlushError() error {
	begin := w.now()
	_ = w.rc.SetWriteDeadline(w.deadline(begin))
	err := w.rc.Flush()
	w.step(begin, 0)
	if err == nil {
		_ = w.rc.SetWriteDeadline(time.Time{})
	}
	return err
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
