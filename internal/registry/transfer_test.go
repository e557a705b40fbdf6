package registry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/registry"
)

// What is exported from one sandbox is, imported into another or into another
// organisation, the same there.
func TestTransfer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seed(t, w.s, w.c)
	city := create(t, w.s, w.c, registry.DataTypes, `{"type": "object", "title": "City", "properties": {"name": {"type": "string"}}}`)
	if err := w.patch(t, registry.FieldGroups, w.group, `[{"op": "add", "path": "$/city", "value": {"$ref": "`+city+`"}}]`); err != nil {
		t.Fatal(err)
	}
	docs, err := w.s.Export(t.Context(), w.c, w.schema)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(docs)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(payload); strings.Contains(text, "acme") || !strings.Contains(text, `\u003cXDM_TENANTID_PLACEHOLDER\u003e/mixins/`) || len(docs) != 4 {
		t.Errorf("%s", payload)
	}
	want, err := w.s.Composition(t.Context(), w.c, w.schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		caller  string
		schemas int
	}{{"dev", 1}, {"other", 1}} {
		to, tenant := gatewaytest.Admin("dev"), "acme"
		if c.caller == "other" {
			to, tenant = other("prod"), "other"
		}
		for range 2 { // once more changes nothing
			got, err := w.s.Import(t.Context(), to, payload)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 4 || id(t, got[3]) != strings.Replace(w.schema, "acme", tenant, 1) {
				t.Errorf("%s", got)
			}
		}
		comp, err := w.s.Composition(t.Context(), to, w.schema[strings.LastIndex(w.schema, "/")+1:])
		if err != nil {
			t.Fatal(err)
		}
		comp.ID = w.schema
		for _, f := range comp.Fields {
			f.Name = strings.Replace(f.Name, "_"+tenant, "_acme", 1)
		}
		if diff := cmp.Diff(want, comp); diff != "" {
			t.Error(diff)
		}
		back, err := w.s.Export(t.Context(), to, w.schema[strings.LastIndex(w.schema, "/")+1:])
		if err != nil {
			t.Fatal(err)
		}
		strip := func(docs []json.RawMessage) (all []map[string]any) {
			for _, d := range docs {
				var m map[string]any
				if err := json.Unmarshal(d, &m); err != nil {
					t.Fatal(err)
				}
				delete(m, "meta:sandboxId")
				all = append(all, m)
			}
			return all
		}
		if diff := cmp.Diff(strip(docs), strip(back)); diff != "" {
			t.Error(diff)
		}
	}
}

// What every sandbox has is used, not made a second time: a schema on the
// class of Stripe's objects goes over to an organisation that has it as well.
func TestTransferOfTemplates(t *testing.T) {
	t.Parallel()
	s := empty(t)
	from, to := gatewaytest.Admin("prod"), other("prod")
	seed(t, s, from)
	seed(t, s, to)
	sums, err := s.Summaries(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	mine := create(t, s, from, registry.Schemas, schema("Mine", sums[0].Class))
	docs, err := s.Export(t.Context(), from, mine)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(docs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(t.Context(), to, payload); err != nil {
		t.Fatal(err)
	}
	there, err := s.Summaries(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	if got := there[len(there)-1]; len(there) != 7 || got.Title != "Mine" || got.Class != there[0].Class || got.ClassTitle != "Stripe object" {
		t.Errorf("%+v", there)
	}
}

func TestImportRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	docs, err := w.s.Export(t.Context(), w.c, w.group)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(docs[len(docs)-1])
	hex := w.group[strings.LastIndex(w.group, "/")+1:]
	for name, c := range map[string]struct{ payload, want string }{
		"another text":   {strings.Replace(doc, `"title":"Name"`, `"title":"Nom"`, 1), "$id must be unique"},
		"title taken":    {strings.ReplaceAll(strings.Replace(doc, `"title":"Name"`, `"title":"Nom"`, 1), hex, strings.Repeat("0", 48)), "Failed to import resources. Error: Title must be unique. An object " + w.group + " already exists with the same title"},
		"twice":          {doc + "," + doc, "stands there twice"},
		"no id":          {`{}`, `$id "" is none`},
		"another tenant": {strings.ReplaceAll(doc, "<XDM_TENANTID_PLACEHOLDER>", "foreign"), "is none of a resource"},
		"a behavior":     {`{"$id": "` + record + `"}`, "is none of a resource"},
		"no hex":         {strings.ReplaceAll(doc, hex, "../../x"), "is none of a resource"},
		"needs a class":  {`{"$id": "https://ns.adobe.com/acme/schemas/` + strings.Repeat("0", 48) + `", "type": "object", "title": "T", "allOf": [{"$ref": "https://ns.adobe.com/acme/classes/` + strings.Repeat("1", 48) + `"}]}`, "does not exist"},
		"a circle":       {`{"$id": "https://ns.adobe.com/acme/datatypes/` + strings.Repeat("0", 48) + `", "type": "object", "title": "S", "properties": {"a": {"$ref": "https://ns.adobe.com/acme/datatypes/` + strings.Repeat("0", 48) + `"}}}`, "refers to itself"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := w.s.Import(t.Context(), w.c, []byte("["+c.payload+"]"))
			if err == nil || !strings.Contains(err.Error(), c.want) || problem.KindOf(err) != problem.Invalid {
				t.Errorf("got %v; want %q in it", err, c.want)
			}
		})
	}
}

// A sample fits its schema, limits and all.
func TestSample(t *testing.T) {
	t.Parallel()
	s, c := empty(t), gatewaytest.Admin("prod")
	g := create(t, s, c, registry.FieldGroups, group("G", `{
		"s": {"type": "string"}, "long": {"type": "string", "minLength": 9}, "short": {"type": "string", "maxLength": 2}, "closed": {"type": "string", "enum": ["z", "y"]},
		"open": {"type": "string", "meta:enum": {"q": "Q"}}, "code": {"type": "string", "pattern": "^[A-Z]{3}-\\d+(x|y)$"}, "never": {"type": "string", "pattern": "^a$", "minLength": 5},
		"d": {"type": "string", "format": "date"}, "t": {"type": "string", "format": "date-time"}, "b": {"type": "boolean"}, "n": {"type": "number", "maximum": 1.5},
		"i": {"type": "integer", "minimum": 50, "maximum": 60}, "m": {"type": "object", "additionalProperties": {"type": "integer"}}, "a": {"type": "array", "items": {"type": "string"}}}`))
	sc := create(t, s, c, registry.Schemas, schema("S", create(t, s, c, registry.Classes, class), g))
	got, err := s.Sample(t.Context(), c, sc)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"_id":"sample","_acme":{"s":"sample","long":"samplexxx","short":"sa","closed":"y","open":"q","code":"AAA-0x","d":"2026-01-31","t":"2026-01-31T12:00:00.000Z","b":true,"n":1.5,"i":50,"m":{"key":42},"a":["sample"]}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

// The log says who did what, of the resource and of what it is made of.
func TestAuditLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.patch(t, registry.FieldGroups, w.group, `[{"op": "remove", "path": "$/count"}, {"op": "add", "path": "$/new", "value": {"type": "string"}}]`); err != nil {
		t.Fatal(err)
	}
	log, err := w.s.AuditLog(t.Context(), w.c, w.schema)
	if err != nil {
		t.Fatal(err)
	}
	if len(log) != 4 { // three were made, one was changed
		t.Fatalf("%d entries", len(log))
	}
	first := log[0]
	if first.ID != w.group || first.User != w.c.User || first.Client != w.c.Client || first.Org != w.c.Org || first.Sandbox != w.c.Sandbox.ID || first.Request != "test" {
		t.Errorf("%+v", first)
	}
	const at = "/definitions/customFields/properties/_acme/properties/"
	want := []registry.Update{
		{ID: w.group, Type: registry.FieldGroups, Action: "remove", Path: at + "count", Value: json.RawMessage(`{"type":"integer","minimum":0,"maximum":100,"meta:xdmType":"byte"}`)},
		{ID: w.group, Type: registry.FieldGroups, Action: "add", Path: at + "new", Value: json.RawMessage(`{"type":"string","meta:xdmType":"string"}`)},
	}
	if diff := cmp.Diff(want, first.Updates); diff != "" {
		t.Error(diff)
	}
	// What comes again under the id of something deleted begins anew.
	docs, err := w.s.Export(t.Context(), w.c, w.more)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.s.Delete(t.Context(), w.c, registry.FieldGroups, w.more); err != nil {
		t.Fatal(err)
	}
	if _, err := w.s.Import(t.Context(), w.c, append(append([]byte("["), docs[0]...), ']')); err != nil {
		t.Fatal(err)
	}
	if again, err := w.s.AuditLog(t.Context(), w.c, w.more); err != nil || len(again) != 1 {
		t.Errorf("%+v %v", again, err)
	}
	if log[1].ID != w.schema || log[1].Updates[0].Action != "add" {
		t.Errorf("%+v", log[1])
	}
}
