// Package webui is Tributary in a browser: pages made on the server, over the
// services' own HTTP API. It asks and changes everything by calls of that API in
// the same process, with the token of whoever signed in: so permissions, lists of
// addresses, rates and the audit log hold for a page as they do for a program,
// and what a page can do, a program can.
package webui

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/text/message"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/secret"
)

// Base is the path below which all pages are.
const Base = "/ui"

// An Access knows who has a token and where they may go; access.Service is
// one.
type Access interface {
	Principal(ctx context.Context, token string) (*access.Principal, error)
	Sandbox(ctx context.Context, org, name, id string) (access.Sandbox, error)
	Available(ctx context.Context, c access.Caller) ([]access.Sandbox, error)
	Token(ctx context.Context, client, secret string) (access.Token, error)
	SignsIn() (issuer string, ok bool)
	SignInURL(ctx context.Context, c access.Challenge) (string, error)
	SignInToken(ctx context.Context, c access.Challenge, state, code string) (token string, ends time.Time, err error)
}

// A UI serves the pages.
type UI struct {
	API    http.Handler // the services, behind their gateway
	Access Access
	DB     *docstore.DB // for sessions, and for what is being filled in
	Keys   *secret.Keys
	Log    *slog.Logger
	Now    func() time.Time
	// Secure says that all browsers come by TLS; their cookies stay there then. Those
	// of who is seen to come by TLS do so anyway.
	Secure bool
	// Ending, if set, is closed when the server ends: pages that are kept up to date
	// let go of it then.
	Ending <-chan struct{}

	streams  streams
	printers map[string]*message.Printer // by language
	pages    map[string]map[string]*page // by language and name
	samples  samples
}

// Handler returns the handler of everything below Base, and of the root, which
// leads there.
func (u *UI) Handler() (http.Handler, error) {
	words, err := loadWords()
	if err != nil {
		return nil, err
	}
	u.printers = map[string]*message.Printer{}
	for _, lang := range Languages {
		u.printers[lang] = newPrinter(words, lang)
	}
	if u.pages, err = parsePages(words); err != nil {
		return nil, err
	}
	return hardened(u.routes().mux), nil
}

// routes returns all there is below Base.
func (u *UI) routes() *routes {
	m := &routes{ui: u, mux: http.NewServeMux()}
	u.signInRoutes(m)
	u.sourceRoutes(m)
	u.workflowRoutes(m)
	u.mappingRoutes(m)
	u.monitorRoutes(m)
	u.datasetRoutes(m)
	u.accessRoutes(m)
	u.insightRoutes(m)
	experimentRoutes(m)
	offerRoutes(m)
	resultRoutes(m)
	sizeRoutes(m)
	copyRoutes(m)
	sqlRoutes(m)
	audienceRoutes(m)
	m.public("GET", "/assets/", u.assets)
	m.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, Base+"/", http.StatusSeeOther) })
	m.live("/{$}", access.Need{}, (*request).start)
	m.live("/", access.Need{}, func(r *request) error { return r.notFound() })
	return m
}

// Pages returns the paths of all pages, and of the parts of them that scripts ask
// for, with names in braces as http.ServeMux has them.
func Pages() []string { return (&UI{}).routes().pages }

// routes adds pages to the mux.
type routes struct {
	ui    *UI
	mux   *http.ServeMux
	pages []string // that may be read
}

// public adds a path that needs nobody to be signed in.
func (m *routes) public(method, path string, h http.HandlerFunc) {
	if method == http.MethodGet && !strings.HasSuffix(path, "/") {
		m.pages = append(m.pages, Base+path)
	}
	m.mux.HandleFunc(method+" "+Base+path, h)
}

// get adds a page for those who meet the need in their sandbox.
func (m *routes) get(path string, need access.Need, h func(*request) error) {
	m.pages = append(m.pages, Base+path)
	m.live(path, need, h)
}

// live adds what is no page: a stream of news, or a way to somewhere else.
func (m *routes) live(path string, need access.Need, h func(*request) error) {
	m.mux.Handle("GET "+Base+path, m.ui.signedIn(need, h))
}

// post adds what a form or a button does.
func (m *routes) post(path string, need access.Need, h func(*request) error) {
	m.mux.Handle("POST "+Base+path, m.ui.signedIn(need, h))
}

// policy is what pages may load: nothing but what this server has.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// hardened refuses what comes from other sites, and tells browsers what pages
// may do. Cross-site requests are known by Sec-Fetch-Site or Origin, which every
// browser sends with a request that changes something.
func hardened(next http.Handler) http.Handler {
	same := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
		if !strings.HasPrefix(r.URL.Path, Base+"/assets/") {
			h.Set("Cache-Control", "no-store")
		}
		same.ServeHTTP(w, r)
	})
}
