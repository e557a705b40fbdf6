package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

const base = "/data/foundation/flowservice"

// maxBody is how large what describes an object may be.
const maxBody = 1 << 20

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	g := &gateway.Service{
		Name: "flowservice", Base: base, Shape: shape,
		Codes: gateway.Codes{Forbidden: "FLOW-2120-403", NoSandbox: "FLOW-2100-404"},
	}
	for _, part := range [][]gateway.Route{s.specRoutes(), s.connectionRoutes(), s.sourceRoutes(), s.targetRoutes(), s.flowRoutes(), s.runRoutes()} {
		g.Routes = append(g.Routes, part...)
	}
	for i := range g.Routes {
		r := &g.Routes[i]
		r.MaxBody = maxBody
		if r.Need.Any == nil && !r.Need.Admin {
			r.Need = manage()
			if r.Method == http.MethodGet || strings.HasSuffix(r.Path, "/search") {
				r.Need = view()
			}
		}
	}
	return g
}

func view() access.Need   { return access.AnyOf(access.ViewSources, access.ManageSources) }
func manage() access.Need { return access.AnyOf(access.ManageSources) }

// reads are the calls that read the objects of a kind.
func reads[T any](s *Service, k *kind[T]) []gateway.Route {
	path := "/" + k.collection
	return []gateway.Route{
		{Method: "GET", Path: path, Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
			q, err := parseQuery(call.HTTP.URL.Query(), k.fields, maxPage)
			if err != nil {
				return nil, err
			}
			return list(ctx, s, k, call.Caller, path, q)
		}},
		{Method: "POST", Path: path + "/search", Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
			q, err := search(call, k.fields)
			if err != nil {
				return nil, err
			}
			return list(ctx, s, k, call.Caller, path+"/search", q)
		}},
		{Method: "GET", Path: path + "/{id}", Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
			v, err := load(ctx, s, k, call.Caller, call.Var("id"))
			if err != nil {
				return nil, err
			}
			return k.answer(v), nil
		}},
	}
}

// load reads one object.
func load[T any](ctx context.Context, s *Service, k *kind[T], c access.Caller, id string) (*T, error) {
	var v *T
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		v, _, err = k.get(t, scope(c), id)
		return err
	})
	return v, err
}

// keep keeps a new object. check is asked when the object has its id, perhaps
// more than once.
func keep[T any](ctx context.Context, s *Service, k *kind[T], c access.Caller, v *T, check func(t *docstore.Tx) error) error {
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		if err := s.born(c, k.item(v)); err != nil {
			return err
		}
		if err := check(t); err != nil {
			return err
		}
		return k.put(t, scope(c), docstore.Doc{}, v)
	})
}

// readBody decodes the body of a call, which must say something.
func readBody(call *gateway.Call, v any) error {
	b, err := call.Bytes()
	if err != nil {
		return err
	}
	switch string(bytes.TrimSpace(b)) {
	case "", "null":
		return invalid("FLOW-1405-400", "", "The body is empty: a JSON object is expected")
	}
	return gateway.DecodeJSON(b, v)
}

// readNew decodes the body that describes a new object, and says whether it
// shall be a draft.
func readNew(call *gateway.Call, v any) (draft bool, err error) {
	mode := call.HTTP.URL.Query().Get("mode")
	if mode != "" && !strings.EqualFold(mode, Draft) {
		return false, invalid("CONNECTOR-1368-400", "mode", "mode=%s is not allowed: draft is the only one", mode)
	}
	var text json.RawMessage
	if err := readBody(call, &text); err != nil {
		return false, err
	}
	var given map[string]json.RawMessage
	if err := gateway.DecodeJSON(text, &given); err != nil {
		return false, err
	}
	if len(given) == 0 {
		return false, invalid("FLOW-1405-400", "", "The body is empty: a JSON object that describes the object is expected")
	}
	if _, ok := given["state"]; ok {
		return false, invalid("FLOW-1410-400", "state", "The state can't be given at creation; mode=draft makes a draft")
	}
	return mode != "", gateway.DecodeJSON(text, v)
}

// posts is the call that makes an object of what a client wrote.
func posts[In, T any](k *kind[T], create func(context.Context, access.Caller, In, bool) (*T, error)) gateway.Route {
	return gateway.Route{Method: "POST", Path: "/" + k.collection, Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
		var in In
		draft, err := readNew(call, &in)
		if err != nil {
			return nil, err
		}
		v, err := create(ctx, call.Caller, in, draft)
		if err != nil {
			return nil, err
		}
		i := k.item(v)
		a := gateway.Created(base+"/"+k.collection+"/"+i.ID, i.written())
		a.Header.Set("ETag", i.Etag)
		return a, nil
	}}
}

// actionOf returns what …/action?op= asks of an object. What the original knows
// for providers alone is told apart from what nobody knows.
func actionOf(call *gateway.Call, known ...string) (string, error) {
	given := call.HTTP.URL.Query().Get("op")
	op := strings.ReplaceAll(strings.ToLower(given), "_", "-")
	switch {
	case slices.Contains(known, op):
		return op, nil
	case op == "finalize", op == "finalize-update":
		return "", invalid("FLOW-1402-400", "op", "op=%s is for providers alone", given)
	case op == "":
		return "", invalid("FLOW-1451-400", "op", "The parameter op is missing: %s is expected", strings.Join(known, " or "))
	}
	return "", invalid("FLOW-1451-400", "op", "op=%s is not known: %s is expected", given, strings.Join(known, " or "))
}

// publishes is the call that makes an object of a draft. check is what a new
// object has to pass. What is no draft stays as it is.
func publishes[T any](s *Service, k *kind[T], check func(ctx context.Context, c access.Caller, v *T) error) gateway.Route {
	return gateway.Route{Method: "POST", Path: "/" + k.collection + "/{id}/action", Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
		if _, err := actionOf(call, "publish"); err != nil {
			return nil, err
		}
		given, err := ifMatch(call, false)
		if err != nil {
			return nil, err
		}
		v, err := load(ctx, s, k, call.Caller, call.Var("id"))
		if err != nil {
			return nil, err
		}
		item := k.item(v)
		if err := current(given, item); err != nil {
			return nil, err
		}
		if item.State != Draft {
			return &gateway.Answer{Header: etagHeader(item), Body: item.written()}, nil
		}
		if err := check(ctx, call.Caller, v); err != nil {
			return nil, err
		}
		return change(ctx, s, k, call, item.Etag, func(_ *docstore.Tx, now *T) error {
			k.item(now).State = Enabled
			return nil
		})
	}}
}

// deletes is the call that removes an object, unless a flow uses it.
func deletes[T any](s *Service, k *kind[T], code string, uses func(f *Flow, id string) bool) gateway.Route {
	return gateway.Route{Method: "DELETE", Path: "/" + k.collection + "/{id}", Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
		given, err := ifMatch(call, false)
		if err != nil {
			return nil, err
		}
		id := call.Var("id")
		err = s.DB.Do(ctx, func(t *docstore.Tx) error {
			v, _, err := k.get(t, scope(call.Caller), id)
			if err != nil {
				return err
			}
			if err := current(given, k.item(v)); err != nil {
				return err
			}
			used, err := usedBy(t, scope(call.Caller), func(f *Flow) bool { return uses(f, id) })
			if err != nil {
				return err
			}
			if used != "" {
				f := fail(code, "Bad request", "The %s %s is used by one or more flows, %s among them. Delete these first", k.one, id, used)
				f.Report = map[string]any{"id": id, "type": k.collection}
				return f
			}
			return t.Delete(scope(call.Caller), k.name, id)
		})
		if err != nil {
			return nil, err
		}
		return gateway.NoContent(), nil
	}}
}

// usedBy returns the id of a flow that uses something, "" if none does.
func usedBy(t *docstore.Tx, s docstore.Scope, uses func(*Flow) bool) (string, error) {
	page := docstore.Page{Limit: pageSize}
	for {
		docs, err := t.List(s, kindFlow, page)
		if err != nil {
			return "", err
		}
		for _, d := range docs {
			f, err := flows.read(d)
			if err != nil {
				return "", err
			}
			if uses(f) {
				return f.ID, nil
			}
		}
		if len(docs) < pageSize {
			return "", nil
		}
		page.After = docs[len(docs)-1].Mark()
	}
}
