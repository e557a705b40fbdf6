package control_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/runner"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// copied copies a small account with that many charges into a directory.
func copied(t *testing.T, dir string, charges int) {
	t.Helper()
	sim, err := stripesim.New(stripesim.Config{Seed: 1, Counts: stripesim.Counts{Charges: charges, Customers: 5}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	defer server.Close()
	key, err := stripe.ParseKey(sim.Key())
	if err != nil {
		t.Fatal(err)
	}
	s := app.Sync{Dir: dir, Key: key, URL: server.URL, Share: 1, Limits: &stripe.Limits{}, Hooks: app.Hooks{Untidy: true}}
	if r, err := s.Run(t.Context()); err != nil || r.Status != app.Complete {
		t.Fatal(r, err)
	}
}

// The report is about the copies of the caller's sandbox, and no others.
func TestReportCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	copied(t, dir, 31)
	p := start(t, dir, "")
	operator, err := p.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := p.admin(t)
	const path = "/data/tributary/reports/bnpl?section=customers&copy="
	says := func(name string, status int, has string) {
		t.Helper()
		if r := c.do("GET", path+name, nil); r.status != status || !strings.Contains(string(r.body), has) {
			t.Errorf("%q: %d %.300s", name, r.status, r.body)
		}
	}
	says("", 200, `"name":"customers"`)
	says("acct_a-test", 404, "there is no copy")
	for i, name := range []string{"acct_a-test", "acct_b-live"} {
		copied(t, filepath.Join(runner.SandboxDir(dir, operator.Sandbox.ID), name), 3+i)
	}
	elsewhere := filepath.Join(runner.SandboxDir(dir, "22222222-2222-4222-8222-222222222222"), "acct_c-live")
	copied(t, elsewhere, 2)
	says("acct_a-test", 200, `"name":"customers"`)
	says("acct_b-live", 200, `"name":"customers"`)
	for _, name := range []string{"acct_c-live", "..", "../..", "../22222222-2222-4222-8222-222222222222/acct_c-live", elsewhere, "."} {
		says(name, 404, "only acct_a-test, acct_b-live")
	}
}
