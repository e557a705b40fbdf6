package webui

import (
	"hash/fnv"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// A targetNode is a field of the schema that a mapping writes.
type targetNode struct {
	Name     string
	Path     string // as rules write it
	Key      string
	Type     string
	About    string
	Required bool
	Identity bool
	Primary  bool // identity
	Fields   []*targetNode
}

// A targetSchema is what the rules of a draft write into.
type targetSchema struct {
	ID     string
	Title  string
	Fields []*targetNode
	all    map[string]*targetNode // by key
}

// elementKey is the step of a key that leads to the elements of a list.
const elementKey = "[]"

// sourceKey names the field of a source path whatever its spelling and indexes,
// "" of what is no path.
func sourceKey(text string) string {
	path, err := expr.ParsePath(text)
	if err != nil {
		return ""
	}
	return keyOf(path)
}

func keyOf(path expr.Path) string {
	var steps []string
	for _, s := range path {
		if s.Name == "" {
			steps = append(steps, elementKey)
		} else {
			steps = append(steps, s.Name)
		}
	}
	return strings.Join(steps, "/")
}

// targetKey names the field of a target path. The name of a tenant, in front, may
// have characters that stand in no other name.
func targetKey(text string) string {
	text = strings.TrimSpace(text)
	if key := sourceKey(text); key != "" || text == "" {
		return key
	}
	first, rest, _ := strings.Cut(text, ".")
	if key := sourceKey(rest); key != "" {
		return first + "/" + key
	}
	return "?" + text // it leads nowhere, and is like no other
}

// covers says whether a key is another one, or what that is part of.
func covers(whole, part string) bool {
	return whole == part || strings.HasPrefix(part, whole+"/")
}

// anchor is the id on the page of what belongs to a key.
func anchor(prefix, key string) string {
	h := fnv.New64a()
	_, _ = h.Write([]byte(key))
	return prefix + strconv.FormatUint(h.Sum64(), 36)
}

// schemaRef names a schema to Data Prep.
func schemaRef(id string) map[string]any {
	return map[string]any{"schemaRef": map[string]any{"id": id, "contentType": contentType}}
}

// mappingSchema returns the $id of the schema that the draft's rules are for. Of a
// template it is a schema that is nothing but the template.
func (r *request) mappingSchema(d *draft) (string, error) {
	if d.Dataset != "" {
		set, err := r.dataset(d.Dataset)
		return set.SchemaID, err
	}
	if !strings.HasPrefix(d.Schema, templatePrefix) {
		return d.Schema, nil
	}
	group, err := r.registered("fieldgroups", resourceAt(d.ResourcePath).Template)
	if err != nil {
		return "", err
	}
	class, err := r.registered("classes", "Stripe object")
	if err != nil {
		return "", err
	}
	var got struct {
		Results []struct {
			ID    string `json:"$id"`
			Parts []struct {
				Ref string `json:"$ref"`
			} `json:"allOf"`
		} `json:"results"`
	}
	err = r.call(call{
		Path: registryAPI + "/tenant/schemas", Query: url.Values{"orderby": {"created"}, "limit": {"500"}},
		Header: http.Header{"Accept": {"application/vnd.adobe.xed+json"}},
	}, &got)
	if err != nil {
		return "", err
	}
	for _, s := range got.Results {
		refs := map[string]bool{}
		for _, p := range s.Parts {
			refs[p.Ref] = true
		}
		if len(refs) == 2 && refs[group] && refs[class] {
			return s.ID, nil
		}
	}
	return r.makeSchema(d) // as the last step would; that takes it over
}

// readTarget makes the tree of a schema as Data Prep tells it.
func (r *request) readTarget(id string, doc *jsondoc.Object) (*targetSchema, error) {
	s := &targetSchema{ID: id, Title: doc.Text("title"), all: map[string]*targetNode{}}
	s.Fields = s.read(doc, "")
	var got map[string][]struct {
		Property string `json:"xdm:sourceProperty"`
		Primary  bool   `json:"xdm:isPrimary"`
	}
	err := r.call(call{
		Path: registryAPI + "/tenant/descriptors", Header: http.Header{"Accept": {"application/vnd.adobe.xdm+json"}},
		Query: url.Values{"property": {"xdm:sourceSchema==" + id, "@type==xdm:descriptorIdentity"}},
	}, &got)
	if missing(err, http.StatusForbidden) {
		err = nil // which fields are identities is not for them to know
	}
	for _, all := range got {
		for _, d := range all {
			if n := s.all[strings.Trim(strings.ReplaceAll(d.Property, "/items/", "/"+elementKey+"/"), "/")]; n != nil {
				n.Identity, n.Primary = true, d.Primary
			}
		}
	}
	return s, err
}

// read reads the fields of an object, or of the objects of a list.
func (s *targetSchema) read(o *jsondoc.Object, path string) []*targetNode {
	if items := o.Object("items"); items != nil {
		return s.read(items, path+"[*]")
	}
	properties := o.Object("properties")
	if properties == nil {
		return nil
	}
	required := o.Texts("required")
	var all []*targetNode
	for name, v := range properties.All() {
		field, ok := v.(*jsondoc.Object)
		if !ok {
			continue
		}
		n := &targetNode{Name: name, Path: name, Type: typeOf(field), Required: slices.Contains(required, name), About: field.Text("description")}
		if path != "" {
			n.Path = path + "." + expr.Path{{Name: name}}.String()
		}
		n.Key = targetKey(n.Path)
		s.all[n.Key] = n
		n.Fields = s.read(field, n.Path)
		all = append(all, n)
	}
	return all
}

// at returns the field of a target path; nil if there is none.
func (s *targetSchema) at(path string) *targetNode { return s.all[targetKey(path)] }

// identities are the keys of the fields that are identities, sorted.
func (s *targetSchema) identities() []string {
	var keys []string
	for key, n := range s.all {
		if n.Identity {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Paths are those of all fields, sorted.
func (s *targetSchema) Paths() []string {
	var all []string
	for n := range maps.Values(s.all) {
		all = append(all, n.Path)
	}
	slices.Sort(all)
	return all
}
