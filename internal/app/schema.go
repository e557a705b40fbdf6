package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/xdm"
)

// schemaOf returns the schema of a resource as a directory has it: that of the
// release with the user's extensions.
func schemaOf(ctx context.Context, s *sqlstore.Store, resource string) (*xdm.Schema, error) {
	schema, err := xdm.Stripe(resource, DefaultTenant)
	if err != nil {
		return nil, err
	}
	groups, err := s.FieldGroups(ctx, resource)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		e, err := xdm.ParseExtension([]byte(g.Document), schema)
		if err != nil {
			return nil, fmt.Errorf("%s: the extension %q, version %d: %w", resource, g.Title, g.Version, err)
		}
		schema = schema.With(e)
	}
	return schema, nil
}

// planOf compiles the mapping of a resource under a schema.
func planOf(r stripe.Resource, schema *xdm.Schema) (*mapping.Plan, error) {
	return mapping.Compile(mapping.Default(schema), schema, r.Object, volatile[r.Name]...)
}

// fingerprint tells schemas apart by the paths and types of their fields: 24 hex
// digits.
func fingerprint(schema *xdm.Schema) string {
	h := sha256.New()
	schema.Walk(func(path []string, f *xdm.Field) {
		fmt.Fprintf(h, "%s %s\n", strings.Join(path, "."), f.Type())
	})
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// A SchemaField is a line of `schema show`.
type SchemaField struct {
	Path        string   `json:"path"` // dotted, [] for the elements of lists and maps
	Type        string   `json:"type"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Values      []string `json:"values,omitempty"` // known ones of an open enum
	Added       bool     `json:"added,omitempty"`  // by an extension
}

// SchemaFields lists the fields of a resource's schema, parents first, with the
// extensions of the copy in dir; without a copy there, that of the release.
func SchemaFields(ctx context.Context, dir, resource string) ([]SchemaField, error) {
	schema, err := xdm.Stripe(resource, DefaultTenant)
	if err == nil && exists(dir) {
		schema, err = readSchema(ctx, dir, resource)
	}
	if err != nil {
		return nil, err
	}
	var out []SchemaField
	schema.Walk(func(path []string, f *xdm.Field) {
		if f.Name == "" && len(f.Fields) == 0 {
			return // what a list holds is said by its own type
		}
		out = append(out, SchemaField{
			Path: strings.ReplaceAll(strings.Join(path, "."), ".[]", "[]"), Type: f.Type(),
			Title: f.Title, Description: f.Description, Values: f.Enum, Added: f.Added,
		})
	})
	return out, nil
}

func readSchema(ctx context.Context, dir, resource string) (*xdm.Schema, error) {
	s, err := sqlstore.OpenReadOnly(ctx, databasePath(dir))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return schemaOf(ctx, s, resource)
}

// An Extended is what `schema extend` did.
type Extended struct {
	Resource string   `json:"resource"`
	Title    string   `json:"title"`
	Version  int      `json:"version"` // 0: there was nothing new
	Added    []string `json:"added"`   // paths; values of an enum as "status = done"
}

// ExtendSchema takes a field group into use, for the resource whose object it
// has. Columns are added by the next pass or replay; rows that are there get
// values by a replay.
func ExtendSchema(ctx context.Context, dir string, document []byte, now time.Time) (Extended, error) {
	if err := mustExist(dir); err != nil {
		return Extended{}, err
	}
	// A pass at work has its tables open in the schema that was.
	unlock, err := sqlstore.AcquireLock(dir)
	if err != nil {
		return Extended{}, unusable(dir, err)
	}
	defer unlock()
	s, err := sqlstore.Open(ctx, databasePath(dir))
	if err != nil {
		return Extended{}, unusable(dir, err)
	}
	defer s.Close()
	return extendSchema(ctx, s, document, now)
}

func extendSchema(ctx context.Context, s *sqlstore.Store, document []byte, now time.Time) (Extended, error) {
	resource, err := xdm.ExtensionOf(document)
	if err != nil {
		return Extended{}, err
	}
	schema, err := schemaOf(ctx, s, resource)
	if err != nil {
		return Extended{}, err
	}
	e, err := xdm.ParseExtension(document, schema)
	if err != nil {
		return Extended{}, err
	}
	extended, added, err := schema.Extend(e)
	if err != nil {
		return Extended{}, err
	}
	done := Extended{Resource: resource, Title: e.Title, Added: added}
	if len(added) == 0 {
		return done, nil
	}
	r, _ := stripe.Lookup(resource)
	if _, err := planOf(r, extended); err != nil {
		return Extended{}, err
	}
	done.Version, err = s.AddFieldGroup(ctx, resource, e.Title, string(document), now)
	return done, err
}

// growSchema adds to a resource's schema what it lacks of fields that another
// description of its objects has, below the group. Columns are added by the
// next pass.
func growSchema(ctx context.Context, s *sqlstore.Store, resource, title string, fields []*xdm.Field, now time.Time) (Extended, error) {
	schema, err := schemaOf(ctx, s, resource)
	if err != nil {
		return Extended{}, err
	}
	document, err := schema.Lacking(title, fields)
	if err != nil || document == nil {
		return Extended{Resource: resource, Title: title}, err
	}
	return extendSchema(ctx, s, document, now)
}

// A Held is a directory that this process has for itself, without passes.
type Held struct{ home *home }

// Hold takes a directory and creates what is missing. Close gives it back.
func Hold(ctx context.Context, dir string) (*Held, error) {
	h, err := openHome(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &Held{h}, nil
}

// Close gives the directory back.
func (h *Held) Close() error { return h.home.Close() }

// Grow adds to the schema of a resource's copy what it lacks of the fields, as
// Keeper.Grow does.
func (h *Held) Grow(ctx context.Context, resource, title string, fields []*xdm.Field) (Extended, error) {
	return growSchema(ctx, h.home.store.Store, resource, title, fields, time.Now())
}

// Grow adds to the schema of a resource's copy what it lacks of the fields,
// which lie below its group. A pass at work goes on under the schema that it
// began with; the next one adds the columns.
func (k *Keeper) Grow(ctx context.Context, resource, title string, fields []*xdm.Field) (Extended, error) {
	h, err := k.open()
	if err != nil {
		return Extended{}, err
	}
	return growSchema(ctx, h.store.Store, resource, title, fields, time.Now())
}

func mustExist(dir string) error {
	if exists(dir) {
		return nil
	}
	return &problem.Error{
		Kind: problem.NotFound, Detail: fmt.Sprintf("there is no copy in %s", dir),
		Advice: `Run "tributary sync" first, or name its directory with --dir`,
	}
}

// chosen returns the resources that are named, all for none.
func chosen(names []string) ([]stripe.Resource, error) {
	var out []stripe.Resource
	for _, name := range names {
		r, ok := stripe.Lookup(name)
		if !ok {
			var known []string
			for _, r := range stripe.Resources {
				known = append(known, r.Name)
			}
			return nil, &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("there is no resource %q", name), Advice: "The resources are " + strings.Join(known, ", ") + "."}
		}
		if !slices.ContainsFunc(out, func(o stripe.Resource) bool { return o.Name == r.Name }) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		out = stripe.Resources
	}
	return out, nil
}
