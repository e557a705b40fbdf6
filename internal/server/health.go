package server

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// A Check is one part that must be ready before calls can be answered.
type Check struct {
	Name  string // a word that anybody may read: database, lake
	Ready func(ctx context.Context) error
}

// Checks take at most checkTime, and are not asked again within checkPause,
// whoever asks how often.
const (
	checkTime  = 2 * time.Second
	checkPause = time.Second
)

// health answers /healthz, which says that the program is alive, and /readyz,
// which says that it can do its work, or names the parts that can't. Why they
// can't is for the log. Without checks both are the handler's business.
func (s *Server) health(next http.Handler) http.Handler {
	if len(s.Ready) == 0 {
		return next
	}
	ready := &readiness{server: s}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			if allowed(w, r) {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				_, _ = w.Write([]byte("ok\n")) // who asked may be gone
			}
		case "/readyz":
			missing := ready.ask(r.Context())
			if len(missing) > 0 {
				say(w, r, http.StatusServiceUnavailable, map[string]any{"ready": false, "missing": missing})
				return
			}
			say(w, r, http.StatusOK, map[string]any{"ready": true})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func allowed(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", "GET, HEAD")
	w.WriteHeader(http.StatusMethodNotAllowed)
	return false
}

func say(w http.ResponseWriter, r *http.Request, status int, body any) {
	if !allowed(w, r) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // who asked has gone
}

// readiness asks the checks for all who want to know.
type readiness struct {
	server *Server

	mu      sync.Mutex
	at      time.Time
	missing []string
}

func (q *readiness) ask(ctx context.Context) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.server
	if !q.at.IsZero() && s.Now().Sub(q.at).Abs() < checkPause {
		return q.missing
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTime)
	defer cancel()
	failed := make([]error, len(s.Ready))
	var wg sync.WaitGroup
	for i, c := range s.Ready {
		wg.Go(func() { failed[i] = c.Ready(ctx) })
	}
	wg.Wait()
	q.missing = nil
	for i, err := range failed {
		if err != nil {
			q.missing = append(q.missing, s.Ready[i].Name)
			s.Log.WarnContext(ctx, "not ready", "part", s.Ready[i].Name, "error", err)
		}
	}
	q.at = s.Now()
	return q.missing
}
