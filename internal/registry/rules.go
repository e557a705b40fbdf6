package registry

import (
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/jsondoc"
)

// complete turns what a client wrote into what is stored: references in one
// form, meta:xdmType everywhere, nothing that the registry says by itself. It
// refuses what is not well formed, but looks at no other resource.
func (l *library) complete(t Type, body *jsondoc.Object) (*jsondoc.Object, error) {
	doc := l.tidy(body).(*jsondoc.Object)
	isRelational := t == Schemas && slices.Contains(doc.Texts("meta:extends"), relational)
	doc.Delete(computed...)
	if isRelational {
		doc.Set("meta:extends", []any{relational})
	}
	title := strings.TrimSpace(doc.Text("title"))
	if title == "" || len(title) > maxTitle {
		return nil, bad(nil, "title is required: a text of at most %d bytes", maxTitle)
	}
	doc.Set("title", title)
	if v, ok := doc.Lookup("description"); ok {
		if _, ok := v.(string); !ok && v != nil {
			return nil, bad(nil, "description must be a string")
		}
	}
	if err := form(t, doc, isRelational); err != nil {
		return nil, err
	}
	k := &checker{plain: true}
	if t == Classes || t == FieldGroups {
		k.tenant = l.caller.Tenant
	}
	return doc, k.resource(doc)
}

// form checks the members that a type of resource must have or must not have.
func form(t Type, doc *jsondoc.Object, isRelational bool) error {
	kind := doc.Text("type")
	if kind != "object" && (t != DataTypes || kind != "array") {
		if t == DataTypes {
			return bad(nil, `type is required: "object" or "array"`)
		}
		return bad(nil, `type is required: "object"`)
	}
	switch t {
	case Schemas:
		if len(doc.List("allOf")) == 0 {
			return bad(nil, "allOf is required: it names one class, and field groups")
		}
		if !isRelational && (doc.Has("properties") || doc.Has("definitions")) {
			return bad(nil, "a schema has no fields of its own: put them in a field group and name it in allOf")
		}
	case Classes:
		if len(doc.List("allOf")) == 0 {
			return bad(nil, "allOf is required: it names the behavior, such as %s", record)
		}
	case FieldGroups:
		v, ok := doc.Get("meta:intendedToExtend").([]any)
		if !ok || len(doc.Texts("meta:intendedToExtend")) != len(v) {
			return bad(nil, "meta:intendedToExtend is required: the $ids of the classes that the field group is for")
		}
	default:
	}
	if t != Schemas && doc.Has("meta:immutableTags") {
		return bad(nil, "meta:immutableTags belong to schemas")
	}
	if defs := doc.Object("definitions"); defs != nil && !doc.Has("allOf") {
		if defs.Len() != 1 {
			return bad(nil, "allOf must say which of the definitions are meant")
		}
		for name := range defs.All() {
			doc.Set("allOf", []any{jsondoc.Of("$ref", "#"+jsondoc.Pointer("definitions", name))})
		}
	}
	return nil
}

// tidy copies a value. Names such as "$ref " lose the blank, references and
// names of the tenant get their one form.
func (l *library) tidy(v any) any {
	switch v := v.(type) {
	case *jsondoc.Object:
		out := &jsondoc.Object{}
		for name, m := range v.All() {
			switch trimmed := strings.TrimSpace(name); trimmed {
			case "$ref", "allOf":
				name = trimmed
			default:
				if rest, ok := strings.CutPrefix(name, "_"); ok && alias(&l.caller, rest) {
					name = "_" + l.caller.Tenant
				}
			}
			out.Set(name, l.tidyMember(name, m))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = l.tidy(e)
		}
		return out
	}
	return v
}

func (l *library) tidyMember(name string, v any) any {
	switch name {
	case "$ref":
		if s, ok := v.(string); ok && !strings.HasPrefix(s, "#") {
			id, fragment, has := strings.Cut(s, "#")
			id = canonical(&l.caller, "", id)
			if has {
				id += "#" + fragment
			}
			return id
		}
	case "meta:extends", "meta:intendedToExtend":
		if list, ok := v.([]any); ok {
			out := slices.Clone(list)
			for i, e := range out {
				if s, ok := e.(string); ok {
					out[i] = canonical(&l.caller, "", s)
				}
			}
			return out
		}
	}
	return l.tidy(v)
}

// rules checks what a resource refers to, by the type of both. Was is what it
// was before, nil for a new one.
func (l *library) rules(r *resource, was *jsondoc.Object) error {
	switch r.Type {
	case Schemas:
		return l.schemaRules(r)
	case Classes:
		return l.classRules(r)
	case FieldGroups:
		for _, id := range r.Doc.Texts("meta:intendedToExtend") {
			if was != nil && slices.Contains(was.Texts("meta:intendedToExtend"), id) {
				continue // it was there when it was put in
			}
			target, err := l.get(id)
			if isNotFound(err) || err == nil && target.Type != Classes && target.Type != Behaviors {
				return refuse(noReference, "meta:intendedToExtend: %s is no class", id)
			}
			if err != nil {
				return err
			}
		}
		return l.partsAre(r, FieldGroups, DataTypes)
	default:
		return l.partsAre(r, DataTypes)
	}
}

// partsAre checks that what allOf names is of one of the types.
func (l *library) partsAre(r *resource, types ...Type) error {
	parts, err := l.parts(r)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if !slices.Contains(types, p.Type) {
			return bad(nil, "allOf: %s is a %s, which a %s can't be made of", p.ID, singular[p.Type], singular[r.Type])
		}
	}
	return nil
}

// parts returns the resources that allOf names.
func (l *library) parts(r *resource) ([]*resource, error) {
	var all []*resource
	for _, v := range r.Doc.List("allOf") {
		o, _ := v.(*jsondoc.Object)
		if o == nil {
			continue
		}
		id, _, _ := strings.Cut(o.Text("$ref"), "#")
		if id == "" {
			continue
		}
		p, err := l.get(id)
		if isNotFound(err) {
			return nil, refuse(noReference, "allOf: %s does not exist", id)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// isRelational says whether a schema has fields of its own and no class.
func (r *resource) isRelational() bool {
	return slices.Contains(r.Doc.Texts("meta:extends"), relational)
}

// classOf returns the class of a schema, nil for a relational one.
func (l *library) classOf(r *resource) (*resource, error) {
	parts, err := l.parts(r)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if p.Type == Classes {
			return p, nil
		}
	}
	return nil, nil //nolint:nilnil // a relational schema has none
}

func (l *library) schemaRules(r *resource) error {
	parts, err := l.parts(r)
	if err != nil {
		return err
	}
	for _, v := range r.Doc.List("allOf") {
		if o, ok := v.(*jsondoc.Object); !ok || !o.Has("$ref") {
			return bad(nil, "allOf of a schema holds references alone: {\"$ref\": …}")
		}
	}
	if tags, ok := r.Doc.Lookup("meta:immutableTags"); ok {
		if list, _ := tags.([]any); len(list) != 1 || list[0] != "union" {
			return bad(nil, `meta:immutableTags can only be ["union"]`)
		}
	}
	if r.isRelational() {
		if r.union() {
			return bad(nil, "a relational schema takes part in no union")
		}
		return l.partsAre(r, DataTypes)
	}
	var class *resource
	for _, p := range parts {
		switch p.Type {
		case Classes:
			if class != nil {
				return bad(nil, "allOf names two classes, %s and %s: a schema has one", class.ID, p.ID)
			}
			class = p
		case FieldGroups:
		default:
			return bad(nil, "allOf: %s is a %s: a schema is made of one class and of field groups", p.ID, singular[p.Type])
		}
	}
	if class == nil || len(parts) != len(r.Doc.List("allOf")) {
		return bad(nil, "allOf must name one class, and no definitions")
	}
	extends, err := l.extends(class)
	if err != nil {
		return err
	}
	extends = append(extends, class.ID)
	for _, p := range parts {
		intended := p.Doc.Texts("meta:intendedToExtend")
		if p.Type != FieldGroups || len(intended) == 0 {
			continue
		}
		if !slices.ContainsFunc(intended, func(id string) bool { return slices.Contains(extends, id) }) {
			return bad(nil, "the field group %s (%q) is not for the class %s: its meta:intendedToExtend has %s", p.ID, p.Doc.Text("title"), class.ID, strings.Join(intended, ", "))
		}
	}
	return nil
}

func (l *library) classRules(r *resource) error {
	parts, err := l.parts(r)
	if err != nil {
		return err
	}
	behaviors := 0
	for _, p := range parts {
		switch {
		case p.ID == record || p.ID == timeSeries:
			behaviors++
		case p.Type != FieldGroups && p.Type != DataTypes:
			return bad(nil, "allOf: %s is a %s: a class is made of one behavior and of fields", p.ID, singular[p.Type])
		}
	}
	if behaviors != 1 {
		return bad(nil, "allOf of a class must name one behavior: %s or %s", record, timeSeries)
	}
	return nil
}

// extends returns the $ids of all that a resource is made of by allOf, at
// first or second hand, each once.
func (l *library) extends(r *resource) ([]string, error) {
	var all []string
	if r.isRelational() {
		all = append(all, relational)
	}
	var visit func(r *resource) error
	visit = func(r *resource) error {
		parts, err := l.parts(r)
		if err != nil {
			return err
		}
		for _, p := range parts {
			if slices.Contains(all, p.ID) {
				continue
			}
			all = append(all, p.ID)
			if err := visit(p); err != nil {
				return err
			}
		}
		return nil
	}
	return all, visit(r)
}
