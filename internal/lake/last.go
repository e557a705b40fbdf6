package lake

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// Last hands the objects of the versions with those seqs to each, in the order
// of seq; nil for all of them when no history is kept. Each file of the history
// is opened once, however many versions are asked for, and read where it has
// any of them.
func (l *Lane) Last(ctx context.Context, seqs []int64, each func(seq int64, raw []byte) error) error {
	left := slices.Clone(seqs)
	slices.Sort(left)
	if l.history == nil {
		for _, seq := range left {
			if err := each(seq, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if len(left) == 0 {
		return nil
	}
	files, err := l.history.historyFiles(ctx, left[0]-1)
	if err != nil {
		return fault(err, "read "+l.history.Name())
	}
	for _, df := range files {
		upto := l.history.seqBound(df.UpperBoundValues(), math.MaxInt64)
		if len(left) == 0 || left[0] > upto {
			continue
		}
		wanted := func(g *metadata.RowGroupMetaData) bool { return anyIn(g, left) }
		for batch, err := range l.history.batchesOf(ctx, df, []string{"seq", "raw"}, wanted) {
			if err != nil {
				return fault(err, "read "+l.history.Name())
			}
			seq, raw := batch.Column(0).(*array.Int64), batch.Column(1).(*array.String)
			for i := range seq.Len() {
				if len(left) == 0 || seq.Value(i) != left[0] {
					continue
				}
				left = left[1:]
				if err := each(seq.Value(i), []byte(raw.Value(i))); err != nil {
					return err
				}
			}
			if len(left) == 0 || left[0] > upto {
				break
			}
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%s has no version %d", l.history.Name(), left[0])
	}
	return nil
}

// anyIn says whether a row group of a history, whose first column that is read
// is seq, may have one of the seqs, which are in order.
func anyIn(g *metadata.RowGroupMetaData, seqs []int64) bool {
	for i := range g.NumColumns() {
		c, err := g.ColumnChunk(i)
		if err != nil || c.PathInSchema().String() != "seq" {
			continue
		}
		stats, err := c.Statistics()
		s, ok := stats.(*metadata.Int64Statistics)
		if err != nil || !ok || !s.HasMinMax() {
			return true
		}
		at, _ := slices.BinarySearch(seqs, s.Min())
		return at < len(seqs) && seqs[at] <= s.Max()
	}
	return true
}
