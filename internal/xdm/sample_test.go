package xdm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

// Every field of Stripe's published samples has a place in the schema that
// can hold its value.
func TestSamplesFit(t *testing.T) {
	t.Parallel()
	type sample struct {
		resource, under, file, object string
		// expanded are paths where the sample has an object in the place of
		// its id.
		expanded []string
	}
	var samples []sample
	for _, resource := range Resources {
		samples = append(samples, sample{resource: resource, file: "seed/" + resource + ".json"})
	}
	for _, file := range []string{"fixtures/pre_basil.json", "fixtures/current.json"} {
		samples = append(samples,
			sample{resource: "charges", file: file, object: "charge", expanded: []string{"transfer_data.destination"}},
			sample{resource: "subscriptions", file: file, object: "subscription", expanded: []string{"transfer_data.destination"}},
			sample{resource: "subscriptions", file: file, object: "subscription_item", under: "items.data[]"},
			sample{resource: "subscriptions", file: file, object: "plan", under: "items.data[].plan"},
			sample{resource: "subscriptions", file: file, object: "discount", under: "discount"},
			sample{resource: "refunds", file: file, object: "refund"},
			sample{resource: "balance_transactions", file: file, object: "balance_transaction"},
			sample{resource: "customers", file: file, object: "customer"},
			sample{resource: "customers", file: file, object: "discount", under: "discount"},
			sample{resource: "prices", file: file, object: "price"},
		)
	}
	schemas := load(t)
	for _, s := range samples {
		t.Run(s.file+"/"+s.object+"/"+s.under, func(t *testing.T) {
			t.Parallel()
			schema := schemas[s.resource]
			object := &Field{Name: schema.Group, Kind: Object, Fields: schema.Fields}
			if s.under != "" {
				object = lookup(t, schema, s.under)
			}
			for _, misfit := range fit(s.under, object, read(t, s.file, s.object)) {
				if !slices.Contains(s.expanded, misfit.path) {
					t.Errorf("%s: %s", misfit.path, misfit.reason)
				}
			}
		})
	}
}

func read(t *testing.T, file, object string) any {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if object == "" {
		return v
	}
	o, ok := v[object]
	if !ok {
		t.Fatalf("%s has no %s", file, object)
	}
	return o
}

type misfit struct{ path, reason string }

// fit compares a JSON value with the field that is to hold it.
func fit(path string, f *Field, v any) []misfit {
	wrong := []misfit{{path, fmt.Sprintf("%T in a %s", v, f.Kind)}}
	if v == nil {
		if f.Required {
			return []misfit{{path, "is null"}}
		}
		return nil
	}
	if f.JSON {
		return nil
	}
	switch v := v.(type) {
	case string:
		if f.Kind == String {
			return nil
		}
	case bool:
		if f.Kind == Boolean {
			return nil
		}
	case json.Number:
		_, err := v.Int64()
		if f.Kind == Double || f.Kind == Long && err == nil {
			return nil
		}
	case []any:
		if f.Kind != Array {
			return wrong
		}
		var all []misfit
		for _, e := range v {
			all = append(all, fit(path+"[]", f.Elem, e)...)
		}
		return all
	case map[string]any:
		return fitObject(path, f, v, wrong)
	}
	return wrong
}

func fitObject(path string, f *Field, object map[string]any, wrong []misfit) []misfit {
	if f.Kind != Object && f.Kind != Map {
		return wrong
	}
	var all []misfit
	for name, v := range object {
		p := name
		if path != "" {
			p = path + "." + name
		}
		member := f.Elem
		if f.Kind == Object {
			i := slices.IndexFunc(f.Fields, func(c *Field) bool { return c.Name == name })
			if i < 0 {
				all = append(all, misfit{p, "is not in the schema"})
				continue
			}
			member = f.Fields[i]
		}
		all = append(all, fit(p, member, v)...)
	}
	for _, c := range f.Fields {
		if _, ok := object[c.Name]; !ok && c.Required {
			all = append(all, misfit{c.Name, "is missing"})
		}
	}
	return all
}
