package dataprep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

const base = "/data/foundation/conversion"

// maxBody bounds the bodies of all calls.
const maxBody = 4 << 20

// HTTP returns the service's calls.
func (s *Service) HTTP() *gateway.Service {
	view := access.AnyOf(access.ViewSources, access.ManageSources)
	manage := access.AnyOf(access.ManageSources)
	routes := []gateway.Route{
		{Method: "POST", Path: "/mappingSets", Need: manage, Handle: s.create},
		{Method: "GET", Path: "/mappingSets", Need: view, Handle: s.list},
		{Method: "GET", Path: "/mappingSets/{id}", Need: view, Handle: s.get},
		{Method: "PUT", Path: "/mappingSets/{id}", Need: manage, Handle: s.put},
		{Method: "GET", Path: "/mappingSets/{id}/mappings", Need: view, Handle: s.mappings},
		{Method: "GET", Path: "/mappingSets/{id}/mappings/{mapping}", Need: view, Handle: s.mapping},
		{Method: "POST", Path: "/mappingSets/validate", Need: view, Handle: s.validate},
		{Method: "POST", Path: "/mappingSets/preview", Need: view, Handle: s.preview},
		{Method: "POST", Path: "/mappingSets/suggestions", Need: view, Handle: s.suggest},
		{Method: "GET", Path: "/mappingSetTemplates/{resource}", Need: view, Handle: s.template},
		{Method: "POST", Path: "/languages/el/validate", Need: view, Handle: s.checkExpression},
		{Method: "GET", Path: "/languages/el/functions", Need: view, Handle: func(context.Context, *gateway.Call) (*gateway.Answer, error) {
			return gateway.OK(functionDocuments()), nil
		}},
		{Method: "GET", Path: "/languages/el/operators", Need: view, Handle: func(context.Context, *gateway.Call) (*gateway.Answer, error) {
			return gateway.OK(operatorDocuments()), nil
		}},
	}
	for i := range routes {
		routes[i].MaxBody = maxBody
		routes[i].Handle = worded(routes[i].Handle)
	}
	return &gateway.Service{Name: "dataprep", Base: base, Shape: shape, Routes: routes}
}

// shape words a failure: problem details, of the form that MAPPER errors have
// in dataflow runs.
func shape(f *gateway.Failure, requestID string) any {
	code := f.Code
	if code == "" {
		code = fmt.Sprintf("MAPPER-0%d-%d", f.Status, f.Status)
	}
	report := map[string]any{"detailed-message": f.Detail, "request-id": requestID}
	maps.Copy(report, f.Report)
	return struct {
		Type   string         `json:"type"`
		Title  string         `json:"title"`
		Status int            `json:"status"`
		Report map[string]any `json:"report"`
		Detail string         `json:"detail"`
	}{"http://ns.adobe.com/aep/errors/" + code, f.Title, f.Status, report, f.Detail}
}

// worded adds to the failure of a faulty set which mappings are wrong, and where.
func worded(handle func(context.Context, *gateway.Call) (*gateway.Answer, error)) func(context.Context, *gateway.Call) (*gateway.Answer, error) {
	return func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
		answer, err := handle(ctx, call)
		faulty, ok := errors.AsType[*Faulty](err)
		if !ok {
			return answer, err
		}
		f := gateway.Fail(http.StatusBadRequest, "", "Invalid mapping set", "%v", faulty)
		f.Report = map[string]any{
			"mapping": faulty.Faults[0].Mapping,
			"errors":  faultDocuments(faulty.Faults[:min(len(faulty.Faults), maxErrors)]),
		}
		if at, ok := errors.AsType[*expr.Error](faulty.First); ok {
			f.Report["line"], f.Report["column"] = at.Pos.Line, at.Pos.Column
		}
		return nil, f
	}
}

func (s *Service) create(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	set, err := readSet(call)
	if err != nil {
		return nil, err
	}
	if set, err = s.Create(ctx, call.Caller, set); err != nil {
		return nil, err
	}
	return &gateway.Answer{
		Header: http.Header{"Location": {base + "/mappingSets/" + set.ID}},
		Body: struct {
			ID      string `json:"id"`
			Version int    `json:"version"`
			Stamp
		}{set.ID, set.Version, set.Stamp},
	}, nil
}

func (s *Service) put(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	if _, err := s.Set(ctx, call.Caller, call.Var("id"), Newest); err != nil {
		return nil, err
	}
	set, err := readSet(call)
	if err != nil {
		return nil, err
	}
	if set, err = s.Put(ctx, call.Caller, call.Var("id"), set); err != nil {
		return nil, err
	}
	return gateway.OK(set.document(nil)), nil
}

func (s *Service) get(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	q := call.HTTP.URL.Query()
	version, err := number(q, "version", Newest)
	if err != nil {
		return nil, err
	}
	expand, err := flag(q, "expandSchema")
	if err != nil {
		return nil, err
	}
	set, err := s.Set(ctx, call.Caller, call.Var("id"), version)
	if err != nil {
		return nil, err
	}
	c, err := s.expanded(ctx, call.Caller, set, expand)
	if err != nil {
		return nil, err
	}
	return gateway.OK(set.document(c)), nil
}

// expanded returns a set's schema if it is wanted and still there.
func (s *Service) expanded(ctx context.Context, c access.Caller, set Set, wanted bool) (*xdm.Composition, error) {
	if !wanted {
		return nil, nil //nolint:nilnil // none is wanted
	}
	composition, err := s.Schemas.Composition(ctx, c, set.SchemaID)
	if problem.KindOf(err) == problem.NotFound {
		return nil, nil //nolint:nilnil // it is gone
	}
	return composition, err
}

func number(q url.Values, name string, absent int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, invalid("%s=%s: a number from 0 is expected", name, text)
	}
	return n, nil
}

func flag(q url.Values, name string) (bool, error) {
	text := q.Get(name)
	if text == "" {
		return false, nil
	}
	b, err := strconv.ParseBool(strings.ToLower(text))
	if err != nil {
		return false, invalid("%s=%s: true or false is expected", name, text)
	}
	return b, nil
}

// maxPage is how many sets a page may have.
const maxPage = 100

func (s *Service) list(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	values := call.HTTP.URL.Query()
	q := Query{Name: values.Get("name")}
	var err error
	if q.Limit, err = number(values, "limit", 10); err != nil {
		return nil, err
	}
	if q.Limit < 1 || q.Limit > maxPage {
		return nil, invalid("limit=%d: 1 to %d are allowed", q.Limit, maxPage)
	}
	if q.Start, err = number(values, "start", 0); err != nil {
		return nil, err
	}
	expand, err := flag(values, "expandSchema")
	if err != nil {
		return nil, err
	}
	order := values.Get("orderBy")
	name := strings.TrimLeft(order, "+- ") // a plus may arrive as a blank
	q.Descending = strings.HasPrefix(order, "-")
	switch name {
	case "createdDate":
		q.ByCreation = true
	case "updatedDate", "modifiedDate", "lastUpdateDate", "":
	default:
		return nil, invalid("orderBy=%s: createdDate and updatedDate are allowed, with + or - before them", order)
	}
	sets, count, err := s.List(ctx, call.Caller, q)
	if err != nil {
		return nil, err
	}
	data := make([]setDocument, len(sets))
	for i, set := range sets {
		c, err := s.expanded(ctx, call.Caller, set, expand)
		if err != nil {
			return nil, err
		}
		data[i] = set.document(c)
	}
	links := map[string]any{}
	if next := q.Start + len(sets); len(sets) > 0 && next < count {
		values.Set("start", strconv.Itoa(next))
		values.Set("limit", strconv.Itoa(q.Limit))
		links["next"] = map[string]any{"href": base + "/mappingSets?" + values.Encode(), "templated": false}
	}
	return gateway.OK(map[string]any{"data": data, "_page": map[string]int{"count": count, "limit": q.Limit}, "_links": links}), nil
}

func (s *Service) mappings(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	set, err := s.asked(ctx, call)
	if err != nil {
		return nil, err
	}
	return gateway.OK(mappingDocuments(set.Mappings)), nil
}

// asked returns the set of the path, in the version of the query.
func (s *Service) asked(ctx context.Context, call *gateway.Call) (Set, error) {
	version, err := number(call.HTTP.URL.Query(), "version", Newest)
	if err != nil {
		return Set{}, err
	}
	return s.Set(ctx, call.Caller, call.Var("id"), version)
}

func (s *Service) mapping(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	set, err := s.asked(ctx, call)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(set.Mappings, func(m Mapping) bool { return m.ID == call.Var("mapping") })
	if i < 0 {
		return nil, problem.Errorf(problem.NotFound, "the mapping set %q has no mapping %q", set.ID, call.Var("mapping"))
	}
	return gateway.OK(set.Mappings[i].document()), nil
}

// validate says what is wrong with a set, and, if the schema is to be expanded,
// what the set maps to and which required fields it leaves out.
func (s *Service) validate(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	set, err := readSet(call)
	if err != nil {
		return nil, err
	}
	expand, err := flag(call.HTTP.URL.Query(), "expandSchema")
	if err != nil {
		return nil, err
	}
	verdict, err := s.Validate(ctx, call.Caller, set)
	if err != nil {
		return nil, err
	}
	type entry struct {
		Status string          `json:"status"`
		Errors []faultDocument `json:"errors"`
	}
	list := make([]entry, len(verdict.Faults))
	for i, f := range verdict.Faults {
		list[i] = entry{"SUCCESS", faultDocuments(f)}
		if len(f) > 0 {
			list[i].Status = "FAILED"
		}
	}
	answer := map[string]any{"validationResponse": list}
	if expand {
		answer["unmappedRequired"] = append([]string{}, verdict.Unfilled...)
		answer["outputSchema"] = outputSchema{SchemaRef: reference{verdict.Schema.ID, set.Content}, JSONSchema: jsonSchema(verdict.Schema)}
	}
	return gateway.OK(answer), nil
}

func (s *Service) preview(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	var b struct {
		Data       json.RawMessage `json:"data"`
		MappingSet *setBody        `json:"mappingSet"`
	}
	if err := call.JSON(&b); err != nil {
		return nil, err
	}
	if b.MappingSet == nil {
		return nil, invalid("mappingSet is missing")
	}
	set, err := b.MappingSet.set(call.Caller)
	if err != nil {
		return nil, err
	}
	list, single, err := records(b.Data)
	if err != nil {
		return nil, err
	}
	previews, err := s.Preview(ctx, call.Caller, set, list)
	if err != nil {
		return nil, err
	}
	type entry struct {
		Data   json.RawMessage `json:"data"`
		Errors []faultDocument `json:"errors"`
	}
	answer := make([]entry, len(previews))
	for i, p := range previews {
		answer[i] = entry{p.Data, faultDocuments(p.Faults)}
	}
	if single {
		return gateway.OK(answer[0]), nil
	}
	return gateway.OK(answer), nil
}
