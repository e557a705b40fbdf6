package dataprep

import (
	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Documents as clients read them: what the older and the newer style call
// things stands side by side.
type setDocument struct {
	ID      string `json:"id,omitempty"`
	Version int    `json:"version"`
	Stamp
	Name            string            `json:"name,omitempty"`
	SupportVersion  string            `json:"supportVersion"`
	InputSchema     *inputSchema      `json:"inputSchema,omitempty"`
	OutputSchema    outputSchema      `json:"outputSchema"`
	Mappings        []mappingDocument `json:"mappings"`
	Status          string            `json:"status"`
	StrictMapping   bool              `json:"strictMapping"`
	AllowNullValues bool              `json:"allowNullValues"`
	Tags            []Tag             `json:"tags,omitempty"`
	XDMVersion      string            `json:"xdmVersion"`
	SchemaRef       reference         `json:"schemaRef"`
	XDMSchema       string            `json:"xdmSchema"`
}

type inputSchema struct {
	ID       string `json:"id"`
	Version  int    `json:"version"`
	SampleID string `json:"sampleId"`
}

type outputSchema struct {
	ID         string         `json:"id,omitempty"`
	Version    int            `json:"version"`
	SchemaRef  reference      `json:"schemaRef"`
	JSONSchema map[string]any `json:"jsonSchema,omitempty"`
}

type reference struct {
	ID          string `json:"id"`
	ContentType string `json:"contentType"`
}

type mappingDocument struct {
	ID      string `json:"id,omitempty"`
	Version int    `json:"version"`
	Stamp
	SourceType           string   `json:"sourceType"`
	Source               string   `json:"source"`
	Destination          string   `json:"destination"`
	Name                 string   `json:"name,omitempty"`
	Description          string   `json:"description,omitempty"`
	Identity             bool     `json:"identity"`
	PrimaryIdentity      bool     `json:"primaryIdentity"`
	IdentityGroup        string   `json:"identityGroup,omitempty"`
	NamespaceCode        string   `json:"namespaceCode,omitempty"`
	MatchScore           float64  `json:"matchScore"`
	FunctionVersion      int      `json:"functionVersion"`
	ExpressionAttributes []string `json:"expressionAttributes,omitempty"`
	SourceAttribute      string   `json:"sourceAttribute"`
	DestinationXDMPath   string   `json:"destinationXdmPath"`
}

// shownTypes are the types of sources as stored sets show them.
var shownTypes = map[string]string{"ATTRIBUTE": "text/x.schema-path", "EXPRESSION": "text/x.aep-xl", "STATIC": "STATIC"}

func (m Mapping) document() mappingDocument {
	d := mappingDocument{
		ID: m.ID, Version: m.Version, Stamp: m.Stamp, SourceType: shownTypes[m.Type], Source: m.Source, Destination: m.To,
		Name: m.Name, Description: m.About, Identity: m.Identity, PrimaryIdentity: m.Primary, IdentityGroup: m.Group,
		NamespaceCode: m.Namespace, MatchScore: m.Score, FunctionVersion: 1, SourceAttribute: m.Source, DestinationXDMPath: m.To,
	}
	if m.Type == "EXPRESSION" {
		if e, err := expr.Compile(m.Source); err == nil {
			for _, path := range e.Fields() {
				d.ExpressionAttributes = append(d.ExpressionAttributes, path.String())
			}
		}
	}
	return d
}

func mappingDocuments(mappings []Mapping) []mappingDocument {
	all := make([]mappingDocument, len(mappings))
	for i, m := range mappings {
		all[i] = m.document()
	}
	return all
}

// document shows a set; c, if given, is its schema to show with it.
func (set Set) document(c *xdm.Composition) setDocument {
	ref := reference{set.SchemaID, set.Content}
	d := setDocument{
		ID: set.ID, Version: set.Version, Stamp: set.Stamp, Name: set.Name, SupportVersion: "1.1",
		OutputSchema: outputSchema{ID: set.Input.OutputID, SchemaRef: ref},
		Mappings:     mappingDocuments(set.Mappings), Status: "PUBLISHED", StrictMapping: set.Strict, AllowNullValues: set.Nulls,
		Tags: set.Tags, XDMVersion: set.XDM, SchemaRef: ref, XDMSchema: set.SchemaID,
	}
	if set.Input.SchemaID != "" {
		d.InputSchema = &inputSchema{ID: set.Input.SchemaID, SampleID: set.Input.SampleID}
	}
	if c != nil {
		d.OutputSchema.JSONSchema = jsonSchema(c)
	}
	return d
}

// jsonSchema writes a schema as JSON Schema with the types of XDM.
func jsonSchema(c *xdm.Composition) map[string]any {
	s := objectSchema(c.Fields)
	s["$id"], s["id"], s["title"], s["version"] = c.ID, c.ID, c.Title, c.Version
	return s
}

func objectSchema(fields []*xdm.Field) map[string]any {
	properties, required := map[string]any{}, []string(nil)
	for _, f := range fields {
		properties[f.Name] = fieldSchema(f)
		if f.Required {
			required = append(required, f.Name)
		}
	}
	s := map[string]any{"type": "object", "meta:xdmType": "object", "properties": properties}
	if required != nil {
		s["required"] = required
	}
	return s
}

func fieldSchema(f *xdm.Field) map[string]any {
	s := f.Kind.JSONSchema()
	switch f.Kind {
	case xdm.Object:
		s = objectSchema(f.Fields)
	case xdm.Array:
		s["items"] = fieldSchema(f.Elem)
	case xdm.Map:
		s["additionalProperties"] = fieldSchema(f.Elem)
	default:
	}
	if f.Title != "" {
		s["title"] = f.Title
	}
	if f.Description != "" {
		s["description"] = f.Description
	}
	return s
}

type faultDocument struct {
	Destination string  `json:"destination"`
	Exception   string  `json:"exception"`
	Source      string  `json:"source"`
	ColumnName  *string `json:"columnName"`
	SourceType  string  `json:"sourceType,omitempty"`
}

// faultDocuments are null where nothing is wrong.
func faultDocuments(faults []Fault) []faultDocument {
	var all []faultDocument
	for _, f := range faults {
		all = append(all, faultDocument{Destination: f.Destination, Exception: f.Exception, Source: f.Source, SourceType: f.Type})
	}
	return all
}
