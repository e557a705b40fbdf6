package lake

import (
	"context"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
)

// targetBytes is the size at which a writer begins another data file, and to
// which Maintain merges small ones.
const targetBytes = 128 << 20

// Files are finished data files that no commit holds yet. The zero value has
// none. What is never committed is removed by Maintain.
type Files struct {
	data []iceberg.DataFile
	key  string // names the set, so that it is committed once

	// Of a RecordWriter:
	keys  *keys // nil if there are none
	table uuid.UUID
}

// Empty reports whether there is no file.
func (f Files) Empty() bool {
	for range f.all() {
		return false
	}
	return true
}

// all yields the data files and, after them, the delete files.
func (f Files) all() iter.Seq[iceberg.DataFile] {
	return func(yield func(iceberg.DataFile) bool) {
		for _, df := range f.data {
			if !yield(df) {
				return
			}
		}
		for _, df := range f.deletes() {
			if !yield(df) {
				return
			}
		}
	}
}

func (f Files) deletes() []iceberg.DataFile {
	if f.keys == nil {
		return nil
	}
	return f.keys.files
}

// Rows returns the number of rows in the files.
func (f Files) Rows() int64 {
	var n int64
	for _, df := range f.data {
		n += df.Count()
	}
	return n
}

// Count returns the number of data files.
func (f Files) Count() int64 { return int64(len(f.data)) }

// Bytes returns the size of the data files.
func (f Files) Bytes() int64 {
	var n int64
	for _, df := range f.data {
		n += df.FileSizeBytes()
	}
	return n
}

func (f Files) remove(out *disk) error {
	var errs error
	for df := range f.all() {
		errs = errors.Join(errs, out.removeData(df.FilePath()))
	}
	return errs
}

// A Writer encodes record batches into data files of a table on a goroutine of
// its own, while the caller maps the next batch. It commits nothing. Close or
// Abort must be called, once.
type Writer struct {
	ctx     context.Context // of the goroutine, which NewWriter's caller bounds
	tbl     *table.Table
	out     *disk
	mem     *recycler
	compact bool                   // as Maintain would write it
	batches chan arrow.RecordBatch // closed by Close and Abort
	done    chan struct{}          // closed by the goroutine, after files and err are set
	files   Files
	err     error
}

// NewWriter returns a writer for batches with t's ArrowSchema. Its files are
// removed if ctx ends before Close.
func (t *Table) NewWriter(ctx context.Context) *Writer { return t.newWriter(ctx, false) }

func (t *Table) newWriter(ctx context.Context, compact bool) *Writer {
	w := &Writer{
		ctx: ctx, tbl: t.tbl, out: t.cat.disk, mem: t.cat.mem, compact: compact,
		batches: make(chan arrow.RecordBatch, 1), done: make(chan struct{}),
	}
	go w.run()
	return w
}

// Write hands over a batch and takes it from the caller. It waits while the
// encoder is more than a batch behind. After an error every further call
// fails; Close tells why.
func (w *Writer) Write(batch arrow.RecordBatch) error {
	select {
	case <-w.done: // first, lest a batch goes where nobody reads
	default:
		select {
		case w.batches <- batch:
			return nil
		case <-w.done:
		}
	}
	batch.Release()
	return fault(w.err, "write rows of "+name(w.tbl))
}

// Close waits for the encoder and returns the files. After an error there are
// none.
func (w *Writer) Close() (Files, error) {
	close(w.batches)
	<-w.done
	return w.files, fault(w.err, "write rows of "+name(w.tbl))
}

// Abort drops what was written. An error in removing a file is none of the
// caller's: Maintain finds it.
func (w *Writer) Abort() {
	close(w.batches)
	<-w.done
	_ = w.files.remove(w.out)
}

func (w *Writer) run() {
	defer close(w.done)
	w.files.key = uuid.NewString()
	if w.err = w.encode(); w.err == nil {
		return
	}
	_ = w.files.remove(w.out)
	w.files = Files{}
}

func (w *Writer) encode() (err error) {
	enc, err := newEncoding(w.mem, w.tbl.Schema(), w.compact)
	if err != nil {
		return err
	}
	s := newFanout(sink{tbl: w.tbl, out: w.out, enc: enc, target: targetBytes})
	defer func() {
		w.files.data = s.done
		if err != nil {
			err = errors.Join(err, s.abort())
		}
	}()
	if w.compact {
		if err := s.sort(spillBytes); err != nil {
			return err
		}
	}
	for {
		select {
		case batch, more := <-w.batches:
			if !more {
				return s.roll(w.ctx)
			}
			err := s.write(w.ctx, batch)
			batch.Release()
			if err != nil {
				return err
			}
		case <-w.ctx.Done():
			return context.Cause(w.ctx)
		}
	}
}

// A sink spreads batches over files of about the target size, all in one place.
type sink struct {
	tbl    *table.Table
	out    *disk
	enc    *encoding
	target int64
	at     place
	open   *dataFile // nil between files
	done   []iceberg.DataFile
}

func (s *sink) write(batch arrow.RecordBatch) (err error) {
	if batch.NumRows() == 0 {
		return nil
	}
	if s.open == nil {
		if s.open, err = createFile(s.tbl, s.out, s.enc, s.at); err != nil {
			return err
		}
	}
	if err := s.open.write(batch); err != nil {
		return err
	}
	if s.open.size() < s.target {
		return nil
	}
	return s.roll()
}

// roll finishes the file in hand, if there is one.
func (s *sink) roll() error {
	if s.open == nil {
		return nil
	}
	df, err := s.open.close()
	s.open = nil
	if err != nil {
		return err
	}
	s.done = append(s.done, df)
	return nil
}

// abort removes the file in hand; those in done are the caller's.
func (s *sink) abort() error {
	if s.open == nil {
		return nil
	}
	err := s.open.abort()
	s.open = nil
	return err
}

func name(t *table.Table) string {
	ident := t.Identifier()
	return ident[len(ident)-1]
}
