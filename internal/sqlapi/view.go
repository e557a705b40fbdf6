package sqlapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
)

// A view is what a sandbox has to query, at one moment.
type view struct {
	Snapshot

	s        *Service
	key      string // of the sessions that have it open
	names    map[string]string
	datasets []catalog.Dataset // that have a table
	versions map[string]string // of the installation's tables
	copies   []Copy
}

// view looks up what the sandbox has now. A second attempt has a key of its own.
func (s *Service) view(ctx context.Context, c access.Caller, attempt int) (*view, error) {
	v := &view{s: s, Snapshot: Snapshot{At: s.Now().UTC()}}
	all, err := s.Datasets.Datasets(ctx, c)
	if err != nil {
		return nil, err
	}
	if v.versions, err = s.Lakes.Versions(ctx); err != nil {
		return nil, err
	}
	if v.copies, err = s.Lakes.Copies(ctx, c); err != nil {
		return nil, err
	}
	v.datasets = sorted(all, v.versions)
	v.names = friendly(v.datasets)
	parts := []string{c.Org, c.Sandbox.ID}
	for _, d := range v.datasets {
		parts = append(parts, d.ID, v.names[d.ID], v.versions[d.Table])
	}
	for _, k := range v.copies {
		parts = append(parts, k.Name, k.Version)
	}
	v.ID = digest(parts...)
	v.key = v.ID + " " + strconv.Itoa(attempt)
	return v, nil
}

// own says whether the directory's own copy is the sandbox's.
func (v *view) own() bool {
	return slices.ContainsFunc(v.copies, func(c Copy) bool { return c.Name == "" })
}

// catalog returns the catalog that queries see.
func (v *view) catalog(ctx context.Context) (duck.Catalog, error) {
	var c duck.Catalog
	for _, k := range v.copies {
		state, err := v.s.copyState(ctx, k)
		if err != nil {
			return c, err
		}
		if k.Name == "" || len(v.copies) == 1 {
			c.Resources = state.Resources
		}
		if k.Name != "" {
			c.Spaces = append(c.Spaces, duck.Space{Name: k.Name, Resources: state.Resources})
		}
	}
	for _, d := range v.datasets {
		if d.Mirror {
			if v.own() {
				c.Names = append(c.Names, duck.Name{View: v.names[d.ID], Table: d.Table})
			}
			continue
		}
		state, err := v.s.state(ctx, d.Table, v.versions[d.Table])
		if problem.KindOf(err) == problem.NotFound {
			continue // it was deleted meanwhile
		}
		if err != nil {
			return c, err
		}
		c.Records = append(c.Records, duck.Records{Name: d.Table, Table: state.Table})
		c.Names = append(c.Names, duck.Name{View: v.names[d.ID], Table: d.Table})
	}
	return c, nil
}

// dataset returns the state of a dataset's table.
func (v *view) dataset(ctx context.Context, d catalog.Dataset) (app.TableState, error) {
	if v.versions[d.Table] == "" {
		return app.TableState{}, problem.Errorf(problem.NotFound, "dataset %s has no table yet", d.Name)
	}
	return v.s.state(ctx, d.Table, v.versions[d.Table])
}

// friendly returns names for datasets, as views: made of their names, none
// twice. The older dataset has the shorter one.
func friendly(all []catalog.Dataset) map[string]string {
	taken, names := map[string]bool{}, map[string]string{}
	for _, d := range all {
		base := identifier(d.Name)
		name := base
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%s_%d", base, n)
		}
		taken[name], names[d.ID] = true, name
	}
	return names
}

// maxName is how many characters a name made of a dataset's may have.
const maxName = 60

// identifier makes a name that needs no quotes, and that nothing else has.
func identifier(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		switch {
		case b.Len() >= maxName:
		case unicode.IsLetter(r) || unicode.IsDigit(r):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	name := strings.TrimSuffix(b.String(), "_")
	switch {
	case name == "":
		return "dataset"
	case unicode.IsDigit([]rune(name)[0]):
		name = "dataset_" + name
	case taken(name):
		name += "_data"
	}
	return name
}

// taken says whether a name means something else already, or will where there is
// a copy of an account.
func taken(name string) bool {
	for _, prefix := range []string{"ds_", "duckdb_", "pragma_", "sqlite_", "pg_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	resource := strings.TrimSuffix(name, "_history")
	return slices.Contains(resources, resource) || slices.Contains(reserved, name)
}

// SpaceOf returns the name of a copy as a schema, made of its folder's: the
// account and the mode.
func SpaceOf(folder string) string {
	return strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, folder)
}

// reserved are the words that DuckDB takes for no name of a table, and names of
// our own schemas.
var reserved = strings.Fields(`all analyse analyze and any array as asc asof asymmetric at authorization binary both by case cast check collate
	collation column columns concurrently constraint create cross default deferrable desc describe distinct do else end except false fetch for foreign
	freeze from full generated glob group having ilike in initially inner intersect into is isnull join lambda lateral leading left like limit main map
	memory natural not notnull null offset on only or order outer overlaps pivot pivot_longer pivot_wider placing positional primary qualify references
	returning right select semi show similar some struct summarize symmetric table tablesample then to trailing true try_cast union unique unpack unpivot
	using variadic verbose when where window with xdm lake temp system information_schema drift quarantine tables databases schemas`)
