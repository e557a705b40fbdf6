package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// Codes of what ends a run (contract of the platform's sources).
const (
	codeCopy    = "CONNECTOR-1001-500" // copying from the source failed
	codeProcess = "CONNECTOR-2001-500" // processing or promotion failed
	codeBatch   = "CONNECTOR-3001-500" // the batch could not be created
	codeErrors  = "INGEST-1212-400"    // records failed
	codeMapping = "MAPPER-3700-400"    // a mapping failed
)

// patience is how long a run waits for what Stripe's rate limits or an outage
// hold back, before it fails.
const patience = time.Hour

// A failure ends a run.
type failure struct {
	code string
	err  error
	// stop says that no later run will do better.
	stop bool
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// A job is a run at work.
type job struct {
	*Runner
	flow.Plan
	ref    flow.Ref
	holder string

	began    time.Time
	advanced time.Time // when the copy was up to date
	bytes    int64     // of Stripe's objects
	outcome  outcome
	shown    shown
}

// run does a run from where it stands. An error leaves it unfinished.
func (r *Runner) run(ctx context.Context, ref flow.Ref, holder string) error {
	plan, err := r.Flows.Plan(ctx, ref)
	j := &job{Runner: r, Plan: plan, ref: ref, holder: holder, began: r.Now()}
	if errors.Is(err, flow.ErrGone) {
		j.settle(context.WithoutCancel(ctx))
		return errors.Join(errLost, r.Flows.Release(context.WithoutCancel(ctx), ref, holder))
	}
	if started := plan.Run.Metrics.Duration.Started; started > 0 {
		j.began = time.UnixMilli(started)
	}
	if err != nil {
		if j.final(err) {
			return r.finish(ctx, j, &failure{code: codeProcess, err: err, stop: true})
		}
		return err
	}
	if err := lost(r.Flows.Progress(ctx, ref, holder, j.start)); err != nil {
		j.settleIfGone(context.WithoutCancel(ctx))
		return err
	}
	j.tellStart(ctx)
	hide := j.show(ctx)
	err = j.guarded(ctx)
	hide()
	if ctx.Err() != nil {
		j.settleIfGone(context.WithoutCancel(ctx))
		return context.Cause(ctx)
	}
	f, failed := errors.AsType[*failure](err)
	_, waits := errors.AsType[*waiting](err)
	switch {
	case err == nil, failed:
	case errors.Is(err, errBusy), errors.Is(err, errLost), waits, j.Now().Sub(time.UnixMilli(plan.Run.Ask.At)) < patience:
		return err
	default:
		f = &failure{code: codeProcess, err: err}
	}
	return r.finish(ctx, j, f)
}

// guarded does the run; what panics fails it, or it would be tried for ever.
func (j *job) guarded(ctx context.Context) (err error) {
	defer func() {
		if p := recover(); p != nil {
			j.Log.ErrorContext(ctx, "a run panicked", "run", j.ref.Run, "panic", p, "stack", string(debug.Stack()))
			err = &failure{code: codeProcess, err: errors.New("an internal error, which the log of the server describes; please report it")}
		}
	}()
	return j.do(ctx)
}

// settleIfGone settles a run whose dataflow was deleted meanwhile. The batch of
// any other is that of whoever goes on with it.
func (j *job) settleIfGone(ctx context.Context) {
	if _, err := j.Flows.Plan(ctx, j.ref); errors.Is(err, flow.ErrGone) {
		j.settle(ctx)
	}
}

// settle lets the batch of a run whose dataflow was deleted say what became of
// its rows.
func (j *job) settle(ctx context.Context) {
	if j.Run.BatchID == "" {
		return
	}
	in, err := j.committed(ctx)
	switch {
	case err != nil:
	case in:
		err = j.closeBatch(ctx)
	default:
		j.outcome.Batch = ""
		err = j.failBatch(ctx, &failure{code: codeProcess, err: errors.New("the dataflow was deleted")})
	}
	if err != nil && problem.KindOf(err) != problem.NotFound {
		j.Log.ErrorContext(ctx, "the batch of a deleted dataflow does not say how it ended", "batch", j.Run.BatchID, "error", err)
	}
}

// finish ends a run; f is nil for one that went well.
func (r *Runner) finish(ctx context.Context, j *job, f *failure) error {
	after := context.WithoutCancel(ctx)
	v := flow.Verdict{}
	if f != nil {
		f.err = redacted(f.err)
	}
	if f != nil && j.Caller.Org != "" { // else there was no plan
		if err := j.failBatch(after, f); err != nil {
			return err
		}
	}
	if f != nil && f.stop {
		v.Stop = f.Error()
	}
	var ended flow.Run
	err := r.Flows.Finish(after, j.ref, j.holder, v, func(run *flow.Run) {
		j.finish(run, f)
		ended = *run
	})
	if err == nil && j.Caller.Org != "" {
		j.tellEnd(after, ended, f)
	}
	return lost(err)
}

// redacted makes sure that what is stored of an error holds no key.
func redacted(err error) error { return errors.New(stripe.Redact(err.Error())) }

// final says whether time heals an error not.
func (j *job) final(err error) bool {
	if _, ok := errors.AsType[*gateway.Failure](err); ok {
		return true
	}
	kind := problem.KindOf(err)
	return kind == problem.Conflict || kind == problem.Invalid || kind == problem.NotFound
}

// lost makes of a lost lease what ends the work.
func lost(err error) error {
	if errors.Is(err, flow.ErrLost) || errors.Is(err, flow.ErrGone) {
		return errLost
	}
	return err
}

// do brings the copy up to date and the changes into the dataset.
func (j *job) do(ctx context.Context) error {
	account, err := j.account(ctx)
	if err != nil {
		return err
	}
	keeper, give, err := j.copies.borrow(ctx, j.Dir, j.copyOf(CopyDir(j.Dir, j.ref.Sandbox, account), j.Credentials))
	if app.Busy(err) {
		return errBusy
	}
	if err != nil {
		return j.refused(err)
	}
	err = j.with(ctx, keeper)
	return errors.Join(err, give())
}

// copyOf says how the copy in dir is kept with the credentials.
func (r *Runner) copyOf(dir string, with flow.Credentials) app.Sync {
	s := r.Copy
	s.Dir, s.Key, s.Account, s.Log, s.Forgotten = dir, with.Key, with.Account, r.Log, r.listOf(dir)
	if r.Pacer != nil {
		s.Pacer = r.Pacer(with)
	}
	return s
}

func (j *job) with(ctx context.Context, keeper *app.Keeper) error {
	if j.Run.Ask.Kind == flow.Hastened {
		done, err := keeper.Told(ctx, j.Wanted)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil && done {
			return j.advance(ctx, keeper)
		}
	}
	report, err := keeper.Advance(ctx, j.Wanted, time.UnixMilli(j.Run.Ask.At), j.shown.pass(j.Flow.Route.Resource))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if app.Busy(err) {
		return errBusy
	}
	if err != nil {
		return j.refused(err)
	}
	j.tellPass(ctx, report)
	if err := j.judge(report); err != nil {
		return err
	}
	return j.advance(ctx, keeper)
}

// advance goes on from where the copy is up to date.
func (j *job) advance(ctx context.Context, keeper *app.Keeper) error {
	j.advanced = j.Now()
	j.shown.copied(j.advanced)
	j.at(AtAdvanced)
	return j.project(ctx, keeper)
}

// account returns whose data the connection gives, which Stripe is asked once.
func (j *job) account(ctx context.Context) (flow.Account, error) {
	if a := j.Connection.Account; a != nil {
		return *a, nil
	}
	v, err := j.Stripe.Verify(ctx, j.Credentials)
	if err != nil {
		return flow.Account{}, j.refused(err)
	}
	return v.Account, j.Flows.Learn(ctx, j.Caller, j.Connection.ID, v.Account)
}

// refused words what kept the copy from being brought up to date.
func (j *job) refused(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	switch problem.KindOf(err) {
	case problem.Unauthenticated, problem.Forbidden:
		return &failure{code: codeCopy, err: err, stop: true}
	case problem.Unavailable:
		return j.later(err)
	case problem.Conflict, problem.Invalid, problem.NotFound:
		return &failure{code: codeCopy, err: err}
	case problem.Internal, problem.Stale:
	}
	return err
}

// later lets a run wait for what time heals, for as long as there is patience.
func (j *job) later(err error) error {
	age := j.Now().Sub(time.UnixMilli(j.Run.Ask.At))
	if age > patience {
		return &failure{code: codeCopy, err: err}
	}
	return &waiting{after: min(max(age, 10*time.Second), 5*time.Minute), err: err}
}

// judge says whether the pass took in all of the flow's resource.
func (j *job) judge(report *app.Report) error {
	if report == nil {
		return nil
	}
	if report.Budget.Halted {
		return &failure{code: codeCopy, err: fmt.Errorf("the account's read budget is spent; reads are free again on %s", report.Budget.Resumes)}
	}
	for _, r := range report.Resources {
		if r.Resource != j.Flow.Route.Resource || r.Error == nil {
			continue
		}
		e := r.Error
		err := fmt.Errorf("%s: %s", r.Resource, e.Message)
		if e.RequestID != "" {
			err = fmt.Errorf("%w (Stripe's request %s)", err, e.RequestID)
		}
		switch {
		case e.HTTPStatus == http.StatusUnauthorized || e.HTTPStatus == http.StatusForbidden:
			return &failure{code: codeCopy, err: err, stop: true}
		case e.HTTPStatus == http.StatusTooManyRequests:
			return j.later(err)
		}
		return &failure{code: codeCopy, err: err}
	}
	return nil
}

// start fills in what a run shows while it is at work.
func (j *job) start(run *flow.Run) {
	run.Metrics.Duration.Started = j.began.UnixMilli()
	run.Metrics.Status.Status = flow.InProgress
	run.Metrics.Records = flow.Records{} // of a worker that is gone
	run.Activities = []flow.Activity{j.copyActivity(flow.InProgress)}
}

func (j *job) copyActivity(status string) flow.Activity {
	a := flow.Activity{
		ID: "copyActivity", Name: "Copy Activity", Duration: flow.Span{Started: j.began.UnixMilli()}, Files: flow.Files{Input: -1, Output: -1},
		Status: flow.Status{Status: status, Extensions: map[string]any{"type": "incremental"}},
		Source: []flow.Party{party(j.Flow.SourceIDs, "SourceConnection", "AdfRunId", j.Run.ID)},
	}
	if j.Run.Ask.To > 0 || j.Flow.Until == 0 {
		a.Status.Extensions["type"] = "one-time"
	}
	window := map[string]any{"windowEnd": j.Run.Ask.At}
	switch {
	case j.Run.Ask.To > 0:
		window["windowStart"], window["windowEnd"] = j.Run.Ask.From, j.Run.Ask.To
	case j.Flow.Until > 0:
		window["windowStart"] = j.Flow.Until
	}
	a.Duration.Extensions = window
	return a
}

// promotionActivity is one that has begun.
func (j *job) promotionActivity(began time.Time) flow.Activity {
	return flow.Activity{
		ID: "promotionActivity", Name: "Promotion Activity", Duration: flow.Span{Started: began.UnixMilli()}, Files: flow.Files{Input: -1, Output: -1},
		Status: flow.Status{Status: flow.InProgress}, Target: []flow.Party{party(j.Flow.TargetIDs, "TargetConnection", "Batch")},
	}
}

func party(ids []string, kind, reference string, names ...string) flow.Party {
	p := flow.Party{Type: kind}
	if len(ids) > 0 {
		p.ID = ids[0]
	}
	p.Reference.Type, p.Reference.IDs = reference, names
	return p
}

// finish fills in what became of a run; f is nil for one that went well.
func (j *job) finish(run *flow.Run, f *failure) {
	o := &j.outcome
	now := j.Now()
	status := flow.Success
	if f != nil {
		status = flow.Failed
		o.Output, o.Updated, o.Deleted = 0, 0, 0
	}
	copying := j.copyActivity(flow.Success)
	end := j.advanced
	if end.IsZero() {
		copying.Status.Status, end = flow.Failed, now
		copying.Status.Errors = []flow.RunError{{Code: f.code, Message: f.Error()}}
	}
	copying.Duration.Completed, copying.Updated = end.UnixMilli(), now.UnixMilli()
	copying.Size.Input, copying.Records = j.bytes, flow.Records{Input: o.Input, Output: o.Input}
	run.Activities = []flow.Activity{copying}

	m := &run.Metrics
	m.Duration = flow.Span{Started: j.began.UnixMilli(), Completed: now.UnixMilli()}
	m.Size = flow.Sizes{Input: j.bytes, Output: o.Bytes}
	m.Records = o.records()
	m.Files = flow.Files{Input: -1, Output: o.Files, Activities: []string{"copyActivity"}}
	m.Status = flow.Status{Status: status, Errors: []flow.RunError{}, Activities: []string{"copyActivity"}}
	if f != nil {
		m.Status.Errors = append(m.Status.Errors, flow.RunError{Code: f.code, Message: f.Error()})
	}
	if j.advanced.IsZero() {
		return
	}
	promotion := j.promotionActivity(end)
	promotion.Updated, promotion.Duration.Completed = now.UnixMilli(), now.UnixMilli()
	promotion.Size.Output, promotion.Records, promotion.Files.Output = o.Bytes, o.records(), o.Files
	promotion.Status = flow.Status{Status: status, Errors: o.errors()}
	if o.Batch != "" {
		promotion.Target[0].Reference.IDs = []string{o.Batch}
		if o.Failed > 0 {
			promotion.Status.Extensions = map[string]any{"errors": o.errors()}
		}
	}
	m.Files.Activities = append(m.Files.Activities, promotion.ID)
	m.Status.Activities = []string{promotion.ID}
	if f == nil {
		m.Status.Errors = append(m.Status.Errors, o.errors()...)
	}
	run.Activities = append(run.Activities, promotion)
}

// An outcome is what became of the changes. Its JSON stands with the rows, so
// that whoever goes on with the run after a crash knows it.
//
//	{"batch":"01J…","input":100,"output":99,"failed":1,"bytes":28758,"files":1}
type outcome struct {
	Batch    string    `json:"batch,omitempty"` // empty where nothing came in
	Input    int64     `json:"input"`
	Output   int64     `json:"output"`
	Updated  int64     `json:"updated,omitempty"`
	Deleted  int64     `json:"deleted,omitempty"`
	Failed   int64     `json:"failed,omitempty"`
	Warnings int64     `json:"warnings,omitempty"` // records with fields that are null because their mapping failed
	Read     int64     `json:"read"`               // bytes of Stripe's objects
	Bytes    int64     `json:"bytes"`
	Files    int64     `json:"files"`
	Snapshot int64     `json:"-"`
	Samples  []failing `json:"samples,omitempty"`
}

// A failing is a record that failed, or a field of one.
type failing struct {
	ID     string `json:"id"`
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

func (o *outcome) records() flow.Records {
	return flow.Records{Input: o.Input, Output: o.Output, Failed: o.Failed, Updated: o.Updated, Deleted: o.Deleted, Warning: o.Warnings}
}

func (o *outcome) errors() []flow.RunError {
	if o.Failed == 0 {
		return []flow.RunError{}
	}
	all := []flow.RunError{{Code: codeErrors, Message: fmt.Sprintf("Encountered %d errors in the data. Successfully ingested %d rows.", o.Failed, o.Output), Records: o.Failed}}
	for _, s := range o.Samples {
		all = append(all, flow.RunError{Code: codeMapping, Message: fmt.Sprintf("%s: %s %s", s.ID, s.Path, s.Reason)})
	}
	return all
}

// A mark says how far a flow's dataset has come, in the table's own properties.
//
//	{"history":"<uuid>","seq":4711,"last":{"batch":"01J…",…}}
type mark struct {
	History string  `json:"history"`
	Seq     int64   `json:"seq"`
	Last    outcome `json:"last"`
}

const markPrefix = "flow."

func markName(flowID string) string { return markPrefix + flowID }

func parseMark(text string) (mark, error) {
	var m mark
	if text == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return m, fmt.Errorf("the mark of the dataflow on its dataset: %w", err)
	}
	return m, nil
}
