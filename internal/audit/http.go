package audit

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// base of the service.
const base = "/data/foundation/audit"

// HTTP returns the service: Experience Platform's Audit Query API, as far as
// it lists events.
func (l *Log) HTTP() *gateway.Service {
	return &gateway.Service{
		Name: "audit", Base: base,
		Shape: func(f *gateway.Failure, requestID string) any {
			return map[string]any{"type": "http://ns.adobe.com/aep/errors/AUDIT-" + strconv.Itoa(f.Status), "status": f.Status, "title": f.Title, "detail": f.Detail, "requestId": requestID}
		},
		Routes: []gateway.Route{
			{Method: "GET", Path: "/events", Need: access.AnyOf(access.ViewAudit), Handle: l.events},
		},
	}
}

// Limits of a page.
const (
	defaultLimit = 50
	maxLimit     = 1000
)

// timestamp is the layout of times in answers.
const timestamp = "2006-01-02T15:04:05.000-0700"

// events lists. The form of the answer is that of the Audit Query API's guide
// ("Audit events endpoint"): what was decided about a call is the event, what
// became of it stands inside.
func (l *Log) events(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	values := c.HTTP.URL.Query()
	asked := question{Properties: values["property"], Whole: values.Get("scope") == "organization"}
	if id := values.Get("queryId"); id != "" {
		var err error
		if asked, err = readID(id); err != nil {
			return nil, err
		}
	}
	limit, err := number(values, "limit", defaultLimit, 1, maxLimit)
	if err != nil {
		return nil, err
	}
	start, err := number(values, "start", 0, 0, reach)
	if err != nil {
		return nil, err
	}
	q := Query{Before: asked.Before, Whole: asked.Whole}
	for _, text := range asked.Properties {
		p, err := gateway.ParseProperty(text)
		if err != nil {
			return nil, err
		}
		q.Properties = append(q.Properties, p)
	}
	page, err := l.List(ctx, c.Caller, q, start, limit)
	if err != nil {
		return nil, err
	}
	asked.Before = page.Before
	return gateway.OK(answer(page, asked.id(), start, limit)), nil
}

func answer(p Page, queryID string, start, limit int) any {
	events := []any{}
	for _, e := range p.Entries {
		events = append(events, show(e))
	}
	link := func(start int) map[string]any {
		return map[string]any{"href": base + "/events?queryId=" + queryID + "&limit=" + strconv.Itoa(limit) + "&start=" + strconv.Itoa(start)}
	}
	links := map[string]any{
		"self": link(start),
		"page": map[string]any{"href": base + "/events?queryId=" + queryID + "&limit=" + strconv.Itoa(limit) + "{&start}", "templated": true},
	}
	if start+limit < p.Total {
		links["next"] = link(start + limit)
	}
	return map[string]any{
		"_embedded": map[string]any{"events": events}, "_links": links, "queryId": queryID,
		"page": map[string]any{"size": len(events), "totalElements": p.Total, "totalPages": (p.Total + limit - 1) / limit, "number": start/limit + 1},
	}
}

func show(e Entry) map[string]any {
	at := e.Time.UTC().Format(timestamp)
	m := map[string]any{
		"id": e.ID, "requestId": e.RequestID, "eventType": "Core", "version": "1.0", "permissionResource": e.PermissionResource, "permissionType": e.PermissionType,
		"assetType": e.AssetType, "assetId": e.AssetID, "assetName": e.AssetName, "action": e.Action, "status": e.Status, "failureCode": "", "timestamp": at,
		"imsOrgId": e.Org, "region": e.Region, "authId": e.Client, "sandboxName": e.SandboxName, "sandboxId": e.SandboxID, "userEmail": e.User,
		"userIpAddresses": e.Addresses, "enhancedEvents": []any{},
		"method": e.Method, "path": e.Path, "httpStatus": e.HTTPStatus, // ours
	}
	if e.Unlogged > 0 {
		m["unlogged"] = e.Unlogged
	}
	if e.Outcome == "" {
		m["failureCode"] = e.FailureCode
		return m
	}
	m["enhancedEvents"] = []any{map[string]any{
		"id": e.ID + "-1", "requestId": e.RequestID, "eventType": "Enhanced", "permissionResource": e.PermissionResource, "permissionType": e.PermissionType,
		"assetType": e.AssetType, "assetId": e.AssetID, "assetName": e.AssetName, "action": e.Action, "status": e.Outcome, "failureCode": e.FailureCode, "timestamp": at,
	}}
	return m
}

// A question is what a queryId stands for.
type question struct {
	Properties []string `json:"p,omitempty"`
	Before     int64    `json:"b,omitempty"`
	Whole      bool     `json:"w,omitempty"`
}

func (q question) id() string {
	text, err := json.Marshal(q)
	if err != nil {
		panic(err) // texts and numbers
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func readID(id string) (question, error) {
	var q question
	text, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || json.Unmarshal(text, &q) != nil || q.Before < 0 {
		return question{}, problem.Errorf(problem.Invalid, "queryId: it is not one that this service gave")
	}
	return q, nil
}

func number(values url.Values, name string, usual, least, most int) (int, error) {
	text := values.Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, problem.Errorf(problem.Invalid, "%s: %q is not a number from %d to %d", name, text, least, most)
	}
	return n, nil
}
