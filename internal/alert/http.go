package alert

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// base of the service. The original has no public API for alerts; this one is
// ours, beside its Observability.
const base = "/data/infrastructure/observability/alerts"

// HTTP returns the service as the gateway serves it.
func (s *Service) HTTP() *gateway.Service {
	view, manage := access.AnyOf(access.ViewAlerts, access.ManageAlerts), access.AnyOf(access.ManageAlerts)
	const most = 256 << 10
	return &gateway.Service{
		Name: "alerts", Base: base, Shape: gateway.Observability("ALERT-1000"),
		Routes: []gateway.Route{
			{Method: "GET", Path: "/subscriptions", Need: view, Handle: s.list},
			{Method: "POST", Path: "/subscriptions", Need: manage, MaxBody: most, Handle: s.create},
			{Method: "GET", Path: "/subscriptions/{id}", Need: view, Handle: s.read},
			{Method: "PATCH", Path: "/subscriptions/{id}", Need: manage, MaxBody: most, Handle: s.patch},
			{Method: "DELETE", Path: "/subscriptions/{id}", Need: manage, Handle: s.remove},
			{Method: "POST", Path: "/subscriptions/{id}/test", Need: manage, Handle: s.test},
			{Method: "GET", Path: "/notices", Need: view, Handle: s.notices},
			{Method: "POST", Path: "/notices/{id}/read", Need: view, Handle: s.marks(true)},
			{Method: "POST", Path: "/notices/{id}/unread", Need: view, Handle: s.marks(false)},
		},
	}
}

// show is a subscription as the API shows it.
func show(sub Subscription) map[string]any {
	v := map[string]any{
		"id": sub.ID, "name": sub.Name, "channel": sub.Channel, "kinds": sub.Kinds, "flows": append([]string{}, sub.Flows...),
		"delivery": sub.Delivery, "everyRun": sub.EveryRun, "enabled": sub.Enabled, "createdBy": sub.CreatedBy, "updatedBy": sub.UpdatedBy,
		"createdAt": sub.Created.UnixMilli(), "updatedAt": sub.Updated.UnixMilli(), "version": strconv.FormatInt(sub.Revision, 10),
	}
	switch sub.Channel {
	case Email:
		v["to"] = sub.To
	case Webhook:
		v["url"] = sub.URL
	case App:
	}
	if sub.Delivery == Daily {
		v["digestHour"] = sub.DigestHour
	}
	if sub.Health.Status != "" {
		v["health"] = sub.Health
	}
	return v
}

func (s *Service) list(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	all, err := s.Subscriptions(ctx, c.Caller)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, sub := range all {
		items = append(items, show(sub))
	}
	return gateway.OK(map[string]any{"items": items}), nil
}

func (s *Service) create(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	sub := Subscription{Delivery: Immediate, Enabled: true}
	body, err := members(c)
	if err != nil {
		return nil, err
	}
	if err := fill(&sub, body); err != nil {
		return nil, err
	}
	if _, said := body["everyRun"]; !said {
		sub.EveryRun = sub.Channel == Webhook
	}
	sub, secret, err := s.Subscribe(ctx, c.Caller, sub)
	if err != nil {
		return nil, err
	}
	v := show(sub)
	if secret != "" {
		v["secret"] = secret
	}
	return gateway.Created(base+"/subscriptions/"+sub.ID, v).InRevision(sub.Revision), nil
}

func (s *Service) read(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	sub, err := s.Subscription(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	return gateway.OK(show(sub)).InRevision(sub.Revision), nil
}

// patch replaces the members that the body has.
func (s *Service) patch(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	body, err := members(c)
	if err != nil {
		return nil, err
	}
	match := c.IfRevision("subscription")
	sub, err := s.Change(ctx, c.Caller, c.Var("id"), func(sub *Subscription) error {
		if err := match(sub.Revision); err != nil {
			return err
		}
		return fill(sub, body)
	})
	if err != nil {
		return nil, err
	}
	return gateway.OK(show(sub)).InRevision(sub.Revision), nil
}

func (s *Service) remove(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	if err := s.Unsubscribe(ctx, c.Caller, c.Var("id")); err != nil {
		return nil, err
	}
	return gateway.NoContent(), nil
}

func (s *Service) test(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	failed, err := s.Try(ctx, c.Caller, c.Var("id"))
	if err != nil {
		return nil, err
	}
	v := map[string]any{"delivered": failed == ""}
	if failed != "" {
		v["error"] = failed
	}
	return gateway.OK(v), nil
}

// members reads a body that is an object, and refuses members that no
// subscription has.
func members(c *gateway.Call) (map[string]json.RawMessage, error) {
	var body map[string]json.RawMessage
	if err := c.JSON(&body); err != nil {
		return nil, err
	}
	if body == nil {
		return nil, problem.Errorf(problem.Invalid, "the body is null: an object is expected")
	}
	names := slices.Sorted(maps.Keys(settable(&Subscription{})))
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if !slices.Contains(names, name) {
			return nil, problem.Errorf(problem.Invalid, "%s can't be set; only these can: %s", cut(name, 100), strings.Join(names, ", "))
		}
	}
	return body, nil
}

// settable are the members of a subscription that clients set.
func settable(sub *Subscription) map[string]any {
	return map[string]any{
		"name": &sub.Name, "channel": &sub.Channel, "to": &sub.To, "url": &sub.URL, "kinds": &sub.Kinds, "flows": &sub.Flows,
		"delivery": &sub.Delivery, "digestHour": &sub.DigestHour, "everyRun": &sub.EveryRun, "enabled": &sub.Enabled,
	}
}

func fill(sub *Subscription, body map[string]json.RawMessage) error {
	where := settable(sub)
	// A list is replaced, and not written into the one that is there.
	for name, clear := range map[string]func(){"to": func() { sub.To = nil }, "kinds": func() { sub.Kinds = nil }, "flows": func() { sub.Flows = nil }} {
		if _, ok := body[name]; ok {
			clear()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(body)) {
		text := body[name]
		if string(text) == "null" && !slices.Contains([]string{"to", "kinds", "flows"}, name) {
			return problem.Errorf(problem.Invalid, "%s: it can't be null", name)
		}
		if err := json.Unmarshal(text, where[name]); err != nil {
			return problem.Errorf(problem.Invalid, "%s: %s is expected", name, expected(where[name]))
		}
	}
	return nil
}

func expected(v any) string {
	switch v.(type) {
	case *bool:
		return "true or false"
	case *int:
		return "a whole number"
	case *string, *Channel:
		return "a text"
	}
	return "a list of texts"
}

// Limits of a page of notices.
const (
	defaultLimit = 50
	maxLimit     = 500
)

func (s *Service) notices(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
	values := c.HTTP.URL.Query()
	q, err := noticeQuery(values)
	if err != nil {
		return nil, err
	}
	all, more, err := s.Notices(ctx, c.Caller, q)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, n := range all {
		items = append(items, showNotice(n, c.User))
	}
	answer := map[string]any{"items": items, "_links": map[string]any{}}
	if more {
		values.Set("limit", strconv.Itoa(q.Limit))
		values.Set("continuationToken", token(all[len(all)-1].Mark))
		answer["_links"] = map[string]any{"next": map[string]string{"href": base + "/notices?" + values.Encode()}}
	}
	return gateway.OK(answer), nil
}

func showNotice(n Notice, user string) map[string]any {
	v := map[string]any{"id": n.ID, "kind": n.Kind, "title": n.Title, "at": n.At, "count": n.Count, "lastAt": n.Last, "read": n.readBy(user)}
	for name, text := range map[string]string{"flowId": n.Flow, "flowName": n.FlowName, "runId": n.Run, "resource": n.Resource, "text": n.Text} {
		if text != "" {
			v[name] = text
		}
	}
	return v
}

func noticeQuery(values url.Values) (NoticeQuery, error) {
	q := NoticeQuery{Flow: values.Get("flowId"), Kind: Kind(values.Get("kind")), Limit: defaultLimit}
	var err error
	if text := values.Get("unread"); text != "" {
		if q.Unread, err = strconv.ParseBool(text); err != nil {
			return q, problem.Errorf(problem.Invalid, "unread: it is true or false")
		}
	}
	if text := values.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > maxLimit {
			return q, problem.Errorf(problem.Invalid, "limit: it is a number from 1 to %d", maxLimit)
		}
	}
	if text := values.Get("continuationToken"); text != "" {
		if q.After, err = readToken(text); err != nil {
			return q, err
		}
	}
	return q, nil
}

// token writes the place at which a page ends.
func token(m docstore.Mark) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", m.Created, m.ID))
}

func readToken(text string) (docstore.Mark, error) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	at, id, ok := strings.Cut(string(b), " ")
	created, e := strconv.ParseInt(at, 10, 64)
	if err != nil || e != nil || !ok || created <= 0 || !docstore.Storable(id) {
		return docstore.Mark{}, problem.Errorf(problem.Invalid, "continuationToken: it is not one that this service gave")
	}
	return docstore.Mark{Created: created, ID: id}, nil
}

// marks marks a notice as read by the caller, or as unread.
func (s *Service) marks(read bool) func(context.Context, *gateway.Call) (*gateway.Answer, error) {
	return func(ctx context.Context, c *gateway.Call) (*gateway.Answer, error) {
		n, err := s.MarkRead(ctx, c.Caller, c.Var("id"), read)
		if err != nil {
			return nil, err
		}
		return gateway.OK(showNotice(n, c.User)), nil
	}
}
