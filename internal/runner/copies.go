package runner

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/flow"
)

// A pool has the copies that runs of this process are at work on. One run at a
// time has a copy; the next one takes it over as it is, open.
type pool struct {
	mu   sync.Mutex
	open map[string]*shared // by directory
}

type shared struct {
	turn   chan struct{} // holds a token while somebody has it
	waits  int           // who has it or waits
	keeper *app.Keeper   // nil before the first
	key    string        // names the credentials that the keeper has
}

// maxWaits is how many runs may wait for one copy: the others leave their
// workers to other accounts.
const maxWaits = 8

// borrow waits for a copy and returns its keeper with the credentials of s, and
// the privacy rules of the installation in dir; give hands it on, or closes it
// where nobody waits.
func (p *pool) borrow(ctx context.Context, dir string, s app.Sync) (keeper *app.Keeper, give func() error, err error) {
	c, give, err := p.enter(ctx, s.Dir)
	if err != nil {
		return nil, nil, err
	}
	key := s.Key.Fingerprint(s.Account)
	if c.keeper != nil && c.key != key {
		err = c.keeper.Close()
		c.keeper = nil
	}
	if err == nil && c.keeper == nil {
		if err = app.SharePrivacy(ctx, dir, s.Dir); err == nil {
			c.keeper, err = s.Keep(ctx)
		}
		c.key = key
	}
	if err != nil {
		c.keeper = nil
		return nil, nil, errors.Join(err, give())
	}
	return c.keeper, give, nil
}

func (p *pool) enter(ctx context.Context, dir string) (c *shared, give func() error, err error) {
	p.mu.Lock()
	if p.open == nil {
		p.open = map[string]*shared{}
	}
	s := p.open[dir]
	if s == nil {
		s = &shared{turn: make(chan struct{}, 1)}
		p.open[dir] = s
	}
	if s.waits > maxWaits {
		p.mu.Unlock()
		return nil, nil, errBusy
	}
	s.waits++
	p.mu.Unlock()
	leave := func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if s.waits--; s.waits > 0 {
			return nil
		}
		delete(p.open, dir)
		if s.keeper == nil {
			return nil
		}
		return s.keeper.Close()
	}
	select {
	case s.turn <- struct{}{}:
		return s, func() error {
			err := leave()
			<-s.turn
			return err
		}, nil
	case <-ctx.Done():
		_ = leave() // the last one out had nothing open
		return nil, nil, context.Cause(ctx)
	}
}

// CopyDir is where the copy of an account is kept for a sandbox. Accounts whose
// id the key may not see are told apart by the key.
func CopyDir(dir, sandbox string, a flow.Account) string {
	name := a.ID
	if name == "" {
		name = "key-" + a.Fingerprint
	}
	mode := "-test"
	if a.Livemode {
		mode = "-live"
	}
	return filepath.Join(SandboxDir(dir, sandbox), name+mode)
}

// SandboxDir is where the copies of a sandbox are kept.
func SandboxDir(dir, sandbox string) string { return filepath.Join(dir, "copies", sandbox) }

// Forget removes the copies of a sandbox that goes. Runs that are at work on one
// were told to stop: it is waited for.
func (r *Runner) Forget(ctx context.Context, sandbox string) error {
	dirs, err := filepath.Glob(filepath.Join(SandboxDir(r.Dir, sandbox), "*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if err := r.remove(ctx, dir); err != nil {
			return err
		}
	}
	return os.RemoveAll(SandboxDir(r.Dir, sandbox))
}

// remove removes a copy once nobody is at work on it.
func (r *Runner) remove(ctx context.Context, dir string) error {
	for {
		err := app.Remove(dir)
		if !app.Busy(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(busyFor):
		}
	}
}
