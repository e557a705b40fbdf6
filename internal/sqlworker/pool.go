package sqlworker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/duck"
)

// Usual limits of a process.
var Usual = duck.Limits{Memory: 512 << 20, Threads: 2, Temp: 2 << 30}

// Bounds of a pool.
const (
	MaxBusy  = 4               // queries at once
	MaxOf    = 2               // of those, of one owner
	Patience = 2 * time.Second // for a turn
	IdleFor  = time.Minute     // then a process ends
)

// ErrBusy is about a query that has waited for its turn for Patience.
var ErrBusy = errors.New("too many queries are being run")

// A Pool keeps processes, as many as may be busy at once. The zero value runs
// queries in this process.
type Pool struct {
	// Command starts a process that calls Main. Nil for none: then nothing bounds
	// what a single value takes, and a function that takes long goes on when its
	// query has ended.
	Command []string
	Limits  duck.Limits // the zero value for Usual
	Log     *slog.Logger

	mu     sync.Mutex
	busy   int
	of     map[string]int
	freed  chan struct{} // closed when a turn ends
	idle   []*parked     // the longest idle first
	closed bool
	living sync.WaitGroup
}

type parked struct {
	*Session
	key   string
	timer *time.Timer
}

// Do calls fn with a session that has the catalog open which key names. At most
// MaxOf of an owner are in fn at once.
func (p *Pool) Do(ctx context.Context, owner, key string, catalog func(context.Context) (duck.Catalog, error), fn func(*Session) error) error {
	if err := p.enter(ctx, owner); err != nil {
		return err
	}
	defer p.leave(owner)
	s := p.take(key)
	if s == nil {
		c, err := catalog(ctx)
		if err != nil {
			return err
		}
		if s, err = p.open(ctx, c); err != nil {
			return err
		}
	}
	err := fn(s)
	p.put(key, s)
	return err
}

func (p *Pool) enter(ctx context.Context, owner string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, Patience, ErrBusy)
	defer cancel()
	for {
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return errors.New("the pool of queries is closed")
		}
		if p.of == nil {
			p.of, p.freed = map[string]int{}, make(chan struct{})
		}
		if p.busy < MaxBusy && p.of[owner] < MaxOf {
			p.busy++
			p.of[owner]++
			p.mu.Unlock()
			return nil
		}
		freed := p.freed
		p.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *Pool) leave(owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if p.of[owner]--; p.of[owner] == 0 {
		delete(p.of, owner)
	}
	close(p.freed)
	p.freed = make(chan struct{})
}

// take returns an idle session with a catalog. Where there is none, it makes
// room for one.
func (p *Pool) take(key string) *Session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range slices.Backward(p.idle) {
		if s.key == key {
			p.idle = slices.Delete(p.idle, i, i+1)
			s.timer.Stop()
			return s.Session
		}
	}
	for len(p.idle) > 0 && len(p.idle)+p.busy > MaxBusy {
		s := p.idle[0]
		p.idle = p.idle[1:]
		s.timer.Stop()
		p.drop(s.Session)
	}
	return nil
}

func (p *Pool) open(ctx context.Context, c duck.Catalog) (*Session, error) {
	s, err := start(p.Command)
	if err != nil {
		return nil, err
	}
	p.living.Add(1)
	limits := p.Limits
	if limits == (duck.Limits{}) {
		limits = Usual
	}
	_, err = s.call(ctx, request{Open: &opening{c, limits}}, nil, nil)
	if err == nil {
		return s, nil
	}
	p.drop(s)
	if errors.Is(err, errDied) {
		err = fmt.Errorf("a process for queries has ended: %s", s.said)
	}
	return nil, err
}

// drop ends a session, and whatever it does.
func (p *Pool) drop(s *Session) {
	go func() {
		defer p.living.Done()
		s.end()
		<-s.ended
	}()
}

// put keeps a session for the next query of its catalog.
func (p *Pool) put(key string, s *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.broken && s.said.String() != "" && p.Log != nil {
		p.Log.Warn("a process for queries has ended", "said", s.said.String())
	}
	if s.broken || s.full || p.closed {
		p.drop(s)
		return
	}
	one := &parked{Session: s, key: key}
	one.timer = time.AfterFunc(IdleFor, func() { p.retire(one) })
	p.idle = append(p.idle, one)
}

func (p *Pool) retire(one *parked) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle, one); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		p.drop(one.Session)
	}
}

// Close ends all processes. Those that are in Do end when they leave it.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	for _, s := range p.idle {
		s.timer.Stop()
		p.drop(s.Session)
	}
	p.idle = nil
	p.mu.Unlock()
	p.living.Wait()
}
