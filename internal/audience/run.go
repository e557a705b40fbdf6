package audience

import (
	"cmp"
	"context"
	"time"

	"github.com/tributary-data/tributary/internal/access"
)

// longest is how long members wait for a copy that changes all the time.
const longest = 10 * time.Minute

// drift is how old members get that time alone changes.
const drift = time.Hour

// Run works out the members of audiences whose copy was changed by a pass, of
// whatever process, that were changed themselves, or that count days and were not
// worked out for an hour, one after the other, until ctx ends.
// It waits until a copy stands still, and does no audience more often than each Pause.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(cmp.Or(s.Often, 2*time.Second))
	defer tick.Stop()
	w := newWatch(s)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := w.round(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "the audiences were not looked at", "error", err)
		}
	}
}

// A watch knows since when copies stand as they do, and since when audiences wait
// for them to.
type watch struct {
	*Service
	copies map[string]standing  // by sandbox and name
	waits  map[string]time.Time // by audience
}

func newWatch(s *Service) *watch {
	return &watch{Service: s, copies: map[string]standing{}, waits: map[string]time.Time{}}
}

type standing struct {
	version string
	since   time.Time
}

// round looks at all audiences once.
func (w *watch) round(ctx context.Context) error {
	all, err := w.Operators(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		audiences, err := w.Audiences(ctx, c)
		if err != nil {
			return err
		}
		for _, a := range audiences {
			if !w.due(ctx, c, a) {
				continue
			}
			if _, err := w.Materialise(ctx, c, a.ID); err != nil && ctx.Err() == nil {
				w.Log.WarnContext(ctx, "the members of an audience were not worked out", "sandbox", c.Sandbox.Name, "audience", a.ID, "error", err)
			}
		}
	}
	return ctx.Err()
}

// due says whether an audience is to be worked out. What failed is tried again
// when its copy or its predicate changed, or after a while.
func (w *watch) due(ctx context.Context, c access.Caller, a Audience) bool {
	now, st := w.Now(), a.State
	if st.Tried.IsZero() || st.Which != a.Version {
		return true // it waits for nobody
	}
	seen, err := w.seen(ctx, c, a.Copy)
	if err != nil { // the copy went, most likely; who asks for the members is told
		return false
	}
	key := c.Sandbox.ID + "/" + a.Copy
	stands := w.copies[key]
	if stands.version != seen {
		stands = standing{seen, now}
		w.copies[key] = stands
	}
	if st.Seen == seen {
		delete(w.waits, a.ID)
		return st.Error != "" && now.Sub(st.Tried) >= longest || a.Predicate.moves() && now.Sub(st.Tried) >= drift
	}
	if w.waits[a.ID].IsZero() {
		w.waits[a.ID] = now
	}
	if now.Sub(st.Tried) < cmp.Or(w.Pause, time.Minute) || now.Sub(stands.since) < cmp.Or(w.Settle, 5*time.Second) && now.Sub(w.waits[a.ID]) < longest {
		return false
	}
	delete(w.waits, a.ID)
	return true
}
