package stripe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/tributary-data/tributary/internal/problem"
)

// listOf returns a list answer of n charges, padded to about size bytes each.
func listOf(n, size int, more bool) string {
	var b strings.Builder
	b.WriteString(`{"object":"list","url":"/v1/charges","data":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"ch_%d","object":"charge","created":%d,"pad":%q}`, i, 1700000000-i, strings.Repeat("x", size))
	}
	fmt.Fprintf(&b, `],"has_more":%t}`, more)
	return b.String()
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// hangUp ends the connection without another byte, by reset if hard.
func hangUp(t *testing.T, w http.ResponseWriter, before string) {
	conn, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = out.WriteString(before)
	_ = out.Flush()
	if c, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = c.SetLinger(0)
	}
	_ = conn.Close()
}

// Whatever happens to the first answer, the second is returned whole, and the
// first is never taken for a short page.
func TestFaultsAreRetried(t *testing.T) {
	t.Parallel()
	page := listOf(100, 500, true)
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	tests := []struct {
		name   string
		fault  func(t *testing.T, w http.ResponseWriter, r *http.Request)
		status int // that OnCall is told of the first attempt
	}{
		{"hang up at once", func(t *testing.T, w http.ResponseWriter, _ *http.Request) { hangUp(t, w, "") }, 0},
		{"hang up in the header", func(t *testing.T, w http.ResponseWriter, _ *http.Request) { hangUp(t, w, head) }, 0},
		{"reset in the body", func(t *testing.T, w http.ResponseWriter, _ *http.Request) {
			hangUp(t, w, head+fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(page), page[:2000]))
		}, 200},
		{"reset in a chunk", func(t *testing.T, w http.ResponseWriter, _ *http.Request) {
			hangUp(t, w, head+"Transfer-Encoding: chunked\r\n\r\n400\r\n"+page[:1024]+"\r\n")
		}, 200},
		{"body that ends with the connection", func(t *testing.T, w http.ResponseWriter, _ *http.Request) {
			conn, out, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = out.WriteString(head + "Connection: close\r\n\r\n" + page[:20000])
			_ = out.Flush()
			_ = conn.Close()
		}, 200},
		{"truncated between two objects", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, page[:strings.Index(page, `,{"id":"ch_50"`)])
		}, 200},
		{"truncated after the data", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, page[:strings.Index(page, `,"has_more"`)])
		}, 200},
		{"truncated gzip", func(t *testing.T, w http.ResponseWriter, _ *http.Request) {
			z := zipped(t, page)
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(z[:len(z)-20])
		}, 200},
		{"not gzip", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, page)
		}, 200},
		{"empty gzip", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
		}, 200},
		{"gateway page", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, "<html><h1>502 Bad Gateway</h1>")
		}, 502},
		{"cut off error page", func(t *testing.T, w http.ResponseWriter, _ *http.Request) {
			hangUp(t, w, "HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n{\"error\":{\"code\":\"resource")
		}, 404},
		{"no answer", func(_ *testing.T, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0},
		{"stall in the body", func(_ *testing.T, w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, page[:2000])
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, 200},
		{"trickle", func(_ *testing.T, w http.ResponseWriter, r *http.Request) {
			for i := 0; r.Context().Err() == nil; i = (i + 1) % len(page) {
				_, _ = io.WriteString(w, page[i:i+1])
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, 200},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			c, seen := newClient(t, func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1) == 1 {
					tt.fault(t, w, r)
					return
				}
				_, _ = io.WriteString(w, page)
			})
			switch tt.name {
			case "no answer":
				c.HeaderTimeout = 200 * time.Millisecond
			case "stall in the body":
				c.Stall = 200 * time.Millisecond
			case "trickle":
				c.Timeout = 400 * time.Millisecond
			}
			got, err := c.List(t.Context(), Resources[0], Variant{}, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Release()
			if len(got.List.Items) != 100 || !got.List.HasMore || string(got.List.Items[99].ID) != "ch_99" {
				t.Errorf("%d items, more %t", len(got.List.Items), got.List.HasMore)
			}
			if diff := cmp.Diff([]int{tt.status, 200}, seen.statuses()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPermanentFaults(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other host was asked, with %q", r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()

	tests := []struct {
		name    string
		handler http.HandlerFunc
		base    string
		account string
		kind    problem.Kind
		want    string
		tries   int
	}{
		{name: "redirect to another host", handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+r.URL.Path, http.StatusFound)
		}, kind: problem.Invalid, want: "redirects elsewhere", tries: 1},
		{name: "redirect in a circle", handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}, kind: problem.Invalid, want: "redirects elsewhere", tries: 1},
		{name: "redirect to nowhere", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotModified)
		}, kind: problem.Invalid, want: "not Stripe's API", tries: 1},
		{name: "no content", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNoContent)
		}, kind: problem.Invalid, want: "not Stripe's API", tries: 1},
		{name: "unknown certificate", base: secure.URL, kind: problem.Invalid, want: "no secure connection", tries: 1},
		{name: "no TLS there", base: strings.Replace(plain.URL, "http:", "https:", 1), kind: problem.Invalid, want: "no secure connection", tries: 1},
		{name: "refused", base: closed.URL, kind: problem.Unavailable, want: "cannot be reached: connection refused", tries: 4},
		{name: "odd scheme", base: "ftp://api.stripe.com", kind: problem.Invalid, want: "not a plain http or https address"},
		{name: "no host", base: "api.stripe.com", kind: problem.Invalid, want: "not a plain http or https address"},
		{name: "password in the URL", base: "https://me:" + secret + "@api.stripe.com", kind: problem.Invalid, want: "not a plain http or https address"},
		{name: "odd account", account: "acct_1\r\nX: y", kind: problem.Invalid, want: "not an account id"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, seen := newClient(t, tt.handler)
			c.HTTP, c.Account = nil, tt.account
			if tt.base != "" {
				c.BaseURL = tt.base
			}
			_, err := c.Get(t.Context(), "/v1/charges", "/v1/charges", nil, 0)
			if problem.KindOf(err) != tt.kind || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("kind %v: %v", problem.KindOf(err), err)
			}
			if strings.Contains(fmt.Sprintf("%+v", err), secret) || strings.Contains(fmt.Sprint(err), "?") {
				t.Errorf("says too much: %v", err)
			}
			if len(seen.list) != tt.tries {
				t.Errorf("%d tries, want %d", len(seen.list), tt.tries)
			}
		})
	}
}

func TestRedirectOnTheSameHost(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/charges" {
			http.Redirect(w, r, "/v1/moved", http.StatusTemporaryRedirect)
			return
		}
		_, _ = io.WriteString(w, `{"key":"`+r.Header.Get("Authorization")+`"}`)
	})
	resp, err := c.Get(t.Context(), "/v1/charges", "/v1/charges", nil, 0)
	if err != nil || !strings.Contains(string(resp.Body), liveKey) {
		t.Errorf("%v", err)
	}
}

func TestSameHost(t *testing.T) {
	t.Parallel()
	from := httptest.NewRequest(http.MethodGet, "https://api.stripe.com/v1/charges", nil)
	for to, ok := range map[string]bool{
		"https://api.stripe.com/v1/moved":      true,
		"http://api.stripe.com/v1/moved":       false,
		"https://evil.api.stripe.com/v1/moved": false,
		"https://api.stripe.com:8443/v1/moved": false,
	} {
		err := sameHost(httptest.NewRequest(http.MethodGet, to, nil), []*http.Request{from})
		if (err == nil) != ok {
			t.Errorf("%s: %v", to, err)
		}
	}
}

// Bodies of any size and either encoding arrive unchanged through the pool.
func TestBodies(t *testing.T) {
	t.Parallel()
	c, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		text := `{"size":"` + r.URL.Query().Get("size") + `","pad":"`
		var size int
		_, _ = fmt.Sscan(r.URL.Query().Get("size"), &size)
		text += strings.Repeat("é", size) + `"}`
		if r.URL.Query().Get("zip") == "true" {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(zipped(t, text))
			return
		}
		_, _ = io.WriteString(w, text)
	})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				size, zip := rand.N(1<<rand.N(18)), rand.N(2) == 0
				query := url.Values{"size": {fmt.Sprint(size)}, "zip": {fmt.Sprint(zip)}}
				resp, err := c.Get(t.Context(), "/v1/x", "/v1/x", query, 0)
				if err != nil {
					t.Error(err)
					return
				}
				want := fmt.Sprintf(`{"size":"%d","pad":"%s"}`, size, strings.Repeat("é", size))
				if string(resp.Body) != want {
					t.Errorf("size %d, zip %t: wrong body of %d bytes", size, zip, len(resp.Body))
				}
				resp.Release()
				resp.Release()
				if resp.Body != nil {
					t.Error("body after release")
				}
			}
		})
	}
	wg.Wait()
}

// An answer that is too large is read in smaller pages, and if one object is
// too large, that is an error.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	for _, zip := range []bool{false, true} {
		c, seen := newClient(t, func(w http.ResponseWriter, r *http.Request) {
			var limit int
			_, _ = fmt.Sscan(r.URL.Query().Get("limit"), &limit)
			text := listOf(limit, 1000, true)
			if zip {
				w.Header().Set("Content-Encoding", "gzip")
				_, _ = w.Write(zipped(t, text))
				return
			}
			_, _ = io.WriteString(w, text)
		})
		c.MaxBody = 30_000
		got, err := c.List(t.Context(), Resources[0], Variant{}, nil, 0)
		if err != nil || got.Limit != 25 || len(got.List.Items) != 25 || len(seen.list) != 3 {
			t.Errorf("zip %t: %+v after %d tries, %v", zip, got, len(seen.list), err)
		}
		c.MaxBody = 5_000
		_, err = c.List(t.Context(), Resources[0], Variant{}, nil, 0)
		if problem.KindOf(err) != problem.Unavailable || !strings.Contains(fmt.Sprint(err), "too large") {
			t.Errorf("zip %t: %v", zip, err)
		}
	}
}

// The body arrives in pieces for longer than Stall, never with a gap of Stall.
func TestSlowIsNotStalled(t *testing.T) {
	t.Parallel()
	c, seen := newClient(t, func(w http.ResponseWriter, _ *http.Request) {
		for _, piece := range []string{`{"a":`, `"b`, `"`, ` `, ` `, ` `, `}`} {
			_, _ = io.WriteString(w, piece)
			_ = http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	})
	c.Stall = 500 * time.Millisecond
	if _, err := c.Get(t.Context(), "/v1/x", "/v1/x", nil, 0); err != nil || len(seen.list) != 1 {
		t.Errorf("%v after %d tries", err, len(seen.list))
	}
}

func TestCancelInFlight(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := newClient(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"a":`)
		_ = http.NewResponseController(w).Flush()
		cancel()
		<-r.Context().Done()
	})
	c.Pacer = NewPacer(Limits{}, 1, time.Now)
	if _, err := c.Get(ctx, "/v1/x", "/v1/x", nil, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := c.Pacer.global.gate.busy; n != 0 {
		t.Errorf("%d still in flight", n)
	}
}
