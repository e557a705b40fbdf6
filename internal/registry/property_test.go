package registry_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/registry"
	"github.com/tributary-data/tributary/internal/xdm"
)

// fieldJSON draws a field.
func fieldJSON(t *rapid.T, depth int) string {
	kinds := []string{
		`{"type": "string"}`, `{"type": "string", "enum": ["a"]}`, `{"type": "string", "enum": ["a", "b"]}`, `{"type": "string", "maxLength": 3}`, `{"type": "string", "maxLength": 4}`,
		`{"type": "integer"}`, `{"type": "integer", "minimum": 0, "maximum": 9}`, `{"type": "integer", "minimum": 1, "maximum": 9}`, `{"type": "number"}`, `{"type": "boolean"}`,
		`{"type": "array", "items": {"type": "string"}}`, `{"type": "string", "format": "date-time"}`, `{"type": "object", "additionalProperties": {"type": "string"}}`,
	}
	if depth > 0 && rapid.IntRange(0, 3).Draw(t, "object") == 0 {
		name := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")
		required := rapid.SampledFrom([]string{"", fmt.Sprintf(`, "required": [%q]`, name)}).Draw(t, "required")
		return fmt.Sprintf(`{"type": "object", "properties": {%q: %s}%s}`, name, fieldJSON(t, depth-1), required)
	}
	return rapid.SampledFrom(kinds).Draw(t, "kind")
}

// patchJSON draws a patch of a field group: some apply, some do not.
func patchJSON(t *rapid.T) string {
	var ops []string
	for range rapid.IntRange(1, 3).Draw(t, "operations") {
		path := "$/" + rapid.SampledFrom([]string{"a", "b", "c", "a/properties/a", "a/properties/b", "b/maxLength", "a/enum/-", "c/items", "a/required"}).Draw(t, "path")
		switch rapid.SampledFrom([]string{"add", "add", "add", "replace", "remove", "move"}).Draw(t, "op") {
		case "add":
			ops = append(ops, fmt.Sprintf(`{"op": "add", "path": %q, "value": %s}`, path, fieldJSON(t, 2)))
		case "replace":
			value := rapid.SampledFrom([]string{"4", "5", `["a"]`, `{"type": "string"}`}).Draw(t, "value")
			ops = append(ops, fmt.Sprintf(`{"op": "replace", "path": %q, "value": %s}`, path, value))
		case "remove":
			ops = append(ops, fmt.Sprintf(`{"op": "remove", "path": %q}`, path))
		case "move":
			ops = append(ops, fmt.Sprintf(`{"op": "move", "from": %q, "path": "$/%s"}`, path, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "to")))
		}
	}
	return "[" + strings.Join(ops, ", ") + "]"
}

// takes says whether what a field took still fits what it became. It is written
// anew here, from the rules: it shares nothing with the registry.
func takes(was, is []*xdm.Field) error {
	for _, f := range was {
		i := -1
		for j, g := range is {
			if g.Name == f.Name {
				i = j
			}
		}
		if i < 0 {
			return fmt.Errorf("%s is gone", f.Name)
		}
		g := is[i]
		if g.Kind != f.Kind || g.Required && !f.Required {
			return fmt.Errorf("%s changed from %+v to %+v", f.Name, f, g)
		}
		if g.Limits != nil {
			if f.Limits == nil {
				return fmt.Errorf("%s has limits", f.Name)
			}
			if g.Limits.MaxLength != nil && (f.Limits.MaxLength == nil || *f.Limits.MaxLength > *g.Limits.MaxLength) {
				return fmt.Errorf("%s is shorter", f.Name)
			}
			if g.Limits.Min != nil && (f.Limits.Min == nil || *f.Limits.Min < *g.Limits.Min) {
				return fmt.Errorf("%s is narrower", f.Name)
			}
			if len(g.Limits.Values) > 0 && (len(f.Limits.Values) == 0 || len(f.Limits.Values) > len(g.Limits.Values)) {
				return fmt.Errorf("%s has fewer values", f.Name)
			}
		}
		if err := takes(f.Fields, g.Fields); err != nil {
			return err
		}
		if f.Elem != nil {
			if err := takes([]*xdm.Field{f.Elem}, []*xdm.Field{g.Elem}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Whatever patches come: a version grows by one with each that is taken and by
// none with one that is refused, which changes nothing; and a schema that data
// was stored of takes what it took.
func TestPatchSequences(t *testing.T) {
	t.Parallel()
	s := empty(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		w := &world{s: s, c: gatewaytest.Admin("prod")}
		w.c.Sandbox.ID = fmt.Sprint("sandbox ", n) // a world of its own in the one database
		cl := create(t, s, w.c, registry.Classes, class)
		w.group = create(t, s, w.c, registry.FieldGroups, group("G", `{"a": `+fieldJSON(rt, 2)+`, "b": {"type": "string", "maxLength": 3}, "keep": {"type": "string"}}`))
		w.schema = create(t, s, w.c, registry.Schemas, schema("S", cl, w.group))
		used := false
		minor := 0
		was := look(t, w)
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			if !used && rapid.IntRange(0, 2).Draw(rt, "use") == 0 {
				used = true
				if err := s.MarkUsed(t.Context(), w.c, w.schema); err != nil {
					rt.Fatal(err)
				}
			}
			patch := patchJSON(rt)
			err := w.patch(t, registry.FieldGroups, w.group, patch)
			is := look(t, w)
			if err == nil {
				minor++
			} else if problem.KindOf(err) != problem.Invalid {
				rt.Fatalf("%s: %v", patch, err)
			}
			if is.version != fmt.Sprintf("1.%d", minor) {
				rt.Fatalf("version %s after %d changes", is.version, minor)
			}
			if diff := cmp.Diff(was, is, cmp.AllowUnexported(looked{})); err != nil && diff != "" {
				rt.Fatalf("%s was refused (%v), but: %s", patch, err, diff)
			}
			if used {
				if bad := takes(was.fields, is.fields); bad != nil {
					rt.Fatalf("%s was taken: %v", patch, bad)
				}
			}
			was = is
		}
	})
}

type looked struct {
	version string
	text    string
	fields  []*xdm.Field
}

func look(t testing.TB, w *world) looked {
	t.Helper()
	doc, err := w.s.Lookup(t.Context(), w.c, registry.Tenant, registry.FieldGroups, w.group, "xed")
	if err != nil {
		t.Fatal(err)
	}
	var v struct{ Version string }
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	comp, err := w.s.Composition(t.Context(), w.c, w.schema)
	if err != nil {
		t.Fatal(err)
	}
	return looked{v.Version, string(doc), comp.Fields}
}

// Nothing that one sandbox has is seen, used, changed or deleted from another
// sandbox or organisation, whatever is tried with its ids.
func TestIsolation(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) { isolated(t, open(t, name)) })
}

func isolated(t *testing.T, s *registry.Service) {
	t.Helper()
	mine := gatewaytest.Admin("prod")
	w := &world{s: s, c: mine}
	seed(t, s, mine)
	w.class = create(t, s, mine, registry.Classes, class)
	w.group = create(t, s, mine, registry.FieldGroups, group("G", `{"a": {"type": "string"}}`))
	w.schema = create(t, s, mine, registry.Schemas, schema("S", w.class, w.group))
	if _, err := s.CreateNamespace(t.Context(), mine, registry.Namespace{Name: "Mine", Code: "Mine", IDType: "PHONE"}); err != nil {
		t.Fatal(err)
	}
	d, err := s.CreateDescriptor(t.Context(), mine, []byte(describe("descriptorIdentity", w.schema, `"/_acme/a"`, `, "xdm:namespace": "Mine", "xdm:isPrimary": true`)))
	if err != nil {
		t.Fatal(err)
	}
	var desc struct {
		ID string `json:"@id"`
	}
	if err := json.Unmarshal(d, &desc); err != nil {
		t.Fatal(err)
	}
	if err := w.patch(t, registry.Schemas, w.schema, enable); err != nil {
		t.Fatal(err)
	}
	before := everything(t, s, mine)
	all := map[registry.Type]string{registry.Classes: w.class, registry.FieldGroups: w.group, registry.Schemas: w.schema, registry.Unions: w.class + "__union"}
	for _, c := range []access.Caller{gatewaytest.Admin("dev"), other("prod")} {
		there := everything(t, s, c)
		for typ, full := range all {
			hex := full[strings.LastIndex(full, "/")+1:]
			for _, id := range []string{full, "_acme." + string(typ) + "." + hex, "_other." + string(typ) + "." + hex, hex, strings.Replace(full, "acme", c.Tenant, 1)} {
				ctx := t.Context()
				_, looked := s.Lookup(ctx, c, registry.Tenant, typ, id, "xed")
				_, composed := s.Composition(ctx, c, id)
				_, patched := s.Patch(ctx, c, typ, id, []byte(`[{"op": "add", "path": "/title", "value": "Stolen"}]`))
				_, replaced := s.Replace(ctx, c, typ, id, []byte(class))
				_, sampled := s.Sample(ctx, c, id)
				_, exported := s.Export(ctx, c, id)
				_, logged := s.AuditLog(ctx, c, id)
				for what, err := range map[string]error{
					"lookup": looked, "composition": composed, "patch": patched, "replace": replaced, "sample": sampled, "export": exported, "log": logged,
					"delete": s.Delete(ctx, c, typ, id), "mark": s.MarkUsed(ctx, c, id),
				} {
					if problem.KindOf(err) != problem.NotFound {
						t.Errorf("%s of %s by %s/%s: %v", what, id, c.Org, c.Sandbox.Name, err)
					}
				}
			}
		}
		for name, body := range map[string]string{"class": schema("X", w.class), "group": schema("X", w.class, w.group)} {
			if _, err := s.Create(t.Context(), c, registry.Schemas, []byte(body)); problem.KindOf(err) != problem.Invalid {
				t.Errorf("a foreign %s was used: %v", name, err)
			}
		}
		_, looked := s.Descriptor(t.Context(), c, desc.ID)
		for what, err := range map[string]error{"lookup": looked, "delete": s.DeleteDescriptor(t.Context(), c, desc.ID), "replace": s.ReplaceDescriptor(t.Context(), c, desc.ID, d)} {
			if problem.KindOf(err) != problem.NotFound {
				t.Errorf("%s of the descriptor: %v", what, err)
			}
		}
		if _, err := s.Namespace(t.Context(), c, "10000001"); problem.KindOf(err) != problem.NotFound {
			t.Errorf("namespace: %v", err)
		}
		if diff := cmp.Diff(there, everything(t, s, c)); diff != "" || strings.Contains(there, w.class) || strings.Contains(there, "Mine") {
			t.Errorf("the other has something of it: %s", diff)
		}
	}
	if diff := cmp.Diff(before, everything(t, s, mine)); diff != "" {
		t.Errorf("it was changed from elsewhere: %s", diff)
	}
}

// everything is all that a caller can list.
func everything(t testing.TB, s *registry.Service, c access.Caller) string {
	t.Helper()
	var b strings.Builder
	put := func(v any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
	}
	for _, typ := range []registry.Type{registry.Schemas, registry.Classes, registry.FieldGroups, registry.DataTypes, registry.Unions} {
		page, err := s.List(t.Context(), c, registry.Tenant, typ, "xed", registry.Query{})
		put(page, err)
	}
	stats, err := s.Stats(t.Context(), c)
	put(stats, err)
	byType, err := s.DescriptorsByType(t.Context(), c, "xdm", registry.Query{})
	put(byType, err)
	spaces, err := s.Namespaces(t.Context(), c)
	put(spaces, err)
	sums, err := s.Summaries(t.Context(), c)
	put(sums, err)
	return b.String()
}

// What is written is there after the database was opened again.
func TestStored(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		first := open(t, name)
		seed(t, first, gatewaytest.Admin("prod"))
		before := everything(t, first, gatewaytest.Admin("prod"))
		if err := first.DB.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, everything(t, open(t, name), gatewaytest.Admin("prod"))); diff != "" {
			t.Error(diff)
		}
	})
}

// Changes that come at the same time come one after the other: none is lost.
func TestPatchesAtOnce(t *testing.T) {
	t.Parallel()
	docstoretest.Each(t, func(t *testing.T, name string) {
		s, c := open(t, name), gatewaytest.Admin("prod")
		g := create(t, s, c, registry.FieldGroups, group("G", `{"a": {"type": "string"}}`))
		w := &world{s: s, c: c, group: g, schema: create(t, s, c, registry.Schemas, schema("S", create(t, s, c, registry.Classes, class), g))}
		const n = 4
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				if err := w.patch(t, registry.FieldGroups, g, fmt.Sprintf(`[{"op": "add", "path": "$/f%d", "value": {"type": "string"}}]`, i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := look(t, w); got.version != fmt.Sprintf("1.%d", n) || len(acme(t, s, c, w.schema)) != n+1 {
			t.Errorf("%+v", got)
		}
	})
}
