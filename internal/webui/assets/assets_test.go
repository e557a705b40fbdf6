package assets

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

func TestFile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"app.js":       `^/ui/assets/app\.[0-9a-f]{16}\.js$`,
		"app.css":      `^/ui/assets/app\.[0-9a-f]{16}\.css$`,
		"icon.svg":     `^/ui/assets/icon\.[0-9a-f]{16}\.svg$`,
		"LICENSES.txt": `^/ui/assets/LICENSES\.[0-9a-f]{16}\.txt$`,
	} {
		if got := File(name); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("File(%q) = %q, want %s", name, got, want)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a file that there is not has an address")
		}
	}()
	File("missing.js")
}

// The address is made of the content: browsers keep what it names for ever.
func TestAddressFollowsContent(t *testing.T) {
	t.Parallel()
	address := func(content string) string {
		s, err := read(fstest.MapFS{"dist/app.js": {Data: []byte(content)}})
		if err != nil {
			t.Fatal(err)
		}
		return s.addresses["app.js"]
	}
	one, same, other := address("a"), address("a"), address("b")
	if one != same || one == other {
		t.Errorf("addresses of a, a and b: %s, %s, %s", one, same, other)
	}
	if _, err := read(fstest.MapFS{"dist/app.wasm": {}}); err == nil {
		t.Error("a file of an unknown type was taken")
	}
}

func TestHandler(t *testing.T) {
	t.Parallel()
	js := File("app.js")
	want, err := os.ReadFile("dist/app.js")
	if err != nil {
		t.Fatal(err)
	}
	etag := ask(t, http.MethodGet, js, nil).Header.Get("ETag")
	if etag == "" {
		t.Fatal("no ETag")
	}
	tests := []struct {
		name, method, path string
		header             http.Header
		status             int
		encoding, cache    string
		body               []byte
	}{
		{"plain", "GET", js, nil, 200, "", "public, max-age=31536000, immutable", want},
		{"zipped", "GET", js, http.Header{"Accept-Encoding": {"br, gzip"}}, 200, "gzip", "public, max-age=31536000, immutable", want},
		{"zipped, weighed", "GET", js, http.Header{"Accept-Encoding": {"gzip;q=0.5"}}, 200, "gzip", "public, max-age=31536000, immutable", want},
		{"gzip refused", "GET", js, http.Header{"Accept-Encoding": {"br, gzip;q=0"}}, 200, "", "public, max-age=31536000, immutable", want},
		{"known", "GET", js, http.Header{"If-None-Match": {`"other", W/` + etag}}, 304, "", "public, max-age=31536000, immutable", nil},
		{"known in another coding", "GET", js, http.Header{"If-None-Match": {etag}, "Accept-Encoding": {"gzip"}}, 200, "gzip", "public, max-age=31536000, immutable", want},
		{"changed", "GET", js, http.Header{"If-None-Match": {`"other"`}}, 200, "", "public, max-age=31536000, immutable", want},
		{"head", "HEAD", js, nil, 200, "", "public, max-age=31536000, immutable", nil},
		{"of another version", "GET", "/ui/assets/app.0123456789abcdef.js", nil, 404, "", "no-store", nil},
		{"without hash", "GET", "/ui/assets/app.js", nil, 404, "", "no-store", nil},
		{"folder", "GET", "/ui/assets/", nil, 404, "", "no-store", nil},
		{"post", "POST", js, nil, 405, "", "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := ask(t, test.method, test.path, test.header)
			if got.StatusCode != test.status || got.Header.Get("Content-Encoding") != test.encoding || got.Header.Get("Cache-Control") != test.cache {
				t.Errorf("%d %v, want %d, coding %q, cache %q", got.StatusCode, got.Header, test.status, test.encoding, test.cache)
			}
			if got.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Error("the type may be guessed")
			}
			if test.status != http.StatusOK {
				return
			}
			if vary := got.Header.Get("Vary"); vary != "Accept-Encoding" {
				t.Errorf("Vary: %q", vary)
			}
			if kind := got.Header.Get("Content-Type"); kind != "text/javascript; charset=utf-8" {
				t.Errorf("Content-Type: %q", kind)
			}
			var body io.Reader = got.Body
			if test.encoding == "gzip" {
				unzipped, err := gzip.NewReader(got.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = unzipped
			}
			content, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(content, test.body) {
				t.Errorf("%d bytes, want %d (%v)", len(content), len(test.body), err)
			}
		})
	}
}

func ask(t *testing.T, method, path string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	if header != nil {
		r.Header = header
	}
	w := httptest.NewRecorder()
	Handler().ServeHTTP(w, r)
	return w.Result()
}

// A page on a slow line: what every page loads is bounded.
func TestSize(t *testing.T) {
	t.Parallel()
	const most = 150 << 10
	sum := 0
	for _, name := range []string{"app.js", "app.css"} {
		content, err := os.ReadFile(filepath.Join("dist", name))
		if err != nil {
			t.Fatal(err)
		}
		zipped, err := compress(content)
		if err != nil {
			t.Fatal(err)
		}
		sum += len(zipped)
	}
	if sum > most {
		t.Errorf("script and style are %d bytes compressed, want %d at most", sum, most)
	}
}

// Nothing that is shipped names a place on the network to load from.
func TestLoadsNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	loads := regexp.MustCompile(`(?:url\(|@import|import\(|from)\s*["']?(?:https?:)?//[^"')]*`)
	for _, name := range []string{"app.js", "app.css", "icon.svg"} {
		content, err := os.ReadFile(filepath.Join("dist", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range loads.FindAllString(string(content), -1) {
			t.Errorf("%s: %s", name, found)
		}
	}
}

// The lock names packages, not the place that they were once fetched from.
func TestLockNamesNoRegistry(t *testing.T) {
	t.Parallel()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json names a registry: npm install --omit-lockfile-registry-resolved")
	}
}
