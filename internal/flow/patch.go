package flow

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// kept are the fields that no client changes.
var kept = []string{
	"id", "createdAt", "updatedAt", "createdBy", "updatedBy", "createdClient", "updatedClient", "imsOrgId", "sandboxId", "sandboxName", "version", "etag", "state",
	"inheritedAttributes", "lastOperation", "lastRunDetails", "runs",
}

// operations are those that Flow Service knows.
var operations = []string{"add", "replace", "remove"}

// readPatch reads the body of a PATCH: entries with paths that may change. Where
// the fields are given that an object has, others are refused.
func readPatch(call *gateway.Call, fields ...string) ([]jsondoc.Operation, error) {
	body, err := call.Bytes()
	if err != nil {
		return nil, err
	}
	if len(strings.TrimSpace(string(body))) == 0 {
		return nil, invalid("FLOW-1405-400", "", "The body is empty: an array of {op, path, value} is expected")
	}
	if err := known(body); err != nil {
		return nil, err
	}
	ops, err := jsondoc.ParsePatch(body)
	if err != nil {
		return nil, invalid("FLOW-1455-400", "", "The patch is not valid: %v", err)
	}
	for _, op := range ops {
		steps := jsondoc.Steps(op.Path)
		if len(steps) == 0 || slices.Contains(kept, steps[0]) {
			return nil, invalid("FLOW-1455-400", op.Path, "The field %q can't be changed by a patch", op.Path)
		}
		if len(fields) > 0 && !slices.Contains(fields, steps[0]) {
			return nil, invalid("FLOW-1455-400", op.Path, "There is no field %q: %s can be changed", op.Path, strings.Join(fields, ", "))
		}
	}
	return ops, nil
}

// known refuses a body that is no JSON, and operations that Flow Service does
// not know.
func known(body []byte) error {
	var text json.RawMessage
	if err := gateway.DecodeJSON(body, &text); err != nil {
		return err // says line and column
	}
	type entry struct {
		Op   *string `json:"op"`
		Path string  `json:"path"`
	}
	var entries []entry
	if json.Unmarshal(body, &entries) != nil {
		var one entry
		if json.Unmarshal(body, &one) != nil {
			return nil //nolint:nilerr // whatever it is, it is no patch, and said to be none
		}
		entries = []entry{one}
	}
	for _, e := range entries {
		if e.Op != nil && !slices.Contains(operations, strings.ToLower(*e.Op)) {
			return invalid("FLOW-1434-400", e.Path, "Unsupported operation '%s': add, replace and remove are known", *e.Op)
		}
	}
	return nil
}

// ifMatch returns the etag that a write is about. needed says that it must be
// there.
func ifMatch(call *gateway.Call, needed bool) (string, error) {
	given := call.HTTP.Header.Get("If-Match")
	if given == "" {
		given = call.HTTP.URL.Query().Get("if-match")
	}
	if given == "" && needed {
		return "", invalid("FLOW-1403-400", "If-Match", "Header is missing: 'If-Match'. Read the object and send its etag")
	}
	return given, nil
}

// current refuses a write that is about a state of the past.
func current(given string, i *Item) error {
	if given == "" || sameEtag(given, i.Etag) {
		return nil
	}
	f := fail("FLOW-1404-412", "Version not matching", "The supplied version '%s' does not match the current version on entity '%s'. Read it again and repeat the change", given, i.ID)
	f.Report = map[string]any{"id": i.ID}
	return f
}

// applied returns the JSON of a document after a patch. Failures repeat no value.
func applied(document any, ops []jsondoc.Operation) ([]byte, error) {
	before, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	doc, err := jsondoc.Parse(before)
	if err != nil {
		return nil, err
	}
	if doc, err = jsondoc.Patch(doc, ops); err != nil {
		return nil, invalid("FLOW-1455-400", "", "The patch can't be applied: %v", err)
	}
	return jsondoc.Marshal(doc)
}

// patched reads what a patch makes of a document into v.
func patched(document any, ops []jsondoc.Operation, v any) error {
	after, err := applied(document, ops)
	if err != nil {
		return err
	}
	err = json.Unmarshal(after, v)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return invalid("FLOW-1455-400", e.Field, "The patch can't be applied: the value of %q is not of the type that is expected", e.Field)
	}
	return err
}

// change changes an object of the call's path in one transaction and answers
// with its new etag.
func change[T any](ctx context.Context, s *Service, k *kind[T], call *gateway.Call, given string, fn func(t *docstore.Tx, v *T) error) (*gateway.Answer, error) {
	var item *Item
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		v, d, err := k.get(t, scope(call.Caller), call.Var("id"))
		if err != nil {
			return err
		}
		item = k.item(v)
		if err := current(given, item); err != nil {
			return err
		}
		if err := fn(t, v); err != nil {
			return err
		}
		if err := s.touched(call.Caller, item); err != nil {
			return err
		}
		return k.put(t, scope(call.Caller), d, v)
	})
	if err != nil {
		return nil, err
	}
	return &gateway.Answer{Header: etagHeader(item), Body: item.written()}, nil
}
