// Package assets serves the script, the style and the pictures of the user interface.
//
// The folder dist is made by tools/webassets from src and from the npm packages that
// package-lock.json pins; its output is committed, so that Go alone builds the program.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

//go:generate go run -C ../../../tools ./webassets

// Prefix is where the files are served.
const Prefix = "/ui/assets/"

//go:embed dist
var dist embed.FS

// load reads the files once: they are part of the program and don't change.
var load = sync.OnceValue(func() *set {
	s, err := read(dist)
	if err != nil {
		panic(err) // the program was built without its files
	}
	return s
})

// File returns the address of a file of dist, as "/ui/assets/app.0123456789abcdef.js"
// for "app.js". The address changes with the content, so browsers may keep the file
// for ever. It panics when there is no such file: the name is a constant of a page.
func File(name string) string {
	address, ok := load().addresses[name]
	if !ok {
		panic("assets: there is no file " + name)
	}
	return address
}

// Handler serves the files at the addresses that File returns, to GET and HEAD.
// It needs no session: the files hold no data.
func Handler() http.Handler {
	return load()
}

type set struct {
	addresses map[string]string // by name
	files     map[string]file   // by address
}

type file struct {
	contentType   string
	etag          string
	plain, zipped []byte // zipped is nil when it would not be smaller
}

func read(files fs.FS) (*set, error) {
	s := &set{addresses: map[string]string{}, files: map[string]file{}}
	err := fs.WalkDir(files, "dist", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "dist/")
		contentType, ok := contentTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("assets: %s has no known content type", name)
		}
		zipped, err := compress(content)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		hash := hex.EncodeToString(sum[:8])
		ext := path.Ext(name)
		address := Prefix + strings.TrimSuffix(name, ext) + "." + hash + ext
		s.addresses[name] = address
		s.files[address] = file{contentType: contentType, etag: hash, plain: content, zipped: zipped}
		return nil
	})
	return s, err
}

var contentTypes = map[string]string{
	".js":  "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8",
	".svg": "image/svg+xml",
	".txt": "text/plain; charset=utf-8",
}

func compress(content []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(content); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() >= len(content) {
		return nil, nil
	}
	return b.Bytes(), nil
}

func (s *set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are served here", http.StatusMethodNotAllowed)
		return
	}
	f, ok := s.files[r.URL.Path]
	if !ok {
		// An address of another version of the program: nobody may remember the answer.
		h.Set("Cache-Control", "no-store")
		http.Error(w, "there is no such file", http.StatusNotFound)
		return
	}
	content, etag := f.plain, `"`+f.etag+`"`
	if f.zipped != nil {
		h.Set("Vary", "Accept-Encoding")
		if AcceptsGzip(r.Header.Get("Accept-Encoding")) {
			content, etag = f.zipped, `"`+f.etag+`-gzip"`
			h.Set("Content-Encoding", "gzip")
		}
	}
	h.Set("ETag", etag)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if matches(r.Header.Get("If-None-Match"), etag) {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(content)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(content) // a reader who is gone needs nothing
	}
}

// AcceptsGzip reads the header Accept-Encoding (RFC 9110 §12.5.3).
func AcceptsGzip(header string) bool {
	for coding := range strings.SplitSeq(header, ",") {
		name, parameters, _ := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		weight, given := strings.CutPrefix(strings.ToLower(strings.TrimSpace(parameters)), "q=")
		if !given {
			return true
		}
		q, err := strconv.ParseFloat(weight, 64)
		return err == nil && q > 0
	}
	return false
}

func matches(header, etag string) bool {
	for tag := range strings.SplitSeq(header, ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		if tag == etag || tag == "*" {
			return true
		}
	}
	return false
}
