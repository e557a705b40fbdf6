package server_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/server"
)

// An answer may be silent for longer than a caller may be slow: with HTTP/2 a
// deadline that passes ends the stream even when nothing is being written.
func TestQuietAnswers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := server.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	pool := certify(t, files, "first")
	const left = 100 * time.Millisecond // of the 20 s that a caller has
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(w)
		for range 2 {
			fmt.Fprint(w, "news ")
			if err := out.Flush(); err != nil {
				t.Error(err)
			}
			select { // what would end it is a timer of the server's
			case <-r.Context().Done():
			case <-time.After(3 * left):
			}
		}
	})
	for name, s := range map[string]*server.Server{"HTTP/1.1": {}, "HTTP/2.0": {TLS: files}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.Handler, s.Now = handler, func() time.Time { return time.Now().Add(left - 20*time.Second) }
			start(t, s)
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
			resp, err := client.Get(s.URL())
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "news news " || resp.Proto != name {
				t.Errorf("%s: %q, %v", resp.Proto, b, err)
			}
		})
	}
}
