package app

import (
	"context"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Drift is something that Stripe sent and the schema in force does not know.
type Drift struct {
	Resource  string    `json:"resource"`
	Kind      string    `json:"kind"`  // unknown_field, unknown_value; unknown_type: landed as null
	Path      string    `json:"path"`  // dotted, [] for the elements of lists
	Seen      string    `json:"seen"`  // JSON type of what stood there; of an unknown value, the value
	Count     int64     `json:"count"` // in objects read, the same one again counted again
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
	Example   string    `json:"example,omitempty"` // id of an object that has it
}

// Drifts lists what the schema in force of the copy in dir does not know, the
// most often seen first.
func Drifts(ctx context.Context, dir string) ([]Drift, error) {
	if err := mustExist(dir); err != nil {
		return nil, err
	}
	s, err := sqlstore.OpenReadOnly(ctx, databasePath(dir))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return drifts(ctx, s)
}

func drifts(ctx context.Context, s *sqlstore.Store) ([]Drift, error) {
	all, err := s.Drifts(ctx)
	if err != nil {
		return nil, err
	}
	schemas := map[string]*xdm.Schema{}
	out := []Drift{}
	for _, d := range all {
		schema := schemas[d.Resource]
		if schema == nil {
			if schema, err = schemaOf(ctx, s, d.Resource); err != nil {
				return nil, err
			}
			schemas[d.Resource] = schema
		}
		if !known(schema, &d) {
			out = append(out, Drift{d.Resource, d.Kind, d.Path, d.Seen, d.Count, d.FirstSeen, d.LastSeen, d.Example})
		}
	}
	return out, nil
}

// known says whether a schema describes by now what was new when it was seen.
func known(schema *xdm.Schema, d *sqlstore.Drift) bool {
	f, ok := schema.Lookup(d.Path)
	switch d.Kind {
	case mapping.DriftField:
		return ok
	case mapping.DriftValue:
		return ok && slices.Contains(f.Enum, d.Seen)
	}
	return false
}

// A DriftNews is how much a pass saw that no pass before it had seen.
type DriftNews struct {
	Fields int `json:"fields"`
	Types  int `json:"types"`
	Values int `json:"values"`
}

// driftNews compares what has drifted with what had.
func driftNews(before, after []Drift) *DriftNews {
	type thing struct{ resource, kind, path, value string }
	of := func(d Drift) thing {
		t := thing{d.Resource, d.Kind, d.Path, ""}
		if d.Kind == mapping.DriftValue {
			t.value = d.Seen
		}
		return t
	}
	had := map[thing]bool{}
	for _, d := range before {
		had[of(d)] = true
	}
	var n DriftNews
	for _, d := range after {
		if had[of(d)] {
			continue
		}
		had[of(d)] = true // a field seen with two types is one
		switch d.Kind {
		case mapping.DriftField:
			n.Fields++
		case mapping.DriftType:
			n.Types++
		case mapping.DriftValue:
			n.Values++
		}
	}
	if n == (DriftNews{}) {
		return nil
	}
	return &n
}
