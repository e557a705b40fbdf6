package control

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/runner"
	"github.com/tributary-data/tributary/internal/shelf"
	"github.com/tributary-data/tributary/internal/sqlapi"
)

// openCopy opens a copy of a Stripe account that there is in the caller's
// sandbox, by the name of its directory; in the default sandbox, "" is the
// directory's own.
func (p *Plane) openCopy(ctx context.Context, c access.Caller, name string) (report.Copy, error) {
	dir, name, err := p.copyDir(ctx, c, name)
	if err != nil {
		return nil, err
	}
	of, err := app.OpenReader(ctx, dir)
	if err != nil || name == "" {
		return of, err
	}
	return spaced{of, sqlapi.SpaceOf(name)}, nil
}

// copySnapshot says in which state a copy is that copyDir finds.
func (c *Control) copySnapshot(ctx context.Context, by access.Caller, name string) (shelf.Snapshot, error) {
	dir, _, err := c.copyDir(ctx, by, name)
	if err != nil {
		return shelf.Snapshot{}, err
	}
	state, err := app.CopyVersion(ctx, dir)
	if problem.KindOf(err) == problem.NotFound {
		return shelf.Snapshot{}, nil // nothing was copied yet, as openCopy says
	}
	return shelf.Snapshot{Copy: dir, State: state}, err
}

// copyDir returns the directory and the name of a copy that openCopy takes.
func (c *Control) copyDir(ctx context.Context, by access.Caller, name string) (dir, called string, err error) {
	names, err := c.copyNames(by)
	if err != nil {
		return "", "", err
	}
	if name == "" {
		if own, err := c.ownCopy(ctx, by); own || err != nil {
			return c.dir, "", err
		}
	}
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	if slices.Contains(names, name) {
		return filepath.Join(runner.SandboxDir(c.dir, by.Sandbox.ID), name), name, nil
	}
	detail := "there is no copy of a Stripe account in this sandbox"
	switch {
	case len(names) > 0 && name == "":
		detail = "the parameter copy must say which: " + strings.Join(names, ", ")
	case len(names) > 0:
		detail = "there is no such copy in this sandbox, only " + strings.Join(names, ", ")
	}
	return "", "", problem.Errorf(problem.NotFound, "%s", detail)
}

// spaced is a copy whose views stand in a schema where its sandbox is queried.
type spaced struct {
	*app.Reader

	space string
}

// Space implements what reports ask of a copy.
func (s spaced) Space() string { return s.space }

// ownCopy says whether there is a copy of the directory's own account and it is
// the caller's sandbox's.
func (c *Control) ownCopy(ctx context.Context, by access.Caller) (bool, error) {
	operator, err := c.Access.Operator(ctx)
	if err != nil || operator.Org != by.Org || operator.Sandbox.ID != by.Sandbox.ID {
		return false, err
	}
	l, err := lake.OpenReadOnly(ctx, c.dir)
	if problem.KindOf(err) == problem.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer l.Close()
	tables, err := l.Tables(ctx)
	return slices.Contains(tables, "charges"), err
}

// copiesFor lists the names that openCopy takes for a caller.
func (p *Plane) copiesFor(ctx context.Context, c access.Caller) ([]string, error) {
	names, err := p.copyNames(c)
	if err != nil {
		return nil, err
	}
	own, err := p.ownCopy(ctx, c)
	if own {
		names = append([]string{""}, names...)
	}
	return names, err
}

// copyNames lists the copies that dataflows of the sandbox made.
func (c *Control) copyNames(by access.Caller) ([]string, error) {
	entries, err := os.ReadDir(runner.SandboxDir(c.dir, by.Sandbox.ID))
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
