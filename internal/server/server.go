// Package server is the life of the HTTP server: where it listens and how it
// is encrypted, what a slow or broken caller may cost, how it stops, and what
// it says of its health.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Server serves a handler and, if it has checks, /healthz and /readyz.
type Server struct {
	Address string // host:port; port 0 takes a free one
	// Public allows an address that others can reach, without TLS.
	Public  bool
	TLS     Files // none for plain HTTP
	Handler http.Handler
	Ready   []Check
	Log     *slog.Logger
	Now     func() time.Time // the machine's clock: connections have deadlines by it

	listener net.Listener
	keys     *pair
}

// Times that callers have.
const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	grace      = 5 * time.Second // for what is under way when the server stops
)

// maxHeader is how many bytes the headers of a request may have.
const maxHeader = 16 << 10

// Reachable refuses an address that others could reach without TLS, unless it
// is said to be public.
func (s *Server) Reachable() error {
	if s.Public || s.TLS != (Files{}) || Loopback(s.Address) {
		return nil
	}
	return &problem.Error{
		Kind: problem.Invalid, Detail: fmt.Sprintf("--listen %q is not a loopback address, and what is served there is not encrypted", s.Address),
		Advice: "Listen on 127.0.0.1 behind a proxy that speaks TLS, serve TLS with --tls-cert and --tls-key, or say with --public that a proxy stands in front",
	}
}

// Loopback says whether only the machine itself can reach an address.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

// Listen takes the address. What is wrong with it, or with the files of TLS,
// it tells at once.
func (s *Server) Listen(ctx context.Context) error {
	if err := s.Reachable(); err != nil {
		return err
	}
	if s.TLS != (Files{}) {
		var err error
		if s.keys, err = s.TLS.load(s.Log); err != nil {
			return err
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.Address)
	if err != nil {
		return &problem.Error{
			Kind: problem.Conflict, Detail: "cannot listen on " + s.Address, Err: err,
			Advice: "Choose another address with --listen; port 0 takes a free one",
		}
	}
	s.listener = l
	return nil
}

// URL returns where the server listens.
func (s *Server) URL() string {
	scheme := "http"
	if s.keys != nil {
		scheme = "https"
	}
	return scheme + "://" + s.listener.Addr().String()
}

// Run serves until ctx is done, and then lets what is under way finish for a
// while. It returns nil when it was ctx that ended it.
func (s *Server) Run(ctx context.Context) error {
	h := s.health(s.recovered(paced(s.Handler, s.Now)))
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	l := s.listener
	if s.keys != nil {
		srv.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.keys.certificate}
	}
	stopped := make(chan error, 1)
	go func() {
		if s.keys != nil {
			stopped <- srv.ServeTLS(l, "", "")
			return
		}
		stopped <- srv.Serve(l)
	}()
	select {
	case err := <-stopped:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	ending, done := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer done()
	if srv.Shutdown(ending) != nil {
		_ = srv.Close() // a request that stalls is cut off
	}
	if err := <-stopped; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// recovered turns a panic of a handler into an answer 500 and a line of log.
// The server goes on.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			// The value may hold what the caller sent.
			s.Log.ErrorContext(r.Context(), "a call panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			http.Error(w, "Something went wrong here.", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}
