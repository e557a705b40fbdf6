package runner

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/copies"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/problem"
)

// Data returns the copies of the runner as package copies asks for them.
func (r *Runner) Data() copies.Data { return &data{runner: r} }

type data struct {
	runner *Runner
	counts app.Counts
}

// replayWait is how long a replay waits for a copy that is in use.
const replayWait = 30 * time.Second

// dir returns the directory of a copy that there is; problem.NotFound.
func (d *data) dir(r copies.Ref) (string, error) {
	if copyName.MatchString(r.Copy) && sandboxName.MatchString(r.Sandbox) {
		if dir := filepath.Join(SandboxDir(d.runner.Dir, r.Sandbox), r.Copy); app.Exists(dir) {
			return dir, nil
		}
	}
	return "", problem.Errorf(problem.NotFound, "there is no copy %q in this sandbox", r.Copy)
}

// Name implements copies.Data.
func (d *data) Name(a flow.Account) string { return filepath.Base(CopyDir("", "", a)) }

// Names implements copies.Data.
func (d *data) Names(_ context.Context, sandbox string) ([]string, error) {
	entries, err := os.ReadDir(SandboxDir(d.runner.Dir, sandbox))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries { // in order
		if _, err := d.dir(copies.Ref{Sandbox: sandbox, Copy: e.Name()}); err == nil {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Known implements copies.Data.
func (d *data) Known(r copies.Ref) error {
	_, err := d.dir(r)
	return err
}

// Copy implements copies.Data.
func (d *data) Copy(ctx context.Context, r copies.Ref) (copies.Copy, error) {
	dir, err := d.dir(r)
	if err != nil {
		return copies.Copy{}, err
	}
	s, err := app.Summarise(ctx, dir, &d.counts)
	if err != nil {
		return copies.Copy{}, err
	}
	v := copies.Copy{Copy: r.Copy, AccountID: s.Account, Livemode: s.Livemode, Resources: []copies.Resource{}, Bytes: s.Bytes}
	for _, one := range s.Resources {
		out := copies.Resource{
			Resource: one.Resource, State: copies.Complete, Objects: one.Objects, Bytes: one.Bytes, Quarantined: one.Quarantined, Drifted: one.Drifted,
		}
		switch {
		case one.Backfilling:
			out.State = copies.Backfilling
		case one.Reconciling != "":
			out.State = copies.Reconciling
		}
		if !one.Cursor.IsZero() {
			age := int64(one.Behind.Seconds())
			out.CursorAt, out.CursorAge = one.Cursor.UnixMilli(), &age
		}
		if !one.Passed.IsZero() {
			age := max(int64(d.runner.Now().Sub(one.Passed).Seconds()), 0)
			out.LastPassAt, out.Freshness = one.Passed.UnixMilli(), &age
		}
		v.Resources = append(v.Resources, out)
		v.Quarantined += one.Quarantined
		v.Drifted += one.Drifted
	}
	return v, nil
}

// Budget implements copies.Data.
func (d *data) Budget(ctx context.Context, r copies.Ref) (copies.Budget, error) {
	how := d.runner.Copy
	a := app.NewAccount()
	if dir, err := d.dir(r); err == nil {
		if a, err = app.ReadBudget(ctx, dir, 0, how.Warn); err != nil {
			return copies.Budget{}, err
		}
	}
	b := copies.Budget{
		Days: app.WindowDays, Used: a.Used, Allowance: a.Allowance, Floor: a.Floor, Transactions: a.Transactions, Remaining: a.Remaining,
		WarnAt: int64(how.Warn * float64(a.Allowance)), Forecast: a.Forecast, Every: a.Every, Warnings: append([]string{}, a.Warnings...), ByDay: []copies.DayRead{},
	}
	if how.Stop.Set {
		b.StopAt = how.Stop.Of(a.Allowance)
	}
	for _, day := range a.Days {
		b.ByDay = append(b.ByDay, copies.DayRead{Day: day.Day, Reads: day.Count, Leaves: day.Free})
	}
	return b, nil
}

// Forecast implements copies.Data.
func (d *data) Forecast(ctx context.Context, r copies.Ref, resources []string, every time.Duration) (copies.Forecast, error) {
	dir, _ := d.dir(r) // of no copy nothing was measured
	f, err := app.Foresee(ctx, dir, resources, every)
	if err != nil {
		return copies.Forecast{}, err
	}
	out := copies.Forecast{Passes: f.Passes, Idle: copies.Idle{Reads: f.Idle, PerPass: parts(f.PerPass), Daily: parts(f.Daily)}}
	if m := f.Measured; m != nil {
		out.Measured = &copies.Measured{Reads: m.Reads, Passes: m.Passes, PerPass: m.PerPass, Daily: m.Daily}
	}
	return out, nil
}

func parts(of []app.Part) []copies.Part {
	out := []copies.Part{}
	for _, p := range of {
		out = append(out, copies.Part(p))
	}
	return out
}

// Quarantine implements copies.Data.
func (d *data) Quarantine(ctx context.Context, r copies.Ref, q copies.HeldQuery) ([]copies.Held, bool, error) {
	dir, err := d.dir(r)
	if err != nil {
		return nil, false, err
	}
	rows, more, err := app.Quarantined(ctx, dir, q.Resource, app.HeldPlace(q.After), q.Limit, q.Raw)
	if err != nil {
		return nil, false, err
	}
	held := []copies.Held{}
	for _, row := range rows {
		h := copies.Held{
			Resource: row.Resource, ID: row.ID, Path: row.Path, Reason: row.Reason, SeenAt: row.SeenAt.UnixMilli(), RunID: row.RunID, RequestID: row.RequestID,
			Place: copies.HeldPlace(row.Place),
		}
		if q.Raw {
			text := string(row.Raw)
			h.Raw = &text
		}
		held = append(held, h)
	}
	return held, more, nil
}

// Replay implements copies.Data.
func (d *data) Replay(ctx context.Context, r copies.Ref, resources []string) ([]copies.Replayed, error) {
	dir, err := d.dir(r)
	if err != nil {
		return nil, err
	}
	waiting, cancel := context.WithTimeout(ctx, replayWait)
	defer cancel()
	done, err := d.runner.replay(ctx, waiting, app.Replay{Dir: dir, Resources: resources, Quarantine: true, Forgotten: d.runner.listOf(dir)})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errBusy), app.Busy(err), errors.Is(err, context.DeadlineExceeded):
		return nil, &problem.Error{Kind: problem.Conflict, Detail: "a run is at work on the copy " + r.Copy, Advice: "Try again when it has ended"}
	case err != nil:
		return nil, err
	}
	out := []copies.Replayed{}
	for _, one := range done {
		out = append(out, copies.Replayed{Resource: one.Resource, Landed: one.Landed, Superseded: one.Superseded, Refused: one.Refused})
	}
	return out, nil
}

// replay does a replay when its turn on the copy has come, if that is before
// waiting ends. Who had the copy open closes it: a replay opens it by itself.
func (r *Runner) replay(ctx, waiting context.Context, what app.Replay) (done []app.Replayed, err error) {
	c, give, err := r.copies.enter(waiting, what.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, give()) }()
	if c.keeper != nil {
		err = c.keeper.Close()
		c.keeper = nil
		if err != nil {
			return nil, err
		}
	}
	for {
		if err = app.SharePrivacy(ctx, r.Dir, what.Dir); err == nil {
			done, err = what.Run(ctx)
		}
		if !app.Busy(err) {
			return done, err
		}
		select {
		case <-waiting.Done():
			return nil, err
		case <-time.After(busyFor):
		}
	}
}

// Drift implements copies.Data.
func (d *data) Drift(ctx context.Context, r copies.Ref) ([]copies.Drift, error) {
	dir, err := d.dir(r)
	if err != nil {
		return nil, err
	}
	all, err := app.Drifts(ctx, dir)
	if err != nil {
		return nil, err
	}
	out := []copies.Drift{}
	for _, one := range all {
		out = append(out, copies.Drift{
			Resource: one.Resource, Kind: one.Kind, Path: one.Path, Seen: one.Seen, Count: one.Count,
			FirstSeen: one.FirstSeen.UnixMilli(), LastSeen: one.LastSeen.UnixMilli(), Example: one.Example,
		})
	}
	return out, nil
}

// Proofs implements copies.Data.
func (d *data) Proofs(ctx context.Context, r copies.Ref) ([]copies.Proof, error) {
	dir, err := d.dir(r)
	if err != nil {
		return nil, err
	}
	all, err := app.Proofs(ctx, dir)
	if err != nil {
		return nil, err
	}
	out := []copies.Proof{}
	for _, k := range all {
		p := copies.Proof{
			Resource: k.Resource, Equal: k.Equal, At: k.At.UnixMilli(), Before: k.Before.UnixMilli(), Reason: k.Reason, RunID: k.RunID,
			InStripe: k.Stripe, InLake: k.Lake, Missing: k.Missing, Stale: k.Stale, Extra: k.Extra, Repaired: k.Repaired, Held: k.Held,
			Unlisted: k.Unlisted, Quarantined: k.Quarantined, Sums: []copies.Sum{},
		}
		for _, s := range k.Sums {
			p.Sums = append(p.Sums, copies.Sum{Field: s.Field, Currency: s.Currency, InStripe: s.Stripe, InLake: s.Lake})
		}
		out = append(out, p)
	}
	return out, nil
}

// Reconcile implements copies.Data.
func (d *data) Reconcile(ctx context.Context, r copies.Ref, with flow.Credentials, ask copies.Ask) error {
	dir, err := d.dir(r)
	if err != nil {
		return err
	}
	keeper, give, err := d.runner.copies.borrow(ctx, d.runner.Dir, d.runner.copyOf(dir, with))
	switch {
	case app.Busy(err), errors.Is(err, errBusy):
		return copies.ErrBusy
	case err != nil:
		return err
	}
	report, err := keeper.Reconcile(ctx, ask.Resource, ask.AcceptDeletes, func(p app.Progress) {
		for _, one := range p.Resources {
			if one.Resource == ask.Resource {
				ask.Tell(copies.Step{Read: one.Counts.Read, Requests: one.Requests, PagesLeft: one.PagesLeft})
			}
		}
	})
	err = errors.Join(err, give())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(report.Resources, func(one app.ResourceReport) bool { return one.Resource == ask.Resource })
	one := report.Resources[i]
	switch {
	case report.Stopped:
		return context.Cause(ctx)
	case report.Budget.Halted:
		return problem.Errorf(problem.Conflict, "the account's read budget is spent; reads are free again on %s", report.Budget.Resumes)
	case errors.Is(one.Err(), app.ErrGuarded):
		return &copies.Guarded{Err: one.Err()}
	case one.Err() != nil:
		return one.Err()
	case one.Proof == nil:
		return fmt.Errorf("the pass over %s ended without a comparison", ask.Resource)
	}
	ask.Tell(copies.Step{Read: one.Read, Requests: one.Requests})
	return nil
}
