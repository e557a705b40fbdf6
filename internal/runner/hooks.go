package runner

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"regexp"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/problem"
)

// HookPath is where the events of an account at Stripe are awaited, below the
// path of webhooks: <sandbox id>/<copy>.
func HookPath(sandbox string, a flow.Account) string {
	return sandbox + "/" + filepath.Base(CopyDir("", sandbox, a))
}

// Names in a path of webhooks. No other is looked for on the disk.
var (
	sandboxName = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	copyName    = regexp.MustCompile(`^(acct_[0-9A-Za-z]{1,64}|key-[0-9a-f]{1,64})-(test|live)$`)
)

// Hooks answer what Stripe sends about the accounts of base connections: events
// go to the inbox of the account's copy, and its flows become due.
type Hooks struct {
	runner *Runner

	mu   sync.Mutex
	open map[string]*hooked // by directory
}

type hooked struct {
	*app.Receiver
	woken chan struct{} // holds at most one
}

// Hooks returns the handler of webhooks. The paths it is called with end with
// those of HookPath. Close it.
func (r *Runner) Hooks() *Hooks { return &Hooks{runner: r, open: map[string]*hooked{}} }

// ServeHTTP implements http.Handler for the pattern …/{sandbox}/{copy}.
func (h *Hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sandbox, name := r.PathValue("sandbox"), r.PathValue("copy")
	if !sandboxName.MatchString(sandbox) || !copyName.MatchString(name) {
		http.NotFound(w, r)
		return
	}
	receiver, err := h.receiver(r.Context(), sandbox, filepath.Join(SandboxDir(h.runner.Dir, sandbox), name))
	switch {
	case problem.KindOf(err) == problem.NotFound:
		http.NotFound(w, r)
	case err != nil:
		h.runner.Log.ErrorContext(r.Context(), "a webhook can't be taken", "copy", name, "error", err)
		http.Error(w, "Not now.", http.StatusServiceUnavailable)
	default:
		receiver.ServeHTTP(w, r)
	}
}

func (h *Hooks) receiver(ctx context.Context, sandbox, dir string) (*hooked, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if known := h.open[dir]; known != nil {
		return known, nil
	}
	k := &hooked{woken: make(chan struct{}, 1)}
	var err error
	k.Receiver, err = app.OpenReceiver(context.WithoutCancel(ctx), dir, func() {
		select {
		case k.woken <- struct{}{}:
			go h.wake(k, sandbox, dir)
		default: // it is being told
		}
	}, h.runner.Log)
	if err != nil {
		return nil, err
	}
	h.open[dir] = k
	return k, nil
}

// together is how long an event waits for others to come.
const together = 200 * time.Millisecond

// wake makes the flows of a copy due.
func (h *Hooks) wake(k *hooked, sandbox, dir string) {
	time.Sleep(together)
	<-k.woken // what comes from now on wakes again
	ctx := context.Background()
	err := h.runner.Flows.Hasten(ctx, sandbox, func(a flow.Account) bool { return CopyDir(h.runner.Dir, sandbox, a) == dir })
	if err != nil {
		h.runner.Log.ErrorContext(ctx, "what a webhook told waits for the next slot of its dataflows", "error", err)
		return
	}
	h.runner.Nudge(ctx, flow.Ref{})
	// Flows that ran a moment ago are due a little later.
	time.AfterFunc(flow.HastenEvery, func() { h.runner.Nudge(ctx, flow.Ref{}) })
}

// Close closes the inboxes.
func (h *Hooks) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, k := range h.open {
		errs = append(errs, k.Close())
	}
	clear(h.open)
	return errors.Join(errs...)
}
