package audience

import (
	"bufio"
	"encoding/csv"
	"io"
	"iter"
	"time"

	"github.com/tributary-data/tributary/internal/lake"
)

// columns of an export.
var columns = []lake.Column{{Name: "customer", Type: "string"}, {Name: "joined_at", Type: "timestamptz"}}

// WriteCSV writes the members as CSV with a header line: id, and since when each
// is one.
func (s *Set) WriteCSV(w io.Writer) error {
	out := bufio.NewWriterSize(w, 64<<10)
	lines := csv.NewWriter(out)
	lines.UseCRLF = true
	_ = lines.Write([]string{columns[0].Name, columns[1].Name}) // Error tells
	for n := range s.Len() {
		_ = lines.Write([]string{string(s.ID(n)), s.Joined(n).Format(time.RFC3339)}) // Error tells
	}
	lines.Flush()
	if err := lines.Error(); err != nil {
		return err
	}
	return out.Flush()
}

// WriteParquet writes the same as a Parquet file.
func (s *Set) WriteParquet(w io.Writer) error {
	return lake.WriteParquet(w, columns, s.rows())
}

func (s *Set) rows() iter.Seq[[]any] {
	return func(yield func([]any) bool) {
		row := make([]any, 2)
		for n := range s.Len() {
			if row[0], row[1] = string(s.ID(n)), s.Joined(n); !yield(row) {
				return
			}
		}
	}
}
