package queue

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A quiet handler takes River's log. Its errors go on as they are, each at most
// once a minute: without its database it has several a second. All else is for
// who looks for a defect.
type quiet struct {
	slog.Handler
	said *said
}

type said struct {
	sync.Mutex
	last map[string]time.Time // by message; River's are constant
}

func quieted(log *slog.Logger) *slog.Logger {
	return slog.New(quiet{log.Handler(), &said{last: map[string]time.Time{}}})
}

// Enabled implements slog.Handler.
func (h quiet) Enabled(ctx context.Context, level slog.Level) bool {
	if level < slog.LevelError {
		level = slog.LevelDebug
	}
	return h.Handler.Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h quiet) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelError || !h.said.first(r) {
		r.Level = slog.LevelDebug
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quiet{h.Handler.WithAttrs(attrs), h.said}
}

// WithGroup implements slog.Handler.
func (h quiet) WithGroup(name string) slog.Handler { return quiet{h.Handler.WithGroup(name), h.said} }

// first reports whether the message was not said in the minute before.
func (s *said) first(r slog.Record) bool {
	s.Lock()
	defer s.Unlock()
	last, ok := s.last[r.Message]
	if ok && r.Time.Sub(last) < time.Minute {
		return false
	}
	s.last[r.Message] = r.Time
	return true
}
