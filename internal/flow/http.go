package flow

import (
	"context"
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
			if r.Method == "GET" || strings.HasSuffix(r.Path, "/search") {
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
			return list(ctx, s, k, call.Caller, path, q)
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

// create keeps a new object and answers with where it is.
func create[T any](ctx context.Context, s *Service, k *kind[T], c access.Caller, v *T, check func(t *docstore.Tx) error) (*gateway.Answer, error) {
	i := k.item(v)
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		if err := check(t); err != nil {
			return err
		}
		if err := s.born(c, i); err != nil {
			return err
		}
		return k.put(t, scope(c), docstore.Doc{}, v)
	})
	if err != nil {
		return nil, err
	}
	a := gateway.Created(base+"/"+k.collection+"/"+i.ID, i.written())
	a.Header.Set("ETag", i.Etag)
	return a, nil
}
