package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/logtest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/server"
)

// start runs a server; stop ends it and returns what Run does.
func start(t *testing.T, s *server.Server) (said *logtest.Buffer, stop func() error) {
	t.Helper()
	said = &logtest.Buffer{}
	if s.Log == nil {
		s.Log = slog.New(slog.NewTextHandler(said, nil))
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Address == "" {
		s.Address = "127.0.0.1:0"
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
	t.Cleanup(func() { _ = stop() })
	return said, stop
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestReachable(t *testing.T) {
	t.Parallel()
	both := server.Files{Cert: "c", Key: "k"}
	for name, c := range map[string]struct {
		server server.Server
		ok     bool
	}{
		"loopback":          {server.Server{Address: "127.0.0.1:8080"}, true},
		"loopback, another": {server.Server{Address: "127.9.9.9:0"}, true},
		"IPv6 loopback":     {server.Server{Address: "[::1]:0"}, true},
		"localhost":         {server.Server{Address: "localhost:0"}, true},
		"all":               {server.Server{Address: ":8080"}, false},
		"all, written out":  {server.Server{Address: "0.0.0.0:8080"}, false},
		"all of IPv6":       {server.Server{Address: "[::]:8080"}, false},
		"a name":            {server.Server{Address: "example.com:80"}, false},
		"a name like it":    {server.Server{Address: "localhost.example.com:80"}, false},
		"private":           {server.Server{Address: "10.0.0.1:80"}, false},
		"no port":           {server.Server{Address: "127.0.0.1"}, false},
		"said to be public": {server.Server{Address: ":8080", Public: true}, true},
		"with TLS":          {server.Server{Address: ":8080", TLS: both}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := c.server.Reachable()
			if (err == nil) != c.ok || err != nil && (problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "--public")) {
				t.Error(err)
			}
			if !c.ok && c.server.Listen(t.Context()) == nil {
				t.Error("it listens all the same")
			}
		})
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	var asked atomic.Int64
	var clock atomic.Int64
	s := &server.Server{
		Handler: http.NotFoundHandler(), Now: func() time.Time { return time.Unix(1e9+clock.Load(), 0) },
		Ready: []server.Check{
			{Name: "lake", Ready: func(context.Context) error { return nil }},
			{Name: "database", Ready: func(context.Context) error {
				asked.Add(1)
				if broken.Load() {
					return errors.New("postgres://user:hunter2@db is away")
				}
				return nil
			}},
		},
	}
	// Deadlines by a clock of 2001 would end every answer: the handler is not
	// reached here.
	said, _ := start(t, s)
	ask := func(path string, status int, body string) {
		t.Helper()
		if got, text := get(t, http.DefaultClient, s.URL()+path); got != status || strings.TrimSpace(text) != body {
			t.Errorf("%s: %d %s", path, got, text)
		}
	}
	ask("/healthz", 200, "ok")
	ask("/readyz", 200, `{"ready":true}`)
	broken.Store(true)
	ask("/readyz", 200, `{"ready":true}`) // asked just now
	clock.Add(1)
	for range 5 {
		ask("/readyz", 503, `{"missing":["database"],"ready":false}`)
	}
	ask("/healthz", 200, "ok")
	if n := asked.Load(); n != 2 {
		t.Errorf("the database was asked %d times", n)
	}
	if !strings.Contains(said.String(), "is away") {
		t.Errorf("the log does not say why: %s", said)
	}
	resp, err := http.Post(s.URL()+"/readyz", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}

// What is under way is answered; what comes later is not taken.
func TestStop(t *testing.T) {
	t.Parallel()
	reached, finish := make(chan bool), make(chan bool)
	s := &server.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached <- true
		<-finish
		fmt.Fprint(w, "finished")
	})}
	_, stop := start(t, s)
	got := make(chan string, 1)
	go func() {
		resp, err := http.Get(s.URL())
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		got <- string(b)
	}()
	<-reached
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	for { // until the door is closed
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
		if err != nil {
			break
		}
		c.Close()
	}
	close(finish)
	if text := <-got; text != "finished" {
		t.Errorf("what was under way: %s", text)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestPanic(t *testing.T) {
	t.Parallel()
	s := &server.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/abort" {
			panic(http.ErrAbortHandler)
		}
		panic("sk_test_secret")
	})}
	said, _ := start(t, s)
	if status, text := get(t, http.DefaultClient, s.URL()); status != 500 || strings.Contains(text, "secret") {
		t.Errorf("%d %s", status, text)
	}
	if text := said.String(); !strings.Contains(text, "a call panicked") || strings.Contains(text, "sk_test_secret") {
		t.Error(text)
	}
	if resp, err := http.Get(s.URL() + "/abort"); err == nil {
		resp.Body.Close()
		t.Error("an aborted answer came")
	}
	if status, _ := get(t, http.DefaultClient, s.URL()); status != 500 {
		t.Errorf("afterwards: %d", status)
	}
}

func TestHeadersTooLarge(t *testing.T) {
	t.Parallel()
	s := &server.Server{Handler: http.NotFoundHandler()}
	start(t, s)
	req, err := http.NewRequest(http.MethodGet, s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Large", strings.Repeat("x", 32<<10))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("%d", resp.StatusCode)
	}
}

// A clock that runs far ahead of a caller who has stalled: by it, his time is
// over. One who goes on has all the time he needs.
func TestPace(t *testing.T) {
	t.Parallel()
	var back atomic.Int64 // how far the deadlines lie in the past
	failed := make(chan error, 1)
	s := &server.Server{
		Now: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n, err := io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/slow" {
				failed <- err
				return
			}
			fmt.Fprintf(w, "%d %v", n, err)
		}),
	}
	start(t, s)
	resp, err := http.Post(s.URL(), "", io.LimitReader(rand.Reader, 3<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != fmt.Sprintf("%d <nil>", 3<<20) {
		t.Errorf("%s", b)
	}
	back.Store(int64(time.Hour))
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("who stalls is waited for: %v", err)
	}
}

// An answer that the caller does not take ends, and a second request on a
// connection is not held to the first one's time.
func TestPaceOfAnswers(t *testing.T) {
	t.Parallel()
	var back atomic.Int64
	failed := make(chan error, 1)
	s := &server.Server{
		Now: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) },
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/small" {
				fmt.Fprint(w, "small")
				return
			}
			var err error
			for part := make([]byte, 1<<20); err == nil; {
				back.Store(int64(time.Hour))
				_, err = w.Write(part)
			}
			failed <- err
		}),
	}
	start(t, s)
	c, err := net.Dial("tcp", strings.TrimPrefix(s.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for range 2 {
		fmt.Fprint(c, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "small" {
			t.Errorf("%s, %v", b, err)
		}
	}
	fmt.Fprint(c, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("who takes nothing is waited for: %v", err)
	}
}

// certify writes a certificate for 127.0.0.1 and returns its pool.
func certify(t *testing.T, files server.Files, name string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for file, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: private}} {
		text := pem.EncodeToMemory(block)
		if block.Type == "CERTIFICATE" {
			pool.AppendCertsFromPEM(text)
		}
		if err := os.WriteFile(file+".new", text, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	return pool
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := server.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	first := certify(t, files, "first")
	s := &server.Server{TLS: files, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprint(w, r.Proto, " ", len(b))
	})}
	said, _ := start(t, s)
	ask := func(pool *x509.CertPool) (string, error) {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true, DisableKeepAlives: true}}
		resp, err := client.Post(s.URL(), "", strings.NewReader("four"))
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return string(b), err
	}
	if got, err := ask(first); got != "HTTP/2.0 4" {
		t.Errorf("%s, %v", got, err)
	}
	second := certify(t, files, "second")
	if got, err := ask(second); got != "HTTP/2.0 4" {
		t.Errorf("after renewal: %s, %v", got, err)
	}
	if _, err := ask(first); err == nil {
		t.Error("the old certificate is still shown")
	}
	if err := os.WriteFile(files.Key, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got, err := ask(second); got != "HTTP/2.0 4" {
			t.Errorf("with a broken file: %s, %v", got, err)
		}
	}
	if n := strings.Count(said.String(), "the old one stays"); n != 1 {
		t.Errorf("the log complains %d times: %s", n, said)
	}
	third := certify(t, files, "third")
	if got, err := ask(third); got != "HTTP/2.0 4" {
		t.Errorf("after repair: %s, %v", got, err)
	}
	old := &tls.Config{RootCAs: third, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if c, err := tls.Dial("tcp", strings.TrimPrefix(s.URL(), "https://"), old); err == nil {
		c.Close()
		t.Error("TLS 1.1 is spoken")
	}
}

func TestListenRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := server.Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	certify(t, files, "x")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	for name, c := range map[string]struct {
		server server.Server
		kind   problem.Kind
		words  string
	}{
		"taken":         {server.Server{Address: taken.Addr().String()}, problem.Conflict, "cannot listen"},
		"no key":        {server.Server{Address: "127.0.0.1:0", TLS: server.Files{Cert: files.Cert}}, problem.Invalid, "--tls-key"},
		"missing files": {server.Server{Address: "127.0.0.1:0", TLS: server.Files{Cert: dir + "/no", Key: files.Key}}, problem.Invalid, "no such file"},
		"exchanged":     {server.Server{Address: "127.0.0.1:0", TLS: server.Files{Cert: files.Key, Key: files.Cert}}, problem.Invalid, "PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.server.Log = slog.New(slog.DiscardHandler)
			if err := c.server.Listen(t.Context()); problem.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.words) {
				t.Error(err)
			}
		})
	}
}
