package dataprep

import (
	"context"
	"fmt"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Fault is what is wrong with a mapping of a set, or why it failed for a
// record.
type Fault struct {
	Mapping     int // index in the set; -1 if it is about none
	Destination string
	Exception   string
	Source      string
	Type        string // ATTRIBUTE, EXPRESSION or STATIC; empty if Mapping is -1
}

// A Faulty is the error about a set with mappings that can't be read.
type Faulty struct {
	Faults []Fault // at least one
	First  error   // of them; an *expr.Error has the place
}

func (e *Faulty) Error() string {
	f := e.Faults[0]
	more := ""
	if n := len(e.Faults) - 1; n > 0 {
		more = fmt.Sprintf(" (and %d more of the mappings)", n)
	}
	return fmt.Sprintf("mapping %d, to %q: %s%s", f.Mapping+1, f.Destination, f.Exception, more)
}

func (e *Faulty) Unwrap() error { return e.First }

// ProblemKind is for problem.KindOf.
func (e *Faulty) ProblemKind() problem.Kind { return problem.Invalid }

// check makes the set's schema the one that the registry knows, and refuses
// mappings that can't be read. Whether the schema has their destinations is
// for Validate to say.
func (s *Service) check(ctx context.Context, c access.Caller, set *Set) error {
	_, composition, faults, err := s.Program(ctx, c, *set)
	if err != nil {
		return err
	}
	set.SchemaID = composition.ID
	var faulty Faulty
	for _, f := range faults {
		if f.Kind != mapping.FaultSource && f.Kind != mapping.FaultDestination {
			continue
		}
		if faulty.First == nil {
			faulty.First = f.Err
		}
		faulty.Faults = append(faulty.Faults, set.fault(f.Mapping, f.Error()))
	}
	if faulty.First != nil {
		return &faulty
	}
	return nil
}

func (set *Set) fault(i int, exception string) Fault {
	if i < 0 || i >= len(set.Mappings) {
		return Fault{Mapping: -1, Exception: exception}
	}
	m := set.Mappings[i]
	return Fault{Mapping: i, Destination: m.To, Exception: exception, Source: m.Source, Type: m.Type}
}

// composition asks the registry. A set that names a schema that is not there,
// or none, is wrong itself.
func (s *Service) composition(ctx context.Context, c access.Caller, id string) (*xdm.Composition, error) {
	if id == "" {
		return nil, invalid("the set does not say which schema it maps to: xdmSchema, or outputSchema.schemaRef.id, is missing")
	}
	composition, err := s.Schemas.Composition(ctx, c, id)
	if problem.KindOf(err) == problem.NotFound {
		return nil, invalid("there is no schema %q", id)
	}
	return composition, err
}

// Program compiles a set for its schema as it is now. The faults are those of
// mappings that the program does without.
func (s *Service) Program(ctx context.Context, c access.Caller, set Set) (*mapping.Program, *xdm.Composition, []mapping.Fault, error) {
	if n := len(set.Mappings); n > MaxMappings {
		return nil, nil, nil, invalid("%d mappings are more than the %d that a set may have", n, MaxMappings)
	}
	composition, err := s.composition(ctx, c, set.SchemaID)
	if err != nil {
		return nil, nil, nil, err
	}
	p, faults := mapping.Assemble(composition, Plain(set.Mappings))
	return p, composition, faults, nil
}

// A Verdict is what is to be said of a set.
type Verdict struct {
	Faults [][]Fault // of each mapping, in their order; nil where nothing is wrong
	// Unfilled are the required fields that no mapping writes although others
	// write to the object that holds them.
	Unfilled []string
	Schema   *xdm.Composition
}

// Validate says what is wrong with a set.
func (s *Service) Validate(ctx context.Context, c access.Caller, set Set) (Verdict, error) {
	program, composition, faults, err := s.Program(ctx, c, set)
	if err != nil {
		return Verdict{}, err
	}
	all := make([][]Fault, len(set.Mappings))
	for _, f := range faults {
		all[f.Mapping] = append(all[f.Mapping], set.fault(f.Mapping, f.Error()))
	}
	return Verdict{Faults: all, Unfilled: program.Unfilled(), Schema: composition}, nil
}
