// Package copytest copies simulated accounts for tests: one for a test that changes
// its account, or one for all tests of a package that only read.
package copytest

import (
	"context"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// Into copies an account as it stands into a directory: resources of it, all where
// none is named.
func Into(t testing.TB, dir string, sim *stripesim.Sim, resources ...string) {
	t.Helper()
	server := httptest.NewServer(sim)
	defer server.Close()
	key, err := stripe.ParseKey(sim.Key())
	if err != nil {
		t.Fatal(err)
	}
	s := app.Sync{Dir: dir, Key: key, URL: server.URL, Resources: resources, Share: 1, Limits: &stripe.Limits{}, Hooks: app.Hooks{Untidy: true}}
	if done, err := s.Run(t.Context()); err != nil || done.Status != app.Complete {
		t.Fatal(done, err)
	}
}

// Of copies an account as it stands, and opens the copy until t ends.
func Of(t testing.TB, sim *stripesim.Sim) *app.Reader {
	t.Helper()
	dir := t.TempDir()
	Into(t, dir, sim)
	return Open(t, dir)
}

// Open opens a copy until t ends.
func Open(t testing.TB, dir string) *app.Reader {
	t.Helper()
	r, err := app.OpenReader(context.WithoutCancel(t.Context()), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// Fresh is up to when a copy has all charges and refunds.
func Fresh(t testing.TB, dir string) time.Time {
	t.Helper()
	at, err := app.FreshUntil(t.Context(), dir, "charges", "refunds")
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// A Shared account and its copy are made for the first test that asks for them,
// and go with the last one that holds them. Nothing may change either.
type Shared struct {
	Account func(testing.TB) *stripesim.Sim

	mu      sync.Mutex
	holders int
	sim     *stripesim.Sim
	dir     string
}

// Hold keeps what is shared until t ends. A test calls it before it becomes
// parallel: those that wait for their turn hold it by then.
func (s *Shared) Hold(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holders++
	t.Cleanup(s.release)
}

func (s *Shared) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders--; s.holders == 0 {
		_ = os.RemoveAll(s.dir) // what is left lies among temporary files
		s.sim, s.dir = nil, ""
	}
}

// Copy returns the account and the directory of its copy. Each test opens the copy
// for itself.
func (s *Shared) Copy(t testing.TB) (sim *stripesim.Sim, dir string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.holders == 0 {
		t.Fatal("nobody holds the copy: Hold comes first")
	}
	if s.sim == nil {
		dir, err := os.MkdirTemp("", "copytest-") //nolint:usetesting // it outlives the test
		if err != nil {
			t.Fatal(err)
		}
		s.dir = dir
		sim := s.Account(t)
		Into(t, dir, sim)
		s.sim = sim
	}
	return s.sim, s.dir
}
