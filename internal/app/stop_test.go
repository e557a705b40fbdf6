package app_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// nth calls fn the n-th time that it is called itself.
func nth(n int64, fn func()) func() {
	var calls atomic.Int64
	return func() {
		if calls.Add(1) == n {
			fn()
		}
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		hook  func(h *app.Hooks, stop func())
		fresh bool // nothing is written
	}{
		{name: "during the probe", fresh: true, hook: func(h *app.Hooks, stop func()) {
			f := nth(1, stop)
			h.OnCall = func(stripe.Call) { f() }
		}},
		{name: "at the first page", hook: func(h *app.Hooks, stop func()) {
			f := nth(1, stop)
			h.Page = func(string, *extract.Page) { f() }
		}},
		{name: "at a later page", hook: func(h *app.Hooks, stop func()) {
			f := nth(8, stop)
			h.Page = func(string, *extract.Page) { f() }
		}},
		{name: "between the commits", hook: func(h *app.Hooks, stop func()) {
			f := nth(2, stop)
			h.Between = func(string) { f() }
		}},
		{name: "while inline prices are fetched", hook: func(h *app.Hooks, stop func()) {
			f := nth(3, stop)
			h.OnCall = func(c stripe.Call) {
				if c.Endpoint == "/v1/prices/{id}" {
					f()
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, stripesim.Config{
				Seed: 11, Expand: expansions,
				Counts: stripesim.Counts{Charges: 500, Customers: 120, Subscriptions: 200, Prices: 40},
			}, nil)
			c.dir = filepath.Join(c.dir, "copy")
			c.batchRows = 200
			stopped(t, c, tt.hook)
			if _, err := os.Stat(c.dir); tt.fresh && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a pass that was stopped before it knew the account left a directory: %v", err)
			}
			complete(t, c.pass(t))
			report(t, differences(t.Context(), c.sim, c.dir))
			unchanged(t, c)
		})
	}
}

// stopped runs a pass that hook stops.
func stopped(t *testing.T, c *copied, hook func(*app.Hooks, func())) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := c.pass(t)
	hook(&s.Hooks, stop)
	report, err := s.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Stopped || report.Status != app.Partial || report.ExitStatus() != app.ExitPartial {
		t.Errorf("a pass that was stopped says %s", marshal(report))
	}
	for _, r := range report.Resources {
		if r.Error != nil {
			t.Errorf("to be stopped is no error of %s: %s", r.Resource, r.Error.Message)
		}
	}
}

// A copy gets done also by somebody who stops it all the time, if not at once.
func TestStopAgainAndAgain(t *testing.T) {
	t.Parallel()
	c := serve(t, stripesim.Config{
		Seed: 12, Expand: expansions,
		Counts: stripesim.Counts{Charges: 700, Customers: 150, Subscriptions: 60, Prices: 40},
	}, nil)
	for range 60 {
		ctx, stop := context.WithCancel(t.Context())
		s := c.pass(t)
		f := nth(10, stop)
		s.Hooks.Page = func(string, *extract.Page) { f() }
		pass, err := s.Run(ctx)
		stop()
		if err != nil {
			t.Fatal(err)
		}
		if pass.Status == app.Complete {
			report(t, differences(t.Context(), c.sim, c.dir))
			return
		}
	}
	t.Error("60 passes of ten pages each did not copy 25 pages")
}
