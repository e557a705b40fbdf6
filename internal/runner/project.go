package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/dataprep"
	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/tables"
	"github.com/tributary-data/tributary/internal/xdm"
)

// maxSamples is how many failing records a run tells of.
const maxSamples = 100

// project takes what changed through the mapping into the dataset, in one
// commit that says how far it went.
func (j *job) project(ctx context.Context, keeper *app.Keeper) error {
	table := j.Dataset.Table
	switch in, err := j.committed(ctx); {
	case err != nil:
		return j.processed(err)
	case in:
		return j.closeBatch(ctx) // the commit went through, and the worker did not
	}
	if err := j.refusedBefore(ctx); err != nil {
		return err
	}
	text, err := j.Rows.Mark(ctx, table, markName(j.Flow.ID))
	if err != nil {
		return j.processed(err)
	}
	m, err := parseMark(text)
	if err != nil {
		return err
	}
	window := j.Run.Ask.To > 0
	after := m.Seq
	if window {
		after = 0
	}
	story, err := keeper.Story(ctx, j.Flow.Route.Resource, m.History, after)
	if err != nil {
		return j.processed(err)
	}
	if story.History == m.History && story.Seq == m.Seq && !window {
		return nil
	}
	p := &projection{job: j, ctx: ctx, story: story}
	if err := p.compile(); err != nil {
		return j.processed(err)
	}
	next := mark{History: story.History, Seq: story.Seq}
	if window {
		next.History, next.Seq = m.History, m.Seq
	}
	done, err := j.Rows.Upsert(ctx, table, j.Run.BatchID, tables.Mark{Name: markName(j.Flow.ID), Was: &text, Late: func() (string, error) {
		next.Last = j.outcome
		b, err := json.Marshal(next)
		return string(b), err
	}}, p.changes)
	if err != nil {
		return j.processed(err)
	}
	j.outcome.Bytes, j.outcome.Files, j.outcome.Snapshot = done.Bytes, done.Files, done.SnapshotID
	j.at(AtCommitted)
	return j.closeBatch(ctx)
}

// committed says whether the rows of the run are in, and then takes its outcome
// from there.
func (j *job) committed(ctx context.Context) (bool, error) {
	text, err := j.Rows.Mark(ctx, j.Dataset.Table, markName(j.Flow.ID))
	if err != nil {
		return false, err
	}
	m, err := parseMark(text)
	if err != nil || m.Last.Batch != j.Run.BatchID {
		return false, err
	}
	done, err := j.Rows.Upsert(ctx, j.Dataset.Table, j.Run.BatchID, tables.Mark{Name: markName(j.Flow.ID), Value: text}, nil)
	j.outcome = m.Last
	j.outcome.Bytes, j.outcome.Files, j.outcome.Snapshot = done.Bytes, done.Files, done.SnapshotID
	return true, err
}

// refusedBefore fails a run whose batch says that it failed: its worker died
// before the run said so, too.
func (j *job) refusedBefore(ctx context.Context) error {
	b, err := j.Catalog.Batch(ctx, j.Caller, j.Run.BatchID)
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if b.Status != catalog.Failed || len(b.Errors) == 0 {
		return nil
	}
	j.outcome.Batch = b.ID
	if m := b.Metrics; m != nil {
		j.outcome.Input, j.outcome.Failed, j.outcome.Read = m.InputRecordCount, m.FailedRecordCount, m.InputByteSize
	}
	return &failure{code: b.Errors[0].Code, err: errors.New(b.Errors[0].Description)}
}

// processed words what went wrong between the copy and the dataset.
func (j *job) processed(err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if j.final(err) {
		return &failure{code: codeProcess, err: err}
	}
	return err
}

// A projection makes rows of what changed.
type projection struct {
	*job
	ctx     context.Context
	story   app.Story
	program *mapping.Program
	copier  *mapping.Copier // nil where the mapping is no pure copy
}

// compile prepares the mapping set.
func (p *projection) compile() error {
	program, composition, _, err := p.Prep.Program(p.ctx, p.Caller, p.Set)
	if err != nil {
		return err
	}
	p.program = program
	i := slices.IndexFunc(stripe.Resources, func(r stripe.Resource) bool { return r.Name == p.Flow.Route.Resource })
	if i < 0 {
		return problem.Errorf(problem.Invalid, "there is no resource %q", p.Flow.Route.Resource)
	}
	schema, err := xdm.Stripe(p.Flow.Route.Resource, p.Caller.Tenant)
	if err != nil {
		return err
	}
	p.copier, _ = mapping.NewCopier(composition, schema, stripe.Resources[i].Object, dataprep.Plain(p.Set.Mappings))
	return nil
}

// apply makes a record of an object, or says why there is none.
func (p *projection) apply(object string) (record []byte, nulled int, refused *failing) {
	if p.copier != nil {
		record, nulled, bad := p.copier.Apply([]byte(object))
		if bad != nil {
			return nil, 0, &failing{Path: bad.Path, Reason: bad.Reason}
		}
		return record, nulled, nil
	}
	source, err := expr.ParseJSON([]byte(`{"` + mapping.Wrapper + `":` + object + `}`))
	if err != nil {
		return nil, 0, &failing{Reason: err.Error()}
	}
	result := p.program.Apply(&expr.Env{Record: source, Now: p.Now()})
	if bad := result.Refused; bad != nil {
		return nil, 0, &failing{Path: bad.Path, Reason: bad.Reason}
	}
	if result.Record == nil {
		return []byte("{}"), result.Nulled, nil
	}
	return result.Record, result.Nulled, nil
}

// changes yields the rows, and the objects whose rows go.
func (p *projection) changes(yield func(tables.Change, error) bool) {
	for c, err := range p.story.Changes {
		if err == nil {
			err = p.ctx.Err()
		}
		if err != nil {
			yield(tables.Change{}, err)
			return
		}
		if !p.wanted(c.Created) {
			continue
		}
		row, ok, err := p.row(c)
		p.shown.mapped(p.outcome.records())
		if err != nil {
			yield(tables.Change{}, err)
			return
		}
		if ok && !yield(row, nil) {
			return
		}
	}
	p.at(AtRows)
	if err := p.tooMany(); err != nil {
		yield(tables.Change{}, err)
	}
}

// wanted says whether an object is in the run's window, or, without one, in what
// the flow takes.
func (p *projection) wanted(created int64) bool {
	ms := created * 1000
	if ask := p.Run.Ask; ask.To > 0 {
		return ask.From <= ms && ms < ask.To
	}
	return p.Since.IsZero() || created >= p.Since.Unix()
}

// row makes a row of a change; ok is false for a record that failed, of which
// the row that was there stays.
func (p *projection) row(c app.Change) (row tables.Change, ok bool, err error) {
	if err := p.openBatch(); err != nil {
		return row, false, err
	}
	o := &p.outcome
	if c.Deleted {
		o.Deleted++
		return tables.Change{Key: c.ID}, true, nil
	}
	o.Input++
	o.Read += int64(len(c.Raw))
	p.bytes = o.Read
	record, nulled, bad := p.apply(c.Raw)
	if bad != nil {
		bad.ID = c.ID
		p.fail(*bad)
		return row, false, nil
	}
	if nulled > 0 {
		o.Warnings++
	}
	o.Output++
	return tables.Change{Key: c.ID, Record: record}, true, nil
}

func (p *projection) fail(f failing) {
	p.outcome.Failed++
	if len(p.outcome.Samples) < maxSamples {
		p.outcome.Samples = append(p.outcome.Samples, f)
	}
}

// tooMany fails the run where more records failed than the flow allows.
func (j *job) tooMany() error {
	o := j.outcome
	if o.Failed == 0 {
		return nil
	}
	var allowed float64
	if options := j.Flow.Options; options != nil && options.PartialPercent != nil {
		allowed = *options.PartialPercent
	}
	if share := float64(o.Failed) * 100 / float64(o.Input); share > allowed {
		first := o.Samples[0]
		return &failure{code: codeProcess, err: fmt.Errorf(
			"%d of %d records failed and the dataflow allows %g %%: %s, %s %s. Mend the mapping, or allow more with options.partialIngestionPercent; nothing was promoted",
			o.Failed, o.Input, allowed, first.ID, first.Path, first.Reason,
		)}
	}
	return nil
}

// openBatch makes the run's batch when the first change comes.
func (j *job) openBatch() error {
	if j.outcome.Batch != "" {
		return nil
	}
	ctx := context.Background()
	_, err := j.Catalog.Batch(ctx, j.Caller, j.Run.BatchID)
	if problem.KindOf(err) == problem.NotFound {
		_, err = j.Catalog.CreateBatch(ctx, j.Caller, catalog.Batch{
			ID: j.Run.BatchID, DatasetID: j.Dataset.ID, Status: catalog.Active, Started: j.Now().UnixMilli(),
			Tags: map[string][]string{"flowId": {j.Flow.ID}, "flowRunId": {j.Run.ID}},
		})
	}
	if err == nil {
		err = j.Schemas.MarkUsed(ctx, j.Caller, j.Dataset.SchemaID)
	}
	if err != nil {
		return fmt.Errorf("the batch of the run: %w", err)
	}
	j.outcome.Batch = j.Run.BatchID
	j.at(AtBatch)
	return nil
}

// closeBatch lets the batch say that its rows are in.
func (j *job) closeBatch(ctx context.Context) error {
	o := j.outcome
	if o.Batch == "" {
		return nil
	}
	_, err := j.Catalog.ChangeBatch(context.WithoutCancel(ctx), j.Caller, o.Batch, func(b *catalog.Batch) error {
		b.Status, b.Completed = catalog.Success, j.Now().UnixMilli()
		if o.Snapshot != 0 {
			b.SnapshotID = o.Snapshot
		}
		b.Metrics = &catalog.Metrics{
			InputByteSize: o.Read, InputRecordCount: o.Input, OutputRecordCount: o.Output, FailedRecordCount: o.Failed,
			OutputByteSize: o.Bytes, OutputFileCount: o.Files, DeletedRecordCount: o.Deleted,
		}
		b.Errors = batchErrors(o)
		return nil
	})
	j.at(AtBatchDone)
	return err
}

// failBatch lets the batch, if there is one, say that nothing came of it.
func (j *job) failBatch(ctx context.Context, f *failure) error {
	o := j.outcome
	if o.Batch == "" { // an earlier worker may have made it
		b, err := j.Catalog.Batch(ctx, j.Caller, j.Run.BatchID)
		if problem.KindOf(err) == problem.NotFound || err == nil && b.Done() {
			return nil
		}
		if err != nil {
			return err
		}
		o.Batch = b.ID
	}
	_, err := j.Catalog.ChangeBatch(ctx, j.Caller, o.Batch, func(b *catalog.Batch) error {
		if b.Done() {
			return nil
		}
		b.Status, b.Completed = catalog.Failed, j.Now().UnixMilli()
		b.Metrics = &catalog.Metrics{InputByteSize: o.Read, InputRecordCount: o.Input, FailedRecordCount: o.Failed}
		b.Errors = append([]catalog.BatchError{{Code: f.code, Description: f.Error(), Rows: []string{}}}, batchErrors(o)...)
		return nil
	})
	j.at(AtBatchDone)
	return err
}

func batchErrors(o outcome) []catalog.BatchError {
	var all []catalog.BatchError
	for _, e := range o.errors() {
		all = append(all, catalog.BatchError{Code: e.Code, Description: e.Message, Rows: []string{}})
	}
	return all
}
