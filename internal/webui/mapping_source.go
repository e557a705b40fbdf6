package webui

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// The newest objects of a source are kept in memory for a while, and nowhere
// else: an editor asks for them at every step, and Stripe counts what it is asked.
const (
	sampleLife  = 10 * time.Minute
	mostSamples = 16
	// sampleBytes bounds the objects of a sample: all of them go into the body of
	// one call.
	sampleBytes = 3 << 20
)

// A sourceSample is what a resource looks like, with some objects of it.
type sourceSample struct {
	Tree []*sourceNode
	Rows []json.RawMessage // in the wrapper in which rules find them

	at    time.Time
	mu    sync.Mutex
	hints map[string][]hint // by schema
}

// A hint is a rule that looks right.
type hint struct {
	Source, Target string
	Sure           bool // enough to be taken without being asked for
}

// sureScore is how alike names and types must be for that.
const sureScore = 0.8

// A sourceNode is a field of the source.
type sourceNode struct {
	Name   string
	Path   string // as rules write it
	Type   string
	Fields []*sourceNode
}

type sampleKey struct{ org, sandbox, user, client, connection, resource string }

// samples are those that were read lately.
type samples struct {
	mu   sync.Mutex
	kept map[sampleKey]*sourceSample
}

func (s *samples) get(k sampleKey, now time.Time) *sourceSample {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.kept[k]; one != nil && now.Sub(one.at) < sampleLife {
		return one
	}
	return nil
}

// put keeps a sample in place of the oldest.
func (s *samples) put(k sampleKey, one *sourceSample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[sampleKey]*sourceSample{}
	}
	delete(s.kept, k)
	for len(s.kept) >= mostSamples {
		var oldest sampleKey
		for other, o := range s.kept {
			if s.kept[oldest] == nil || o.at.Before(s.kept[oldest].at) {
				oldest = other
			}
		}
		delete(s.kept, oldest)
	}
	s.kept[k] = one
}

// sample returns what the draft's resource looks like.
func (r *request) sample(d *draft) (*sourceSample, error) {
	key := sampleKey{r.Caller.Org, r.Caller.Sandbox.ID, r.Caller.User, r.Caller.Client, d.Connection, d.ResourcePath}
	now := r.ui.Now()
	if one := r.ui.samples.get(key, now); one != nil {
		return one, nil
	}
	var got struct {
		Schema *jsondoc.Object   `json:"schema"`
		Data   []json.RawMessage `json:"data"`
	}
	if err := r.get(flowAPI+"/connections/"+escape(d.Connection)+"/explore", exploring(d.ResourcePath), &got); err != nil {
		return nil, err
	}
	one := &sourceSample{at: now, hints: map[string][]hint{}}
	total := 0
	for _, row := range got.Data[:min(len(got.Data), previewRows)] {
		if total += len(row); total > sampleBytes {
			break
		}
		one.Rows = append(one.Rows, row)
	}
	one.Tree = sourceTree(got.Schema, nil)
	known, err := r.knownFields(d.ResourcePath)
	if err != nil {
		return nil, err
	}
	if known != nil {
		wrapper := jsondoc.Of("properties", jsondoc.Of("data", known))
		one.Tree = joined(one.Tree, sourceTree(wrapper, nil))
	}
	r.ui.samples.put(key, one)
	return one, nil
}

// knownFields are the fields of a resource that its field group knows, also where
// no object of the sample has them; nil if the group is gone.
func (r *request) knownFields(resource string) (*jsondoc.Object, error) {
	id, err := r.registered("fieldgroups", resourceAt(resource).Template)
	if missing(err, http.StatusNotFound) || missing(err, http.StatusForbidden) {
		return nil, nil //nolint:nilnil // there are none
	}
	if err != nil {
		return nil, err
	}
	var got *jsondoc.Object
	err = r.call(call{
		Path:   registryAPI + "/tenant/fieldgroups/" + escape(id),
		Header: http.Header{"Accept": {"application/vnd.adobe.xed-full+json; version=1"}},
	}, &got)
	if err != nil {
		return nil, err
	}
	// Below the tenant's name and that of the group are the fields themselves.
	for range 2 {
		properties := got.Object("properties")
		if properties == nil || properties.Len() != 1 {
			return nil, nil //nolint:nilnil // somebody changed the group
		}
		for _, v := range properties.All() {
			got, _ = v.(*jsondoc.Object)
		}
	}
	return got, nil
}

// sourceTree makes a tree of a structure.
func sourceTree(o *jsondoc.Object, path expr.Path) []*sourceNode {
	if o == nil {
		return nil
	}
	if items := o.Object("items"); items != nil {
		return sourceTree(items, append(slices.Clip(path), expr.Step{All: true}))
	}
	properties := o.Object("properties")
	if properties == nil {
		return nil
	}
	var all []*sourceNode
	for name, v := range properties.All() {
		if name == "" {
			continue // no path leads there
		}
		at := append(slices.Clip(path), expr.Step{Name: name})
		n := &sourceNode{Name: name, Path: at.String()}
		if field, ok := v.(*jsondoc.Object); ok {
			n.Type, n.Fields = typeOf(field), sourceTree(field, at)
		}
		all = append(all, n)
	}
	return all
}

// typeOf is the type of a field in a word: string, string[] for a list of them.
func typeOf(o *jsondoc.Object) string {
	word := o.Text("meta:xdmType")
	if word == "" {
		word = o.Text("type")
	}
	if items := o.Object("items"); word == "array" && items != nil {
		return typeOf(items) + "[]"
	}
	return word
}

// joined is a tree with what only the other one has.
func joined(tree, other []*sourceNode) []*sourceNode {
	by := make(map[string]*sourceNode, len(tree))
	for _, n := range tree {
		by[n.Name] = n
	}
	for _, o := range other {
		n := by[o.Name]
		if n == nil {
			tree = append(tree, o)
			continue
		}
		if n.Type == "" {
			n.Type = o.Type
		}
		n.Fields = joined(n.Fields, o.Fields)
	}
	return tree
}

// hints returns the rules that look right from the sample to a schema. The rules
// of the resource's template come first.
func (r *request) hints(d *draft, s *sourceSample, schema string) ([]hint, error) {
	s.mu.Lock()
	known, ok := s.hints[schema]
	s.mu.Unlock()
	if ok {
		return known, nil
	}
	type answer struct {
		Mappings []struct {
			Source      string  `json:"source"`
			Destination string  `json:"destination"`
			Score       float64 `json:"matchScore"`
		} `json:"mappings"`
	}
	var template, found answer
	err := r.get(prepAPI+"/mappingSetTemplates/"+escape(d.ResourcePath), url.Values{"schema": {schema}}, &template)
	if err != nil && !isFailure(err) {
		return nil, err
	}
	if len(s.Rows) > 0 {
		body := map[string]any{"outputSchema": schemaRef(schema), "data": s.Rows}
		if err := r.send(http.MethodPost, prepAPI+"/mappingSets/suggestions", body, &found); err != nil && !isFailure(err) {
			return nil, err
		}
	}
	var all []hint
	seen := map[string]bool{}
	for i, m := range append(template.Mappings, found.Mappings...) {
		// What the template does not have was left out for a reason.
		sure := i < len(template.Mappings) || len(template.Mappings) == 0 && m.Score >= sureScore
		if from, to := sourceKey(m.Source), targetKey(m.Destination); !seen["<"+from] && !seen[">"+to] {
			seen["<"+from], seen[">"+to] = true, true
			all = append(all, hint{m.Source, m.Destination, sure})
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hints[schema] = all
	return all, nil
}

// isFailure says whether the API refused: without a suggestion one goes on.
func isFailure(err error) bool {
	_, ok := errors.AsType[*gateway.Failure](err)
	return ok
}
