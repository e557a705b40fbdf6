// Package catalogtest has a catalog for tests, over tables in memory.
package catalogtest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Start is when the clock of a World begins.
var Start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Schema is one that every organisation has.
const Schema = "https://ns.adobe.com/acme/schemas/5f76be8c0a3d4e5f9b1a2c3d4e5f60718293a4b5c6d7e8f9"

// A World is a catalog and what it stands on. Its clock goes on by a
// millisecond each time that it is read.
type World struct {
	Catalog *catalog.Service
	Tables  *Tables
	DB      *docstore.DB

	mu  sync.Mutex
	now time.Time
}

// New returns a world with a schema and no datasets.
func New(t testing.TB) *World {
	t.Helper()
	w := &World{now: Start, Tables: &Tables{tables: map[string]*table{}}}
	db, err := docstore.Open(t.Context(), filepath.Join(t.TempDir(), "documents.db"), w.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	w.DB = db
	w.Catalog = &catalog.Service{DB: db, Schemas: Schemas{}, Tables: w.Tables, Now: w.Now}
	return w
}

// Now reads the clock.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(time.Millisecond)
	return w.now
}

// Advance moves the clock.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// Dataset makes a dataset of the caller.
func (w *World) Dataset(t testing.TB, c access.Caller, name string) catalog.Dataset {
	t.Helper()
	d, err := w.Catalog.CreateDataset(t.Context(), c, catalog.Dataset{Name: name, SchemaID: Schema})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Batch makes a batch with the rows and brings it to success.
func (w *World) Batch(t testing.TB, c access.Caller, d catalog.Dataset, rows ...string) catalog.Batch {
	t.Helper()
	b, err := w.Catalog.CreateBatch(t.Context(), c, catalog.Batch{DatasetID: d.ID})
	if err != nil {
		t.Fatal(err)
	}
	in, err := w.Tables.Append(t.Context(), d.Table, b.ID, nil, func(yield func(json.RawMessage, error) bool) {
		for _, r := range rows {
			if !yield(json.RawMessage(r), nil) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err = w.Catalog.ChangeBatch(t.Context(), c, b.ID, func(b *catalog.Batch) error {
		b.Status, b.Completed = catalog.Success, w.Now().UnixMilli()
		b.Metrics = &catalog.Metrics{InputRecordCount: in.Rows, OutputRecordCount: in.Rows, OutputByteSize: in.Bytes, OutputFileCount: in.Files}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Schemas knows Schema, and those whose last step begins with stripe-.
type Schemas struct{}

// Composition returns a schema with one field.
func (Schemas) Composition(_ context.Context, _ access.Caller, id string) (*xdm.Composition, error) {
	if last := id[strings.LastIndex(id, "/")+1:]; id != Schema && last != filepath.Base(Schema) && !strings.HasPrefix(last, "stripe-") {
		return nil, problem.Errorf(problem.NotFound, "there is no schema %q", id)
	}
	if !strings.Contains(id, "stripe-") {
		id = Schema
	}
	return &xdm.Composition{ID: id, Title: "A schema", Version: "1.0", Fields: []*xdm.Field{
		{Name: "_acme", Kind: xdm.Object, Fields: []*xdm.Field{
			{Name: "id", Kind: xdm.String},
			{Name: "lines", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.Long}},
			{Name: "metadata", Kind: xdm.Map, Elem: &xdm.Field{Kind: xdm.String}},
			{Name: "at", Kind: xdm.DateTime},
			{Name: "rate", Kind: xdm.Double},
			{Name: "paid", Kind: xdm.Boolean},
		}},
	}}, nil
}

// Tables are tables in memory. A file has the rows of a batch, a line each.
type Tables struct {
	// Fail, if set, is what every change comes to.
	Fail error
	// Orphans makes commits that do not say what came before them.
	Orphans bool

	mu     sync.Mutex
	tables map[string]*table
	serial int64
}

type table struct {
	files   []stored
	commits []catalog.Commit
	rows    int64

	snapshot int64
}

type stored struct {
	catalog.File
	batch string
	body  []byte
}

var _ catalog.Tables = (*Tables)(nil)

// Names lists the tables there are.
func (f *Tables) Names() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(maps.Keys(f.tables))
}

// Ensure creates the table.
func (f *Tables) Ensure(_ context.Context, name string, _ *xdm.Composition) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Fail != nil {
		return f.Fail
	}
	if f.tables[name] == nil {
		f.tables[name] = &table{}
	}
	return nil
}

// Drop removes the table.
func (f *Tables) Drop(_ context.Context, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.Fail != nil {
		return f.Fail
	}
	delete(f.tables, name)
	return nil
}

func (f *Tables) find(name string) (*table, error) {
	if t := f.tables[name]; t != nil {
		return t, nil
	}
	return nil, problem.Errorf(problem.NotFound, "there is no table %q", name)
}

// Stats sums up the files.
func (f *Tables) Stats(_ context.Context, name string) (catalog.Stats, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(name)
	if err != nil {
		return catalog.Stats{}, err
	}
	s := catalog.Stats{Rows: t.rows, Files: int64(len(t.files)), Location: "mem:" + name}
	for _, one := range t.files {
		s.Bytes += one.Bytes
	}
	s.SnapshotID = t.snapshot
	return s, nil
}

// Append writes one file.
func (f *Tables) Append(_ context.Context, name, batch string, replaces []string, rows iter.Seq2[json.RawMessage, error]) (catalog.Appended, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(name)
	if err != nil || f.Fail != nil {
		return catalog.Appended{}, cmpOr(err, f.Fail)
	}
	var body bytes.Buffer
	n := int64(0)
	for r, err := range rows {
		if err != nil {
			return catalog.Appended{}, err
		}
		body.Write(r)
		body.WriteByte('\n')
		n++
	}
	t.files = slices.DeleteFunc(t.files, func(s stored) bool { return slices.Contains(replaces, s.batch) || s.batch == batch })
	k := f.commit(t, n, 0, Start)
	t.files = append(t.files, stored{catalog.File{Path: "data/" + batch + ".parquet", Bytes: int64(body.Len()), Rows: n, Snapshot: k.SnapshotID}, batch, body.Bytes()})
	return catalog.Appended{Rows: n, Bytes: int64(body.Len()), Files: 1, SnapshotID: k.SnapshotID}, nil
}

func cmpOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Revert removes the files of a batch.
func (f *Tables) Revert(_ context.Context, name, batch string) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(name)
	if err != nil {
		return 0, err
	}
	n := int64(0)
	t.files = slices.DeleteFunc(t.files, func(s stored) bool {
		if s.batch == batch {
			n += s.Rows
		}
		return s.batch == batch
	})
	f.commit(t, 0, n, Start)
	return n, nil
}

// Files lists files.
func (f *Tables) Files(_ context.Context, name, batch string) ([]catalog.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(name)
	if err != nil {
		return nil, err
	}
	var all []catalog.File
	for _, s := range t.files {
		if batch == "" || s.batch == batch {
			all = append(all, s.File)
		}
	}
	return all, nil
}

// Open opens a file.
func (f *Tables) Open(_ context.Context, name, path string) (io.ReadSeekCloser, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(name)
	if err != nil {
		return nil, err
	}
	for _, s := range t.files {
		if s.Path == path {
			return Content(s.body), nil
		}
	}
	return nil, problem.Errorf(problem.NotFound, "there is no file %q", path)
}

// Content returns bytes as an open file.
func Content(b []byte) io.ReadSeekCloser {
	return struct {
		io.ReadSeeker
		io.Closer
	}{bytes.NewReader(b), io.NopCloser(nil)}
}

// Preview returns the first rows.
func (f *Tables) Preview(_ context.Context, name string, n int) ([]json.RawMessage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(name)
	if err != nil {
		return nil, err
	}
	var rows []json.RawMessage
	for _, s := range t.files {
		for line := range bytes.Lines(s.body) {
			if len(rows) < n {
				rows = append(rows, json.RawMessage(bytes.TrimSpace(line)))
			}
		}
	}
	return rows, nil
}

// Commits lists the commits that have not expired.
func (f *Tables) Commits(_ context.Context, name string) ([]catalog.Commit, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(t.commits), nil
}

// Commit makes a commit to a table, as a pass does; the table is created if
// need be.
func (f *Tables) Commit(name string, added, deleted int64, at time.Time) catalog.Commit {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.tables[name] == nil {
		f.tables[name] = &table{}
	}
	t := f.tables[name]
	k := f.commit(t, added, deleted, at)
	if added > 0 {
		body := []byte(strings.Repeat("{}\n", int(added)))
		t.files = append(t.files, stored{catalog.File{Path: "data/" + k.Time.Format("150405.000000") + ".parquet", Bytes: int64(len(body)), Rows: added, Snapshot: k.SnapshotID}, "", body})
		t.commits[len(t.commits)-1].Files, t.commits[len(t.commits)-1].Bytes = 1, int64(len(body))
	}
	return t.commits[len(t.commits)-1]
}

func (f *Tables) commit(t *table, added, deleted int64, at time.Time) catalog.Commit {
	f.serial++
	k := catalog.Commit{SnapshotID: f.serial * 7919, Time: at, Added: added, Deleted: deleted}
	if n := len(t.commits); n > 0 && !f.Orphans {
		k.Parent = t.commits[n-1].SnapshotID
	}
	t.commits = append(t.commits, k)
	t.rows += added - deleted
	t.snapshot = k.SnapshotID
	return k
}

// Rewrite puts the rows of a table into one file, in a commit that changes
// none of them. Commits may know nothing of it.
func (f *Tables) Rewrite(name string, at time.Time, listed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tables[name]
	if t == nil {
		return
	}
	k := f.commit(t, 0, 0, at)
	if !listed {
		t.commits = t.commits[:len(t.commits)-1]
	}
	body := []byte(strings.Repeat("{}\n", int(t.rows)))
	t.files = []stored{{catalog.File{Path: "data/whole.parquet", Bytes: int64(len(body)), Rows: t.rows, Snapshot: k.SnapshotID}, "", body}}
}

// Expire forgets all commits of a table but the last few.
func (f *Tables) Expire(name string, keep int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t := f.tables[name]
	if t == nil {
		return
	}
	t.commits = t.commits[max(0, len(t.commits)-keep):]
}
