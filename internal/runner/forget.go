package runner

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
)

// forgetWait is how long forgetting waits for a copy that is in use, before it
// leaves it for later.
const forgetWait = 30 * time.Second

// A Made removes what was made of a copy elsewhere.
type Made func(ctx context.Context, f *app.Forgotten) error

// CopyNames returns the names of a sandbox's copies, in order.
func (r *Runner) CopyNames(ctx context.Context, sandbox string) ([]string, error) {
	return (&data{runner: r}).Names(ctx, sandbox)
}

// ForgetCustomer removes a customer from a copy, and what was made of it by made,
// while no run is at work on the copy. It may be repeated: the request's id tells
// that it is the same. problem.Unavailable for a copy that is in use for long.
func (r *Runner) ForgetCustomer(ctx context.Context, sandbox, name string, what app.ForgetRequest, made Made) (_ *app.Forgetting, err error) {
	dir := filepath.Join(SandboxDir(r.Dir, sandbox), name)
	waiting, cancel := context.WithTimeout(ctx, forgetWait)
	defer cancel()
	c, give, err := r.copies.enter(waiting, dir)
	if err != nil {
		return nil, inUse(name, err)
	}
	defer func() { err = errors.Join(err, give()) }()
	what.Derived = true
	forget := func() (*app.Forgetting, error) { return c.keeper.Forget(ctx, what) }
	if c.keeper == nil {
		held, e := app.Hold(ctx, dir)
		if app.Busy(e) {
			return nil, inUse(name, e)
		}
		if e != nil {
			return nil, e
		}
		defer func() { err = errors.Join(err, held.Close()) }()
		forget = func() (*app.Forgetting, error) { return held.Forget(ctx, what) }
	}
	done, err := forget()
	if err != nil {
		return nil, err
	}
	list, err := app.OpenForgotten(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, list.Close()) }()
	if err := made(ctx, list); err != nil {
		return nil, err
	}
	return done, list.Done(ctx, what.ID)
}

// EachForgotten calls fn with what was to be forgotten in the copies of a sandbox.
func (r *Runner) EachForgotten(ctx context.Context, sandbox string, fn func(f *app.Forgotten) error) error {
	names, err := r.CopyNames(ctx, sandbox)
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := app.OpenForgotten(ctx, filepath.Join(SandboxDir(r.Dir, sandbox), name))
		if err != nil {
			return err
		}
		if err := errors.Join(fn(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func inUse(name string, err error) error {
	return &problem.Error{Kind: problem.Unavailable, Detail: "the copy " + name + " is in use", Advice: "It is tried again", Err: err}
}
