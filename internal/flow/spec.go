package flow

import (
	"context"
	"embed"
	"encoding/json"
	"net/url"
	"slices"
	"sync"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
)

// specFiles are what can be connected, and how data flows. They belong to the
// release: no client changes them.
//
//go:embed specs/*.json
var specFiles embed.FS

// A shelf is the specs of one sort.
type shelf struct {
	collection string
	files      []string
}

var (
	connectionSpecs = shelf{"connectionSpecs", []string{"stripe", "datalake"}}
	flowSpecs       = shelf{"flowSpecs", []string{"rest"}}
)

// A document is a spec: its text, and what rules are read from it.
type document struct {
	text json.RawMessage
	all  map[string]any

	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Version string     `json:"version"`
	Auth    []authSpec `json:"authSpec"`
	Source  paramSpec  `json:"sourceSpec"`
	Target  paramSpec  `json:"targetSpec"`
	Sources []string   `json:"sourceConnectionSpecIds"`
	Targets []string   `json:"targetConnectionSpecIds"`
}

type authSpec struct {
	Name string `json:"name"`
	Spec schema `json:"spec"`
}

type paramSpec struct {
	Spec schema `json:"spec"`
}

// documents are all specs by the name of their file.
var documents = sync.OnceValues(func() (map[string]*document, error) {
	all := map[string]*document{}
	for _, name := range slices.Concat(connectionSpecs.files, flowSpecs.files) {
		text, err := specFiles.ReadFile("specs/" + name + ".json")
		if err != nil {
			return nil, err
		}
		d := &document{text: text}
		if err := json.Unmarshal(text, d); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &d.all); err != nil {
			return nil, err
		}
		all[name] = d
	}
	return all, nil
})

func (s shelf) documents() ([]*document, error) {
	all, err := documents()
	if err != nil {
		return nil, err
	}
	var mine []*document
	for _, name := range s.files {
		mine = append(mine, all[name])
	}
	return mine, nil
}

// find returns the spec of an id, nil if there is none.
func (s shelf) find(id string) (*document, error) {
	mine, err := s.documents()
	if err != nil {
		return nil, err
	}
	for _, d := range mine {
		if d.ID == id {
			return d, nil
		}
	}
	return nil, nil
}

func (s shelf) missing(id string) error {
	f := fail("FLOW-1439-404", "Resource not found", "The requested %s resource %s is not found. Verify the resource ID before trying again.", s.collection, id)
	f.Report = map[string]any{"id": id, "type": s.collection}
	return f
}

// settle checks that a client's Spec is one of the shelf, and fills in the
// version where it was left out; FLOW-1413-400.
func (s shelf) settle(spec *Spec) (*document, error) {
	d, err := s.find(spec.ID)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, invalid("FLOW-1413-400", "id", "There is no spec with the id %q among the %s", spec.ID, s.collection)
	}
	if spec.Version == "" {
		spec.Version = d.Version
	}
	if spec.Version != d.Version {
		return nil, invalid("FLOW-1413-400", "version", "The spec %s has no version %q: %s is the only one", d.ID, spec.Version, d.Version)
	}
	return d, nil
}

// list answers with the specs that a query asks for.
func (s shelf) list(path string, q *query) (*gateway.Answer, error) {
	mine, err := s.documents()
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, d := range mine {
		if q.match(d.all) {
			rows = append(rows, row{text: d.text, doc: d.all, mark: mark{ID: d.ID}})
		}
	}
	rows, more := q.page(rows)
	return q.answer(path, rows, more)
}

// fields are those that filters, orders and projections may name.
func (s shelf) fields() ([]string, error) {
	mine, err := s.documents()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, d := range mine {
		for name := range d.all {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all, nil
}

func (s shelf) query(values url.Values) (*query, error) {
	fields, err := s.fields()
	if err != nil {
		return nil, err
	}
	return parseQuery(values, fields, maxPage)
}

// routes are the calls that both sorts of specs know.
func (s shelf) routes() []gateway.Route {
	path := "/" + s.collection
	refuse := func(context.Context, *gateway.Call) (*gateway.Answer, error) {
		return nil, fail("FLOW-1402-400", "Bad request", "The %s are those of the release: none can be added or changed", s.collection)
	}
	return []gateway.Route{
		{Method: "GET", Path: path, Handle: func(_ context.Context, call *gateway.Call) (*gateway.Answer, error) {
			q, err := s.query(call.HTTP.URL.Query())
			if err != nil {
				return nil, err
			}
			return s.list(path, q)
		}},
		{Method: "POST", Path: path, Need: access.Need{Admin: true}, Handle: refuse},
		{Method: "GET", Path: path + "/{id}", Handle: func(_ context.Context, call *gateway.Call) (*gateway.Answer, error) {
			d, err := s.find(call.Var("id"))
			if err != nil {
				return nil, err
			}
			if d == nil {
				return nil, s.missing(call.Var("id"))
			}
			return gateway.OK(envelope{Items: []any{d.text}}), nil
		}},
		{Method: "PUT", Path: path + "/{id}", Need: access.Need{Admin: true}, Handle: refuse},
	}
}

func (s *Service) specRoutes() []gateway.Route {
	routes := slices.Concat(connectionSpecs.routes(), flowSpecs.routes())
	for _, name := range []string{"explore", "configs"} {
		routes = append(routes, gateway.Route{Method: "GET", Path: "/connectionSpecs/{id}/" + name, Handle: func(_ context.Context, call *gateway.Call) (*gateway.Answer, error) {
			d, err := connectionSpecs.find(call.Var("id"))
			if err != nil {
				return nil, err
			}
			if d == nil {
				return nil, connectionSpecs.missing(call.Var("id"))
			}
			return gateway.OK(envelope{Items: d.columns(name == "configs")}), nil
		}})
	}
	return append(routes, gateway.Route{Method: "POST", Path: "/flowSpecs/search", Handle: func(_ context.Context, call *gateway.Call) (*gateway.Answer, error) {
		fields, err := flowSpecs.fields()
		if err != nil {
			return nil, err
		}
		q, err := search(call, fields)
		if err != nil {
			return nil, err
		}
		return flowSpecs.list("/flowSpecs/search", q)
	}})
}

// A column is a parameter that says what of a source, or of a target.
type column struct {
	Name   string   `json:"columnName"`
	Type   string   `json:"columnType"`
	Values []string `json:"values,omitempty"` // that it may have
}

// columns are the parameters of a source, or of a target.
func (d *document) columns(values bool) []any {
	params := d.Source.Spec
	if len(params.Properties) == 0 {
		params = d.Target.Spec
	}
	items := []any{}
	for _, name := range params.names() {
		p := params.Properties[name]
		c := column{Name: name, Type: p.Type}
		if values {
			c.Values = p.Enum
		}
		items = append(items, c)
	}
	return items
}
