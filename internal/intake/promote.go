package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/tables"
)

// Codes of what is wrong in a batch.
const (
	codeCorrupt   = "INGEST-1401-400" // a row can't be read
	codeInvalid   = "INGEST-1555-400" // a row does not fit the schema
	codePartial   = "INGEST-1212-400" // some rows failed; the diagnostics have them
	codeSilent    = "INGEST-1211-400" // some rows failed; diagnostics are off
	codeEmpty     = "106"             // a file is empty
	codeNoHeader  = "118"             // the header of a CSV file is empty
	codeNoFiles   = "133"             // there are no files
	codeConvert   = "MAPPER-3700-400" // texts did not become the type of their field
	codeForgotten = "FORGOTTEN"       // its files named a customer who was to be forgotten; ours
)

// A verdict is why a batch fails for what is in it.
type verdict struct{ catalog.BatchError }

func (v *verdict) Error() string { return v.Code + ": " + v.Description }

func unreadable(file, why string) catalog.BatchError {
	what := "The batch can't be read: " + why
	if file != "" {
		what = fmt.Sprintf("The file %q can't be read: %s", file, why)
	}
	return catalog.BatchError{Code: codeCorrupt, Description: what, Rows: []string{}}
}

// A promotion is one go at bringing the rows of a batch into its dataset.
type promotion struct {
	*Service
	task    task
	batch   catalog.Batch
	dataset catalog.Dataset
	files   []File
	check   *tables.Checker
	diag    *diagnosis

	rows, failed int64 // of the input
	corrupt      int64 // of failed
	nulled       int64 // fields that were left out
	bytes        int64
	replaces     []string
	gone         int64 // rows of the batches that are replaced
}

// promote brings the rows of a batch into its dataset. It may be called again
// whatever became of it before: the table knows whether the rows are in.
func (s *Service) promote(ctx context.Context, k task) error {
	c := k.caller()
	b, err := s.Catalog.Batch(ctx, c, k.Batch)
	if problem.KindOf(err) == problem.NotFound || err == nil && b.Done() {
		return s.clear(ctx, k)
	}
	if err != nil {
		return err
	}
	if k.Starts > maxStarts {
		return s.ended(ctx, k, catalog.Failed, nil, []catalog.BatchError{unreadable("", "its processing has ended the server again and again")})
	}
	p := &promotion{Service: s, task: k, batch: b}
	if p.dataset, err = s.Catalog.Dataset(ctx, c, b.DatasetID); err != nil {
		if problem.KindOf(err) != problem.NotFound {
			return err
		}
		return s.ended(ctx, k, catalog.Failed, nil, []catalog.BatchError{unreadable("", "its dataset is gone")})
	}
	if p.files, err = s.files(ctx, k.scope(), b.ID); err != nil {
		return err
	}
	if err := p.step(ctx, AtLoaded, catalog.Loaded); err != nil {
		return err
	}
	defer func() { p.diag.drop() }()
	done, err := p.run(ctx)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	v, bad := errors.AsType[*verdict](err)
	if err != nil && !bad {
		switch problem.KindOf(err) {
		case problem.Invalid, problem.Conflict, problem.NotFound: // time heals none of these
			v, bad = &verdict{unreadable("", err.Error())}, true
		default:
			return err
		}
	}
	if err := p.diag.publish(); err != nil {
		return err
	}
	s.at(AtDiagnosed)
	if bad {
		m := p.metrics(catalog.Appended{})
		return s.ended(ctx, k, catalog.Failed, m, append([]catalog.BatchError{v.BatchError}, p.errors(0, false)...))
	}
	if err := p.replaced(ctx); err != nil {
		return err
	}
	return s.ended(ctx, k, catalog.Success, p.metrics(done), p.errors(done.Rows, true))
}

// step lets the batch say how far it is.
func (p *promotion) step(ctx context.Context, at Point, status catalog.Status) error {
	_, err := p.Catalog.ChangeBatch(ctx, p.task.caller(), p.batch.ID, func(b *catalog.Batch) error {
		p.mark(b, status)
		return nil
	})
	if err == nil {
		p.at(at)
	}
	return err
}

// run reads the rows into the table. What is wrong with them is a verdict.
func (p *promotion) run(ctx context.Context) (catalog.Appended, error) {
	var err error
	if p.diag, err = p.diagnose(); err != nil {
		return catalog.Appended{}, err
	}
	if len(p.files) == 0 {
		return catalog.Appended{}, &verdict{catalog.BatchError{Code: codeNoFiles, Description: "No files were uploaded to the batch.", Rows: []string{}}}
	}
	for _, f := range p.files {
		if p.bytes += f.Size; f.Size == 0 {
			return catalog.Appended{}, &verdict{catalog.BatchError{Code: codeEmpty, Description: fmt.Sprintf("The file %q is empty.", f.Path), Rows: []string{}}}
		}
	}
	c := p.task.caller()
	comp, err := catalog.Fit(ctx, p.Schemas, p.Tables.Ensure, c, p.dataset.SchemaID, p.dataset.Table)
	if err != nil {
		return catalog.Appended{}, err
	}
	if p.check, err = tables.NewChecker(comp); err != nil {
		return catalog.Appended{}, err
	}
	for _, id := range predecessors(p.batch.Replay) {
		b, err := p.Catalog.Batch(ctx, c, id)
		if problem.KindOf(err) == problem.NotFound {
			continue
		}
		if err != nil {
			return catalog.Appended{}, err
		}
		if b.ID == p.batch.ID || slices.Contains(p.replaces, b.ID) {
			continue
		}
		files, err := p.Tables.Files(ctx, p.dataset.Table, b.ID)
		if err != nil {
			return catalog.Appended{}, err
		}
		for _, f := range files {
			p.gone += f.Rows
		}
		p.replaces = append(p.replaces, b.ID)
	}
	if err := p.step(ctx, AtStaging, catalog.Staging); err != nil {
		return catalog.Appended{}, err
	}
	done, err := p.Tables.Append(ctx, p.dataset.Table, p.batch.ID, p.replaces, func(yield func(json.RawMessage, error) bool) {
		stopped := false
		err := p.each(ctx, func(row json.RawMessage) bool {
			stopped = !yield(row, nil)
			return !stopped
		})
		if err == nil && !stopped {
			err = p.before(ctx)
		}
		if err != nil && !stopped {
			yield(nil, err)
		}
	})
	if err == nil {
		p.at(AtCommitted)
	}
	return done, err
}

// before is the last step before the rows are committed.
func (p *promotion) before(ctx context.Context) error {
	p.at(AtRows)
	percent := int64(0)
	if p.batch.PartialPercent != nil {
		percent = int64(*p.batch.PartialPercent)
	}
	if p.failed*100 > p.rows*percent {
		return &verdict{p.share(0)}
	}
	if p.rows > p.failed {
		if err := p.Schemas.MarkUsed(ctx, p.task.caller(), p.dataset.SchemaID); err != nil {
			return err
		}
	}
	return p.step(ctx, AtActive, catalog.Active)
}

// each yields the good rows of all files. An error is a verdict, or of the
// machine.
func (p *promotion) each(ctx context.Context, yield func(json.RawMessage) bool) error {
	dir := p.staging(p.task.scope(), p.batch.ID)
	for _, f := range p.files {
		r := &reader{ctx: ctx, format: *p.batch.InputFormat, check: p.check, path: filepath.Join(dir, f.name)}
		stopped := false
		err := r.each(func(row item) error {
			p.rows++
			p.nulled += int64(len(row.warnings))
			if row.corrupt == "" && len(row.violations) == 0 {
				if p.failed > 0 && p.batch.PartialPercent == nil {
					return nil // the batch fails: the rest is only counted
				}
				if stopped = !yield(row.record); stopped {
					return errStop
				}
				return nil
			}
			p.failed++
			if row.corrupt != "" {
				p.corrupt++
			}
			return p.diag.add(f.Path, row)
		})
		switch bad, ok := errors.AsType[*fileError](err); {
		case stopped:
			return nil
		case ok:
			return &verdict{bad.of(f.Path)}
		case err != nil:
			return err
		}
	}
	return nil
}

// share tells how many rows failed.
func (p *promotion) share(in int64) catalog.BatchError {
	e := catalog.BatchError{Code: codePartial, Rows: []string{}}
	e.Description = fmt.Sprintf("Encountered %d errors in the data. Successfully ingested %d rows.", p.failed, in)
	if p.diag.on {
		e.Description += " Review the associated diagnostic files for more details."
	} else {
		e.Code = codeSilent
		e.Description += " Enable error diagnostics to learn more."
	}
	if p.corrupt == p.rows && p.batch.InputFormat.Format == "json" && !p.batch.InputFormat.IsMultiLineJSON {
		e.Description += " No line of the files is a JSON object by itself: set isMultiLineJson if objects go over several lines."
	}
	return e
}

// errors tells what was wrong in a batch, beside a verdict.
func (p *promotion) errors(in int64, good bool) []catalog.BatchError {
	errs := []catalog.BatchError{}
	if p.failed > 0 && good {
		errs = append(errs, p.share(in))
	}
	if p.nulled > 0 {
		errs = append(errs, catalog.BatchError{Code: codeConvert, Rows: []string{}, Description: fmt.Sprintf("%d values did not become the type of their field, and were left out.", p.nulled)})
	}
	return errs
}

func (p *promotion) metrics(done catalog.Appended) *catalog.Metrics {
	m := &catalog.Metrics{
		InputByteSize: p.bytes, InputFileCount: int64(len(p.files)), InputRecordCount: p.rows, OutputRecordCount: done.Rows,
		FailedRecordCount: p.failed, OutputByteSize: done.Bytes, OutputFileCount: done.Files, DeletedRecordCount: p.gone,
	}
	if done.Files > 0 {
		m.PartitionCount = 1
	} else {
		m.DeletedRecordCount = 0
	}
	return m
}

// replaced lets the batches that this one replaced say so.
func (p *promotion) replaced(ctx context.Context) error {
	for _, id := range p.replaces {
		_, err := p.Catalog.ChangeBatch(ctx, p.task.caller(), id, func(b *catalog.Batch) error {
			if b.Status == catalog.Success {
				b.Status = catalog.Inactive
			}
			return nil
		})
		if err != nil && problem.KindOf(err) != problem.NotFound {
			return err
		}
	}
	return nil
}

// A fileError is why a file as a whole is no good.
type fileError struct {
	code string
	why  string
}

func (e *fileError) Error() string { return e.code + ": " + e.why }

func (e *fileError) of(file string) catalog.BatchError {
	if e.code == codeCorrupt {
		return unreadable(file, e.why)
	}
	return catalog.BatchError{Code: e.code, Description: fmt.Sprintf("The file %q: %s", file, e.why), Rows: []string{}}
}

// errStop says that no more rows are wanted.
var errStop = errors.New("no more rows are wanted")

// An item is a row of a file.
type item struct {
	text       []byte // as it came, as far as it is told of
	corrupt    string // why it can't be read; "" if it can
	record     json.RawMessage
	violations []tables.Violation
	warnings   []tables.Violation
}

func corruptRow(text []byte, why string) item {
	if len(text) > maxShown {
		text = text[:maxShown]
	}
	return item{text: bytes.Clone(text), corrupt: why}
}
