package control

import (
	"log/slog"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/secret"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A reset empties the sandbox of what clients made; the copies are Stripe's and
// are there at once, not after the next pass.
func TestResetKeepsCopies(t *testing.T) {
	t.Parallel()
	ctx, dir := t.Context(), t.TempDir()
	c, err := Open(ctx, Config{Dir: dir, Seal: secret.Place{Dir: dir}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	p, err := c.Serve(ctx, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(ctx) })
	if _, err := p.lake.Records(ctx, "charges", &xdm.Composition{ID: "s", Fields: []*xdm.Field{{Name: "id", Kind: xdm.String}}}); err != nil {
		t.Fatal(err)
	}
	if err := p.Adopt(ctx); err != nil {
		t.Fatal(err)
	}
	before, err := c.Access.Operator(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Access.ResetSandbox(ctx, before, "prod"); err != nil {
		t.Fatal(err)
	}
	after, err := c.Access.Operator(ctx)
	if err != nil || after.Sandbox.ID == before.Sandbox.ID {
		t.Fatalf("sandbox %s, %v", after.Sandbox.ID, err)
	}
	all, err := p.Catalog.Datasets(ctx, after)
	if err != nil || len(all) != 1 || all[0].Table != "charges" || !all[0].Mirror {
		t.Errorf("%v, %v", all, err)
	}
}
