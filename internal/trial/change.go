package trial

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Match refuses a change of what is not the state that its caller saw;
// problem.Stale.
type Match func(Experiment) error

// Change changes an experiment as change says, which may be called more than
// once. Of one that runs, only what doesn't bear on the comparison may change.
func (s *Service) Change(ctx context.Context, c access.Caller, id string, match Match, change func(*experiment.Experiment) error) (Experiment, error) {
	return s.change(ctx, c, id, "change", match, func(e *experiment.Experiment) error {
		before := clone(*e)
		if err := change(e); err != nil {
			return err
		}
		return mayBecome(before, *e)
	})
}

// Start lets a draft, or what was stopped, run in a new phase.
func (s *Service) Start(ctx context.Context, c access.Caller, id string, match Match) (Experiment, error) {
	return s.change(ctx, c, id, "start", match, func(e *experiment.Experiment) error {
		if e.State == experiment.Running {
			return conflict("Begin a new phase to mix its units anew", "the experiment %q runs already", e.Key)
		}
		e.State, e.Killed, e.Ship = experiment.Running, false, ""
		s.begin(e)
		return nil
	})
}

// Stop ends an experiment. Ship is the key of the variant that everybody gets from
// now on; empty for what clients' code has.
func (s *Service) Stop(ctx context.Context, c access.Caller, id string, match Match, ship string) (Experiment, error) {
	return s.change(ctx, c, id, "stop", match, func(e *experiment.Experiment) error {
		if e.State != experiment.Running {
			return conflict("", "the experiment %q doesn't run: it is %s", e.Key, e.State)
		}
		e.State, e.Ship = experiment.Stopped, ship
		s.end(e)
		return nil
	})
}

// NewPhase ends the phase of a running experiment and begins another one, with
// what change changes of the comparison.
func (s *Service) NewPhase(ctx context.Context, c access.Caller, id string, match Match, change func(*experiment.Experiment) error) (Experiment, error) {
	return s.change(ctx, c, id, "phase", match, func(e *experiment.Experiment) error {
		if e.State != experiment.Running {
			return conflict("Change it and start it: that begins a phase", "the experiment %q doesn't run: it is %s", e.Key, e.State)
		}
		before := clone(*e)
		if err := change(e); err != nil {
			return err
		}
		if err := unitStays(before, *e); err != nil {
			return err
		}
		s.end(e)
		s.begin(e)
		return nil
	})
}

// Kill switches the decisions of an experiment off, or on again, without an end to
// its phase.
func (s *Service) Kill(ctx context.Context, c access.Caller, id string, match Match, killed bool) (Experiment, error) {
	what := "kill"
	if !killed {
		what = "unkill"
	}
	return s.change(ctx, c, id, what, match, func(e *experiment.Experiment) error {
		before := clone(*e)
		e.Killed = killed
		return mayBecome(before, *e)
	})
}

func (s *Service) begin(e *experiment.Experiment) {
	p := experiment.Phase{Number: e.Phase().Number + 1, Salt: salt(), Began: s.moment(), Range: e.Range, Audience: e.Audience, Measure: e.Measure}
	for _, v := range e.Variants {
		p.Weights = append(p.Weights, experiment.Weight{Variant: v.Key, Weight: v.Weight})
	}
	e.Phases = append(e.Phases, p)
}

func (s *Service) end(e *experiment.Experiment) { e.Phases[len(e.Phases)-1].Ended = s.moment() }

// moment is now, as precisely as exposures tell it.
func (s *Service) moment() time.Time { return s.Now().UTC().Truncate(time.Millisecond) }

// mayBecome says why an experiment can't be changed to another one.
func mayBecome(before, after experiment.Experiment) error {
	if after.Killed && before.State == experiment.Draft {
		return conflict("", "the experiment %q is a draft: there is nothing to switch off", before.Key)
	}
	if after.Ship != before.Ship && before.State != experiment.Stopped {
		return conflict("Say it when you stop the experiment", "ship: the experiment %q is %s", before.Key, before.State)
	}
	if err := unitStays(before, after); err != nil || before.State != experiment.Running {
		return err
	}
	for _, part := range []struct {
		name          string
		before, after any
	}{
		{"layer", before.Layer, after.Layer},
		{"range", before.Range, after.Range},
		{"audience", before.Audience, after.Audience},
		{"variants", compact(before.Variants), compact(after.Variants)},
		{"measure", before.Measure, after.Measure},
	} {
		if !reflect.DeepEqual(part.before, part.after) {
			return conflict("Stop it, or begin a new phase with it (POST …/phases)", "%s: the experiment %q runs, and this would change what it compares", part.name, before.Key)
		}
	}
	return nil
}

// unitStays refuses another unit where there were exposures of one.
func unitStays(before, after experiment.Experiment) error {
	if len(before.Phases) > 0 && before.Unit != after.Unit {
		return conflict("Make another experiment", "unit: the experiment %q has assigned variants by its unit, which can't change any more", before.Key)
	}
	return nil
}

// compact returns variants as text that is the same for the same ones.
func compact(all []experiment.Variant) string {
	text, err := docstore.Encode(all) // takes out spaces between the tokens of values
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func conflict(advice, format string, args ...any) error {
	return &problem.Error{Kind: problem.Conflict, Detail: fmt.Sprintf(format, args...), Advice: advice}
}

// clone shares nothing with e that apply changes.
func clone(e experiment.Experiment) experiment.Experiment {
	e.Variants = append([]experiment.Variant{}, e.Variants...)
	e.Phases = append([]experiment.Phase{}, e.Phases...)
	return e
}

// tries is how often a change is tried that others came before.
const tries = 20

// change applies a change. What it names is looked for before the transaction, so
// that it is tried again if the experiment changed meanwhile.
func (s *Service) change(ctx context.Context, c access.Caller, id, what string, match Match, apply func(*experiment.Experiment) error) (Experiment, error) {
	for range tries {
		k, err := s.try(ctx, c, id, what, match, apply)
		if !errors.Is(err, docstore.ErrStale) {
			return k, missing(err, id)
		}
	}
	return Experiment{}, problem.Errorf(problem.Stale, "the experiment is being changed by others all the time")
}

func (s *Service) try(ctx context.Context, c access.Caller, id, what string, match Match, apply func(*experiment.Experiment) error) (Experiment, error) {
	k, err := s.Read(ctx, c, id)
	if err != nil {
		return Experiment{}, err
	}
	if err := match(k); err != nil {
		return Experiment{}, err
	}
	before := k.Experiment
	k.Experiment = clone(before)
	if err := apply(&k.Experiment); err != nil {
		return Experiment{}, err
	}
	if k.Key != before.Key {
		return Experiment{}, problem.Errorf(problem.Invalid, "key: it is %q and can't be changed; make another experiment", before.Key)
	}
	if err := k.Check(); err != nil {
		return Experiment{}, err
	}
	if what != "stop" && what != "kill" { // what must be possible whatever else is gone
		if before.State != experiment.Running || what == "phase" { // else its values stay as they are
			if err := k.CheckTypes(); err != nil {
				return Experiment{}, err
			}
		}
		if err := s.checkNames(ctx, c, k.Experiment); err != nil {
			return Experiment{}, err
		}
	}
	k.UpdatedBy = c.User
	kept := k
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		kept = k
		if err := apart(t, c.Scope(), k.Experiment); err != nil {
			return err
		}
		return s.put(t, c, &kept, what)
	})
	if err == nil {
		s.changed(ctx)
	}
	return kept, err
}

// apart refuses an experiment that would share slots of its layer with another
// one that runs.
func apart(t *docstore.Tx, scope docstore.Scope, e experiment.Experiment) error {
	if e.State != experiment.Running || e.Layer == "" {
		return nil
	}
	all, err := list(t, scope)
	if err != nil {
		return err
	}
	for _, o := range all {
		if o.ID != e.ID && o.State == experiment.Running && o.Layer == e.Layer && o.Range.From < e.Range.To && e.Range.From < o.Range.To {
			return conflict("Give it a range of its own, or stop the other one",
				"range: the slots %d to %d of the layer %q are not free: the experiment %q has %d to %d", e.Range.From, e.Range.To, e.Layer, o.Key, o.Range.From, o.Range.To)
		}
	}
	return nil
}
