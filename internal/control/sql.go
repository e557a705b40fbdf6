package control

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/runner"
	"github.com/tributary-data/tributary/internal/sqlapi"
	"github.com/tributary-data/tributary/internal/sqlworker"
)

// sql ties together what answers SQL.
func (p *Plane) sql() *sqlapi.Service {
	p.queries = &sqlworker.Pool{Command: p.options.SQLWorker, Log: p.options.Log}
	return &sqlapi.Service{Datasets: p.Catalog, Lakes: lakes{p}, Pool: p.queries, Now: p.now, Exposures: p.exposed}
}

// exposed says where the exposures of the caller's sandbox are, and their size.
func (c *Control) exposed(by access.Caller) (at sqlworker.Exposures, size int64, err error) {
	at = sqlworker.Exposures{Dir: filepath.Join(c.dir, exposure.Folder), Sandbox: by.Sandbox.ID}
	size, err = exposure.Size(at.Dir, at.Sandbox)
	return at, size, err
}

// lakes are where rows are: the lake of the installation, and those of the copies
// that are kept for a sandbox.
type lakes struct{ *Plane }

// Versions implements sqlapi.Lakes.
func (l lakes) Versions(ctx context.Context) (map[string]string, error) {
	return l.lake.Versions(ctx)
}

// Table implements sqlapi.Lakes.
func (l lakes) Table(ctx context.Context, name string) (app.TableState, error) {
	return app.TableStateOf(ctx, l.lake, name)
}

// Copies implements sqlapi.Lakes. The default sandbox has the copy of the
// directory itself, too, as its datasets are (Adopt).
func (l lakes) Copies(ctx context.Context, c access.Caller) ([]sqlapi.Copy, error) {
	var all []sqlapi.Copy
	operator, err := l.Access.Operator(ctx)
	if err != nil {
		return nil, err
	}
	if c.Org == operator.Org && c.Sandbox.ID == operator.Sandbox.ID {
		all = append(all, sqlapi.Copy{Dir: l.dir})
	}
	dirs, err := os.ReadDir(runner.SandboxDir(l.dir, c.Sandbox.ID))
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, d := range dirs {
		all = append(all, sqlapi.Copy{Name: sqlapi.SpaceOf(d.Name()), Dir: filepath.Join(runner.SandboxDir(l.dir, c.Sandbox.ID), d.Name())})
	}
	for i := range all {
		all[i].Version, err = app.CopyVersion(ctx, all[i].Dir)
		if err != nil && problem.KindOf(err) != problem.NotFound {
			return nil, err
		}
	}
	// One without tables is not there yet.
	return slices.DeleteFunc(all, func(c sqlapi.Copy) bool { return c.Version == "" }), nil
}

// Copy implements sqlapi.Lakes.
func (lakes) Copy(ctx context.Context, c sqlapi.Copy) (app.CopyState, error) {
	return app.CopyStateOf(ctx, c.Dir)
}
