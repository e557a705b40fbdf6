package webui

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// A schemaDoc is a schema with all that it refers to in its place.
type schemaDoc struct {
	schemaItem

	Properties  map[string]fieldDoc `json:"properties"`
	Required    []string            `json:"required"`
	Descriptors []struct {
		Type      string `json:"@type"`
		Property  any    `json:"xdm:sourceProperty"` // a path, or several
		Namespace string `json:"xdm:namespace"`
		Primary   bool   `json:"xdm:isPrimary"`
	} `json:"meta:descriptors"`
}

// A fieldDoc is a field of a schema.
type fieldDoc struct {
	Title       string              `json:"title"`
	Description string              `json:"description"`
	Type        string              `json:"type"`
	XDMType     string              `json:"meta:xdmType"`
	Format      string              `json:"format"`
	Properties  map[string]fieldDoc `json:"properties"`
	Items       *fieldDoc           `json:"items"`
	Values      json.RawMessage     `json:"additionalProperties"` // a field, or whether there may be others
	Required    []string            `json:"required"`
	Status      string              `json:"meta:status"`
}

// inside returns the fields of what a list or a map has, and how that reads.
func (f fieldDoc) inside() (fieldDoc, string) {
	if f.Items != nil {
		of, kind := f.Items.inside()
		return of, kind + "[]"
	}
	var of fieldDoc
	if len(f.Properties) == 0 && len(f.Values) > 0 && f.Values[0] == '{' && json.Unmarshal(f.Values, &of) == nil {
		of, kind := of.inside()
		return of, "map<" + kind + ">"
	}
	switch {
	case f.XDMType != "":
		return f, f.XDMType
	case f.Format == "date-time" || f.Format == "date":
		return f, f.Format
	}
	return f, f.Type
}

// A schemaField is a field as the page shows it.
type schemaField struct {
	Name        string
	Type        string
	Title       string
	Description string
	Required    bool
	Deprecated  bool
	Identity    string // namespace of the identity that it is; empty for none
	Primary     bool
	Open        bool
	Fields      []schemaField
}

// schemaView is what the page of a schema shows.
type schemaView struct {
	Schema schemaItem
	Fields []schemaField
	Count  int // of fields without fields of their own
}

func (r *request) showSchema() error {
	s, err := r.schemaDoc(r.http.PathValue("schema"))
	if err != nil {
		return err
	}
	v := schemaView{Schema: s.schemaItem}
	v.Fields, v.Count = s.fields()
	return r.show("schema", v)
}

// schemaDoc returns a schema by its id, or by the other one.
func (r *request) schemaDoc(id string) (*schemaDoc, error) {
	s := new(schemaDoc)
	err := r.call(call{
		Path: registryAPI + "/tenant/schemas/" + escape(id), Header: http.Header{"Accept": {"application/vnd.adobe.xed-full-desc+json; version=1"}},
	}, s)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// An identity is what a descriptor says of a field.
type identity struct {
	namespace string
	primary   bool
}

// fields returns the tree of fields, and how many are values.
func (s *schemaDoc) fields() ([]schemaField, int) {
	identities := map[string]identity{}
	for _, d := range s.Descriptors {
		if path, ok := d.Property.(string); ok && d.Type == "xdm:descriptorIdentity" {
			identities[path] = identity{d.Namespace, d.Primary}
		}
	}
	return fieldsOf(s.Properties, s.Required, "", 0, identities)
}

// deepest is how deep the page of a schema shows its fields.
const deepest = 24

func fieldsOf(properties map[string]fieldDoc, required []string, path string, depth int, identities map[string]identity) (all []schemaField, n int) {
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		doc := properties[name]
		of, kind := doc.inside()
		at := path + "/" + name
		f := schemaField{
			Name: name, Type: kind, Title: doc.Title, Description: doc.Description, Required: slices.Contains(required, name), Deprecated: doc.Status == "deprecated",
			// What everything of a tenant's is in tells nothing while it is closed.
			Open: depth == 0 && strings.HasPrefix(name, "_"),
		}
		if id, ok := identities[at]; ok {
			f.Identity, f.Primary = id.namespace, id.primary
		}
		values := 1
		if len(of.Properties) > 0 && depth < deepest {
			f.Fields, values = fieldsOf(of.Properties, of.Required, at, depth+1, identities)
		}
		n += values
		all = append(all, f)
	}
	return all, n
}
