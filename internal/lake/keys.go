package lake

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"

	"github.com/tributary-data/tributary/internal/dataset"
)

// A Key says which version of an object is stored.
type Key struct {
	ID      string // cloned by whoever keeps it
	Hash    [16]byte
	Created int64
	Seq     int64
	ReadAt  time.Time
	Deleted bool
}

// Keys yields the versions with a seq above after, in the order of seq: of two
// for one id the later one counts.
func (l *Lane) Keys(ctx context.Context, after int64) iter.Seq2[Key, error] {
	if l.history == nil {
		return l.data.datasetKeys(ctx, after)
	}
	return func(yield func(Key, error) bool) {
		for row, err := range l.history.ReadKeys(ctx, after) {
			k := Key{ID: row.ID, Created: row.Created, Seq: row.Seq, ReadAt: row.SeenAt, Deleted: row.Op == dataset.OpDelete}
			if err == nil {
				err = parseHash(&k, row.Hash)
			}
			if row.Op == dataset.OpSeen && err == nil {
				continue
			}
			if !yield(k, err) || err != nil {
				return
			}
		}
	}
}

// Story yields all versions with a seq above after in the order of seq, those
// that only events told of too; op is the row's. Without history there are
// none.
func (l *Lane) Story(ctx context.Context, after int64, each func(k Key, op string)) error {
	if l.history == nil {
		return nil
	}
	for row, err := range l.history.ReadKeys(ctx, after) {
		if err != nil {
			return err
		}
		k := Key{ID: row.ID, Created: row.Created, Seq: row.Seq, ReadAt: row.SeenAt, Deleted: row.Op == dataset.OpDelete}
		if err := parseHash(&k, row.Hash); err != nil {
			return err
		}
		each(k, row.Op)
	}
	return nil
}

func parseHash(k *Key, text string) error {
	n, err := hex.Decode(k.Hash[:], []byte(text))
	if err != nil || n != len(k.Hash) {
		return fmt.Errorf("seq %d: hash %q", k.Seq, text)
	}
	return nil
}

// datasetKeys reads the keys from a dataset that is kept alone. Rows that a
// delete file hides come too, before those that took their place.
func (t *Table) datasetKeys(ctx context.Context, after int64) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		var files []iceberg.DataFile
		for e, err := range t.entries(ctx) {
			if err != nil {
				yield(Key{}, err)
				return
			}
			if df := e.DataFile(); df.ContentType() == iceberg.EntryContentData && t.seqBound(df.UpperBoundValues(), after+1) > after {
				files = append(files, df)
			}
		}
		slices.SortFunc(files, func(a, b iceberg.DataFile) int { return cmp.Compare(t.firstSeq(a), t.firstSeq(b)) })
		for _, df := range files {
			for batch, err := range t.batches(ctx, df, []string{colID, colSeq, colHash, colCreated, colReadAt, colDeleted}) {
				if err != nil {
					yield(Key{}, err)
					return
				}
				col := func(name string) int { return batch.Schema().FieldIndices(name)[0] }
				id, hash := batch.Column(col(colID)).(*array.String), batch.Column(col(colHash)).(*array.String)
				seq := batch.Column(col(colSeq)).(*array.Int64)
				created, read := batch.Column(col(colCreated)).(*array.Timestamp), batch.Column(col(colReadAt)).(*array.Timestamp)
				deleted := batch.Column(col(colDeleted)).(*array.Boolean)
				for i := range int(batch.NumRows()) {
					k := Key{
						ID: id.Value(i), Seq: seq.Value(i), Created: int64(created.Value(i)) / 1e6,
						ReadAt: time.UnixMicro(int64(read.Value(i))).UTC(), Deleted: deleted.Value(i),
					}
					if k.Seq <= after {
						continue
					}
					err := parseHash(&k, hash.Value(i))
					if !yield(k, err) || err != nil {
						return
					}
				}
			}
		}
	}
}
