package catalog

import (
	"context"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/problem"
)

// A dataset file, as clients know it, is the folder of what one batch brought.
// It has the batch's id and a number, which is always 1.
const fileSuffix = "-1"

// FileID returns the id of the dataset file of a batch.
func FileID(batch string) string { return batch + fileSuffix }

// BatchOfFile returns the batch whose dataset file has the id.
func BatchOfFile(id string) (batch string, ok bool) { return strings.CutSuffix(id, fileSuffix) }

// BatchFiles returns a batch, its dataset, and the live data files with rows
// of it: none for a batch that did not succeed, or whose dataset is gone. Of a
// copy, compaction may have put them into the files of a later batch.
func (s *Service) BatchFiles(ctx context.Context, c access.Caller, id string) (Batch, Dataset, []File, error) {
	b, err := s.Batch(ctx, c, id)
	if err != nil {
		return Batch{}, Dataset{}, nil, err
	}
	d, err := s.Dataset(ctx, c, b.DatasetID)
	if problem.KindOf(err) == problem.NotFound {
		return b, Dataset{}, nil, nil
	}
	if err != nil || b.Status != Success {
		return b, d, nil, err
	}
	files, err := s.files(ctx, c, d, b)
	return b, d, files, err
}

func (s *Service) files(ctx context.Context, c access.Caller, d Dataset, b Batch) ([]File, error) {
	if !d.Mirror {
		files, err := s.Tables.Files(ctx, d.Table, b.ID)
		return files, none(err)
	}
	byBatch, err := s.mirrorFiles(ctx, c, d)
	return byBatch[b.ID], err
}

// none takes a table that is not there for an empty one.
func none(err error) error {
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	return err
}

// mirrorFiles returns the live files of a copy by the batches that brought
// them. A file of a commit that has no batch of its own belongs to the batch
// that stands for expired commits, or else to the newest one: none is left
// out.
func (s *Service) mirrorFiles(ctx context.Context, c access.Caller, d Dataset) (map[string][]File, error) {
	files, err := s.Tables.Files(ctx, d.Table, "")
	if err != nil {
		return nil, none(err)
	}
	batches := map[int64]string{}
	rest := ""
	gap := false
	err = s.EachBatch(ctx, c, d.ID, func(b Batch) bool {
		switch {
		case b.SnapshotID != 0:
			batches[b.SnapshotID] = b.ID
		case !gap:
			gap, rest = true, b.ID
		}
		if rest == "" {
			rest = b.ID
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	byBatch := map[string][]File{}
	for _, f := range files {
		id, ok := batches[f.Snapshot]
		if !ok || f.Snapshot == 0 {
			id = rest
		}
		byBatch[id] = append(byBatch[id], f)
	}
	return byBatch, nil
}

// A DatasetFile is what one batch brought to a dataset.
type DatasetFile struct {
	Batch Batch
	Files int64
	Bytes int64
	Rows  int64
}

// DatasetFiles returns the dataset files of a dataset, oldest first.
func (s *Service) DatasetFiles(ctx context.Context, c access.Caller, d Dataset) ([]DatasetFile, error) {
	var mirror map[string][]File
	if d.Mirror {
		if err := s.Import(ctx, c); err != nil {
			return nil, err
		}
		var err error
		if mirror, err = s.mirrorFiles(ctx, c, d); err != nil {
			return nil, err
		}
	}
	var all []DatasetFile
	err := s.eachBatch(ctx, c, d.ID, false, func(b Batch) bool {
		f := DatasetFile{Batch: b}
		switch {
		case d.Mirror:
			for _, one := range mirror[b.ID] {
				f.Files, f.Bytes, f.Rows = f.Files+1, f.Bytes+one.Bytes, f.Rows+one.Rows
			}
		case b.Status == Success && b.Metrics != nil:
			f.Files, f.Bytes, f.Rows = b.Metrics.OutputFileCount, b.Metrics.OutputByteSize, b.Metrics.OutputRecordCount
		}
		if f.Files > 0 {
			all = append(all, f)
		}
		return true
	})
	return all, err
}
