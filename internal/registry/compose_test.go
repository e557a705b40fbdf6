package registry_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/registry"
	"github.com/tributary-data/tributary/internal/xdm"
)

// make creates a resource and returns its $id.
func create(t testing.TB, s *registry.Service, c access.Caller, typ registry.Type, body string) string {
	t.Helper()
	doc, err := s.Create(t.Context(), c, typ, []byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return id(t, doc)
}

func id(t testing.TB, doc json.RawMessage) string {
	t.Helper()
	var v struct {
		ID string `json:"$id"`
	}
	if err := json.Unmarshal(doc, &v); err != nil {
		t.Fatal(err)
	}
	return v.ID
}

// group is a field group with properties below the tenant's name.
func group(title, properties string) string {
	return fmt.Sprintf(`{"type": "object", "title": %q, "meta:intendedToExtend": ["%s"],
		"definitions": {"customFields": {"type": "object", "properties": {"_acme": {"type": "object", "properties": %s}}}},
		"allOf": [{"$ref": "#/definitions/customFields"}]}`, title, record, properties)
}

const class = `{"type": "object", "title": "Thing", "description": "", "allOf": [{"$ref": "` + record + `"}]}`

func schema(title string, refs ...string) string {
	var all []string
	for _, r := range refs {
		all = append(all, fmt.Sprintf(`{"$ref": %q}`, r))
	}
	return fmt.Sprintf(`{"type": "object", "title": %q, "allOf": [%s]}`, title, strings.Join(all, ", "))
}

// acme returns the fields below the tenant's name.
func acme(t testing.TB, s *registry.Service, c access.Caller, schema string) []*xdm.Field {
	t.Helper()
	comp, err := s.Composition(t.Context(), c, schema)
	if err != nil {
		t.Fatal(err)
	}
	return field(t, comp.Fields, "_acme").Fields
}

// Every JSON Schema of a field and the field that it becomes.
func TestFields(t *testing.T) {
	t.Parallel()
	const long = `"minimum": -9007199254740991, "maximum": 9007199254740991`
	for name, c := range map[string]struct {
		json string
		want *xdm.Field
	}{
		"string":                   {`{"type": "string", "title": "T", "description": "D"}`, &xdm.Field{Title: "T", Description: "D"}},
		"other formats":            {`{"type": "string", "format": "uri"}`, &xdm.Field{}},
		"date":                     {`{"type": "string", "format": "date"}`, &xdm.Field{Kind: xdm.Date}},
		"date-time":                {`{"type": "string", "format": "date-time"}`, &xdm.Field{Kind: xdm.DateTime}},
		"limits of a string":       {`{"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^a"}`, &xdm.Field{Limits: &xdm.Limits{MinLength: new(1), MaxLength: new(3), Pattern: "^a"}}},
		"closed list":              {`{"type": "string", "enum": ["b", "a", "b"]}`, &xdm.Field{Limits: &xdm.Limits{Values: []string{"a", "b"}}}},
		"open list":                {`{"type": "string", "meta:enum": {"b": "B", "a": "A"}}`, &xdm.Field{Enum: []string{"a", "b"}}},
		"number":                   {`{"type": "number"}`, &xdm.Field{Kind: xdm.Double}},
		"limits of a number":       {`{"type": "number", "minimum": 0, "maximum": 1.5}`, &xdm.Field{Kind: xdm.Double, Limits: &xdm.Limits{Min: new(0.0), Max: new(1.5)}}},
		"boolean":                  {`{"type": "boolean"}`, &xdm.Field{Kind: xdm.Boolean}},
		"integer":                  {`{"type": "integer"}`, &xdm.Field{Kind: xdm.Int}},
		"long":                     {`{"type": "integer", ` + long + `}`, &xdm.Field{Kind: xdm.Long}},
		"long from 2^53":           {`{"type": "integer", "minimum": -9007199254740992, "maximum": 9007199254740992}`, &xdm.Field{Kind: xdm.Long}},
		"int":                      {`{"type": "integer", "minimum": -2147483648, "maximum": 2147483648}`, &xdm.Field{Kind: xdm.Int}},
		"int, properly":            {`{"type": "integer", "minimum": -2147483648, "maximum": 2147483647}`, &xdm.Field{Kind: xdm.Int}},
		"short":                    {`{"type": "integer", "minimum": -32768, "maximum": 32768}`, &xdm.Field{Kind: xdm.Short}},
		"byte":                     {`{"type": "integer", "minimum": -128, "maximum": 128}`, &xdm.Field{Kind: xdm.Byte}},
		"small, with limits":       {`{"type": "integer", "minimum": 0, "maximum": 100}`, &xdm.Field{Kind: xdm.Byte, Limits: &xdm.Limits{Min: new(0.0), Max: new(100.0)}}},
		"128 is too much":          {`{"type": "integer", "minimum": 0, "maximum": 128}`, &xdm.Field{Kind: xdm.Short, Limits: &xdm.Limits{Min: new(0.0), Max: new(128.0)}}},
		"from zero":                {`{"type": "integer", "minimum": 0}`, &xdm.Field{Kind: xdm.Int, Limits: &xdm.Limits{Min: new(0.0)}}},
		"from three thousand mill": {`{"type": "integer", "minimum": 3000000000}`, &xdm.Field{Kind: xdm.Long, Limits: &xdm.Limits{Min: new(3e9)}}},
		"what the client says":     {`{"type": "integer", "meta:xdmType": "long"}`, &xdm.Field{Kind: xdm.Int}},
		"map":                      {`{"type": "object", "meta:xdmType": "map", "additionalProperties": {"type": "string"}}`, &xdm.Field{Kind: xdm.Map, Elem: &xdm.Field{}}},
		"map without the word":     {`{"type": "object", "additionalProperties": {"type": "integer"}}`, &xdm.Field{Kind: xdm.Map, Elem: &xdm.Field{Kind: xdm.Int}}},
		"array":                    {`{"type": "array", "items": {"type": "string"}}`, &xdm.Field{Kind: xdm.Array, Elem: &xdm.Field{}}},
		"object": {`{"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "boolean"}, "none": {"type": "object"}}, "required": ["a"]}`, &xdm.Field{
			Kind: xdm.Object, Fields: []*xdm.Field{{Name: "z"}, {Name: "a", Kind: xdm.Boolean, Required: true}},
		}},
		"object without the word": {`{"properties": {"z": {"type": "string"}}}`, &xdm.Field{Kind: xdm.Object, Fields: []*xdm.Field{{Name: "z"}}}},
		"array of objects": {`{"type": "array", "items": {"type": "object", "properties": {"z": {"type": "string"}}}}`, &xdm.Field{
			Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.Object, Fields: []*xdm.Field{{Name: "z"}}},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, caller := empty(t), gatewaytest.Admin("prod")
			g := create(t, s, caller, registry.FieldGroups, group("G", `{"f": `+c.json+`}`))
			sc := create(t, s, caller, registry.Schemas, schema("S", create(t, s, caller, registry.Classes, class), g))
			c.want.Name = "f"
			if diff := cmp.Diff([]*xdm.Field{c.want}, acme(t, s, caller, sc)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What a field can't be, and what is said of it.
func TestFieldsRefused(t *testing.T) {
	t.Parallel()
	s, caller := empty(t), gatewaytest.Admin("prod")
	for name, c := range map[string]struct{ properties, want string }{
		"no type":              {`{"f": {}}`, "_acme.f: it has no type"},
		"unknown type":         {`{"f": {"type": "text"}}`, `there is no type "text"`},
		"two types":            {`{"f": {"type": ["string", "null"]}}`, "type must be one word"},
		"no items":             {`{"f": {"type": "array"}}`, "what its items are"},
		"items of a string":    {`{"f": {"type": "string", "items": {"type": "string"}}}`, "items belong to arrays"},
		"bounds of a string":   {`{"f": {"type": "string", "minimum": 1}}`, "belong to numbers"},
		"pattern of a number":  {`{"f": {"type": "number", "pattern": "a"}}`, "belong to strings"},
		"bad pattern":          {`{"f": {"type": "string", "pattern": "(?=a)"}}`, `pattern "(?=a)" can't be used`},
		"bounds upside down":   {`{"f": {"type": "integer", "minimum": 2, "maximum": 1}}`, "minimum is above maximum"},
		"huge":                 {`{"f": {"type": "integer", "maximum": 1e30}}`, "no integer holds"},
		"too huge":             {`{"f": {"type": "number", "maximum": 1e400}}`, "too large a number"},
		"enum of numbers":      {`{"f": {"type": "string", "enum": [1]}}`, "must be strings"},
		"enum of an integer":   {`{"f": {"type": "integer", "enum": ["1"]}}`, "belong to strings"},
		"negative length":      {`{"f": {"type": "string", "minLength": -1}}`, "not negative"},
		"map without values":   {`{"f": {"type": "object", "meta:xdmType": "map"}}`, "what its values are"},
		"map with properties":  {`{"f": {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}}`, "no properties of its own"},
		"map of objects":       {`{"f": {"type": "object", "additionalProperties": {"type": "object"}}}`, "strings or integers"},
		"map of anything":      {`{"f": {"type": "object", "additionalProperties": true}}`, "what the values are"},
		"name with a blank":    {`{"a b": {"type": "string"}}`, `"a b" is no name`},
		"name with underscore": {`{"_f": {"type": "string"}}`, `"_f" is no name`},
		"name with a dot":      {`{"a.b": {"type": "string"}}`, "is no name"},
		"long name":            {`{"` + strings.Repeat("a", 129) + `": {"type": "string"}}`, "at most 128"},
		"too deep":             {strings.Repeat(`{"f": {"type": "object", "properties": `, 12) + `{}` + strings.Repeat("}}", 12), "at most 12 levels"},
		"unknown keyword":      {`{"f": {"type": "string", "oneOf": []}}`, `"oneOf" can't be enforced`},
		"beside a reference":   {`{"f": {"$ref": "` + record + `", "properties": {}}}`, `"properties" can't stand beside $ref`},
		"reference to nothing": {`{"f": {"$ref": "https://ns.adobe.com/acme/datatypes/0123456789abcdef0123456789abcdef"}}`, "which does not exist"},
		"no such definition":   {`{"f": {"$ref": "#/definitions/x"}}`, "has no /definitions/x"},
		"itself":               {`{"f": {"$ref": "#/definitions/customFields"}}`, "refers to itself"},
		"required by mistake":  {`{"f": {"type": "object", "properties": {}, "required": ["g"]}}`, `"g" is required, but is no property`},
		"title of an enum":     {`{"f": {"type": "string", "meta:enum": {"a": 1}}}`, "must be a string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := s.Create(t.Context(), caller, registry.FieldGroups, []byte(group(name, c.properties)))
			if err == nil || !strings.Contains(err.Error(), c.want) || problem.KindOf(err) != problem.Invalid {
				t.Errorf("got %v; want %q in it", err, c.want)
			}
		})
	}
	sc := []string{create(t, s, caller, registry.Classes, class)}
	sc = append(sc, create(t, s, caller, registry.FieldGroups, group("One", `{"a": {"type": "string"}, "o": {"type": "object", "properties": {"x": {"type": "string"}}}}`)))
	for name, c := range map[string]struct{ properties, want string }{
		"another type":   {`{"a": {"type": "boolean"}}`, "_acme.a: it is string in one place and boolean in another"},
		"another limit":  {`{"a": {"type": "string", "maxLength": 3}}`, "_acme.a: maxLength is not the same"},
		"case":           {`{"A": {"type": "string"}}`, "_acme.A: it differs in case only from a"},
		"case, far down": {`{"o": {"type": "object", "properties": {"X": {"type": "string"}}}}`, "_acme.o.X: it differs in case only from x"},
	} {
		t.Run("together: "+name, func(t *testing.T) {
			t.Parallel()
			g := create(t, s, caller, registry.FieldGroups, group("together "+name, c.properties))
			_, err := s.Create(t.Context(), caller, registry.Schemas, []byte(schema("together "+name, append(sc[:2:2], g)...)))
			if err == nil || !strings.Contains(err.Error(), c.want) || problem.KindOf(err) != problem.Invalid {
				t.Errorf("got %v; want %q in it", err, c.want)
			}
		})
	}
}

// Data types are put where they are referred to; groups that share objects are
// put together; the title at the place wins.
func TestDataTypes(t *testing.T) {
	t.Parallel()
	s, c := empty(t), gatewaytest.Admin("prod")
	city := create(t, s, c, registry.DataTypes, `{"type": "object", "title": "City", "properties": {"name": {"type": "string"}}, "required": ["name"]}`)
	address := create(t, s, c, registry.DataTypes, `{"type": "object", "title": "Address", "properties": {"city": {"$ref": "`+city+`"}, "line": {"type": "string"}}}`)
	list := create(t, s, c, registry.DataTypes, `{"type": "array", "title": "Lines", "items": {"type": "string"}}`)
	one := create(t, s, c, registry.FieldGroups, group("One", `{"home": {"$ref": "`+address+`", "title": "Home"}, "shared": {"type": "object", "properties": {"a": {"type": "string"}}}}`))
	two := create(t, s, c, registry.FieldGroups, group("Two", `{"lines": {"$ref ": "`+list+`"}, "shared": {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}, "required": ["a"]}}`))
	sc := create(t, s, c, registry.Schemas, schema("S", create(t, s, c, registry.Classes, class), one, two))
	want := []*xdm.Field{
		{Name: "home", Title: "Home", Kind: xdm.Object, Fields: []*xdm.Field{
			{Name: "city", Title: "City", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "name", Required: true}}}, {Name: "line"},
		}},
		{Name: "shared", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "a", Required: true}, {Name: "b"}}},
		{Name: "lines", Title: "Lines", Kind: xdm.Array, Elem: &xdm.Field{}},
	}
	if diff := cmp.Diff(want, acme(t, s, c, sc)); diff != "" {
		t.Error(diff)
	}
	// A circle can only be closed by a change.
	_, err := s.Patch(t.Context(), c, registry.DataTypes, city, []byte(`[{"op": "add", "path": "/properties/back", "value": {"$ref": "`+address+`"}}]`))
	if err == nil || !strings.Contains(err.Error(), "refers to itself") {
		t.Errorf("a circle: %v", err)
	}
	for _, step := range []string{sc[strings.LastIndex(sc, "/")+1:], "_acme.schemas." + sc[strings.LastIndex(sc, "/")+1:], "https://ns.adobe.com/{TENANT_ID}" + strings.TrimPrefix(sc, "https://ns.adobe.com/acme")} {
		if comp, err := s.Composition(t.Context(), c, step); err != nil || comp.ID != sc {
			t.Errorf("%s: %v", step, err)
		}
	}
	for _, none := range []string{"", "x", one, "https://ns.adobe.com/other" + strings.TrimPrefix(sc, "https://ns.adobe.com/acme"), record, "https://ns.adobe.com/../x"} {
		if _, err := s.Composition(t.Context(), c, none); problem.KindOf(err) != problem.NotFound {
			t.Errorf("%q: %v", none, err)
		}
	}
}

// Data types in data types grow by multiplication. There is an end to it, and
// it comes at once.
func TestBlowUp(t *testing.T) {
	t.Parallel()
	s, c := empty(t), gatewaytest.Admin("prod")
	last := create(t, s, c, registry.DataTypes, `{"type": "object", "title": "T", "properties": {"x": {"type": "string"}}}`)
	for i := range 12 {
		var props []string
		for j := range 40 {
			props = append(props, fmt.Sprintf(`"f%d": {"$ref": %q}`, j, last))
		}
		doc, err := s.Create(t.Context(), c, registry.DataTypes, fmt.Appendf(nil, `{"type": "object", "title": "T%d", "properties": {%s}}`, i, strings.Join(props, ", ")))
		if err != nil {
			if !strings.Contains(err.Error(), "more than 20000 fields") {
				t.Error(err)
			}
			if i < 2 {
				t.Errorf("%d: it came too early", i)
			}
			return
		}
		last = id(t, doc)
	}
	t.Error("there was no end to it")
}

// A schema of 6,000 fields is made, grown and composed.
func TestManyFields(t *testing.T) {
	t.Parallel()
	s, c := empty(t), gatewaytest.Admin("prod")
	var props []string
	for i := range 6000 {
		props = append(props, fmt.Sprintf(`"f%d": {"type": "string", "title": "Field %d", "maxLength": %d}`, i, i, i+1))
	}
	g := create(t, s, c, registry.FieldGroups, group("Many", "{"+strings.Join(props, ", ")+"}"))
	sc := create(t, s, c, registry.Schemas, schema("S", create(t, s, c, registry.Classes, class), g))
	if err := s.MarkUsed(t.Context(), c, sc); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Patch(t.Context(), c, registry.FieldGroups, g, []byte(`[{"op": "add", "path": "/definitions/customFields/properties/_acme/properties/more", "value": {"type": "string"}}]`)); err != nil {
		t.Fatal(err)
	}
	if n := len(acme(t, s, c, sc)); n != 6001 {
		t.Errorf("%d fields", n)
	}
}

// A relational schema has fields of its own, at the top.
func TestRelational(t *testing.T) {
	t.Parallel()
	s, c := empty(t), gatewaytest.Admin("prod")
	body := `{"type": "object", "title": "Table", "meta:extends": ["https://ns.adobe.com/xdm/data/adhoc-v2"], "allOf": [{"$ref": "#/definitions/customFields"}],
		"definitions": {"customFields": {"type": "object", "properties": {"id": {"type": "string"}, "n": {"type": "integer"}}, "required": ["id"]}}}`
	sc := create(t, s, c, registry.Schemas, body)
	comp, err := s.Composition(t.Context(), c, sc)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*xdm.Field{{Name: "id", Required: true}, {Name: "n", Kind: xdm.Int}}, comp.Fields); diff != "" {
		t.Error(diff)
	}
	sums, err := s.Summaries(t.Context(), c)
	if err != nil || len(sums) != 1 || sums[0].Class != "" {
		t.Errorf("%+v %v", sums, err)
	}
	if _, err := s.Patch(t.Context(), c, registry.Schemas, sc, []byte(enable)); err == nil || !strings.Contains(err.Error(), "takes part in no union") {
		t.Error(err)
	}
	if _, err := s.Create(t.Context(), c, registry.Schemas, []byte(strings.Replace(body, "adhoc-v2", "record", 1))); err == nil || !strings.Contains(err.Error(), "no fields of its own") {
		t.Error(err)
	}
}
