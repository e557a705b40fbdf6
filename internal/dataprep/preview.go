package dataprep

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Preview is what a set makes of one record.
type Preview struct {
	Data    json.RawMessage // the XDM record; of a refused one, what there was of it
	Faults  []Fault         // at most 100 of those of the record, then those of the set
	Refused bool
}

// MaxPreview is how many records a preview takes.
const MaxPreview = 100

// maxErrors is how many faults of a set are told with each record.
const maxErrors = 100

// previewWork is what all records of a preview may cost together.
const previewWork = 2 * mapping.MaxRecordWork

// Preview maps records by a set that need not be kept. Mappings that are wrong
// are told with each record. The work for all of them together is bounded.
func (s *Service) Preview(ctx context.Context, c access.Caller, set Set, records []expr.Value) ([]Preview, error) {
	if len(records) > MaxPreview {
		return nil, invalid("%d records are more than the %d that a preview takes", len(records), MaxPreview)
	}
	program, _, faults, err := s.Program(ctx, c, set)
	if err != nil {
		return nil, err
	}
	var constant []Fault
	for _, f := range faults {
		if f.Kind != mapping.FaultOverridden && len(constant) < maxErrors {
			constant = append(constant, set.fault(f.Mapping, f.Error()))
		}
	}
	work := previewWork
	all := make([]Preview, len(records))
	for i, r := range records {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		result := program.Apply(&expr.Env{Record: r, Now: s.Now(), Random: s.random(), Work: &work})
		if work < 0 {
			return nil, &problem.Error{
				Kind: problem.Invalid, Detail: "the preview does more work than one call may",
				Advice: "Send fewer records, or simpler expressions.",
			}
		}
		all[i] = Preview{Data: result.Record, Refused: result.Refused != nil}
		if result.Record == nil {
			all[i].Data = json.RawMessage("{}")
		}
		for _, w := range result.Warnings {
			all[i].Faults = append(all[i].Faults, set.failed(w))
		}
		if w := result.Refused; w != nil && !slices.Contains(result.Warnings, *w) {
			all[i].Faults = append(all[i].Faults, set.failed(*w))
		}
		all[i].Faults = append(all[i].Faults, constant...)
	}
	return all, nil
}

// failed is a fault of a record: at the path in it, with its indexes.
func (set *Set) failed(w mapping.Warning) Fault {
	f := set.fault(w.Mapping, w.Reason)
	f.Destination = w.Path
	return f
}

// Suggest proposes mappings from records like the samples to a schema, best
// first named by the samples, each with how sure it is; unmatched are the
// paths that found no place.
func (s *Service) Suggest(ctx context.Context, c access.Caller, schemaID string, samples []expr.Value) (set Set, unmatched []string, err error) {
	if len(samples) > MaxPreview {
		return Set{}, nil, invalid("%d records are more than the %d that are looked at", len(samples), MaxPreview)
	}
	composition, err := s.composition(ctx, c, schemaID)
	if err != nil {
		return Set{}, nil, err
	}
	found, unmatched := mapping.Suggest(composition, samples)
	set = Set{SchemaID: composition.ID, Mappings: make([]Mapping, len(found))}
	for i, f := range found {
		set.Mappings[i] = Mapping{Type: "ATTRIBUTE", Source: f.Source, To: f.Destination, Score: f.Score}
	}
	return set, unmatched, nil
}
