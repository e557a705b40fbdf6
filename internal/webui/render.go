package webui

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/google/uuid"
	"golang.org/x/text/message/catalog"

	"github.com/tributary-data/tributary/internal/access"

	"github.com/tributary-data/tributary/internal/webui/assets"
)

//go:embed templates
var templates embed.FS

// A page is a template file together with the layout and the partials.
type page = template.Template

// parsePages parses each page in each language. Names are those of the files
// in templates, without .html.
func parsePages(words catalog.Catalog) (map[string]map[string]*page, error) {
	all := map[string]map[string]*page{}
	files, err := fs.Glob(templates, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, lang := range Languages {
		base, err := template.New("").Funcs(functions(words, lang)).ParseFS(templates, "templates/partial/*.html")
		if err != nil {
			return nil, err
		}
		all[lang] = map[string]*page{}
		for _, file := range files {
			t, err := base.Clone()
			if err == nil {
				t, err = t.ParseFS(templates, file)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all[lang][strings.TrimSuffix(path.Base(file), ".html")] = t
		}
	}
	return all, nil
}

// A view is what templates see.
type view struct {
	Data any

	r *request
	u *UI
	h *http.Request
}

// show answers with a whole page. Its file defines the templates title and
// main.
func (r *request) show(name string, data any) error {
	return r.render(http.StatusOK, name, "page", data)
}

// part answers with one template of a page's file, for htmx to put into the
// page.
func (r *request) part(name, of string, data any) error {
	return r.render(http.StatusOK, name, of, data)
}

// render makes all of the answer before any of it goes out.
func (r *request) render(status int, name, of string, data any) error {
	return r.ui.write(r.w, status, r.lang, name, of, view{Data: data, r: r, u: r.ui, h: r.http}, &r.began)
}

func (u *UI) write(w http.ResponseWriter, status int, lang, name, of string, v view, began *bool) error {
	t := u.pages[lang][name]
	if t == nil {
		return fmt.Errorf("there is no page %s", name)
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, of, v); err != nil {
		return err
	}
	*began = true
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Vary", "HX-Request, Accept-Language, Accept-Encoding, Cookie")
	if b.Len() < leastZipped || v.h == nil || v.h.Method != http.MethodGet || !assets.AcceptsGzip(v.h.Header.Get("Accept-Encoding")) {
		w.WriteHeader(status)
		_, _ = w.Write(b.Bytes()) // the browser is gone
		return nil
	}
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(status)
	z := zippers.Get().(*gzip.Writer)
	defer zippers.Put(z)
	z.Reset(w)
	_, _ = z.Write(b.Bytes()) // the browser is gone
	_ = z.Close()
	return nil
}

// leastZipped is how many bytes a page has that is worth compressing. Answers to
// what is posted never are: they alone show secrets, beside what was typed.
const leastZipped = 2 << 10

var zippers = sync.Pool{New: func() any { return gzip.NewWriter(nil) }}

// toast has the page say something short, beside what is answered. Tone is
// positive, negative or info.
func (r *request) toast(tone, text string) {
	b, _ := json.Marshal(map[string]any{"toast": map[string]string{"tone": tone, "text": text}})
	r.w.Header().Set("HX-Trigger", asciiJSON(b))
}

// asciiJSON escapes what a header can't have.
func asciiJSON(b []byte) string {
	var out strings.Builder
	for _, c := range string(b) {
		switch {
		case c < 0x80:
			out.WriteRune(c)
		case c < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, c)
		default:
			hi, lo := utf16.EncodeRune(c)
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		}
	}
	return out.String()
}

// Path is the path of the page, below Base.
func (v view) Path() string { return strings.TrimPrefix(v.h.URL.Path, Base) }

// Query is a value of the URL's query.
func (v view) Query(name string) string { return v.h.URL.Query().Get(name) }

// SignedIn says whether anybody is.
func (v view) SignedIn() bool { return v.r != nil && v.r.session != nil && v.r.token != "" }

// May says whether the caller has one of the permissions, by their slugs.
func (v view) May(slugs ...string) (bool, error) {
	if !v.SignedIn() {
		return false, nil
	}
	p, err := access.ParsePermissions(slugs)
	return err == nil && v.r.may(p...), err
}

// Caller is who is signed in, and where.
func (v view) Caller() access.Caller { return v.r.Caller }

// Sandboxes are those that the caller may enter.
func (v view) Sandboxes() ([]access.Sandbox, error) {
	return v.u.Access.Available(v.h.Context(), v.r.Caller)
}

// Theme is light, dark or auto.
func (v view) Theme() string { return theme(v.h) }

// Lang is the language of the page.
func (v view) Lang() string { return pickLanguage(v.h) }

// With is the same view of something else, for a template inside of another.
func (v view) With(data any) view {
	v.Data = data
	return v
}

func requestID() string { return uuid.NewString() }
