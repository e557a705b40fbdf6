package lake

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/tributary-data/tributary/internal/problem"
)

// previewFiles bounds the files that Preview looks into.
const previewFiles = 20

// ourColumns are those that are no part of a record.
var ourColumns = []string{
	colBatch, colObject, colID, colSeq, colHash, colCreated, colReadAt, colAccount, colLivemode, colAPIVersion, colDeleted, colDeletedAt,
}

// Preview returns up to n live records as JSON objects, in no order that means
// anything. Our own columns are left out.
func (t *Table) Preview(ctx context.Context, n int) ([]json.RawMessage, error) {
	for attempt := 0; ; attempt++ {
		rows, err := t.preview(ctx, n)
		if !gone(err) || attempt == 3 {
			return rows, fault(err, "preview "+t.Name())
		}
		if err := t.refresh(ctx); err != nil {
			return nil, err
		}
	}
}

func (t *Table) preview(ctx context.Context, n int) ([]json.RawMessage, error) {
	rows := []json.RawMessage{}
	m := maintenance{t: t, ids: markIDs}
	if err := m.list(ctx); err != nil {
		return nil, err
	}
	if len(m.data) > previewFiles {
		m.data = m.data[len(m.data)-previewFiles:] // the youngest
	}
	if err := m.mark(ctx); err != nil {
		return nil, err
	}
	batched := t.batched() // which takes as long as a row of many columns
	for _, f := range m.data {
		at := int64(-1)
		for row, err := range ReadParquet(ctx, localPath(f.FilePath())) {
			if err != nil {
				return nil, err
			}
			if at++; f.dead.has(at) {
				continue
			}
			record, err := record(row, batched)
			if err != nil {
				return nil, err
			}
			if record == nil {
				continue
			}
			if len(rows) == n {
				return rows, nil
			}
			rows = append(rows, record)
		}
	}
	return rows, nil
}

// record returns a row of a file without our own columns, nil if its object is
// gone. Tables of batches have other ones than those of Stripe's objects.
func record(row json.RawMessage, batched bool) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(row, &fields); err != nil {
		return nil, err
	}
	if batched {
		delete(fields, colBatch)
		delete(fields, colObject)
		return json.Marshal(fields)
	}
	if string(fields[colDeleted]) == "true" {
		return nil, nil
	}
	for _, name := range ourColumns {
		delete(fields, name)
	}
	return json.Marshal(fields)
}

// fileName is what our data files are called.
var fileName = regexp.MustCompile(`^data-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.parquet$`)

// OpenFile opens a data file of the table by its name, as BatchFiles has it.
// One that is not there, or not any more, is a problem of kind NotFound.
func (t *Table) OpenFile(name string) (*os.File, error) {
	missing := problem.Errorf(problem.NotFound, "table %s has no file %s", t.Name(), name)
	if !fileName.MatchString(name) {
		return nil, missing
	}
	f, err := os.Open(filepath.Join(localPath(t.Location()), "data", name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, missing
	}
	return f, fault(err, "open a file of "+t.Name())
}
