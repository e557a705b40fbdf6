package control

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/shelf"
	"github.com/tributary-data/tributary/internal/sqlapi"
	"github.com/tributary-data/tributary/internal/trial"
)

// Analysis returns the service that analyses experiments.
func (c *Control) Analysis() *analysis.Service {
	return analysis.New(analysis.Service{Experiments: &trial.Service{DB: c.DB, Now: c.now}, Open: c.openFresh, State: c.stateFor, Shown: c.shown, Now: c.now})
}

// ExperimentID returns the id of the experiment that has a key, or the id itself;
// problem.NotFound.
func (c *Control) ExperimentID(ctx context.Context, by access.Caller, name string) (string, error) {
	all, err := (&trial.Service{DB: c.DB, Now: c.now}).List(ctx, by)
	if err != nil {
		return "", err
	}
	var keys []string
	for _, e := range all {
		if e.Key == name || e.ID.String() == name {
			return e.ID.String(), nil
		}
		keys = append(keys, e.Key)
	}
	detail := "there is no experiment " + name + " in the sandbox " + by.Sandbox.Name
	if len(keys) > 0 {
		detail += ", only " + strings.Join(keys[:min(len(keys), 20)], ", ")
	}
	return "", problem.Errorf(problem.NotFound, "%s", detail)
}

// shown yields the exposures of the caller's sandbox.
func (c *Control) shown(ctx context.Context, by access.Caller) iter.Seq2[exposure.Exposure, error] {
	return exposure.All(ctx, filepath.Join(c.dir, exposure.Folder), by.Sandbox.ID)
}

// openFresh opens a copy, and says up to when it has all charges and refunds.
func (c *Control) openFresh(ctx context.Context, by access.Caller, name string) (analysis.Copy, time.Time, error) {
	dir, name, err := c.copyDir(ctx, by, name)
	if err != nil {
		return nil, time.Time{}, err
	}
	fresh, err := app.FreshUntil(ctx, dir, "charges", "refunds") // before it is opened, so that it holds of what was opened
	if err != nil {
		return nil, time.Time{}, err
	}
	r, err := app.OpenReader(ctx, dir)
	if err != nil {
		return nil, time.Time{}, err
	}
	if name == "" {
		return r, fresh, nil
	}
	return spaced{r, sqlapi.SpaceOf(name)}, fresh, nil
}

// stateFor says in which state a copy is that openFresh opens, and the exposures of the
// sandbox are.
func (c *Control) stateFor(ctx context.Context, by access.Caller, name string) (at shelf.Snapshot, fresh time.Time, err error) {
	if at, err = c.copySnapshot(ctx, by, name); err != nil || at.State == "" {
		return at, fresh, err
	}
	if fresh, err = app.FreshUntil(ctx, at.Copy, "charges", "refunds"); err != nil {
		return at, fresh, err
	}
	forgotten, err := exposure.Generation(filepath.Join(c.dir, exposure.Folder), by.Sandbox.ID)
	at.State += fmt.Sprintf("\n%d\n%s", fresh.UnixNano(), forgotten)
	return at, fresh, err
}
