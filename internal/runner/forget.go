package runner

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
)

// forgetWait is how long forgetting waits for a copy that is in use, before it
// leaves it for later.
const forgetWait = 30 * time.Second

// listOf returns what tells of whom the copy in dir is to keep nothing; nil where
// nobody says so.
func (r *Runner) listOf(dir string) func(context.Context) (app.ForgetList, error) {
	if r.Forgotten == nil {
		return nil
	}
	return func(ctx context.Context) (app.ForgetList, error) {
		return r.Forgotten(ctx, filepath.Base(filepath.Dir(dir)), filepath.Base(dir))
	}
}

// CopyNames returns the names of a sandbox's copies, in order.
func (r *Runner) CopyNames(ctx context.Context, sandbox string) ([]string, error) {
	return (&data{runner: r}).Names(ctx, sandbox)
}

// ForgetCustomer removes a customer from a copy, while no run is at work on it; what
// was made of the copy is the caller's to remove, by OpenForgotten. It may be
// repeated: the request's id tells that it is the same. problem.Unavailable for a
// copy that is in use for long.
func (r *Runner) ForgetCustomer(ctx context.Context, sandbox, name string, what app.ForgetRequest) (_ *app.Forgetting, err error) {
	dir := filepath.Join(SandboxDir(r.Dir, sandbox), name)
	waiting, cancel := context.WithTimeout(ctx, forgetWait)
	defer cancel()
	c, give, err := r.copies.enter(waiting, dir)
	if err != nil {
		return nil, inUse(name, err)
	}
	defer func() { err = errors.Join(err, give()) }()
	what.Derived = true
	if c.keeper != nil {
		return c.keeper.Forget(ctx, what)
	}
	held, err := app.Hold(ctx, dir)
	if app.Busy(err) {
		return nil, inUse(name, err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	return held.Forget(ctx, what)
}

// OpenForgotten opens what was to be forgotten in a copy of a sandbox; close it.
func (r *Runner) OpenForgotten(ctx context.Context, sandbox, name string) (*app.Forgotten, error) {
	return app.OpenForgotten(ctx, filepath.Join(SandboxDir(r.Dir, sandbox), name))
}

// ScrubMark returns what may stay of a property of a dataset's table: the marks of
// dataflows have samples of records that failed.
func (r *Runner) ScrubMark(name, value string, mentions func(text string) bool) string {
	if !strings.HasPrefix(name, markPrefix) || !mentions(value) {
		return value
	}
	m, err := parseMark(value)
	if err != nil {
		return value
	}
	m.Last.Samples = slices.DeleteFunc(m.Last.Samples, func(f failing) bool { return mentions(f.ID) || mentions(f.Reason) || mentions(f.Path) })
	b, err := json.Marshal(m)
	if err != nil {
		return value
	}
	return string(b)
}

func inUse(name string, err error) error {
	return &problem.Error{Kind: problem.Unavailable, Detail: "the copy " + name + " is in use", Advice: "It is tried again", Err: err}
}
