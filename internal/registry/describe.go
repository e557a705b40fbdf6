package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/jsondoc"
)

var cardinalities = []string{"1:1", "1:0", "M:1", "M:0"}

// checkDescriptor checks a descriptor against the resolved fields of its
// schema and the schema's other descriptors, and completes what it leaves out.
func (l *library) checkDescriptor(d *descriptor, fields *jsondoc.Object, others []*descriptor) error {
	if d.typ() == descPrimaryKey {
		return checkKey(d, fields, others)
	}
	path, ok := d.Doc.Get("xdm:sourceProperty").(string)
	if !ok || path == "" {
		return refuse(invalidDescriptor, "xdm:sourceProperty is required: the path of a field, such as /_%s/charges_data/customer", l.caller.Tenant)
	}
	field, required, err := at(fields, path)
	if err != nil {
		return refuse(invalidDescriptor, "xdm:sourceProperty: %v", err)
	}
	for _, o := range others {
		if o.typ() == d.typ() && o.Doc.Text("xdm:sourceProperty") == path && (d.typ() != descIdentity || jsondoc.Equal(o.Doc.Get("xdm:namespace"), d.Doc.Get("xdm:namespace"))) {
			return refuse(invalidDescriptor, "the descriptor %s says that of %s already", o.id, path)
		}
	}
	switch d.typ() {
	case descIdentity:
		return l.checkIdentity(d, field, others)
	case descDisplay, descDeprecated:
		return nil
	case descOneToOne:
		return l.checkRelationship(d)
	case descRelationship:
		if c := d.Doc.Text("xdm:cardinality"); !slices.Contains(cardinalities, c) {
			return refuse(invalidDescriptor, "xdm:cardinality is required: one of %s", strings.Join(cardinalities, ", "))
		}
		return l.checkRelationship(d)
	case descReference:
		return l.checkNamespace(d.Doc, "xdm:identityNamespace", "xdm:code")
	case descVersion:
		return checkVersion(path, required, others)
	case descTimestamp:
		if field.Text("meta:xdmType") != "date-time" || !required {
			return refuse(invalidDescriptor, "%s must be a required date-time field", path)
		}
		return nil
	}
	return refuse(invalidDescriptor, "@type %q is not known", d.typ())
}

func (l *library) checkIdentity(d *descriptor, field *jsondoc.Object, others []*descriptor) error {
	path := d.Doc.Text("xdm:sourceProperty")
	if field.Text("meta:xdmType") != "string" {
		return refuse(invalidDescriptor, "%s is %s: an identity must be a string", path, field.Text("meta:xdmType"))
	}
	if !d.Doc.Has("xdm:property") {
		d.Doc.Set("xdm:property", "xdm:code")
	}
	property := d.Doc.Text("xdm:property")
	if property != "xdm:code" && property != "xdm:id" {
		return refuse(invalidDescriptor, "xdm:property must be xdm:code or xdm:id")
	}
	if !d.Doc.Has("xdm:isPrimary") {
		d.Doc.Set("xdm:isPrimary", false)
	}
	primary, ok := d.Doc.Get("xdm:isPrimary").(bool)
	if !ok {
		return refuse(invalidDescriptor, "xdm:isPrimary must be true or false")
	}
	for _, o := range others {
		if primary && o.isPrimary() {
			return refuse(invalidDescriptor, "the schema has a primary identity: %s, by the descriptor %s", o.Doc.Text("xdm:sourceProperty"), o.id)
		}
	}
	return l.checkNamespace(d.Doc, "xdm:namespace", property)
}

func (d *descriptor) isPrimary() bool {
	return d.typ() == descIdentity && d.Doc.Get("xdm:isPrimary") == true
}

// checkNamespace checks that a member names an identity namespace of the
// sandbox, by its code or by its id.
func (l *library) checkNamespace(doc *jsondoc.Object, name, property string) error {
	var id string
	switch v := doc.Get(name).(type) {
	case string:
		id = v
	case json.Number:
		id = v.String()
	}
	if id == "" {
		return refuse(invalidDescriptor, "%s is required: an identity namespace", name)
	}
	_, err := l.namespace(id, property == "xdm:id")
	if isNotFound(err) {
		return refuse(noReference, "%s: there is no identity namespace %q. Namespaces are made at /data/core/idnamespace/identities", name, id)
	}
	return err
}

func (l *library) checkRelationship(d *descriptor) error {
	r, err := l.findReference(d.Doc, "xdm:destinationSchema")
	if err != nil {
		return err
	}
	if err := majorVersion(d.Doc, "xdm:destinationVersion"); err != nil {
		return err
	}
	if !d.Doc.Has("xdm:destinationProperty") {
		return nil
	}
	fields, err := l.expand(r)
	if err != nil {
		return err
	}
	if _, _, err := at(fields, d.Doc.Text("xdm:destinationProperty")); err != nil {
		return refuse(invalidDescriptor, "xdm:destinationProperty: %v", err)
	}
	return nil
}

// keys returns the paths of a primary key.
func (d *descriptor) keys() []string {
	if path := d.Doc.Text("xdm:sourceProperty"); path != "" {
		return []string{path}
	}
	return d.Doc.Texts("xdm:sourceProperty")
}

func checkKey(d *descriptor, fields *jsondoc.Object, others []*descriptor) error {
	paths := d.keys()
	if len(paths) == 0 {
		return refuse(invalidDescriptor, "xdm:sourceProperty is required: the path of a field, or an array of such")
	}
	for _, path := range paths {
		field, _, err := at(fields, path)
		if err != nil {
			return refuse(invalidDescriptor, "xdm:sourceProperty: %v", err)
		}
		if t := field.Text("type"); t == "object" || t == "array" {
			return refuse(invalidDescriptor, "%s is %s: a primary key is made of single values", path, field.Text("meta:xdmType"))
		}
	}
	for _, o := range others {
		switch {
		case o.typ() == descPrimaryKey:
			return refuse(invalidDescriptor, "the schema has a primary key, by the descriptor %s", o.id)
		case o.typ() == descVersion && slices.Contains(paths, o.Doc.Text("xdm:sourceProperty")):
			return refuse(versionOnKey, "version descriptor must not be on the primary key field %s", o.Doc.Text("xdm:sourceProperty"))
		}
	}
	return nil
}

func checkVersion(path string, required bool, others []*descriptor) error {
	if !required {
		return refuse(invalidDescriptor, "%s must be a required field", path)
	}
	for _, o := range others {
		switch {
		case o.typ() == descPrimaryKey && slices.Contains(o.keys(), path):
			return refuse(versionOnKey, "version descriptor must not be on the primary key field %s", path)
		case o.typ() == descVersion:
			return refuse(invalidDescriptor, "the schema has a version field, by the descriptor %s", o.id)
		}
	}
	return nil
}

// at returns the field of a resolved schema at a path such as
// /_acme/charges_data/refunds/data[*]/id, and whether every record has it.
func at(fields *jsondoc.Object, path string) (field *jsondoc.Object, required bool, err error) {
	if !strings.HasPrefix(path, "/") {
		return nil, false, fmt.Errorf("the path %q must begin with a slash", path)
	}
	node, required := fields, true
	for step := range strings.SplitSeq(path[1:], "/") {
		name, elements := strings.CutSuffix(step, "[*]")
		if name != "" {
			props := node.Object("properties")
			if props == nil || props.Object(name) == nil {
				hint := ""
				if name == "properties" {
					hint = `: leave out the word "properties"`
				}
				return nil, false, fmt.Errorf("the path %s leads to no field of the schema: there is no %q%s", path, name, hint)
			}
			required = required && slices.Contains(node.Texts("required"), name)
			node = props.Object(name)
		}
		if elements {
			if node = node.Object("items"); node == nil {
				return nil, false, fmt.Errorf("the path %s leads to no field of the schema: %q is no array", path, name)
			}
			required = false
		} else if name == "" {
			return nil, false, fmt.Errorf("the path %s has an empty step", path)
		}
	}
	return node, required, nil
}

// checkDescriptors checks that the descriptors of a schema that was changed
// still find what they speak of.
func (l *library) checkDescriptors(r *resource) error {
	mine, err := l.descriptors(r.ID)
	if err != nil {
		return err
	}
	fields, err := l.expand(r)
	if err != nil {
		return err
	}
	for i, d := range mine {
		others := slices.Concat(mine[:i], mine[i+1:])
		if err := l.checkDescriptor(d, fields, others); err != nil {
			return fmt.Errorf("the descriptor %s (%s) of %s: %w", d.id, d.typ(), r.ID, err)
		}
	}
	from, err := l.referrers(r.ID)
	if err != nil {
		return err
	}
	for _, id := range from {
		id, ok := strings.CutPrefix(id, descriptorPrefix)
		if !ok {
			continue
		}
		d, err := l.descriptor(id)
		if err != nil {
			return err
		}
		if path := d.Doc.Text("xdm:destinationProperty"); path != "" {
			if _, _, err := at(fields, path); err != nil {
				return fmt.Errorf("the descriptor %s (%s): %w", d.id, d.typ(), refuse(invalidDescriptor, "xdm:destinationProperty: %v", err))
			}
		}
	}
	return nil
}
