package registry

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Bounds of what a resource may hold.
const (
	maxDepth  = 12    // names from the top to a field
	maxFields = 20000 // fields of a resource with all that it refers to
	maxTitle  = 500   // bytes
	maxName   = 128   // bytes
)

// fieldName is the rule for names of fields.
var fieldName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

// computed are the members that the registry says of a resource by itself.
var computed = []string{
	"$id", "$schema", "meta:altId", "meta:resourceType", "version", "refs", "imsOrg", "meta:extensible", "meta:abstract", "meta:extends",
	"meta:xdmType", "meta:registryMetadata", "meta:class", "meta:containerId", "meta:sandboxId", "meta:sandboxType", "meta:tenantNamespace", "meta:descriptors",
}

// unsupported are keywords of JSON Schema that nothing here enforces.
var unsupported = []string{
	"oneOf", "anyOf", "not", "if", "then", "else", "const", "contains", "dependencies", "patternProperties", "propertyNames",
	"exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties", "maxProperties", "additionalItems",
}

// beside are the members that may stand beside a $ref; what begins with meta:
// may, too.
var beside = []string{"$ref", "type", "title", "description", "default", "examples", "isRequired"}

// A checker goes through the nodes of a resource: it refuses what is not well
// formed and sets meta:xdmType.
type checker struct {
	tenant string // the only name that may stand at the top is that with an underscore before it; empty for all names
	plain  bool   // names follow fieldName
}

// resource checks a whole document.
func (k *checker) resource(doc *jsondoc.Object) error {
	if err := k.definitions(doc); err != nil {
		return err
	}
	return k.node(doc, nil)
}

func (k *checker) definitions(doc *jsondoc.Object) error {
	v, ok := doc.Lookup("definitions")
	if !ok {
		return nil
	}
	defs, ok := v.(*jsondoc.Object)
	if !ok {
		return bad(nil, "definitions must be an object")
	}
	for name, d := range defs.All() {
		n, ok := d.(*jsondoc.Object)
		if !ok {
			if strings.HasPrefix(name, "meta:") || name == "type" {
				continue // exports have such members here
			}
			return bad(nil, "definition %q must be an object", name)
		}
		if err := k.node(n, nil); err != nil {
			return fmt.Errorf("definition %q: %w", name, err)
		}
	}
	return nil
}

// bad is what is wrong with the node at a path.
func bad(at []string, format string, args ...any) error {
	what := fmt.Sprintf(format, args...)
	if len(at) > 0 {
		what = strings.Join(at, ".") + ": " + what
	}
	return refuse(invalidResource, "%s", what)
}

func (k *checker) node(n *jsondoc.Object, at []string) error {
	for name := range n.All() {
		if slices.Contains(unsupported, name) {
			return bad(at, "%q can't be enforced here: leave it out", name)
		}
	}
	if n.Has("$ref") {
		return checkReference(n, at)
	}
	kind, err := kindOf(n)
	if err != nil {
		return bad(at, "%v", err)
	}
	if err := checkLimits(n, kind); err != nil {
		return bad(at, "%v", err)
	}
	if err := k.children(n, kind, at); err != nil {
		return err
	}
	is := kind.JSONSchema()
	n.Set("type", is["type"])
	n.Set("meta:xdmType", is["meta:xdmType"])
	return nil
}

func checkReference(n *jsondoc.Object, at []string) error {
	ref, ok := n.Get("$ref").(string)
	if !ok || ref == "" {
		return bad(at, "$ref must be the $id of a resource, or #/definitions/ and a name")
	}
	for name := range n.All() {
		if !slices.Contains(beside, name) && !strings.HasPrefix(name, "meta:") {
			return bad(at, "%q can't stand beside $ref", name)
		}
	}
	return nil
}

func (k *checker) children(n *jsondoc.Object, kind xdm.Kind, at []string) error {
	for _, part := range n.List("allOf") {
		o, ok := part.(*jsondoc.Object)
		if !ok {
			return bad(at, "allOf must be an array of objects")
		}
		if err := k.node(o, at); err != nil {
			return err
		}
		if o.Has("$ref") {
			o.Set("type", "object")
			o.Set("meta:xdmType", "object")
		}
	}
	props := n.Object("properties")
	if props != nil {
		for name, v := range props.All() {
			path := append(slices.Clip(at), name)
			if err := k.name(name, at); err != nil {
				return err
			}
			if depth(path) > maxDepth {
				return bad(path, "fields lie at most %d levels deep", maxDepth)
			}
			c, ok := v.(*jsondoc.Object)
			if !ok {
				return bad(path, "a field must be an object")
			}
			if err := k.node(c, path); err != nil {
				return err
			}
		}
	}
	if err := checkRequired(n, at); err != nil {
		return err
	}
	switch kind {
	case xdm.Array:
		items := n.Object("items")
		if items == nil {
			return bad(at, "an array must say what its items are")
		}
		return k.node(items, append(slices.Clip(at), "[]"))
	case xdm.Map:
		values := n.Object("additionalProperties")
		if values.Has("$ref") {
			return bad(at, "the values of a map must be strings or integers")
		}
		if err := k.node(values, append(slices.Clip(at), "*")); err != nil {
			return err
		}
		if t := values.Text("type"); t != "string" && t != "integer" {
			return bad(at, "the values of a map must be strings or integers")
		}
	default:
	}
	return nil
}

func checkRequired(n *jsondoc.Object, at []string) error {
	v, ok := n.Lookup("required")
	if !ok {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return bad(at, "required must be an array of names")
	}
	for _, e := range list {
		name, ok := e.(string)
		if !ok {
			return bad(at, "required must be an array of names")
		}
		if props := n.Object("properties"); !n.Has("allOf") && (props == nil || !props.Has(name)) {
			return bad(at, "%q is required, but is no property", name)
		}
	}
	return nil
}

func (k *checker) name(name string, at []string) error {
	switch {
	case k.tenant != "" && len(at) == 0:
		if name != "_"+k.tenant {
			return bad(at, "%q can't stand here: fields of your own belong under _%s", name, k.tenant)
		}
	case k.plain || k.tenant != "":
		if !fieldName.MatchString(name) || len(name) > maxName {
			return bad(at, "%q is no name of a field: it is made of letters, digits, - and _, begins with a letter or digit, and has at most %d characters", name, maxName)
		}
	}
	return nil
}

// checkLimits checks the members of a node that narrow its values.
func checkLimits(n *jsondoc.Object, kind xdm.Kind) error {
	if v, ok := n.Lookup("meta:enum"); ok {
		o, ok := v.(*jsondoc.Object)
		if !ok {
			return fmt.Errorf("meta:enum must be an object of values and their titles")
		}
		for value, title := range o.All() {
			if _, ok := title.(string); !ok {
				return fmt.Errorf("meta:enum: the title of %q must be a string", value)
			}
		}
	}
	_, err := limits(n, kind)
	return err
}

// kindOf returns the XDM type of a node that is no reference. What a client
// says in meta:xdmType counts for maps alone.
func kindOf(n *jsondoc.Object) (xdm.Kind, error) {
	structured := n.Has("properties") || n.Has("allOf")
	t, ok := n.Get("type").(string)
	switch {
	case n.Has("type") && !ok:
		return 0, fmt.Errorf("type must be one word: string, number, integer, boolean, object or array")
	case !ok && structured:
		t = "object"
	case !ok && n.Has("items"):
		t = "array"
	}
	if t != "object" && structured {
		return 0, fmt.Errorf("properties and allOf belong to objects")
	}
	if t != "array" && n.Has("items") {
		return 0, fmt.Errorf("items belong to arrays")
	}
	switch t {
	case "string":
		switch n.Text("format") {
		case "date":
			return xdm.Date, nil
		case "date-time":
			return xdm.DateTime, nil
		}
		return xdm.String, nil
	case "number":
		return xdm.Double, nil
	case "boolean":
		return xdm.Boolean, nil
	case "integer":
		return integerKind(n)
	case "array":
		return xdm.Array, nil
	case "object":
		return objectKind(n)
	case "":
		return 0, fmt.Errorf("it has no type")
	}
	return 0, fmt.Errorf("there is no type %q: the types are string, number, integer, boolean, object and array", t)
}

func objectKind(n *jsondoc.Object) (xdm.Kind, error) {
	for _, name := range []string{"properties", "allOf"} {
		v, has := n.Lookup(name)
		_, isObject := v.(*jsondoc.Object)
		_, isList := v.([]any)
		if has && (name == "properties" && !isObject || name == "allOf" && !isList) {
			return 0, fmt.Errorf("%s is not what is expected: properties are an object, allOf is an array", name)
		}
	}
	values, _ := n.Lookup("additionalProperties")
	_, isMap := values.(*jsondoc.Object)
	switch {
	case isMap && (n.Has("properties") || n.Has("allOf")):
		return 0, fmt.Errorf("a map (additionalProperties) has no properties of its own")
	case isMap:
		return xdm.Map, nil
	case n.Text("meta:xdmType") == "map":
		return 0, fmt.Errorf("a map must say in additionalProperties what its values are")
	case values == true:
		return 0, fmt.Errorf("additionalProperties must say what the values are")
	}
	return xdm.Object, nil
}

// number returns a member that is a number.
func number(n *jsondoc.Object, name string) (*float64, error) {
	v, ok := n.Lookup(name)
	if !ok || v == nil {
		return nil, nil //nolint:nilnil // there is no number, and nothing is wrong
	}
	num, ok := v.(json.Number)
	if !ok {
		return nil, fmt.Errorf("%s must be a number", name)
	}
	f, err := num.Float64()
	if err != nil {
		return nil, fmt.Errorf("%s is too large a number", name)
	}
	return &f, nil
}
