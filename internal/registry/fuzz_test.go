package registry_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/registry"
)

// told fails on an error that is not the client's fault.
func told(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*gateway.Failure](err); err != nil && !ok && problem.KindOf(err) == problem.Internal {
		t.Fatal(err)
	}
}

// A header is taken for a format that there is, or refused.
func FuzzAccept(f *testing.F) {
	for _, a := range []string{acceptID, acceptRaw, "application/vnd.adobe.xed+json; version=1.3;q=2, */*", ";;version", "application/vnd.adobe.+json;version=\"", "application/vnd.adobe.xdm-v2-id+json"} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		list, err := registry.ListFormat(accept)
		told(t, err)
		lookup, err2 := registry.LookupFormat(accept)
		told(t, err2)
		desc, _, err3 := registry.DescriptorFormat(accept)
		told(t, err3)
		told(t, registry.AcceptDescriptor(accept))
		if err == nil && !slices.Contains([]string{"xed-id", "xed", "xdm"}, list) || err2 == nil && !strings.HasPrefix(lookup, "x") || err3 == nil && !strings.HasPrefix(desc, "xdm") {
			t.Errorf("%q is %q, %q, %q", accept, list, lookup, desc)
		}
	})
}

// Whatever is sent: it is taken, and then it can be read in every form, or it
// is refused as the client's fault.
func FuzzBody(f *testing.F) {
	w := newWorld(f)
	for _, body := range []string{
		class, group("G", before), schema("S", w.class, w.group), `{"type": "object", "title": "D", "properties": {"a": {"$ref": "#/definitions/b"}}, "definitions": {"b": {"$ref": "#/definitions/b"}}, "allOf": []}`,
		`{"type": "array", "title": "L", "items": {"type": "array", "items": {"type": "string"}}}`, `{"type": "object", "title": "X", "allOf": [{"$ref": "#"}, {"required": ["a"]}], "meta:xdmType": 5}`,
		`{"type": "object", "title": "X", "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b", "b"]}}, "$ref": "x"}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, typ := range []registry.Type{registry.Classes, registry.FieldGroups, registry.DataTypes, registry.Schemas} {
			doc, err := w.s.Create(t.Context(), w.c, typ, []byte(body))
			told(t, err)
			if err != nil {
				continue
			}
			for _, format := range []string{"xed", "xdm", "xed-full", "xed-notext", "xed-full-notext", "xed-full-desc", "xed-deprecatefield"} {
				got, err := w.s.Lookup(t.Context(), w.c, registry.Tenant, typ, id(t, doc), format)
				if err != nil || !json.Valid(got) {
					t.Fatalf("%s: %s %v", format, got, err)
				}
			}
			if _, err := w.s.Replace(t.Context(), w.c, typ, id(t, doc), doc); err != nil {
				t.Fatalf("%s: what was answered is refused: %v", doc, err)
			}
			if err := w.s.Delete(t.Context(), w.c, typ, id(t, doc)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := w.s.CreateDescriptor(t.Context(), w.c, []byte(body))
		told(t, err)
		_, err = w.s.Import(t.Context(), w.c, []byte("["+body+"]"))
		told(t, err)
	})
}

func FuzzPatchOfResource(f *testing.F) {
	w := newWorld(f)
	f.Add(`[{"op": "add", "path": "/definitions/customFields/properties/_acme/properties/x", "value": {"type": "string"}}]`)
	f.Add(`[{"op": "move", "from": "/definitions", "path": "/properties"}]`)
	f.Add(`[{"op": "copy", "from": "", "path": "/definitions/x"}, {"op": "remove", "path": "/allOf/0"}]`)
	f.Add(`[{"op": "replace", "path": "/allOf/0/$ref", "value": "#/definitions"}]`)
	f.Fuzz(func(t *testing.T, patch string) {
		for typ, full := range map[registry.Type]string{registry.FieldGroups: w.group, registry.Schemas: w.schema, registry.Classes: w.class} {
			_, err := w.s.Patch(t.Context(), w.c, typ, full, []byte(patch))
			told(t, err)
		}
		if _, err := w.s.Composition(t.Context(), w.c, w.schema); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzQuery(f *testing.F) {
	w := newWorld(f)
	for _, q := range []string{"orderby=title,-version&limit=1&start=A", "property=title~^S&property=meta:class", "orderby=updated&start=x&limit=0", "orderby=-,+,%20", "property=meta:registryMetadata.eTag!=1"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		q, err := registry.ParseQuery(values)
		if err != nil {
			told(t, err)
			return
		}
		page, err := w.s.List(t.Context(), w.c, registry.Tenant, registry.FieldGroups, "xed", q)
		if err != nil {
			t.Fatal(err)
		}
		// Following the pages comes to an end.
		for range 5 {
			if page.Next == "" {
				return
			}
			q.Start = page.Next
			if page, err = w.s.List(t.Context(), w.c, registry.Tenant, registry.FieldGroups, "xed", q); err != nil {
				t.Fatal(err)
			}
		}
		t.Fatalf("%q: no end of pages", query)
	})
}

// Data types that refer to each other in any way make no endless work.
func FuzzReferences(f *testing.F) {
	f.Add([]byte{1, 2, 3, 0, 1, 2})
	f.Add([]byte{0, 0, 0, 0, 255, 17, 4, 4, 4, 9})
	w := newWorld(f)
	var ids []string
	for _, title := range []string{"A", "B", "C", "D", "E"} {
		ids = append(ids, create(f, w.s, w.c, registry.DataTypes, `{"type": "object", "title": "`+title+`", "properties": {}}`))
	}
	f.Fuzz(func(t *testing.T, edges []byte) {
		for i, e := range edges {
			if i > 5 { // what earlier inputs added is there still
				break
			}
			from, to := ids[int(e)%5], ids[int(e/5)%5]
			name := string(rune('a' + e/25%5))
			value := `{"$ref": "` + to + `"}`
			if e >= 200 {
				value = `{"type": "array", "items": {"$ref": "` + to + `"}}`
			}
			_, err := w.s.Patch(t.Context(), w.c, registry.DataTypes, from, []byte(`[{"op": "add", "path": "/properties/`+name+`", "value": `+value+`}]`))
			told(t, err)
		}
		// One of them: what grew to thousands of fields takes its time, and another
		// input looks at another.
		if _, err := w.s.Lookup(t.Context(), w.c, registry.Tenant, registry.DataTypes, ids[len(edges)%5], "xed-full"); err != nil {
			t.Fatal(err)
		}
	})
}
