package stripe

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"strings"
	"sync"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
)

// PageSize is Stripe's largest page.
const PageSize = 100

// A Page is one page of a list, complete and balanced.
type Page struct {
	List  rawjson.List // aliases Resp.Body
	Resp  *Response
	Limit int // the page size that was asked for; smaller than PageSize while Stripe has trouble
}

// Release gives the page's memory back, as Response.Release does.
func (p *Page) Release() {
	p.List = rawjson.List{}
	p.Resp.Release()
}

// List reads one page of a variant of r. query holds the bounds of created and
// the cursor; the page size is List's own.
func (c *Client) List(ctx context.Context, r Resource, v Variant, query url.Values, priority float64) (*Page, error) {
	all := url.Values{}
	maps.Copy(all, v.Query)
	maps.Copy(all, query)
	return c.page(ctx, &request{endpoint: r.Path, path: r.Path, query: all, priority: priority, most: PageSize})
}

// Events reads one page of /v1/events. query holds the window, the types and
// the cursor.
func (c *Client) Events(ctx context.Context, query url.Values) (*Page, error) {
	return c.page(ctx, &request{endpoint: eventsPath, path: eventsPath, query: query, priority: urgent, most: PageSize})
}

// ListURL reads a page of the list that an object embeds, by the list's url,
// after the object startingAfter (or from the start, for ""), of at most limit
// objects (100 for 0).
func (c *Client) ListURL(ctx context.Context, listURL, startingAfter string, limit int) (*Page, error) {
	u, err := url.Parse(listURL)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/v1/") ||
		strings.Contains(u.Path, "/../") || strings.HasSuffix(u.Path, "/..") {
		return nil, &Error{Kind: problem.Invalid, Detail: "the url of an embedded list does not lead into Stripe's API", Endpoint: "/v1/"}
	}
	query := u.Query()
	if startingAfter != "" {
		query.Set("starting_after", startingAfter)
	}
	if limit <= 0 || limit > PageSize {
		limit = PageSize
	}
	return c.page(ctx, &request{
		endpoint: template(u.Path), path: u.EscapedPath(), query: query, priority: urgent, most: limit,
	})
}

func (c *Client) page(ctx context.Context, r *request) (*Page, error) {
	r.paged = true
	resp, err := c.get(ctx, r)
	if err != nil {
		return nil, err
	}
	return &Page{List: resp.buf.list, Resp: resp, Limit: r.limit}, nil
}

var (
	errNotJSON = errors.New("not a JSON object")
	errOther   = errors.New("not the object that was asked for")
)

// shrink makes the next try's page smaller if that may help: after the second
// failure of the same request, or at once if the answer was too large. It
// reports false if the next try cannot succeed.
func (c *Client) shrink(r *request, fail *Error) bool {
	if fail.heavy {
		r.heavy++
	}
	if r.paged && (r.heavy >= 2 || fail.tooBig) {
		r.heavy = 0
		if c.sizes.shrink(r.endpoint, r.limit) {
			return true
		}
	}
	return !fail.tooBig
}

// steps are the page sizes, and streak is how many pages in a row must work
// before the next larger one is tried.
var steps = [...]int{PageSize, 50, 25, 10}

const streak = 10

// sizes holds the page size of each endpoint. The zero value is ready.
type sizes struct {
	mu sync.Mutex
	of map[string]*size
}

type size struct {
	step   int // index of steps
	worked int // pages in a row
}

func (s *sizes) limit(endpoint string, most int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if z := s.of[endpoint]; z != nil {
		return min(most, steps[z.step])
	}
	return most
}

// shrink goes to the size below one that failed, and reports whether there is
// one. Another request may have shrunk the pages meanwhile.
func (s *sizes) shrink(endpoint string, failed int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.of[endpoint]
	if z == nil {
		z = &size{}
		if s.of == nil {
			s.of = map[string]*size{}
		}
		s.of[endpoint] = z
	}
	for z.step < len(steps)-1 && steps[z.step] >= failed {
		z.step++
	}
	z.worked = 0
	return steps[z.step] < failed
}

func (s *sizes) worked(endpoint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	z := s.of[endpoint]
	if z == nil || z.step == 0 {
		return
	}
	if z.worked++; z.worked >= streak {
		z.step, z.worked = z.step-1, 0
	}
}
