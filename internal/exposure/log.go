package exposure

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Log keeps the exposures of an installation. Several processes may have one on
// the same folder. Close it.
type Log struct {
	Dir string // of all sandboxes' exposures; made when it is needed
	Now func() time.Time
	Log *slog.Logger
	// MaxIndexed is how many exposures of a sandbox are known in memory, 16 to 43
	// bytes each; 0 for four million. Those beyond are written again whenever
	// they come, and dropped when they are read.
	MaxIndexed int

	mu      sync.Mutex // guards what follows
	stores  map[string]*store
	opening map[string]*sync.Mutex // by sandbox
	closed  bool
}

const defaultIndexed = 4_000_000

// Folder is the name of the folder of exposures in an installation's directory.
const Folder = "exposures"

var sandboxID = regexp.MustCompile(`^[0-9A-Za-z-]{1,64}$`)

// Put keeps exposures, each unless there is one of the same experiment, phase and
// unit. When it returns without an error, all are durable. Calls that come at the
// same time share a write. A call takes at most MaxPut.
func (l *Log) Put(ctx context.Context, sandbox string, all ...Exposure) error {
	if len(all) > MaxPut {
		return problem.Errorf(problem.Invalid, "%d exposures at once are more than %d", len(all), MaxPut)
	}
	for _, e := range all {
		if err := e.check(); err != nil {
			return err
		}
	}
	s, err := l.store(ctx, sandbox)
	if err != nil {
		return err
	}
	return s.put(ctx, all)
}

// Known says whether there is an exposure of the experiment, phase and unit, as far
// as this process knows: of what others have put, since Follow was called.
func (l *Log) Known(ctx context.Context, sandbox string, e Exposure) (bool, error) {
	s, err := l.store(ctx, sandbox)
	if err != nil {
		return false, err
	}
	return s.state.Load().index.has(e.key())
}

// Warm reads what is known of a sandbox, so that the first Put need not.
func (l *Log) Warm(ctx context.Context, sandbox string) error {
	s, err := l.store(ctx, sandbox)
	if err != nil {
		return err
	}
	return s.refresh(ctx)
}

// Follow learns what other processes have put of a sandbox of which this one knows
// something, for Known.
func (l *Log) Follow(ctx context.Context, sandbox string) error {
	s, _, err := l.known(sandbox)
	if s == nil || err != nil {
		return err
	}
	return s.follow(ctx)
}

// Forget removes all exposures of some units, from the disk as well, and returns how
// many there were. It may be repeated. Puts of the sandbox wait meanwhile, in all
// processes.
func (l *Log) Forget(ctx context.Context, sandbox string, units ...string) (int, error) {
	if !l.exists(sandbox) {
		return 0, nil
	}
	s, err := l.store(ctx, sandbox)
	if err != nil {
		return 0, err
	}
	all := map[string]bool{}
	for _, u := range units {
		all[u] = true
	}
	return s.forget(ctx, all)
}

// Drop removes all exposures of a sandbox.
func (l *Log) Drop(ctx context.Context, sandbox string) error {
	if !l.exists(sandbox) {
		return nil
	}
	s, err := l.store(ctx, sandbox)
	if err != nil {
		return err
	}
	l.mu.Lock()
	delete(l.stores, sandbox)
	l.mu.Unlock()
	return s.drop()
}

// Close ends the log. What was put is durable already.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	for _, s := range l.stores {
		s.close()
	}
	l.stores = nil
	return nil
}

func (l *Log) exists(sandbox string) bool {
	_, err := os.Stat(filepath.Join(l.Dir, sandbox))
	return sandboxID.MatchString(sandbox) && err == nil
}

func (l *Log) store(ctx context.Context, sandbox string) (*store, error) {
	if !sandboxID.MatchString(sandbox) {
		return nil, problem.Errorf(problem.Invalid, "%q is no sandbox's id", sandbox)
	}
	s, turn, err := l.known(sandbox)
	if s != nil || err != nil {
		return s, err
	}
	// Reading what is there takes a while; who asks about others does not wait for it.
	turn.Lock()
	defer turn.Unlock()
	if s, _, err = l.known(sandbox); s != nil || err != nil {
		return s, err
	}
	most := l.MaxIndexed
	if most == 0 {
		most = defaultIndexed
	}
	if s, err = openStore(ctx, filepath.Join(l.Dir, sandbox), l, most); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		s.close()
		return nil, errClosed
	}
	l.stores[sandbox] = s
	return s, nil
}

var errClosed = errors.New("the log of exposures is closed")

// known returns the store of a sandbox if it is open, and whose turn it is to open
// it if not.
func (l *Log) known(sandbox string) (*store, *sync.Mutex, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.stores[sandbox]; s != nil {
		return s, nil, nil
	}
	if l.closed {
		return nil, nil, errClosed
	}
	if l.stores == nil {
		l.stores, l.opening = map[string]*store{}, map[string]*sync.Mutex{}
	}
	turn := l.opening[sandbox]
	if turn == nil {
		turn = new(sync.Mutex)
		l.opening[sandbox] = turn
	}
	return nil, turn, nil
}
