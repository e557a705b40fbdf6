package xdm

import (
	"bytes"
	"encoding/json"
	"strings"
)

// A Suggestion is a field that an extension could add.
type Suggestion struct {
	Path  string // as in Lookup
	Field *Field
}

// Suggest writes the field group of an extension with the fields given, of
// which those are left out that could not be in one: below a map, below
// something unknown, or of a name that is none. It returns nil when nothing is
// left.
func (s *Schema) Suggest(title string, fields []Suggestion) ([]byte, error) {
	root := &sketch{kind: Object}
	for _, f := range fields {
		steps := strings.Split(f.Path, ".")
		if s.canHold(steps) {
			root.add(steps, f.Field)
		}
	}
	if len(root.names) == 0 {
		return nil, nil
	}
	var b bytes.Buffer
	text := func(v any) {
		data, _ := json.Marshal(v) // of strings
		b.Write(data)
	}
	b.WriteString(`{"title": `)
	text(title)
	b.WriteString(`, "type": "object", "meta:xdmType": "object", "definitions": {"customFields": {"type": "object", "meta:xdmType": "object", "properties": {"` +
		tenantPlaceholder + `": {"type": "object", "meta:xdmType": "object", "properties": {`)
	text(s.Group)
	b.WriteString(": ")
	root.write(&b, text)
	b.WriteString(`}}}}}, "allOf": [{"$ref": "#/definitions/customFields", "type": "object", "meta:xdmType": "object"}]}`)
	var out bytes.Buffer
	if err := json.Indent(&out, b.Bytes(), "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// canHold says whether an extension may have a field at the end of steps.
func (s *Schema) canHold(steps []string) bool {
	for i, step := range steps {
		name := strings.TrimRight(step, elements)
		if !fieldName.MatchString(name) || len(name) > nameLength {
			return false
		}
		if i == len(steps)-1 {
			return true
		}
		f, ok := s.Lookup(strings.Join(steps[:i+1], "."))
		if !ok || f.Kind != Object {
			return false
		}
	}
	return false
}

// A sketch is a node of a suggested field group.
type sketch struct {
	kind  Kind
	names []string
	kids  map[string]*sketch
	elem  *sketch
	leaf  *Field
}

// add puts a field at the end of steps, and what it takes on the way.
func (k *sketch) add(steps []string, f *Field) {
	name, subscript, _ := strings.Cut(steps[0], "[")
	if k.kids == nil {
		k.kids = map[string]*sketch{}
	}
	at := k.kids[name]
	if at == nil {
		at = &sketch{kind: Object}
		k.kids[name] = at
		k.names = append(k.names, name)
	}
	if subscript != "" {
		at.kind = Array
		if at.elem == nil {
			at.elem = &sketch{kind: Object}
		}
		at = at.elem
	}
	if len(steps) == 1 {
		at.kind, at.leaf = f.Kind, f
		return
	}
	at.add(steps[1:], f)
}

func (k *sketch) write(b *bytes.Buffer, text func(any)) {
	b.WriteByte('{')
	if k.leaf != nil {
		b.WriteString(`"title": `)
		text(k.leaf.Title)
		b.WriteString(`, "description": `)
		text(k.leaf.Description)
		b.WriteString(", ")
	}
	switch k.kind {
	case String:
		b.WriteString(`"type": "string", "meta:xdmType": "string"`)
		if len(k.leaf.Enum) > 0 {
			values := map[string]string{}
			for _, v := range k.leaf.Enum {
				values[v] = v
			}
			b.WriteString(`, "meta:enum": `)
			text(values)
		}
		if k.leaf.JSON {
			b.WriteString(`, "meta:tributary": ["json"]`)
		}
	case Long:
		b.WriteString(`"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991, "meta:xdmType": "long"`)
	case Double:
		b.WriteString(`"type": "number", "meta:xdmType": "number"`)
	case Boolean:
		b.WriteString(`"type": "boolean", "meta:xdmType": "boolean"`)
	case Array:
		b.WriteString(`"type": "array", "meta:xdmType": "array", "items": `)
		k.elem.write(b, text)
	case Object, Map:
		b.WriteString(`"type": "object", "meta:xdmType": "object", "properties": {`)
		for i, name := range k.names {
			if i > 0 {
				b.WriteString(", ")
			}
			text(name)
			b.WriteString(": ")
			k.kids[name].write(b, text)
		}
		b.WriteByte('}')
	case Int, Short, Byte, Date, DateTime: // never guessed
	}
	b.WriteByte('}')
}
