package control

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/trial"
)

// A Shown is a unit that was shown a variant at a time.
type Shown struct {
	Unit, Variant string
	At            time.Time
}

// Lived puts an experiment into the caller's sandbox that ran from one time to
// another, both past: run is given what variant each unit gets, and returns to whom
// it was shown. It is for demonstrations. Times of exposures are kept by the day.
func (c *Control) Lived(ctx context.Context, by access.Caller, e experiment.Experiment, began, ended time.Time,
	run func(assign func(unit string) string) ([]Shown, error),
) (id string, err error) {
	then, always := began, func(trial.Experiment) error { return nil }
	trials := &trial.Service{DB: c.DB, Now: func() time.Time { return then }}
	made, err := trials.Create(ctx, by, e)
	if err != nil {
		return "", err
	}
	id = made.ID.String()
	if made, err = trials.Start(ctx, by, id, always); err != nil {
		return "", err
	}
	all, err := run(func(unit string) string {
		variant, _ := made.Assign(experiment.Holdout{}, unit, func(string) bool { return true })
		return variant
	})
	if err != nil {
		return "", err
	}
	if err := c.expose(ctx, by, made.Experiment, all); err != nil {
		return "", err
	}
	then = ended
	_, err = trials.Stop(ctx, by, id, always, "")
	return id, err
}

// expose keeps exposures of the past. Those of a day share a time, so that many are
// written at once.
func (c *Control) expose(ctx context.Context, by access.Caller, e experiment.Experiment, all []Shown) (err error) {
	var then time.Time
	log := &exposure.Log{Dir: filepath.Join(c.dir, exposure.Folder), Now: func() time.Time { return then }, Log: slog.New(slog.DiscardHandler)}
	defer func() { err = errors.Join(err, log.Close()) }()
	slices.SortFunc(all, func(a, b Shown) int { return a.At.Compare(b.At) })
	for len(all) > 0 {
		then = all[0].At.UTC().Truncate(24 * time.Hour)
		n := slices.IndexFunc(all, func(s Shown) bool { return s.At.Sub(then) >= 24*time.Hour })
		if n < 0 {
			n = len(all)
		}
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(64)
		for _, s := range all[:n] {
			g.Go(func() error {
				return log.Put(ctx, by.Sandbox.ID, exposure.Exposure{Experiment: e.ID, Phase: e.Phase().Number, Variant: s.Variant, Unit: s.Unit})
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}
