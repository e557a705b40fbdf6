package access_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/problem"
)

// A mirror seals by turning bits over, so that what is sealed is not found in
// the clear; it minds what it is about.
type mirror struct{}

func (mirror) Seal(plain []byte, about string) ([]byte, error) {
	return turned(append([]byte(about+"\x00"), plain...)), nil
}

func (mirror) Open(sealed []byte, about string) ([]byte, error) {
	plain, ok := bytes.CutPrefix(turned(sealed), []byte(about+"\x00"))
	if !ok {
		return nil, errors.New("it is about something else")
	}
	return plain, nil
}

func turned(b []byte) []byte {
	t := make([]byte, len(b))
	for i := range b {
		t[i] = ^b[i]
	}
	return t
}

// A clock stands still until it is moved.
type clock struct{ ms atomic.Int64 }

func newClock() *clock {
	var c clock
	c.ms.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMilli())
	return &c
}

func (c *clock) now() time.Time       { return time.UnixMilli(c.ms.Load()).UTC() }
func (c *clock) move(d time.Duration) { c.ms.Add(d.Milliseconds()) }

// A world is a service, its clock, and its two organisations.
type world struct {
	*access.Service
	clock *clock
	name  string // of the database
	dir   string // of bootstrap.json
	admin access.Caller
	other access.Caller
}

func newWorld(t testing.TB, hooks ...access.SandboxHook) *world {
	t.Helper()
	return worldIn(t, filepath.Join(t.TempDir(), "control.db"), hooks...)
}

func worldIn(t testing.TB, name string, hooks ...access.SandboxHook) *world {
	t.Helper()
	w := &world{clock: newClock(), name: name, dir: t.TempDir()}
	w.Service = w.open(t, hooks...)
	if err := w.Bootstrap(t.Context(), w.dir); err != nil {
		t.Fatal(err)
	}
	var err error
	if w.admin, err = w.Operator(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.clock.move(time.Second)
	org, err := w.CreateOrganisation(t.Context(), "other")
	if err != nil {
		t.Fatal(err)
	}
	sb, err := w.Sandbox(t.Context(), org, "", "")
	if err != nil {
		t.Fatal(err)
	}
	w.other = access.Caller{Principal: access.Principal{Org: org, User: "operator", Admin: true}, Tenant: "other", Sandbox: sb}
	return w
}

// open opens the world's database once more, as another process does.
func (w *world) open(t testing.TB, hooks ...access.SandboxHook) *access.Service {
	t.Helper()
	db, err := docstore.Open(t.Context(), w.name, w.clock.now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &access.Service{DB: db, Sealer: mirror{}, Hooks: hooks, FirstTenant: "tributary", Now: w.clock.now}
}

// integration makes one and returns a token of its.
func (w *world) integration(t testing.TB, c access.Caller, permissions []access.Permission, sandboxes ...string) (access.Integration, string, string) {
	t.Helper()
	i, secret, err := w.CreateIntegration(t.Context(), c, "loader", permissions, sandboxes)
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.Token(t.Context(), i.ClientID, secret)
	if err != nil {
		t.Fatal(err)
	}
	return i, secret, token.AccessToken
}

// kind checks the kind of an error.
func kind(t testing.TB, what string, err error, want problem.Kind) {
	t.Helper()
	if err == nil || problem.KindOf(err) != want {
		t.Errorf("%s: %v, want an error of kind %v", what, err, want)
	}
}

// each runs a test on both databases.
func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	docstoretest.Each(t, func(t *testing.T, name string) { fn(t, worldIn(t, name)) })
}
