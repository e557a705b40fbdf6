package flow

import (
	"context"
	"net/http"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// labelled is the parent of the documents of flows that have labels, by which
// they are found.
const labelled = "labelled"

// sees says whether a caller may know of what has these labels. No role grants
// one yet, so administrators alone may.
func sees(c access.Caller, labels []string) bool { return c.Admin || len(labels) == 0 }

// forbidden is the refusal of one who lacks a permission or a label.
func forbidden() *gateway.Failure {
	return fail("FLOW-2120-403", "Forbidden", "You do not have sufficient permissions to perform the operation. Please contact your administrator to resolve permissions and try again.")
}

// onlySeen takes out of a list what a caller may not know of.
func (q *query) onlySeen(c access.Caller) {
	if !c.Admin {
		q.filters = append(q.filters, gateway.Property{Path: []string{"labels"}, Op: "missing"})
	}
}

// onlySeenRuns is onlySeen for runs: they have the labels of their flows.
func (s *Service) onlySeenRuns(ctx context.Context, c access.Caller, q *query) error {
	if c.Admin {
		return nil
	}
	var hidden []string
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		hidden = nil
		docs, err := t.List(scope(c), kindFlow, docstore.Page{Parent: labelled})
		for _, d := range docs {
			hidden = append(hidden, d.ID)
		}
		return err
	})
	if len(hidden) > 0 {
		q.filters = append(q.filters, gateway.Property{Path: []string{"flowId"}, Op: "!=", Values: hidden})
	}
	return err
}

// listing are the calls that list the objects of a kind, once what was asked is
// prepared.
func listing[T any](s *Service, k *kind[T], prepare func(ctx context.Context, c access.Caller, q *query) error) []gateway.Route {
	path := "/" + k.collection
	answer := func(ctx context.Context, call *gateway.Call, q *query, err error) (*gateway.Answer, error) {
		if err == nil {
			err = prepare(ctx, call.Caller, q)
		}
		if err != nil {
			return nil, err
		}
		return list(ctx, s, k, call.Caller, call.HTTP.URL.Path[len(base):], q)
	}
	return []gateway.Route{
		{Method: http.MethodGet, Path: path, Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
			q, err := parseQuery(call.HTTP.URL.Query(), k.fields, maxPage)
			return answer(ctx, call, q, err)
		}},
		{Method: http.MethodPost, Path: path + "/search", Handle: func(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
			q, err := search(call, k.fields)
			return answer(ctx, call, q, err)
		}},
	}
}
