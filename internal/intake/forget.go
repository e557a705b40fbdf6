package intake

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// forgotten ends a batch that takes files of which one names a customer who is to
// be forgotten.
const forgotten = "forgotten"

// whyForgotten is what such a batch says.
const whyForgotten = "One of its files named a customer who was to be forgotten: all of its files were removed. Push the rest of them in another batch."

// A Removed counts what ForgetRows removed.
type Removed struct {
	Batches int64 // that took files: they failed
	Rows    int64 // of diagnostics
}

// ForgetRows removes what a sandbox has of uploads beside the rows of datasets, where
// mentions finds a customer in it: rows of diagnostics, and the files of batches that
// are still being uploaded, which fail. It is problem.Unavailable while
// such a file is being taken in, or can't be read because pieces of it lack. It may
// be repeated.
func (s *Service) ForgetRows(ctx context.Context, c access.Caller, mentions func(text string) bool) (done Removed, err error) {
	if err := s.sweepStrays(ctx); err != nil {
		return done, err
	}
	var batches []docstore.Doc
	err = s.DB.View(ctx, func(t *docstore.Tx) (err error) {
		batches, err = t.List(scope(c), kindGate, docstore.Page{})
		return err
	})
	if err != nil {
		return done, err
	}
	for _, d := range batches {
		n, err := s.forgetDiagnostics(scope(c), d.ID, mentions)
		done.Rows += n
		if err != nil {
			return done, fmt.Errorf("the diagnostics of batch %s: %w", d.ID, err)
		}
		failed, err := s.forgetStaged(ctx, c, d.ID, mentions)
		if err != nil {
			return done, err
		}
		if failed {
			done.Batches++
		}
	}
	return done, nil
}

// forgetStaged fails a batch if a file of it names the customer.
func (s *Service) forgetStaged(ctx context.Context, c access.Caller, batch string, mentions func(string) bool) (failed bool, err error) {
	files, err := s.files(ctx, scope(c), batch)
	if err != nil || len(files) == 0 {
		return false, err
	}
	b, err := s.Catalog.Batch(ctx, c, batch)
	if problem.KindOf(err) == problem.NotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, f := range files {
		named, err := s.names(ctx, b, f, filepath.Join(s.staging(scope(c), batch), f.name), mentions)
		if errors.Is(err, fs.ErrNotExist) { // taken in meanwhile
			return false, waitFor(b, "is being taken in")
		}
		if err != nil {
			return false, err
		}
		if !named {
			continue
		}
		if b.Status != catalog.Loading {
			return false, waitFor(b, "is being taken in")
		}
		if _, err := s.close(ctx, c, b, forgotten, catalog.Failed); err != nil {
			return false, &problem.Error{Kind: problem.Unavailable, Detail: err.Error(), Advice: "It is tried again"}
		}
		// Its task does the same, should this process end now.
		return true, s.fail(ctx, newTask(c, forgotten, batch))
	}
	return false, nil
}

func waitFor(b catalog.Batch, why string) error {
	return &problem.Error{
		Kind: problem.Unavailable, Detail: fmt.Sprintf("the batch %s %s", b.ID, why),
		Advice: "It is tried again; complete or abort the batch if it stays so",
	}
}

// fail lets a batch fail because of a customer who was to be forgotten.
func (s *Service) fail(ctx context.Context, k task) error {
	return s.ended(ctx, k, catalog.Failed, nil, []catalog.BatchError{{Code: codeForgotten, Description: whyForgotten, Rows: []string{}}})
}

// names says whether a staged file names the customer.
func (s *Service) names(ctx context.Context, b catalog.Batch, f File, path string, mentions func(string) bool) (named bool, err error) {
	if mentions(f.Path) {
		return true, nil
	}
	if b.InputFormat != nil && b.InputFormat.Format == "parquet" {
		if f.Open {
			return false, waitFor(b, "has a file that is being uploaded in pieces, and can't be read yet")
		}
		r := &reader{ctx: ctx, format: *b.InputFormat, path: path}
		err := r.each(func(i item) error {
			if named = mentions(string(i.text)); named {
				return errStop
			}
			return nil
		})
		if _, broken := errors.AsType[*fileError](err); broken || errors.Is(err, errStop) {
			err = nil // of a file that is no Parquet, the bytes tell
		}
		if named || err != nil {
			return named, err
		}
	}
	in, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = in.Close() }() // nothing was written
	return mentioned(bufio.NewReaderSize(watched{ctx, in}, 256<<10), mentions)
}

// idOverlap is how much of a text is looked at twice, so that an id at the end of a
// part is seen whole.
const idOverlap = 1 << 10

// mentioned says whether a text names the customer, whatever form it has.
func mentioned(in *bufio.Reader, mentions func(string) bool) (bool, error) {
	part := make([]byte, 0, 128<<10)
	for {
		n, err := in.Read(part[len(part):cap(part)])
		part = part[:len(part)+n]
		if len(part) == cap(part) || err != nil {
			if mentions(string(part)) {
				return true, nil
			}
			part = append(part[:0], part[max(0, len(part)-idOverlap):]...)
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return false, err
		}
	}
}

// forgetDiagnostics takes from the files about a batch the lines that name the
// customer, and returns how many.
func (s *Service) forgetDiagnostics(sc docstore.Scope, batch string, mentions func(string) bool) (rows int64, err error) {
	dir := s.diagnostics(sc, batch)
	var ages []aged
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if info, err := e.Info(); err == nil && e.IsDir() {
			ages = append(ages, aged{path, info.ModTime()})
		}
		if !e.Type().IsRegular() {
			return nil
		}
		n, err := s.without(path, filepath.Join(s.Dir, "diagnostics", ".without-"+filepath.Base(dir)), mentions)
		rows += n
		return err
	})
	for _, a := range ages { // they are kept for a time, from when they were made
		err = errors.Join(err, os.Chtimes(a.path, a.at, a.at))
	}
	return rows, err
}

type aged struct {
	path string
	at   time.Time
}

// without puts in the place of a file one without the lines that name the customer,
// if there are any. It is made at another place first.
func (s *Service) without(path, at string, mentions func(string) bool) (lines int64, err error) {
	in, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { _ = in.Close() }() // nothing was written
	if some, err := mentioned(bufio.NewReader(in), mentions); err != nil || !some {
		return 0, err
	}
	if _, err := in.Seek(0, 0); err != nil {
		return 0, err
	}
	out, err := os.OpenFile(at, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriter(out)
	d := json.NewDecoder(bufio.NewReader(in))
	for d.More() && err == nil {
		var row json.RawMessage
		switch err = d.Decode(&row); {
		case err != nil:
		case mentions(string(row)):
			lines++
		default:
			_, err = w.Write(append(row, '\n'))
		}
	}
	if err == nil {
		err = errors.Join(w.Flush(), out.Sync())
	}
	if err = errors.Join(err, out.Close()); err == nil {
		err = os.Rename(at, path)
	}
	if err != nil {
		return lines, errors.Join(err, os.Remove(at))
	}
	return lines, syncPath(filepath.Dir(path))
}
