// Package openapitest holds answers of the services against the OpenAPI files
// that Experience Platform publishes, and OpenFeature (OFREP).
package openapitest

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/oasdiff/yaml"
)

//go:embed testdata/*.yaml
var files embed.FS

// A Document is the description of one service.
type Document struct {
	doc  *openapi3.T
	name string
}

// Load reads the description of a service: catalog, schema-registry, ….
func Load(t testing.TB, name string) *Document {
	t.Helper()
	data, err := files.ReadFile("testdata/" + name + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	mend(tree)
	if text, err = json.Marshal(tree); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if bytes.HasPrefix(data, []byte("swagger:")) {
		var old openapi2.T
		if err := json.Unmarshal(text, &old); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		doc, err := openapi2conv.ToV3(&old)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return &Document{doc, name}
	}
	doc, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return &Document{doc, name}
}

// Paths returns the paths that the description has.
func (d *Document) Paths() []string { return d.doc.Paths.InMatchingOrder() }

// An Operation is one that a description has.
type Operation struct {
	Method string
	Path   string // the description's own, with its names in braces
	At     string // the same behind the path of the server, without a slash at its end
	// Statuses are those of its answers that the description names.
	Statuses []int
}

// Operations returns all that the description has.
func (d *Document) Operations() []Operation {
	base := ""
	if len(d.doc.Servers) > 0 {
		_, rest, _ := strings.Cut(d.doc.Servers[0].URL, "//")
		if at := strings.IndexByte(rest, '/'); at >= 0 {
			base = rest[at:]
		}
	}
	var all []Operation
	for path, item := range d.doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := Operation{Method: method, Path: path, At: strings.TrimSuffix(base+path, "/")}
			for name := range op.Responses.Map() {
				if status, err := strconv.Atoi(name); err == nil {
					o.Statuses = append(o.Statuses, status)
				}
			}
			all = append(all, o)
		}
	}
	return all
}

// Check says what is wrong with an answer to an operation, nil for nothing.
// The path is the description's own, with its names in braces.
func (d *Document) Check(method, path string, status int, body []byte) error {
	if faults := d.Faults(method, path, status, body); len(faults) > 0 {
		return fmt.Errorf("%s: %s %s %d: %s", d.name, method, path, status, strings.Join(faults, "; "))
	}
	return nil
}

// Faults returns all that is wrong with an answer to an operation.
func (d *Document) Faults(method, path string, status int, body []byte) []string {
	item := d.doc.Paths.Value(path)
	if item == nil {
		return []string{"there is no such path"}
	}
	op := item.GetOperation(strings.ToUpper(method))
	if op == nil {
		return []string{"there is no such operation"}
	}
	answer := op.Responses.Value(strconv.Itoa(status))
	if answer == nil {
		answer = op.Responses.Default()
	}
	if answer == nil {
		return []string{"there is no such status"}
	}
	if method == http.MethodHead || status == http.StatusNoContent && len(body) == 0 {
		return nil
	}
	var faults []string
	for kind, media := range answer.Value.Content {
		if media.Schema == nil || media.Schema.Value == nil || !strings.Contains(kind, "json") {
			continue
		}
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			return []string{err.Error()}
		}
		if err := media.Schema.Value.VisitJSON(v, openapi3.MultiErrors()); err != nil {
			faults = append(faults, reasons(err)...)
		}
	}
	return faults
}

// mend puts right what is wrong in the files and keeps them from being read:
// references that begin with /#, and arrays whose items are called properties. And that
// one of OFREP's kinds of flags allows what all others do, so that no answer is of one kind:
// it is the one without a value.
func mend(node any) {
	switch n := node.(type) {
	case []any:
		for _, e := range n {
			mend(e)
		}
	case map[string]any:
		if ref, ok := n["$ref"].(string); ok && strings.HasPrefix(ref, "/#") {
			n["$ref"] = "#/" + strings.TrimPrefix(ref, "/#")
		}
		if p, ok := n["properties"].(map[string]any); ok && n["type"] == "array" {
			delete(n, "properties")
			if _, ok := p["type"].(string); ok {
				n["items"] = p
			} else {
				n["items"] = map[string]any{"type": "object", "properties": p}
			}
		}
		if _, ok := n["codeDefaultFlag"]; ok {
			n["codeDefaultFlag"] = map[string]any{"type": "object", "not": map[string]any{"required": []any{"value"}}}
			delete(n, "integerFlag") // whose values are floatFlag's, too
		}
		if kinds, ok := n["oneOf"].([]any); ok {
			n["oneOf"] = slices.DeleteFunc(kinds, func(kind any) bool {
				ref, ok := kind.(map[string]any)
				return ok && ref["$ref"] == "#/components/schemas/integerFlag"
			})
		}
		for _, e := range n {
			mend(e)
		}
	}
}

// reasons tells what is wrong where, without the schema and the value.
func reasons(err error) []string {
	if many, ok := errors.AsType[openapi3.MultiError](err); ok {
		var all []string
		for _, e := range many {
			all = append(all, reasons(e)...)
		}
		return all
	}
	if one, ok := errors.AsType[*openapi3.SchemaError](err); ok {
		return []string{"/" + strings.Join(one.JSONPointer(), "/") + ": " + one.Reason}
	}
	return []string{err.Error()}
}
