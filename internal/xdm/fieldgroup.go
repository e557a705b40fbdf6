package xdm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A fieldGroup is an XDM field group as it is written in JSON. It is a
// template: its custom fields lie under the name tenantPlaceholder. The
// markers that XDM has no word for are the strings of meta:tributary.
type fieldGroup struct {
	ID               string   `json:"$id"`
	Title            string   `json:"title"`
	Description      string   `json:"description"`
	Type             string   `json:"type"`
	XDMType          string   `json:"meta:xdmType"`
	Extensible       bool     `json:"meta:extensible"`
	Abstract         bool     `json:"meta:abstract"`
	IntendedToExtend []string `json:"meta:intendedToExtend"`
	Definitions      struct {
		CustomFields node `json:"customFields"`
	} `json:"definitions"`
	AllOf []struct {
		Ref     string `json:"$ref"`
		Type    string `json:"type"`
		XDMType string `json:"meta:xdmType"`
	} `json:"allOf"`
}

const tenantPlaceholder = "_{TENANT}"

// A node is one field of a field group.
type node struct {
	Title       string     `json:"title"`
	Description string     `json:"description"`
	Type        string     `json:"type"`
	XDMType     string     `json:"meta:xdmType"`
	Minimum     int64      `json:"minimum"` // the bounds of an integer make it a long
	Maximum     int64      `json:"maximum"`
	Markers     []string   `json:"meta:tributary"`
	Enum        enum       `json:"meta:enum"`
	Properties  properties `json:"properties"`
	Items       *node      `json:"items"`
	Values      *node      `json:"additionalProperties"`
}

// An enum has the values that a string is known to take, by value with a title.
// It is open: XDM closes one by "enum", which Stripe's never are.
type enum map[string]string

// properties are the fields of an object in the order of the document, which
// is the order in which they are stored.
type properties []property

type property struct {
	name string
	node node
}

func (p *properties) UnmarshalJSON(data []byte) error {
	dec := strict(data)
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return errors.New("properties are not an object")
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		f := property{name: t.(string)} // the decoder refuses other keys
		if slices.ContainsFunc(*p, func(o property) bool { return o.name == f.name }) {
			return fmt.Errorf("%s stands twice", f.name)
		}
		if err := dec.Decode(&f.node); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		*p = append(*p, f)
	}
	return nil
}

// strict refuses members that a field group does not have, so that a slip of
// the pen is not taken for a field without a mark.
func strict(data []byte) *json.Decoder {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	return dec
}

// parse reads a field group.
func parse(data []byte) (*fieldGroup, error) {
	g := &fieldGroup{}
	if err := strict(data).Decode(g); err != nil {
		return nil, err
	}
	return g, nil
}

// custom returns the one object below the tenant namespace, which may be
// written as it is for one of the tenants given.
func (g *fieldGroup) custom(tenants ...string) (*Field, error) {
	namespace := g.Definitions.CustomFields.Properties
	if len(namespace) != 1 || len(namespace[0].node.Properties) != 1 ||
		namespace[0].name != tenantPlaceholder && !slices.Contains(tenants, strings.TrimPrefix(namespace[0].name, "_")) {
		return nil, fmt.Errorf("not one object under %s", tenantPlaceholder)
	}
	p := namespace[0].node.Properties[0]
	return p.node.field(p.name)
}

// The XDM types that are used, by the JSON type they go with.
var kinds = map[[2]string]Kind{
	{"string", "string"}:   String,
	{"integer", "long"}:    Long,
	{"number", "number"}:   Double,
	{"boolean", "boolean"}: Boolean,
	{"object", "object"}:   Object,
	{"array", "array"}:     Array,
	{"object", "map"}:      Map,
}

// The largest integers of an XDM long. A Long of ours holds 64 bits all the same.
const maxLong = 1<<53 - 1

// field turns a node into a Field and checks that what it says fits together.
func (n *node) field(name string) (*Field, error) {
	kind, ok := kinds[[2]string{n.Type, n.XDMType}]
	if !ok {
		return nil, fmt.Errorf("%s: no such type: %s with meta:xdmType %s", name, n.Type, n.XDMType)
	}
	f := &Field{Name: name, Title: n.Title, Description: n.Description, Kind: kind}
	if len(n.Enum) > 0 {
		if kind != String {
			return nil, fmt.Errorf("%s: a %s with meta:enum", name, kind)
		}
		f.Enum = slices.Sorted(maps.Keys(n.Enum))
	}
	if kind == Long && (n.Minimum != -maxLong || n.Maximum != maxLong) {
		return nil, fmt.Errorf("%s: the bounds are not those of a long", name)
	}
	if (kind == Object) != (len(n.Properties) > 0) || (kind == Array) != (n.Items != nil) || (kind == Map) != (n.Values != nil) {
		return nil, fmt.Errorf("%s: properties, items or additionalProperties do not go with %s", name, kind)
	}
	for _, p := range n.Properties {
		c, err := p.node.field(p.name)
		if err != nil {
			return nil, fmt.Errorf("%s.%w", name, err)
		}
		f.Fields = append(f.Fields, c)
	}
	for _, elem := range []*node{n.Items, n.Values} {
		if elem == nil {
			continue
		}
		var err error
		if f.Elem, err = elem.field(""); err != nil {
			return nil, fmt.Errorf("%s%s%w", name, elements, err)
		}
	}
	return f, f.mark(n.Markers)
}

func (f *Field) mark(markers []string) error {
	for _, m := range markers {
		want := String
		switch m {
		case "required":
			f.Required, want = true, f.Kind
		case "money":
			f.Money, want = true, Long
		case "identifier":
			f.Identifier = true
		case "json":
			f.JSON = true
		default:
			return fmt.Errorf("%s: unknown marker %q", f.Name, m)
		}
		if f.Kind != want {
			return fmt.Errorf("%s: a %s marked %s", f.Name, f.Kind, m)
		}
	}
	return nil
}
