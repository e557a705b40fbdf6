package webui

import (
	"bytes"
	"encoding/json"

	"github.com/tributary-data/tributary/internal/jsondoc"
)

// maxFields is how many fields of a structure the page offers.
const maxFields = 5000

// targetFields lists the fields of a composed schema by path, and those of
// them that each record must have.
func targetFields(o *jsondoc.Object, at string, must bool, all []fieldPath, required []string) ([]fieldPath, []string) {
	properties := o.Object("properties")
	if properties == nil {
		return all, required
	}
	needed := map[string]bool{}
	names, _ := o.Get("required").([]any)
	for _, name := range names {
		if text, ok := name.(string); ok {
			needed[text] = must
		}
	}
	for name, v := range properties.All() {
		field, ok := v.(*jsondoc.Object)
		if !ok || len(all) >= maxFields {
			continue
		}
		path := at + name
		kind := field.Text("meta:xdmType")
		if kind == "" {
			kind = field.Text("type")
		}
		all = append(all, fieldPath{path, kind})
		if needed[name] && field.Object("properties") == nil {
			required = append(required, path)
		}
		all, required = targetFields(field, path+".", needed[name], all, required)
	}
	return all, required
}

// sourceFields lists the fields of the source by path.
func sourceFields(nodes []previewNode, at string, all []fieldPath) []fieldPath {
	for _, n := range nodes {
		if len(all) >= maxFields {
			break
		}
		all = append(all, fieldPath{at + n.Name, n.Type})
		if n.Type != "array" {
			all = sourceFields(n.Fields, at+n.Name+".", all)
		}
	}
	return all
}

// indented lays JSON out in lines.
func indented(text json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return string(text)
	}
	return b.String()
}
