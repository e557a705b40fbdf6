package extract

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Ref names an object that an event is about.
type Ref struct {
	Resource string
	ID       string
	At       int64 // created of the event, unix seconds
}

// A Notice is what is kept of one of Stripe's events: the objects that it is
// about, and the state that it shows.
type Notice struct {
	ID         string // evt_…
	Type       string
	Created    int64  // unix seconds
	APIVersion string // that rendered Object
	Account    string // "account" of the event, "" for the endpoint's own
	Livemode   bool
	Refs       []Ref // each object once; empty for a type that says nothing of our resources

	// Resource and ObjectID name the object that the event shows; both are ""
	// when it is none of those in Refs.
	Resource string
	ObjectID string
	Object   []byte // data.object as sent; nil without Resource
	// Before and After tell the states of one object apart within a second:
	// Before is the After of the event that led to the state that this one
	// changed. Before is "" when the event does not say what it changed.
	Before, After string
}

// ParseNotice takes one event apart as Stripe sends it, in a list or to a
// webhook. The notice shares no memory with raw. What is no event of API v1 is
// refused as invalid; so is an event whose object can't be read, with a notice
// that names none.
func ParseNotice(raw []byte) (Notice, error) {
	var e struct {
		ID         string
		Object     string
		Type       string
		Created    int64
		APIVersion string `json:"api_version"`
		Account    string
		Livemode   bool
		Data       struct {
			Object   json.RawMessage
			Previous json.RawMessage `json:"previous_attributes"`
		}
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return Notice{}, &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("the event %q can't be read", e.ID), Err: err}
	}
	if e.Object != "event" || e.ID == "" {
		return Notice{}, problem.Errorf(problem.Invalid, "this is no event: its id is %q, its object %q", e.ID, e.Object)
	}
	n := Notice{ID: e.ID, Type: e.Type, Created: e.Created, APIVersion: e.APIVersion, Account: e.Account, Livemode: e.Livemode}
	of := touched(e.Type)
	if of == nil {
		return n, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(e.Data.Object, &fields); err != nil {
		return n, &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("the object of event %s can't be read", e.ID), Err: err}
	}
	for _, t := range of {
		n.add(t.resource, idAt(fields, t.path))
	}
	n.show(fields, e.Data.Object, e.Data.Previous)
	return n, nil
}

func (n *Notice) add(resource, id string) {
	r := Ref{Resource: resource, ID: id, At: n.Created}
	if id != "" && !slices.Contains(n.Refs, r) {
		n.Refs = append(n.Refs, r)
	}
}

// show takes over the object that the event shows, if it is one of those that
// it is about: that of price.updated is, that of plan.updated is not.
func (n *Notice) show(fields map[string]json.RawMessage, object, previous json.RawMessage) {
	var kind string
	if json.Unmarshal(fields["object"], &kind) != nil {
		return
	}
	id := idOf(fields["id"])
	for _, r := range n.Refs {
		if res, ok := stripe.Lookup(r.Resource); ok && res.Object == kind && r.ID == id {
			n.Resource, n.ObjectID = r.Resource, id
		}
	}
	if n.Resource == "" {
		return
	}
	n.Object = bytes.Clone(object)
	now, ok := decode(object).(map[string]any)
	if !ok {
		return
	}
	n.After = digest(now)
	if old, ok := decode(previous).(map[string]any); ok && len(old) > 0 {
		n.Before = digest(restore(now, old))
	}
}

// restore puts the old values back into an object: hashes in part, all else
// whole (https://docs.stripe.com/api/events/object, previous_attributes).
func restore(now, old map[string]any) map[string]any {
	was := maps.Clone(now)
	for k, v := range old {
		part, isPart := v.(map[string]any)
		whole, hasWhole := now[k].(map[string]any)
		if isPart && hasWhole {
			v = restore(whole, part)
		}
		was[k] = v
	}
	return was
}

// digest tells states apart. Members that are null count as absent: the old
// value of what was not there is null.
func digest(v any) string {
	text, err := json.Marshal(withoutNulls(v))
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

func withoutNulls(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			if e != nil {
				out[k] = withoutNulls(e)
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = withoutNulls(e)
		}
		return out
	}
	return v
}

func decode(raw []byte) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// idAt returns the id at a dotted path, "" if there is none.
func idAt(fields map[string]json.RawMessage, path string) string {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		return idOf(fields[name])
	}
	var inner map[string]json.RawMessage
	if json.Unmarshal(fields[name], &inner) != nil {
		return ""
	}
	return idAt(inner, rest)
}

// idOf takes an id, or the id of an object in its place.
func idOf(raw json.RawMessage) string {
	var id string
	if json.Unmarshal(raw, &id) == nil {
		return id
	}
	var object struct{ ID string }
	if json.Unmarshal(raw, &object) == nil {
		return object.ID
	}
	return ""
}
