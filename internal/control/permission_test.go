package control_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
)

var update = flag.Bool("update", false, "write the table of permissions anew")

const matrix = "testdata/permissions.txt"

// needs writes a route's need as the table does.
func needs(r gateway.Route) string {
	switch {
	case r.Need.Admin:
		return "administrators"
	case len(r.Need.Any) == 0:
		return "all"
	}
	var names []string
	for _, p := range r.Need.Any {
		names = append(names, string(p))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// The table of who may call what is the one that is written down.
func TestMatrix(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "")
	var lines []string
	for _, s := range p.Services() {
		for _, r := range s.Routes {
			lines = append(lines, fmt.Sprintf("%-6s %s%s: %s\n", r.Method, s.Base, r.Path, needs(r)))
		}
	}
	got := strings.Join(lines, "")
	if *update {
		if err := os.WriteFile(matrix, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(matrix)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("go test -run TestMatrix -update writes it:\n%s", diff)
	}
}

// forNobody are calls that the original has for providers of sources: whoever
// makes one is refused.
var forNobody = []string{"PUT /data/foundation/flowservice/runs/{id}"}

var variable = regexp.MustCompile(`\{[^}]*\}`)

// Each call is refused to who lacks its permission, in the words of its
// service and before its ids or its body are looked at, and to nobody who has
// one of those that it asks for.
func TestPermissions(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "")
	operator, err := p.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clients := map[access.Permission]client{}
	for _, permission := range access.Permissions {
		clients[permission] = p.integration(t, operator, permission)
	}
	admin := p.admin(t)
	for _, s := range p.Services() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			for _, r := range s.Routes {
				path := s.Base + variable.ReplaceAllString(r.Path, "nothing")
				for permission, c := range clients {
					c.t = t
					// A manager may do what a viewer may.
					allowed := len(r.Need.Any) == 0 && !r.Need.Admin || slices.Contains(r.Need.Any, permission) ||
						slices.Contains(r.Need.Any, access.Permission(strings.Replace(string(permission), "manage-", "view-", 1)))
					allowed = allowed && !slices.Contains(forNobody, r.Method+" "+s.Base+r.Path)
					got := c.do(r.Method, path, nil)
					if refused := got.status == 403; refused == allowed {
						t.Errorf("%s %s with %s: %d %s", r.Method, path, permission, got.status, got.body)
					}
					if got.status == 403 && r.Method != http.MethodHead {
						if detail := string(got.body); !strings.Contains(detail, "You do not have sufficient permissions") {
							t.Errorf("%s %s: %s", r.Method, path, detail)
						}
					}
					if got.status >= 500 {
						t.Errorf("%s %s with %s: %d %s", r.Method, path, permission, got.status, got.body)
					}
				}
				c := admin
				c.t = t
				if r.Method == http.MethodDelete && s.Name == "network" || slices.Contains(forNobody, r.Method+" "+s.Base+r.Path) {
					continue
				}
				if got := c.do(r.Method, path, nil); got.status == 403 || got.status >= 500 {
					t.Errorf("%s %s as an administrator: %d %s", r.Method, path, got.status, got.body)
				}
			}
		})
	}
}
