package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/registry"
)

const before = `{
	"name": {"type": "string", "title": "Name"},
	"kind": {"type": "string", "enum": ["a", "b"], "maxLength": 5, "pattern": "^[ab]"},
	"count": {"type": "integer", "minimum": 0, "maximum": 100},
	"rate": {"type": "number", "minimum": 0},
	"must": {"type": "object", "properties": {"here": {"type": "string"}}, "required": ["here"]},
	"list": {"type": "array", "items": {"type": "string"}}
}`

// A world is a schema of one field group, with another group beside it.
type world struct {
	s                          *registry.Service
	c                          access.Caller
	class, group, more, schema string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{s: empty(t), c: gatewaytest.Admin("prod")}
	if _, err := w.s.CreateNamespace(t.Context(), w.c, registry.Namespace{Name: "Customer", Code: "Customer", IDType: "cross_device"}); err != nil {
		t.Fatal(err)
	}
	w.class = create(t, w.s, w.c, registry.Classes, class)
	w.group = create(t, w.s, w.c, registry.FieldGroups, group("Fields", before))
	w.more = create(t, w.s, w.c, registry.FieldGroups, group("More", `{"more": {"type": "string"}}`))
	w.schema = create(t, w.s, w.c, registry.Schemas, schema("S", w.class, w.group))
	return w
}

func (w *world) identity(t testing.TB) {
	t.Helper()
	body := fmt.Sprintf(`{"@type": "xdm:descriptorIdentity", "xdm:sourceSchema": %q, "xdm:sourceVersion": 1, "xdm:sourceProperty": "/_acme/name",
		"xdm:namespace": "Customer", "xdm:property": "xdm:code", "xdm:isPrimary": true}`, w.schema)
	if _, err := w.s.CreateDescriptor(t.Context(), w.c, []byte(body)); err != nil {
		t.Fatal(err)
	}
}

func (w *world) patch(t testing.TB, typ registry.Type, id, patch string) error {
	t.Helper()
	patch = strings.NewReplacer("$/", "/definitions/customFields/properties/_acme/properties/", "$more", w.more, "$group", w.group).Replace(patch)
	_, err := w.s.Patch(t.Context(), w.c, typ, id, []byte(patch))
	return err
}

var enable = `[{"op": "add", "path": "/meta:immutableTags", "value": ["union"]}]`

// What a schema may become once data was stored of it, or once it takes part
// in a union; before that, anything goes.
func TestEvolution(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		schema bool // the patch is of the schema, not of the field group
		patch  string
		want   string // what the refusal says; empty if it is allowed
	}{
		"add an optional field":      {false, `[{"op": "add", "path": "$/new", "value": {"type": "string"}}]`, ""},
		"add a required field":       {false, `[{"op": "add", "path": "$/must/properties/new", "value": {"type": "string"}}, {"op": "add", "path": "$/must/required/-", "value": "new"}]`, ""},
		"add a field group":          {true, `[{"op": "add", "path": "/allOf/-", "value": {"$ref": "$more"}}, {"op": "add", "path": "/meta:extends/-", "value": "$more"}]`, ""},
		"required becomes optional":  {false, `[{"op": "remove", "path": "$/must/required"}]`, ""},
		"change title":               {false, `[{"op": "replace", "path": "$/name/title", "value": "Other"}]`, ""},
		"change description":         {true, `[{"op": "add", "path": "/description", "value": "Other"}]`, ""},
		"widen an enum":              {false, `[{"op": "add", "path": "$/kind/enum/-", "value": "aa"}]`, ""},
		"drop an enum":               {false, `[{"op": "remove", "path": "$/kind/enum"}]`, ""},
		"drop a pattern":             {false, `[{"op": "remove", "path": "$/kind/pattern"}]`, ""},
		"raise a maximum":            {false, `[{"op": "replace", "path": "$/count/maximum", "value": 120}]`, ""},
		"raise maxLength":            {false, `[{"op": "replace", "path": "$/kind/maxLength", "value": 6}]`, ""},
		"drop maxLength":             {false, `[{"op": "remove", "path": "$/kind/maxLength"}]`, ""},
		"drop a minimum":             {false, `[{"op": "remove", "path": "$/rate/minimum"}]`, ""},
		"deprecate":                  {false, `[{"op": "add", "path": "$/name/meta:status", "value": "deprecated"}]`, ""},
		"known values":               {false, `[{"op": "add", "path": "$/name/meta:enum", "value": {"a": "A"}}]`, ""},
		"remove a field":             {false, `[{"op": "remove", "path": "$/count"}]`, "_acme.count is gone"},
		"rename a field":             {false, `[{"op": "move", "from": "$/count", "path": "$/number"}]`, "_acme.count is gone"},
		"move a field":               {false, `[{"op": "move", "from": "$/count", "path": "$/must/properties/count"}]`, "_acme.count is gone"},
		"change a type":              {false, `[{"op": "replace", "path": "$/count", "value": {"type": "string"}}]`, "_acme.count was byte and would be string"},
		"a larger integer":           {false, `[{"op": "replace", "path": "$/count/maximum", "value": 1000}]`, "_acme.count was byte and would be short"},
		"change the type of items":   {false, `[{"op": "replace", "path": "$/list/items/type", "value": "boolean"}]`, "_acme.list.[] was string and would be boolean"},
		"optional becomes required":  {false, `[{"op": "add", "path": "/definitions/customFields/properties/_acme/required", "value": ["name"]}]`, "_acme.name was optional and would be required"},
		"narrow an enum":             {false, `[{"op": "remove", "path": "$/kind/enum/0"}]`, "_acme.kind would lose the enum value a"},
		"new enum":                   {false, `[{"op": "add", "path": "$/name/enum", "value": ["a"]}]`, "_acme.name would have an enum"},
		"another pattern":            {false, `[{"op": "replace", "path": "$/kind/pattern", "value": "^a"}]`, "_acme.kind would have another pattern"},
		"new pattern":                {false, `[{"op": "add", "path": "$/name/pattern", "value": "^a"}]`, "another pattern"},
		"lower a maximum":            {false, `[{"op": "replace", "path": "$/count/maximum", "value": 99}]`, "_acme.count would have a lower maximum"},
		"raise a minimum":            {false, `[{"op": "replace", "path": "$/count/minimum", "value": 1}]`, "_acme.count would have a higher minimum"},
		"new maximum":                {false, `[{"op": "add", "path": "$/rate/maximum", "value": 1}]`, "_acme.rate would have a lower maximum"},
		"lower maxLength":            {false, `[{"op": "replace", "path": "$/kind/maxLength", "value": 4}]`, "lower maxLength"},
		"new minLength":              {false, `[{"op": "add", "path": "$/name/minLength", "value": 1}]`, "higher minLength"},
		"remove a field group":       {true, `[{"op": "remove", "path": "/allOf/1"}]`, "_acme is gone"},
		"replace one by another":     {true, `[{"op": "replace", "path": "/allOf/1", "value": {"$ref": "$more"}}]`, "_acme.name is gone"},
		"another class":              {true, `[{"op": "replace", "path": "/allOf/0", "value": {"$ref": "https://ns.adobe.com/xdm/context/profile"}}]`, "its class can't be changed"},
		"a string becomes an object": {false, `[{"op": "replace", "path": "$/name", "value": {"type": "object", "properties": {"a": {"type": "string"}}}}]`, "_acme.name was string and would be object"},
	} {
		for _, why := range []string{"", "used", "union"} {
			t.Run(name+", "+why, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				want := c.want
				switch why {
				case "":
					want = ""
				case "used":
					if err := w.s.MarkUsed(t.Context(), w.c, w.schema); err != nil {
						t.Fatal(err)
					}
				case "union":
					w.identity(t)
					if err := w.patch(t, registry.Schemas, w.schema, enable); err != nil {
						t.Fatal(err)
					}
				}
				was, err := w.s.Composition(t.Context(), w.c, w.schema)
				if err != nil {
					t.Fatal(err)
				}
				typ, id := registry.FieldGroups, w.group
				if c.schema {
					typ, id = registry.Schemas, w.schema
				}
				err = w.patch(t, typ, id, c.patch)
				if want == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "can only grow, because ") || problem.KindOf(err) != problem.Invalid {
					t.Errorf("got %v; want %q in it", err, want)
				}
				is, err := w.s.Composition(t.Context(), w.c, w.schema)
				if diff := cmp.Diff(was, is); err != nil || diff != "" {
					t.Error("what was refused was done all the same: ", err, diff)
				}
			})
		}
	}
}

// What is enabled for a union stays so.
func TestUnionStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.patch(t, registry.Schemas, w.schema, enable); err == nil || !strings.Contains(err.Error(), "needs a primary identity") {
		t.Errorf("enabled without an identity: %v", err)
	}
	w.identity(t)
	if err := w.patch(t, registry.Schemas, w.schema, enable); err != nil {
		t.Fatal(err)
	}
	for _, patch := range []string{`[{"op": "remove", "path": "/meta:immutableTags"}]`, `[{"op": "remove", "path": "/meta:immutableTags/0"}]`} {
		if err := w.patch(t, registry.Schemas, w.schema, patch); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %v", patch, err)
		}
	}
	doc, err := w.s.Replace(t.Context(), w.c, registry.Schemas, w.schema, []byte(schema("S", w.class, w.group, w.more)))
	if err != nil || !strings.Contains(string(doc), `"meta:immutableTags":["union"]`) {
		t.Errorf("%s %v", doc, err)
	}
	if err := w.s.Delete(t.Context(), w.c, registry.Schemas, w.schema); problem.KindOf(err) != problem.Invalid {
		t.Errorf("deleted: %v", err)
	}
	all, err := w.s.DescriptorsByType(t.Context(), w.c, "xdm-id", registry.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.s.DeleteDescriptor(t.Context(), w.c, all["xdm:descriptorIdentity"][0].(string)); err == nil || !strings.Contains(err.Error(), "needs a primary identity") {
		t.Errorf("the identity was deleted: %v", err)
	}
	union, err := w.s.Lookup(t.Context(), w.c, registry.Tenant, registry.Unions, w.class+"__union", "xed-full")
	if err != nil || !strings.Contains(string(union), `"more":`) {
		t.Errorf("%s %v", union, err)
	}
}

// Two schemas whose fields do not go together can't take part in one union.
func TestUnionConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.identity(t)
	if err := w.patch(t, registry.Schemas, w.schema, enable); err != nil {
		t.Fatal(err)
	}
	clash := create(t, w.s, w.c, registry.FieldGroups, group("Clash", `{"name": {"type": "string"}, "count": {"type": "string"}}`))
	first := w.schema
	w.schema = create(t, w.s, w.c, registry.Schemas, schema("Two", w.class, clash))
	w.identity(t)
	if err := w.patch(t, registry.Schemas, w.schema, enable); err == nil || !strings.Contains(err.Error(), "_acme.count: it is byte in one place and string in another") {
		t.Errorf("%v", err)
	}
	if err := w.patch(t, registry.FieldGroups, clash, `[{"op": "remove", "path": "$/count"}]`); err != nil {
		t.Fatal(err)
	}
	if err := w.patch(t, registry.Schemas, w.schema, enable); err != nil {
		t.Fatal(err)
	}
	// And neither can grow into what the other has otherwise.
	w.schema = first
	if err := w.patch(t, registry.FieldGroups, clash, `[{"op": "add", "path": "$/rate", "value": {"type": "boolean"}}]`); err == nil || !strings.Contains(err.Error(), "_acme.rate: it is ") {
		t.Errorf("%v", err)
	}
}

// What is used can't be deleted.
func TestDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	for typ, id := range map[registry.Type]string{registry.Classes: w.class, registry.FieldGroups: w.group} {
		if err := w.s.Delete(ctx, w.c, typ, id); err == nil || !strings.Contains(err.Error(), "it is used by "+w.schema) {
			t.Errorf("%s: %v", typ, err)
		}
	}
	if err := w.s.Delete(ctx, w.c, registry.FieldGroups, w.more); err != nil {
		t.Error(err)
	}
	w.s.Users = func(_ context.Context, c access.Caller, id string) ([]string, error) {
		if id != w.schema || c.Sandbox.Name != "prod" {
			return nil, errors.New("asked for another one")
		}
		return []string{"Charges", "Archive"}, nil
	}
	if err := w.s.Delete(ctx, w.c, registry.Schemas, w.schema); err == nil || !strings.Contains(err.Error(), "it is used by Archive, Charges") {
		t.Error(err)
	}
	w.s.Users = nil
	if err := w.s.MarkUsed(ctx, w.c, w.schema); err != nil {
		t.Fatal(err)
	}
	if err := w.s.Delete(ctx, w.c, registry.Schemas, w.schema); err == nil || !strings.Contains(err.Error(), "data was stored of it") {
		t.Error(err)
	}
	w.s.Users = func(context.Context, access.Caller, string) ([]string, error) { return nil, nil }
	for typ, id := range map[registry.Type]string{registry.Schemas: w.schema} {
		if err := w.s.Delete(ctx, w.c, typ, id); err != nil {
			t.Error(err)
		}
	}
	for typ, id := range map[registry.Type]string{registry.Classes: w.class, registry.FieldGroups: w.group} {
		if err := w.s.Delete(ctx, w.c, typ, id); err != nil {
			t.Error(err)
		}
	}
	// Nothing of it is left that could be in the way of one of the same title.
	create(t, w.s, w.c, registry.Classes, class)
}

// Whoever keeps tables hears of every schema that a change reached.
func TestGrown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := create(t, w.s, w.c, registry.Schemas, schema("Two", w.class, w.group, w.more))
	var heard []string
	w.s.Grown = func(ctx context.Context, c access.Caller, id string) error {
		heard = append(heard, id)
		now, err := w.s.Composition(ctx, c, id)
		if err != nil {
			return err
		}
		field(t, field(t, now.Fields, "_acme").Fields, "new")
		return nil
	}
	if err := w.patch(t, registry.FieldGroups, w.group, `[{"op": "add", "path": "$/new", "value": {"type": "string"}}]`); err != nil {
		t.Fatal(err)
	}
	slices.Sort(heard)
	want := []string{w.schema, second}
	slices.Sort(want)
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Error(diff)
	}
	w.s.Grown = func(context.Context, access.Caller, string) error {
		return problem.Errorf(problem.Unavailable, "no disk")
	}
	err := w.patch(t, registry.FieldGroups, w.group, `[{"op": "add", "path": "$/newer", "value": {"type": "string"}}]`)
	if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "the registry has the change") {
		t.Error(err)
	}
}

// A patch changes what the client wrote and nothing that the registry says.
func TestPatchOfFixedMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"$id", "meta:altId", "meta:resourceType", "version", "imsOrg", "meta:class", "meta:registryMetadata", "meta:containerId", "meta:sandboxId"} {
		err := w.patch(t, registry.Schemas, w.schema, fmt.Sprintf(`[{"op": "replace", "path": "/%s", "value": "x"}]`, name))
		if err == nil || !strings.Contains(err.Error(), name+" can't be changed") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for patch, want := range map[string]string{
		`[{"op": "replace", "path": "", "value": 5}]`:           "a resource is an object",
		`[{"op": "replace", "path": "", "value": {}}]`:          "can't be changed",
		`[{"op": "remove", "path": "/title"}]`:                  "title is required",
		`[{"op": "remove", "path": "/allOf"}]`:                  "allOf is required",
		`[{"op": "replace", "path": "/type", "value": "list"}]`: "type is required",
		`[{"op": "test", "path": "/title", "value": "T"}]`:      "operation 1 of the patch",
		`[{"op": "replace", "path": "/title", "value": "S"},]`:  "line 1, column 52",
	} {
		if err := w.patch(t, registry.Schemas, w.schema, patch); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", patch, err, want)
		}
	}
	doc, err := w.s.Lookup(t.Context(), w.c, registry.Tenant, registry.Schemas, w.schema, "xed")
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(doc, &v); err != nil || v["version"] != "1.0" {
		t.Errorf("version %v after refusals: %v", v["version"], err)
	}
}
