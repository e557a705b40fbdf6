// Package shown puts exposures into a table that queries see.
package shown

import (
	"context"
	"iter"
	"strings"

	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/exposure"
)

// Table is its name: a row for each exposure.
//
//	experiment  id
//	phase       number of the phase, from 1
//	variant     key of the variant that the unit was shown first
//	unit        id of a customer, or what the charges' metadata has under the experiment's key
//	shown_at    when that was, in Unix seconds, as charges tell created
const Table = "experiments.exposures"

// Columns are those of Table.
var Columns = []duck.Loaded{{Name: "experiment", Text: true}, {Name: "phase"}, {Name: "variant", Text: true}, {Name: "unit", Text: true}, {Name: "shown_at"}}

// Named says whether a query may read Table: it is loaded for such queries alone.
func Named(query string) bool { return strings.Contains(strings.ToLower(query), "exposures") }

// A Source takes in tables for queries.
type Source interface {
	Load(ctx context.Context, name string, columns []duck.Loaded, rows iter.Seq2[[]any, error]) (drop func() error, err error)
}

// Load makes Table of exposures, until drop is called.
func Load(ctx context.Context, s Source, all iter.Seq2[exposure.Exposure, error]) (drop func() error, err error) {
	return s.Load(ctx, Table, Columns, func(yield func([]any, error) bool) {
		row := make([]any, len(Columns))
		for e, err := range all {
			if err != nil {
				yield(nil, err)
				return
			}
			row[0], row[1], row[2], row[3], row[4] = e.Experiment.String(), int64(e.Phase), e.Variant, e.Unit, e.At.Unix()
			if !yield(row, nil) {
				return
			}
		}
	})
}
