package dataprep

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// A setBody is a mapping set as clients write it, in the older style, in the
// newer, or in both.
type setBody struct {
	Name         string     `json:"name"`
	XDMSchema    string     `json:"xdmSchema"`
	XDMVersion   loose      `json:"xdmVersion"`
	SchemaRef    *schemaRef `json:"schemaRef"`
	OutputSchema *struct {
		SchemaRef *schemaRef `json:"schemaRef"`
	} `json:"outputSchema"`
	Mappings        []mappingBody `json:"mappings"`
	AllowNullValues bool          `json:"allowNullValues"`
	StrictMapping   bool          `json:"strictMapping"`
	Tags            []Tag         `json:"tags"`
}

type schemaRef struct {
	ID          string `json:"id"`
	ContentType loose  `json:"contentType"`
}

type mappingBody struct {
	ID                 loose   `json:"id"`
	SourceType         string  `json:"sourceType"`
	Source             string  `json:"source"`
	SourceAttribute    string  `json:"sourceAttribute"`
	Destination        string  `json:"destination"`
	DestinationXDMPath string  `json:"destinationXdmPath"`
	Name               string  `json:"name"`
	Description        string  `json:"description"`
	Identity           bool    `json:"identity"`
	PrimaryIdentity    bool    `json:"primaryIdentity"`
	IdentityGroup      string  `json:"identityGroup"`
	NamespaceCode      string  `json:"namespaceCode"`
	MatchScore         float64 `json:"matchScore"`
}

// loose is a text that may be written as a number.
type loose string

// UnmarshalJSON takes a text, a number or null.
func (l *loose) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && (b[0] == '-' || b[0] >= '0' && b[0] <= '9') {
		*l = loose(b)
		return nil
	}
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*l = ""
	if s != nil {
		*l = loose(*s)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return problem.Errorf(problem.Invalid, format, args...)
}

// set reads a body. What it says twice it must say the same way.
func (b *setBody) set(c access.Caller) (Set, error) {
	set := Set{
		Name: b.Name, Nulls: b.AllowNullValues, Strict: b.StrictMapping, Tags: b.Tags, XDM: string(b.XDMVersion),
		Mappings: make([]Mapping, len(b.Mappings)),
	}
	refs := []*schemaRef{b.SchemaRef, {ID: b.XDMSchema}}
	if b.OutputSchema != nil {
		refs = append([]*schemaRef{b.OutputSchema.SchemaRef}, refs...)
	}
	for _, ref := range refs {
		if ref == nil || ref.ID == "" {
			continue
		}
		id := ownSchema(c, ref.ID)
		if set.SchemaID != "" && last(set.SchemaID) != last(id) {
			return Set{}, invalid("the set names two schemas: %s and %s", set.SchemaID, id)
		}
		if set.SchemaID == "" {
			set.SchemaID = id
		}
		if set.Content == "" {
			set.Content = string(ref.ContentType)
		}
	}
	if set.XDM == "" {
		set.XDM = "1.0"
	}
	if set.Content == "" {
		set.Content = set.XDM
	}
	for i := range b.Mappings {
		m, err := b.Mappings[i].mapping(c)
		if err != nil {
			return Set{}, invalid("mapping %d: %v", i+1, err)
		}
		set.Mappings[i] = m
	}
	return set, nil
}

func last(id string) string { return id[strings.LastIndexAny(id, "/.")+1:] }

func (b *mappingBody) mapping(c access.Caller) (Mapping, error) {
	m := Mapping{
		ID: string(b.ID), Name: b.Name, About: b.Description, Identity: b.Identity, Primary: b.PrimaryIdentity,
		Group: b.IdentityGroup, Namespace: b.NamespaceCode, Score: b.MatchScore,
	}
	var err error
	if m.Source, err = either("source", b.Source, "sourceAttribute", b.SourceAttribute); err != nil {
		return m, err
	}
	if m.To, err = either("destination", b.Destination, "destinationXdmPath", b.DestinationXDMPath); err != nil {
		return m, err
	}
	m.To = ownPath(c, m.To)
	switch kind := strings.ToUpper(b.SourceType); kind {
	case "ATTRIBUTE", "EXPRESSION", "STATIC":
		m.Type = kind
	case "TEXT/X.SCHEMA-PATH":
		m.Type = "ATTRIBUTE"
	case "TEXT/X.AEP-XL":
		m.Type = "EXPRESSION"
	case "":
		m.Type = "ATTRIBUTE"
		if _, err := expr.ParsePath(m.Source); err != nil && strings.TrimSpace(m.Source) != "" {
			m.Type = "EXPRESSION"
		}
	default:
		return m, invalid("there is no sourceType %q: it is ATTRIBUTE, EXPRESSION or STATIC", b.SourceType)
	}
	return m, nil
}

func either(name, value, other, otherValue string) (string, error) {
	switch {
	case value == "":
		return otherValue, nil
	case otherValue != "" && otherValue != value:
		return "", invalid("%s and %s are not the same: send one of them", name, other)
	}
	return value, nil
}

// aliases are what guides write where the tenant's name belongs.
func aliases(c access.Caller) []string {
	org, _, _ := strings.Cut(c.Org, "@")
	return []string{"{TENANT_ID}", "{TENANT}", "{ORG_ID}", "{IMS_ORG}", c.Org, org}
}

// ownSchema puts the caller's tenant into the $id of a schema.
func ownSchema(c access.Caller, id string) string {
	id = strings.TrimSpace(id)
	for _, a := range aliases(c) {
		if rest, ok := strings.CutPrefix(id, "https://ns.adobe.com/"+a+"/"); ok && a != "" {
			return "https://ns.adobe.com/" + c.Tenant + "/" + rest
		}
		if rest, ok := strings.CutPrefix(id, "_"+a+".schemas."); ok && a != "" {
			return "_" + c.Tenant + ".schemas." + rest
		}
	}
	return id
}

// ownPath puts the caller's tenant into a destination.
func ownPath(c access.Caller, path string) string {
	for _, a := range aliases(c) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(path), "_"+a+"."); ok && a != "" {
			return "_" + c.Tenant + "." + rest
		}
	}
	return path
}

// records reads one record or a list of them.
func records(text json.RawMessage) (list []expr.Value, single bool, err error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, false, invalid("data is missing: a record, or a list of records")
	}
	v, err := expr.ParseJSON(text)
	if err != nil {
		return nil, false, invalid("data: %v", err)
	}
	switch v.Kind() {
	case expr.Array:
		return v.Items(), false, nil
	case expr.Map:
		return []expr.Value{v}, true, nil
	default:
		return nil, false, invalid("data is %s; it should be a record, or a list of records", v.Kind())
	}
}

// readSet reads the body of a call that is a mapping set.
func readSet(call *gateway.Call) (Set, error) {
	var b setBody
	if err := call.JSON(&b); err != nil {
		return Set{}, err
	}
	return b.set(call.Caller)
}
