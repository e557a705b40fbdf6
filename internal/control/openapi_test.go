package control_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/openapitest"
)

// descriptions are the published files of the services.
var descriptions = []string{
	"access-control", "batch-ingestion", "catalog", "data-access", "data-prep", "flow-service", "identity-service", "observability-insights", "sandbox", "schema-registry",
}

// A described call is one that we have and that a file knows.
type describedCall struct {
	openapitest.Operation
	doc   *openapitest.Document
	name  string // of the file
	route gateway.Route
	at    string // the route's path behind its service's base

	succeeded, refused bool // answers of both kinds were held against the file
}

// op names the operation in the table of deviations.
func (d *describedCall) op() string { return d.Method + " " + d.Path }

// needs says whether the file has words for the service's own refusals, which
// are not the gateway's.
func (d *describedCall) needsRefusal() bool {
	return slices.ContainsFunc(d.Statuses, func(s int) bool {
		return s >= 400 && s < 500 && s != 401 && s != 403 && s != 414 && s != 415 && s != 429
	})
}

// fits says whether a described path is that of a route: how many of its steps
// are the same words, -1 if it is not.
func fits(described, route string) int {
	d, r := strings.Split(described, "/"), strings.Split(route, "/")
	if len(d) != len(r) {
		return -1
	}
	same := 0
	for i := range d {
		switch {
		case d[i] == r[i]:
			same++
		case !strings.HasPrefix(d[i], "{"):
			return -1
		}
	}
	return same
}

// A checker calls and holds what is answered against the files.
type checker struct {
	client
	calls map[string]*describedCall // by pattern
	mux   *http.ServeMux
	met   map[string]bool // deviations by their number and operation
}

func newChecker(c client) *checker {
	ch := &checker{client: c, calls: map[string]*describedCall{}, mux: http.NewServeMux(), met: map[string]bool{}}
	for _, name := range descriptions {
		doc := openapitest.Load(c.t, name)
		for _, op := range doc.Operations() {
			for _, s := range c.plane.Services() {
				for _, r := range s.Routes {
					ch.add(&describedCall{Operation: op, doc: doc, name: name, route: r, at: s.Base + r.Path})
				}
			}
		}
	}
	for pattern := range ch.calls {
		ch.mux.Handle(pattern, http.NotFoundHandler())
	}
	return ch
}

// add keeps a call if its route is the described operation, and none that was
// described more closely was found.
func (ch *checker) add(d *describedCall) {
	if d.Method != d.route.Method && (d.Method != http.MethodHead || d.route.Method != http.MethodGet) || fits(d.At, d.at) < 0 {
		return
	}
	pattern := d.Method + " " + d.at
	if old := ch.calls[pattern]; old == nil || fits(old.At, d.at) < fits(d.At, d.at) {
		ch.calls[pattern] = d
	}
}

// call makes a call of a service and checks status and answer. Calls that no file knows are
// not for here.
func (ch *checker) call(status int, method, path string, body any, header ...string) reply {
	ch.t.Helper()
	r := ch.do(method, "/data"+path, body, header...)
	if r.status != status {
		ch.t.Fatalf("%s %s: %d %s", method, path, r.status, r.body)
	}
	ch.check(method, "/data"+path, r)
	return r
}

func (ch *checker) check(method, path string, r reply) {
	ch.t.Helper()
	path, _, _ = strings.Cut(path, "?")
	req, err := http.NewRequestWithContext(ch.t.Context(), method, strings.TrimSuffix(path, "/"), nil)
	if err != nil {
		ch.t.Fatal(err)
	}
	_, pattern := ch.mux.Handler(req)
	d := ch.calls[pattern]
	if d == nil {
		ch.t.Fatalf("%s %s: no file knows it", method, path)
	}
	d.succeeded = d.succeeded || r.status < 300
	d.refused = d.refused || r.status >= 400 && r.status != 401 && r.status != 403
	for _, fault := range d.doc.Faults(d.Method, d.Path, r.status, r.body) {
		if !ch.known(d, r.status, fault) {
			ch.t.Errorf("%s: %s %d: %s\n%s", d.name, d.op(), r.status, fault, r.body)
		}
	}
}

// known says whether a fault is on the list of deviations.
func (ch *checker) known(d *describedCall, status int, fault string) bool {
	for i, known := range deviations {
		if known.file == d.name && known.status == status && (known.ops == nil || slices.Contains(known.ops, d.op())) && strings.Contains(fault, known.says) {
			ch.met[fmt.Sprint(i)], ch.met[fmt.Sprint(i, d.op())] = true, true
			return true
		}
	}
	return false
}

// gate checks what is answered to a token that is none, and to who may not.
func (ch *checker) gate(stranger client) {
	ch.t.Helper()
	for _, d := range ch.calls {
		path := variable.ReplaceAllString(d.at, "nothing")
		broken := ch.client
		broken.token = "nothing"
		for status, c := range map[int]client{http.StatusUnauthorized: broken, http.StatusForbidden: stranger} {
			if !slices.Contains(d.Statuses, status) || status == http.StatusForbidden && len(d.route.Need.Any) == 0 && !d.route.Need.Admin {
				continue
			}
			c.t = ch.t
			r := c.do(d.Method, path, nil)
			if r.status != status {
				ch.t.Errorf("%s %s: %d, want %d", d.Method, path, r.status, status)
			}
			ch.check(d.Method, path, r)
		}
	}
}

// Each operation that we have and that a published file describes answers as
// described, both what succeeds and what is refused, but for the deviations
// that are listed, which are there.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	p := start(t, t.TempDir(), "")
	operator, err := p.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ch := newChecker(p.admin(t))
	ch.gate(p.integration(t, operator, access.ViewAudit))
	ch.sandboxes()
	ch.roles()
	ch.policies()
	ch.schemas()
	ch.namespaces()
	ch.datasets()
	ch.mappings()
	ch.flows()
	for pattern, d := range ch.calls {
		if d.succeeded == (spared[pattern] == nothingThere || spared[pattern] == notForClients) {
			t.Errorf("%s: a success was checked: %t", pattern, d.succeeded)
		}
		if d.needsRefusal() && d.refused == (spared[pattern] == nothingToRefuse) {
			t.Errorf("%s: a refusal was checked: %t", pattern, d.refused)
		}
	}
	for pattern := range spared {
		if ch.calls[pattern] == nil {
			t.Errorf("%s is no call that a file knows", pattern)
		}
	}
	for i, d := range deviations {
		if !ch.met[fmt.Sprint(i)] {
			t.Errorf("%s: no %d deviates any longer: %s", d.file, d.status, d.says)
		}
		for _, op := range d.ops {
			if !ch.met[fmt.Sprint(i, op)] {
				t.Errorf("%s: %s %d no longer deviates: %s", d.file, op, d.status, d.says)
			}
		}
	}
	t.Logf("%d operations", len(ch.calls))
}
