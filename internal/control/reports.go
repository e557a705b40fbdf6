package control

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/runner"
)

// openCopy opens a copy of a Stripe account that there is in the caller's
// sandbox, by the name of its directory; in the default sandbox, "" is the
// directory's own.
func (p *Plane) openCopy(ctx context.Context, c access.Caller, name string) (report.Copy, error) {
	names, err := p.copyNames(c)
	if err != nil {
		return nil, err
	}
	operator, err := p.Access.Operator(ctx)
	if err != nil {
		return nil, err
	}
	own := operator.Org == c.Org && operator.Sandbox.ID == c.Sandbox.ID
	if name == "" && own {
		tables, err := p.lake.Tables(ctx)
		if err != nil {
			return nil, err
		}
		if slices.Contains(tables, "charges") {
			return app.OpenReader(ctx, p.dir)
		}
	}
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	if slices.Contains(names, name) {
		return app.OpenReader(ctx, filepath.Join(runner.SandboxDir(p.dir, c.Sandbox.ID), name))
	}
	detail := "there is no copy of a Stripe account in this sandbox"
	switch {
	case len(names) > 0 && name == "":
		detail = "the parameter copy must say which: " + strings.Join(names, ", ")
	case len(names) > 0:
		detail = "there is no such copy in this sandbox, only " + strings.Join(names, ", ")
	}
	return nil, problem.Errorf(problem.NotFound, "%s", detail)
}

// copyNames lists the copies that dataflows of the sandbox made.
func (p *Plane) copyNames(c access.Caller) ([]string, error) {
	entries, err := os.ReadDir(runner.SandboxDir(p.dir, c.Sandbox.ID))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
