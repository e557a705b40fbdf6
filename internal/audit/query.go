package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Query says which entries to list, newest first.
type Query struct {
	Properties []gateway.Property // all must hold
	// Before leaves out what came later than this moment, milliseconds since
	// 1970; 0 for now. Pages of one list share it.
	Before int64
	// Whole lists all of the organisation, which administrators may; else it
	// is what concerned the caller's sandbox.
	Whole bool
}

// A Page is a part of what a query finds.
type Page struct {
	Entries []Entry
	Total   int
	Before  int64 // of the query, if it had none
}

// reach is how many of the newest entries a query looks at.
const reach = 10_000

// List returns at most limit of the entries that the query finds, after the
// first start ones.
func (l *Log) List(ctx context.Context, c access.Caller, q Query, start, limit int) (Page, error) {
	if q.Whole && !c.Admin {
		return Page{}, problem.Errorf(problem.Forbidden, "the entries of the whole organisation are for its administrators")
	}
	q.Properties = slices.Clone(q.Properties)
	for i, p := range q.Properties {
		var err error
		if q.Properties[i], err = filter(p); err != nil {
			return Page{}, err
		}
	}
	out := Page{Before: q.Before}
	if out.Before == 0 {
		out.Before = l.Now().UnixMilli()
	}
	page := docstore.Page{Newest: true, Limit: 500, After: docstore.Mark{Created: out.Before + 1}}
	if !q.Whole {
		page.Parent = c.Sandbox.ID
	}
	for seen := 0; seen < reach; {
		var docs []docstore.Doc
		err := l.DB.Do(ctx, func(t *docstore.Tx) (err error) {
			docs, err = t.List(docstore.Scope{Org: c.Org}, kind, page)
			return err
		})
		if err != nil {
			return Page{}, err
		}
		for _, d := range docs {
			var e Entry
			if err := json.Unmarshal(d.Body, &e); err != nil {
				return Page{}, fmt.Errorf("entry %s of the audit log: %w", d.ID, err)
			}
			if !matches(q.Properties, e) {
				continue
			}
			if out.Total >= start && len(out.Entries) < limit {
				out.Entries = append(out.Entries, e)
			}
			out.Total++
		}
		seen += len(docs)
		if len(docs) < page.Limit {
			break
		}
		page.After = docs[len(docs)-1].Mark()
	}
	return out, nil
}

// filterable are the names that a property may have.
var filterable = []string{
	"type", "timestamp", "status", "action", "user", "assetType", "assetId", "assetName", "requestId", "id", "failureCode",
	"permissionResource", "permissionType", "client", "sandboxName", "ipAddress",
}

// filter checks a property, and turns times into numbers that compare.
func filter(p gateway.Property) (gateway.Property, error) {
	name := strings.Join(p.Path, ".")
	if !slices.Contains(filterable, name) {
		return p, problem.Errorf(problem.Invalid, "property=%s: only these can be asked for: %s", name, strings.Join(filterable, ", "))
	}
	if name != "timestamp" || p.Op == "exists" || p.Op == "missing" {
		return p, nil
	}
	if p.Op == "~" {
		return p, problem.Errorf(problem.Invalid, "property=timestamp: ~ does not fit a time")
	}
	p.Values = slices.Clone(p.Values)
	for i, v := range p.Values {
		at, err := moment(v)
		if err != nil {
			return p, err
		}
		p.Values[i] = strconv.FormatInt(at, 10)
	}
	return p, nil
}

// moment reads a time as microseconds since 1970: RFC 3339, with the zone as
// the API writes it, a day, or milliseconds.
func moment(text string) (int64, error) {
	for _, layout := range []string{time.RFC3339Nano, timestamp, "2006-01-02T15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixMicro(), nil
		}
	}
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms > math.MaxInt64/1000 || ms < math.MinInt64/1000 {
		return 0, problem.Errorf(problem.Invalid, "property=timestamp: %q is not a time such as 2026-01-31T12:00:00Z", text)
	}
	return ms * 1000, nil
}

func matches(all []gateway.Property, e Entry) bool {
	if len(all) == 0 {
		return true
	}
	addresses := make([]any, len(e.Addresses))
	for i, a := range e.Addresses {
		addresses[i] = a
	}
	status := []any{e.Status}
	if e.Outcome != "" {
		status = append(status, e.Outcome)
	}
	doc := map[string]any{
		"type": "Core", "timestamp": e.Time.UnixMicro(), "status": status, "action": e.Action, "user": e.User, "assetType": e.AssetType, "assetId": e.AssetID,
		"assetName": e.AssetName, "requestId": e.RequestID, "id": e.ID, "failureCode": e.FailureCode, "permissionResource": e.PermissionResource,
		"permissionType": e.PermissionType, "client": e.Client, "sandboxName": e.SandboxName, "ipAddress": addresses,
	}
	return !slices.ContainsFunc(all, func(p gateway.Property) bool { return !p.Match(doc) })
}
