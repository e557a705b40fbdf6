package webui

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/gateway"
)

// An otherFlow is a dataflow whose mapping can be taken over.
type otherFlow struct{ ID, Name string }

// A mappedPreview is what the mapping makes of the objects of the sample.
type mappedPreview struct {
	Columns []string
	Rows    [][]string
	Faults  []string // why values or whole objects are missing, with the number of the row
	More    int      // columns that are not shown
}

const (
	// sampleColumns and previewFaults are how many are shown at most.
	sampleColumns = 60
	previewFaults = 50
)

// openPreview maps all of the sample. Identities come first.
func (r *request) openPreview(e *editor) error {
	v := &mappedPreview{}
	e.Panel.Preview = v
	if e.Sample == nil || len(e.Sample.Rows) == 0 || len(e.Rows) == 0 {
		return nil
	}
	mapped, err := r.mapRows(mappingSetBody("", e.Schema.ID, e.Draft.Rules), e.Sample.Rows)
	if err != nil {
		if isFailure(err) {
			v.Faults = []string{r.refusal(err).Text}
			return nil
		}
		return err
	}
	var keys []string
	for first := range 2 {
		for _, row := range e.Rows {
			identity := row.Field != nil && row.Field.Identity
			if identity == (first == 0) && !slices.Contains(keys, row.Key) {
				keys = append(keys, row.Key)
				v.Columns = append(v.Columns, row.Rule.Target)
			}
		}
	}
	if v.More = len(keys) - sampleColumns; v.More > 0 {
		keys, v.Columns = keys[:sampleColumns], v.Columns[:sampleColumns]
	}
	for i, m := range mapped {
		cells := make([]string, len(keys))
		for c, key := range keys {
			cells[c] = previewCell(valueAt(m.Data, strings.Split(key, "/")))
		}
		v.Rows = append(v.Rows, cells)
		for _, f := range m.Errors {
			if len(v.Faults) < previewFaults {
				v.Faults = append(v.Faults, r.t("Row %d, %s: %s", i+1, f.Destination, f.Exception))
			}
		}
	}
	return nil
}

// openImport lists the other dataflows.
func (r *request) openImport(e *editor) error {
	var all []flowItem
	if err := r.items("/flows", url.Values{"orderby": {"name"}}, &all); err != nil {
		return err
	}
	for _, f := range all {
		if f.ID != e.Draft.Flow {
			e.Panel.Flows = append(e.Panel.Flows, otherFlow{f.ID, f.Name})
		}
	}
	return nil
}

// importRules puts the rules of another dataflow, or of a file, in place of those
// of the draft.
func (r *request) importRules() error {
	flow := r.form("flow") // reads the form
	p := panel{Kind: "import"}
	rules, why, err := r.imported(flow)
	if err != nil {
		if !isFailure(err) {
			return err
		}
		why = r.refusal(err).Text
	}
	check := func(*editor) *ruleNote {
		if why == "" {
			return nil
		}
		return &ruleNote{Text: why}
	}
	return r.changeRules(p, check, func(d *draft, _ *editor) string {
		d.Rules = slices.Clone(rules)
		return ""
	})
}

// imported are the rules that a form names or holds. Why says what is wrong.
func (r *request) imported(flow string) (rules []rule, why string, err error) {
	if flow != "" {
		f, err := r.mappedFlow(flow)
		if err != nil {
			return nil, "", err
		}
		set, err := r.mappingSet(f.Set, f.Version)
		if err != nil {
			return nil, "", err
		}
		return set.rules(), "", nil
	}
	text := r.form("json")
	file, _, err := r.http.FormFile("file")
	switch {
	case err == nil:
		text, err = readFile(file)
		if err != nil {
			return nil, "", err
		}
	case !errors.Is(err, http.ErrMissingFile) && !errors.Is(err, http.ErrNotMultipart):
		return nil, "", gateway.Fail(http.StatusBadRequest, "", "", "%v", err)
	}
	if strings.TrimSpace(text) == "" {
		return nil, r.t("Choose a dataflow or a file."), nil
	}
	var set setDocument
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return nil, r.t("The file is no mapping set in JSON: %s", err.Error()), nil
	}
	if len(set.Mappings) == 0 {
		return nil, r.t("The file has no mappings."), nil
	}
	if len(set.Mappings) > mostRules {
		return nil, r.t("A mapping has at most %d lines.", mostRules), nil
	}
	return set.rules(), "", nil
}

func readFile(file multipart.File) (string, error) {
	b, err := io.ReadAll(file)
	return string(b), errors.Join(err, file.Close())
}

// A setDocument is a mapping set as Data Prep shows it, and as it takes it: in
// the older form, too.
type setDocument struct {
	ID       string                       `json:"id,omitempty"`
	Version  json.Number                  `json:"version,omitempty"`
	Name     string                       `json:"name,omitempty"`
	Nulls    bool                         `json:"allowNullValues,omitempty"`
	Strict   bool                         `json:"strictMapping,omitempty"`
	Tags     any                          `json:"tags,omitempty"`
	XDM      any                          `json:"xdmVersion,omitempty"`
	Ref      map[string]any               `json:"schemaRef,omitempty"`
	Mappings []map[string]json.RawMessage `json:"mappings"`
}

// setMembers are the members of a mapping that the editor keeps without knowing them.
var setMembers = []string{"id", "name", "description", "identity", "primaryIdentity", "identityGroup", "namespaceCode", "matchScore"}

// rules are the set's, as drafts have them.
func (s *setDocument) rules() []rule {
	all := []rule{}
	for _, m := range s.Mappings {
		text := func(names ...string) string {
			for _, name := range names {
				var v string
				if json.Unmarshal(m[name], &v) == nil && v != "" {
					return v
				}
			}
			return ""
		}
		one := rule{Source: text("source", "sourceAttribute"), Target: text("destination", "destinationXdmPath")}
		switch strings.ToUpper(text("sourceType")) {
		case "EXPRESSION", "TEXT/X.AEP-XL":
			one.Expression = true
		case "STATIC":
			one.Static = true
		case "":
			one.Expression = sourceKey(one.Source) == "" && strings.TrimSpace(one.Source) != ""
		}
		for _, name := range setMembers {
			var v any
			if len(m[name]) > 0 && json.Unmarshal(m[name], &v) == nil && v != nil && v != false && v != "" && v != 0.0 {
				if one.Kept == nil {
					one.Kept = map[string]any{}
				}
				one.Kept[name] = v
			}
		}
		all = append(all, one)
	}
	return all
}

// exportRules sends the rules as a file: a mapping set as Data Prep takes it.
func (r *request) exportRules() error {
	d, ok, err := r.enter("mapping")
	if err != nil || !ok {
		return err
	}
	schema, err := r.mappingSchema(d)
	if err != nil {
		return err
	}
	b, err := json.MarshalIndent(mappingSetBody(d.Name, schema, d.Rules), "", "  ")
	if err != nil {
		return err
	}
	h := r.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="mapping-%s.json"`, d.ResourcePath))
	r.began = true
	_, _ = r.w.Write(append(b, '\n')) // the browser is gone
	return nil
}
