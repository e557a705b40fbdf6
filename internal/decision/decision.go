// Package decision tells shops which variant of an experiment a customer gets,
// before checkout, by OpenFeature's remote evaluation protocol (OFREP 0.3).
//
// What decisions go by is in memory: no decision reads the database. Follow looks
// twice a second whether something changed, so a kill switch or a revoked key counts
// in all processes within a second. Who gets what is a hash (package experiment);
// what is remembered is that it was given (package exposure): no answer names a
// variant of a running experiment before that is on the disk.
//
// # Offers that are not for everybody
//
// Who is assigned and who counts as exposed does not depend on an offer. An offer
// whose conditions do not hold for a visit is not given; the variant stays, its value
// has "offer": null, metadata.withheld says which condition it was, and the exposure
// is kept. For most conditions are about what comes after the assignment: a cart may be
// what it is because of the variant. To count only those who were given something would
// compare some of one group, chosen by what the variant did, with all of the other. So
// results are by intention to treat, of all who asked; where few carts fit, the effect is diluted, not
// biased. To ask about fewer people, name them beforehand: by the experiment's
// audience, which is the same for all variants, or by asking only where an offer might be
// shown, whichever variant it is.
//
// For the same reason, a value of which a part can't be made goes without it
// (withheld is "failed", or "gone" where the offer was deleted), and is counted: else
// failures would take units out of one group alone.
//
// Of units, customers and carts nothing is written but the exposure: not into logs,
// traces, metrics or the audit log. The exposures can forget a unit.
package decision

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/trial"
)

// A Service decides. Fill in its fields, call Follow, and serve Handler.
type Service struct {
	Trials    *trial.Service
	Exposures *exposure.Log
	Now       func() time.Time
	Log       *slog.Logger

	// Audience says whether a customer is of an audience, from memory; nil where
	// there are none.
	Audience func(ctx context.Context, sandbox, audience, customer string) (bool, error)
	// Offer returns an offer as JSON, from memory, or the name of the condition that
	// doesn't hold for a visit; problem.NotFound. nil where there are none.
	Offer func(ctx context.Context, sandbox, id string, v Visit) (text json.RawMessage, why string, err error)
	// Recommend returns at most n add-ons for a visit as JSON, without those whose
	// offers aren't for it; nil where there are none.
	Recommend func(ctx context.Context, sandbox string, v Visit, n int) (json.RawMessage, error)

	// Forgotten returns what says of an id whether nothing may be kept of the customer who
	// has it, in a sandbox by its name; nil for nobody. It is asked again when the
	// sandbox has a new turn. nil where nobody is ever forgotten.
	Forgotten func(ctx context.Context, org, sandbox string) (func(id string) bool, error)

	// Allowed, if set, refuses a call for where it comes from.
	Allowed func(r *http.Request, c *access.Caller) error
	// Refresh, if set, is called twice a second for each sandbox that was decided
	// for, so that Allowed need not read.
	Refresh func(ctx context.Context, c *access.Caller) error
	// Take, if set, takes one call of a key's rate, or says how long to wait.
	Take func(key string) (wait time.Duration, ok bool)
	// Observe, if set, is told what a call was about.
	Observe func(ctx context.Context, o gateway.Observation)

	now        atomic.Pointer[snapshot] // nil before the first load
	mu         sync.Mutex               // of load
	complained atomic.Int64             // the second in which a failure was logged last
}

// A Visit is whom something is offered to.
type Visit struct {
	Customer string   // id at Stripe; "" where it isn't known
	Cart     []string // ids of what is in it
	Value    int64    // of the cart, minor units
	Currency string   // of the cart, three lower-case letters; "" where it isn't known
	Country  string   // two upper-case letters; "" where it isn't known
}

// poll is how often to look for changes by other processes: twice in the second
// that a kill switch may take.
const poll = 500 * time.Millisecond

// A snapshot is what is known of all sandboxes. It is replaced as a whole.
type snapshot struct {
	turns     map[string]int64
	sandboxes map[string]*sandbox
	keys      map[[sha256.Size]byte]*key
	origins   map[string]bool // of all keys
}

// A sandbox is what its decisions go by.
type sandbox struct {
	trial.State
	caller access.Caller // whom allow lists are asked about
	flags  map[string]*flag
	// ordered are the flags by their keys.
	ordered []*flag
	keys    map[[sha256.Size]byte]*key
	asked   atomic.Bool // since the last look
	// forgotten says of an id whether nothing may be kept of whose it is; nil for nobody.
	forgotten func(id string) bool
}

// A key lets its bearer ask for decisions of one sandbox.
type key struct {
	id      string
	caller  access.Caller
	sandbox *sandbox
	origins []string      // of web pages that may use it; none for a server's
	names   []string      // keys of the flags that it is for; none for all
	used    *atomic.Int64 // hour of the last use, as Unix time; kept over snapshots
	noted   *atomic.Int64 // the one that is in the database
}

// has says whether the key is for a flag.
func (k *key) has(flag string) bool { return len(k.names) == 0 || slices.Contains(k.names, flag) }

// A flag is an experiment as it is decided.
type flag struct {
	experiment.Experiment
	id     string
	shares map[string]*share // by key of the variant
}

// A share is a variant with what of its value can be known before.
type share struct {
	experiment.Variant
	members map[string]json.RawMessage // of a value that an offer or add-ons are added to; nil for none
}

// Changed makes what was changed in this process count at once.
func (s *Service) Changed(ctx context.Context) {
	s.mu.Lock() // the first load may be under way, and have read what was before
	none := s.now.Load() == nil
	s.mu.Unlock()
	if none {
		return
	}
	if err := s.load(context.WithoutCancel(ctx)); err != nil {
		s.Log.WarnContext(ctx, "a change counts for decisions a little later", "error", err)
	}
}

// Follow keeps what decisions go by up to date until ctx ends.
func (s *Service) Follow(ctx context.Context) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	failing := false
	for {
		err := s.load(ctx)
		if err == nil {
			err = s.upkeep(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failing {
			s.Log.ErrorContext(ctx, "decisions go by what was known before", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// current returns what is known, and loads it the first time.
func (s *Service) current(ctx context.Context) (*snapshot, error) {
	if now := s.now.Load(); now != nil {
		return now, nil
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return s.now.Load(), nil
}

// load reads the sandboxes that changed.
func (s *Service) load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	turns, err := s.Trials.Turns(ctx)
	if err != nil {
		return err
	}
	before := s.now.Load()
	if before == nil {
		before = &snapshot{}
	}
	next := &snapshot{turns: turns, sandboxes: map[string]*sandbox{}, keys: map[[sha256.Size]byte]*key{}, origins: map[string]bool{}}
	changed := s.now.Load() == nil || len(turns) != len(before.turns)
	var failed []error
	for id, turn := range turns {
		sb := before.sandboxes[id]
		if at, is := before.turns[id]; !is || at != turn {
			if sb, err = s.read(ctx, id, sb); err != nil {
				// The others are not kept from their switches; this one is read again.
				failed = append(failed, fmt.Errorf("sandbox %s: %w", id, err))
				sb, next.turns[id] = before.sandboxes[id], at
			}
			changed = true
		}
		if sb == nil {
			continue
		}
		next.sandboxes[id] = sb
		maps.Copy(next.keys, sb.keys)
		for _, k := range sb.keys {
			for _, origin := range k.origins {
				next.origins[origin] = true
			}
		}
	}
	if changed {
		s.now.Store(next)
	}
	for id, sb := range next.sandboxes {
		if !sb.runs() || sb == before.sandboxes[id] {
			continue
		}
		// What is switched off or revoked is so by now, whatever this comes to.
		if err := s.Exposures.Warm(ctx, id); err != nil {
			failed = append(failed, fmt.Errorf("sandbox %s: %w", id, err))
		}
	}
	return errors.Join(failed...)
}

// runs says whether anybody can be told a variant that is kept.
func (sb *sandbox) runs() bool {
	return len(sb.Keys) > 0 && slices.ContainsFunc(sb.Experiments, func(e experiment.Experiment) bool { return e.State == experiment.Running })
}

// read reads a sandbox; nil where it is gone.
func (s *Service) read(ctx context.Context, id string, before *sandbox) (*sandbox, error) {
	st, err := s.Trials.State(ctx, id)
	if err != nil || st.Scope.Sandbox == "" {
		return nil, err
	}
	sb := &sandbox{State: st, flags: map[string]*flag{}, keys: map[[sha256.Size]byte]*key{}}
	sb.caller.Org = st.Scope.Org
	sb.caller.Sandbox = access.Sandbox{ID: st.Scope.Sandbox, Name: st.Name}
	if s.Forgotten != nil {
		if sb.forgotten, err = s.Forgotten(ctx, st.Scope.Org, st.Name); err != nil {
			return nil, err
		}
	}
	for _, e := range st.Experiments {
		f := &flag{Experiment: e, id: e.ID.String(), shares: map[string]*share{}}
		for _, v := range e.Variants {
			sh := &share{Variant: v}
			if v.Offer != "" || v.Recommend > 0 {
				sh.members = map[string]json.RawMessage{}
				if len(v.Value) > 0 {
					if err := json.Unmarshal(v.Value, &sh.members); err != nil {
						return nil, err
					}
				}
			}
			f.shares[v.Key] = sh
		}
		sb.flags[e.Key] = f
		sb.ordered = append(sb.ordered, f)
	}
	slices.SortFunc(sb.ordered, func(a, b *flag) int { return strings.Compare(a.Key, b.Key) })
	for _, k := range st.Keys {
		kept := &key{id: k.ID, caller: sb.caller, sandbox: sb, origins: k.Origins, names: k.Experiments, used: new(atomic.Int64), noted: new(atomic.Int64)}
		kept.caller.Client = "decision key " + k.ID
		if !k.Used.IsZero() {
			kept.noted.Store(k.Used.Unix())
		}
		hash, err := k.Sum()
		if err != nil {
			return nil, err
		}
		if before != nil && before.keys[hash] != nil {
			kept.used, kept.noted = before.keys[hash].used, before.keys[hash].noted
		}
		sb.keys[hash] = kept
	}
	return sb, nil
}

// upkeep does what decisions themselves leave undone.
func (s *Service) upkeep(ctx context.Context) error {
	now := s.now.Load()
	for id, sb := range now.sandboxes {
		if sb.runs() && slices.ContainsFunc(sb.Experiments, func(e experiment.Experiment) bool { return e.State == experiment.Running && e.Phase().Audience != "" }) {
			if err := s.Exposures.Follow(ctx, id); err != nil {
				return err
			}
		}
		if s.Refresh != nil && sb.asked.Swap(false) {
			if err := s.Refresh(ctx, &sb.caller); err != nil {
				return err
			}
		}
	}
	for _, k := range now.keys {
		if hour := k.used.Load(); hour > k.noted.Load() {
			if err := s.Trials.KeyUsed(ctx, k.sandbox.Scope, k.id, time.Unix(hour, 0)); err != nil {
				return err
			}
			k.noted.Store(hour)
		}
	}
	return nil
}

// exposureOf returns that of a unit in the experiment's phase.
func (f *flag) exposureOf(variant, unit string) exposure.Exposure {
	return exposure.Exposure{Experiment: f.ID, Phase: f.Phase().Number, Variant: variant, Unit: unit}
}
