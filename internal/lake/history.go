package lake

import (
	"cmp"
	"context"
	"encoding/binary"
	"iter"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"

	"github.com/tributary-data/tributary/internal/dataset"
)

// A HistoryRow is one version of an object. Its text shares the memory of the
// whole batch: clone what outlives the iteration step.
type HistoryRow struct {
	ID         string
	Seq        int64
	Op         string
	SeenAt     time.Time // UTC, microseconds
	Source     string
	RunID      string
	Account    string
	Livemode   bool
	APIVersion string
	Hash       string // 32 hex digits
	Created    int64  // Unix seconds
	Raw        string // JSON
}

// Version returns what the row says beside the object itself.
func (r *HistoryRow) Version() dataset.Version {
	return dataset.Version{
		Seq: r.Seq, Op: r.Op, SeenAt: r.SeenAt, Source: r.Source, RunID: r.RunID,
		Account: r.Account, Livemode: r.Livemode, APIVersion: r.APIVersion,
	}
}

// ReadHistory yields the versions with a seq above after, in the order of seq.
// It holds one batch at a time.
func (t *Table) ReadHistory(ctx context.Context, after int64) iter.Seq2[HistoryRow, error] {
	return t.readHistory(ctx, after, []string{
		"id", "seq", "op", "seen_at", "source", "run_id", "account", "livemode", "api_version", "hash", "created", "raw",
	})
}

// ReadKeys is ReadHistory without the objects: it fills ID, Seq, Op, SeenAt,
// Hash and Created, and reads a tenth of the bytes.
func (t *Table) ReadKeys(ctx context.Context, after int64) iter.Seq2[HistoryRow, error] {
	return t.readHistory(ctx, after, []string{"id", "seq", "op", "seen_at", "hash", "created"})
}

func (t *Table) readHistory(ctx context.Context, after int64, cols []string) iter.Seq2[HistoryRow, error] {
	return func(yield func(HistoryRow, error) bool) {
		files, err := t.historyFiles(ctx, after)
		if err != nil {
			yield(HistoryRow{}, fault(err, "read "+t.Name()))
			return
		}
		for _, df := range files {
			for batch, err := range t.batches(ctx, df, cols) {
				if err != nil {
					yield(HistoryRow{}, fault(err, "read "+t.Name()))
					return
				}
				rows := newHistoryBatch(batch)
				for i := range int(batch.NumRows()) {
					if row := rows.row(i); row.Seq > after && !yield(row, nil) {
						return
					}
				}
			}
		}
	}
}

// historyFiles returns the data files with versions above after, in the order
// of seq. Files do not overlap: the writer numbers versions as it appends
// them, and Maintain merges neighbours only.
func (t *Table) historyFiles(ctx context.Context, after int64) ([]iceberg.DataFile, error) {
	var files []iceberg.DataFile
	for e, err := range t.entries(ctx) {
		if err != nil {
			return nil, err
		}
		if df := e.DataFile(); t.seqBound(df.UpperBoundValues(), after+1) > after {
			files = append(files, df)
		}
	}
	slices.SortFunc(files, func(a, b iceberg.DataFile) int { return cmp.Compare(t.firstSeq(a), t.firstSeq(b)) })
	return files, nil
}

// firstSeq returns the lowest seq in a file of a history or dataset.
func (t *Table) firstSeq(df iceberg.DataFile) int64 { return t.seqBound(df.LowerBoundValues(), 0) }

// seqBound reads the bound of the seq column, which iceberg stores as eight
// little-endian bytes.
func (t *Table) seqBound(bounds map[int][]byte, unknown int64) int64 {
	f, ok := t.tbl.Schema().FindFieldByName("seq")
	if !ok {
		f, _ = t.tbl.Schema().FindFieldByName(colSeq)
	}
	if b := bounds[f.ID]; len(b) == 8 {
		return int64(binary.LittleEndian.Uint64(b))
	}
	return unknown
}

// A historyBatch gives access to the columns of a batch; those that were not
// read are nil.
type historyBatch struct {
	id, op, source, run, account, version, hash, raw *array.String
	seq, created                                     *array.Int64
	seen                                             *array.Timestamp
	livemode                                         *array.Boolean
}

func newHistoryBatch(b arrow.RecordBatch) *historyBatch {
	var h historyBatch
	for i, f := range b.Schema().Fields() {
		switch col := b.Column(i).(type) {
		case *array.String:
			for name, dst := range map[string]**array.String{
				"id": &h.id, "op": &h.op, "source": &h.source, "run_id": &h.run, "account": &h.account,
				"api_version": &h.version, "hash": &h.hash, "raw": &h.raw,
			} {
				if name == f.Name {
					*dst = col
				}
			}
		case *array.Int64:
			if f.Name == "seq" {
				h.seq = col
			} else {
				h.created = col
			}
		case *array.Timestamp:
			h.seen = col
		case *array.Boolean:
			h.livemode = col
		}
	}
	return &h
}

func (h *historyBatch) row(i int) HistoryRow {
	text := func(a *array.String) string {
		if a == nil {
			return ""
		}
		return a.Value(i)
	}
	return HistoryRow{
		ID: text(h.id), Seq: h.seq.Value(i), Op: text(h.op), SeenAt: time.UnixMicro(int64(h.seen.Value(i))).UTC(),
		Source: text(h.source), RunID: text(h.run), Account: text(h.account), APIVersion: text(h.version),
		Livemode: h.livemode != nil && h.livemode.IsValid(i) && h.livemode.Value(i),
		Hash:     text(h.hash), Created: h.created.Value(i), Raw: text(h.raw),
	}
}
