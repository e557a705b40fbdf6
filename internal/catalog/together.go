package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// maxTogether is how many requests one may hold.
const maxTogether = 100

// A request is one of several that come in one.
type request struct {
	ID       string            `json:"id"`
	Resource string            `json:"resource"` // path behind the service's base
	Method   string            `json:"method"`
	Headers  map[string]string `json:"headers"`
	Body     any               `json:"body"`
}

// A result is what became of one.
type result struct {
	ID   string          `json:"id"`
	Code int             `json:"code"`
	Body json.RawMessage `json:"body,omitempty"`
}

// postTogether does several requests one after the other, all or none: when
// one fails, those before it are taken back. A deletion can't be, so there is
// one at most, and it is the last. What others change meanwhile in an object
// that a request has changed is not taken back.
func (s *Service) postTogether(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	body, err := readJSON(call)
	if err != nil {
		return nil, err
	}
	var requests []request
	if err := gateway.DecodeJSON(body, &requests); err != nil {
		return nil, err
	}
	if onlyValidate(call.HTTP.Header) {
		return nil, invalid("Pragma: several requests can't be validated together: later ones may need what earlier ones make")
	}
	if err := checkTogether(requests); err != nil {
		return nil, err
	}
	g := &together{s: s, call: call, made: map[string]string{}, version: map[string]string{}}
	results := []result{}
	for i, r := range requests {
		reply, err := g.do(ctx, r)
		if err != nil {
			return nil, g.failed(ctx, i, r, err)
		}
		results = append(results, result{r.ID, reply.Status, reply.Body})
	}
	return &gateway.Answer{Status: http.StatusCreated, Body: results}, nil
}

func checkTogether(requests []request) error {
	if len(requests) == 0 || len(requests) > maxTogether {
		return invalid("the body holds %d requests: from 1 to %d are allowed", len(requests), maxTogether)
	}
	seen := map[string]bool{}
	for i, r := range requests {
		switch {
		case r.ID == "" || seen[r.ID]:
			return invalid("request %d: id: it must be there, and of its own", i)
		case !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, strings.ToUpper(r.Method)):
			return invalid("request %q: method: %q is none of get, post, put, patch, delete", r.ID, r.Method)
		case strings.EqualFold(r.Method, http.MethodDelete) && i < len(requests)-1:
			return invalid("request %q: a deletion can't be taken back, so it must be the last request", r.ID)
		}
		for name := range r.Headers {
			if !slices.Contains([]string{"If-Match", "If-None-Match", "Content-Type"}, http.CanonicalHeaderKey(name)) {
				return invalid("request %q: headers: %q can't be set; If-Match, If-None-Match and Content-Type can", r.ID, name)
			}
		}
		seen[r.ID] = true
	}
	return nil
}

// together does requests, and knows how to take back what they did.
type together struct {
	s    *Service
	call *gateway.Call
	made map[string]string // ids of objects by those of their requests
	undo []func(context.Context) error
	// version is what each object has since it was changed here.
	version map[string]string
}

func (g *together) do(ctx context.Context, r request) (gateway.Reply, error) {
	resource, err := g.fill(ctx, r.Resource)
	if err != nil {
		return gateway.Reply{}, err
	}
	path, _ := resource.(string)
	var body []byte
	if r.Body != nil {
		filled, err := g.fill(ctx, r.Body)
		if err != nil {
			return gateway.Reply{}, err
		}
		if body, err = json.Marshal(filled); err != nil {
			return gateway.Reply{}, err
		}
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for name, value := range r.Headers {
		header.Set(name, value)
	}
	method := strings.ToUpper(r.Method)
	id, _, _ := strings.Cut(path[strings.LastIndexByte(path, '/')+1:], "?")
	var before Dataset
	if method == http.MethodPut || method == http.MethodPatch {
		if before, err = g.s.Dataset(ctx, g.call.Caller, id); problem.KindOf(err) != problem.NotFound && err != nil {
			return gateway.Reply{}, err
		}
	}
	reply, err := g.call.Do(ctx, method, path, header, body)
	if err != nil {
		return reply, err
	}
	if reply.Status >= http.StatusMultipleChoices && reply.Status != http.StatusNotModified {
		var said struct{ Detail string }
		_ = json.Unmarshal(reply.Body, &said) // else there are no words
		return reply, gateway.Fail(max(reply.Status, http.StatusBadRequest), "", "", "%s", said.Detail)
	}
	switch method {
	case http.MethodPost:
		var refs []string
		if json.Unmarshal(reply.Body, &refs) == nil && len(refs) == 1 {
			id = refs[0][strings.LastIndexByte(refs[0], '/')+1:]
		}
		g.undo = append(g.undo, func(ctx context.Context) error {
			return g.s.DeleteDataset(ctx, g.call.Caller, id, Match{If: g.version[id]})
		})
	case http.MethodPut, http.MethodPatch:
		g.undo = append(g.undo, func(ctx context.Context) error { return g.restore(ctx, before) })
	}
	g.made[r.ID], g.version[id] = id, reply.Header.Get("Etag")
	return reply, nil
}

// restore gives a dataset back what clients may change of it.
func (g *together) restore(ctx context.Context, before Dataset) error {
	now, err := g.s.ChangeDataset(ctx, g.call.Caller, before.ID, Match{If: g.version[before.ID]}, func(d *Dataset) error {
		d.Name, d.Description, d.Tags, d.ErrorDiagnostics, d.ContentType = before.Name, before.Description, before.Tags, before.ErrorDiagnostics, before.ContentType
		d.FileDescription, d.Extensions, d.Classification = before.FileDescription, before.Extensions, before.Classification
		return nil
	})
	g.version[before.ID] = now.Version
	return err
}

// failed takes back what was done before a request failed, the last first,
// and words the failure for all of them.
func (g *together) failed(ctx context.Context, i int, r request, err error) error {
	f := gateway.Fail(http.StatusBadRequest, "", "", "request %d (%q) failed, and nothing was changed: %v", i, r.ID, err)
	if said, ok := errors.AsType[*gateway.Failure](err); ok {
		f.Status = said.Status
	}
	f.Report = map[string]any{"request": r.ID}
	var stuck []error
	for _, undo := range slices.Backward(g.undo) {
		// The caller may have gone; half of what he asked for must not stay.
		if err := undo(context.WithoutCancel(ctx)); err != nil {
			stuck = append(stuck, err)
		}
	}
	if len(stuck) > 0 {
		f.Status = http.StatusConflict
		f.Detail = fmt.Sprintf("request %d (%q) failed: %v; and what was done before it could not all be taken back: %v", i, r.ID, err, errors.Join(stuck...))
	}
	return f
}

var placeholder = regexp.MustCompile(`<<([^<>.]+)(?:\.([^<>]+))?>>`)

// fill puts the ids and members of objects in the place of the texts <<id>>
// and <<id.member>>, wherever they stand in a value.
func (g *together) fill(ctx context.Context, v any) (any, error) {
	var err error
	switch v := v.(type) {
	case []any:
		for i := range v {
			if v[i], err = g.fill(ctx, v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			if v[name], err = g.fill(ctx, v[name]); err != nil {
				return nil, err
			}
		}
	case string:
		if m := placeholder.FindStringSubmatch(v); m != nil && m[0] == v {
			return g.value(ctx, m[1], m[2])
		}
		text := placeholder.ReplaceAllStringFunc(v, func(p string) string {
			m := placeholder.FindStringSubmatch(p)
			value, fault := g.value(ctx, m[1], m[2])
			if fault != nil {
				err = fault
			}
			return fmt.Sprint(value)
		})
		return text, err
	}
	return v, nil
}

// value returns the id of the object of a request, or a member of it.
func (g *together) value(ctx context.Context, of, member string) (any, error) {
	id, ok := g.made[of]
	if !ok {
		return nil, invalid("<<%s>>: no request before this one has that id", of)
	}
	if member == "" {
		return id, nil
	}
	d, err := g.s.Dataset(ctx, g.call.Caller, id)
	if err != nil {
		return nil, err
	}
	v, err := d.view(g.call.Caller)
	if err != nil {
		return nil, err
	}
	var at any = map[string]any(v)
	for name := range strings.SplitSeq(member, ".") {
		o, _ := at.(map[string]any)
		if at, ok = o[name]; !ok {
			return nil, invalid("<<%s.%s>>: the dataset has no such member", of, member)
		}
	}
	return at, nil
}
