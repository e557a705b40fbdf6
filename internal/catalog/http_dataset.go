package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
)

// A datasetBody is what clients may say of a dataset.
type datasetBody struct {
	Name             string              `json:"name"`
	Description      string              `json:"description"`
	SchemaRef        *schemaRef          `json:"schemaRef"`
	Schema           json.RawMessage     `json:"schema"`
	Tags             map[string][]string `json:"tags"`
	ErrorDiagnostics bool                `json:"enableErrorDiagnostics"`
	FileDescription  json.RawMessage     `json:"fileDescription"`
	Extensions       json.RawMessage     `json:"extensions"`
	Classification   json.RawMessage     `json:"classification"`
}

// set writes the body into a dataset. Without a schemaRef the dataset keeps
// its own.
func (b datasetBody) set(d *Dataset) error {
	if len(decoded(b.Schema)) > 0 {
		return invalid("schema: the schema of a dataset is named by schemaRef; one that stands in the dataset itself is not supported")
	}
	d.Name, d.Description, d.Tags, d.ErrorDiagnostics = b.Name, b.Description, b.Tags, b.ErrorDiagnostics
	d.FileDescription, d.Extensions, d.Classification = decoded(b.FileDescription), decoded(b.Extensions), decoded(b.Classification)
	if b.SchemaRef != nil {
		d.SchemaID, d.ContentType = b.SchemaRef.ID, b.SchemaRef.ContentType
	}
	return nil
}

func (s *Service) postDataset(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	body, err := readJSON(call)
	if err != nil {
		return nil, err
	}
	var b datasetBody
	var d Dataset
	if err := gateway.DecodeJSON(body, &b); err != nil {
		return nil, err
	}
	if err := b.set(&d); err != nil {
		return nil, err
	}
	if onlyValidate(call.HTTP.Header) {
		return gateway.OK([]string{}), s.TryDataset(ctx, call.Caller, d)
	}
	if d, err = s.CreateDataset(ctx, call.Caller, d); err != nil {
		return nil, err
	}
	a := gateway.Created(call.Origin()+base+"/dataSets/"+d.ID, reference(d.ID))
	a.Header["Etag"] = etag(d.Version)["Etag"]
	return a, nil
}

func (s *Service) putDataset(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	body, err := readJSON(call)
	if err != nil {
		return nil, err
	}
	var b datasetBody
	if err := gateway.DecodeJSON(body, &b); err != nil {
		return nil, err
	}
	return s.change(ctx, call, func(d *Dataset) error { return b.set(d) })
}

func (s *Service) patchDataset(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	return s.patch(ctx, call, false)
}

// patchDeep makes objects that are missing on the way to what a patch adds.
func (s *Service) patchDeep(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	return s.patch(ctx, call, true)
}

func (s *Service) patch(ctx context.Context, call *gateway.Call, deep bool) (*gateway.Answer, error) {
	body, err := readJSON(call)
	if err != nil {
		return nil, err
	}
	var said any
	if err := gateway.DecodeJSON(body, &said); err != nil {
		return nil, err
	}
	if kind, _, _ := mime.ParseMediaType(call.HTTP.Header.Get("Content-Type")); kind == "application/json-patch+json" {
		if step, ok := said.(map[string]any); ok { // one that stands alone
			said = []any{step}
		}
	}
	p := patch{body: body, deep: deep}
	switch said := said.(type) {
	case []any:
		p.steps = said
	case map[string]any:
		p.merge = said
	default:
		return nil, invalid("the body is neither an object to merge nor an array of patch operations")
	}
	return s.change(ctx, call, func(d *Dataset) error { return d.apply(call.Caller, p) })
}

// change answers a call that changes a dataset.
func (s *Service) change(ctx context.Context, call *gateway.Call, change func(*Dataset) error) (*gateway.Answer, error) {
	id, match := call.Var("id"), matchOf(call.HTTP.Header)
	if onlyValidate(call.HTTP.Header) {
		return gateway.OK(reference(id)), s.TryChange(ctx, call.Caller, id, match, change)
	}
	d, err := s.ChangeDataset(ctx, call.Caller, id, match, change)
	if err != nil {
		return nil, err
	}
	return &gateway.Answer{Header: etag(d.Version), Body: reference(id)}, nil
}

func (s *Service) deleteDataset(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	id := call.Var("id")
	if onlyValidate(call.HTTP.Header) {
		return nil, invalid("Pragma: a deletion can't be validated only")
	}
	return gateway.OK(reference(id)), s.DeleteDataset(ctx, call.Caller, id, matchOf(call.HTTP.Header))
}

// apply changes what clients may change of a dataset by its view.
func (d *Dataset) apply(c access.Caller, p patch) error {
	before, err := d.view(c)
	if err != nil {
		return err
	}
	after, err := p.apply(before)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if !slices.Contains(writable, name) && !reflect.DeepEqual(before[name], after[name]) {
			return invalid("%s: it can't be changed", name)
		}
	}
	text, err := json.Marshal(after)
	if err != nil {
		return err
	}
	if len(text) > maxBody {
		return invalid("what the patch comes to is larger than a dataset may be")
	}
	var b datasetBody
	if err := json.Unmarshal(text, &b); err != nil {
		if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return invalid("%s: %s is not what is expected there", kind.Field, kind.Value)
		}
		return err
	}
	if b.SchemaRef == nil {
		return invalid("schemaRef: a dataset needs a schema")
	}
	return b.set(d)
}

// writable members are those that clients may change.
var writable = []string{"name", "description", "schemaRef", "schema", "tags", "enableErrorDiagnostics", "fileDescription", "extensions", "classification"}

// mergePatch applies a merge patch (RFC 7386) that is an object. Neither of the
// two changes.
func mergePatch(target, patch map[string]any) map[string]any {
	merged := maps.Clone(target)
	if merged == nil {
		merged = map[string]any{}
	}
	for name, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(merged, name)
		case map[string]any:
			old, _ := merged[name].(map[string]any)
			merged[name] = mergePatch(old, v)
		default:
			merged[name] = v
		}
	}
	return merged
}

// A patch is an object to merge, or the steps of a JSON Patch.
type patch struct {
	merge map[string]any
	steps []any
	body  []byte // the steps as they came
	deep  bool   // makes objects that are missing
}

func (p patch) apply(v view) (view, error) {
	if p.merge != nil {
		return mergePatch(v, p.merge), nil
	}
	body := p.body
	doc, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	if p.deep {
		if body, err = json.Marshal(withParents(map[string]any(v), p.steps)); err != nil {
			return nil, err
		}
	}
	if doc, err = gateway.ApplyPatch(doc, body); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	var after any
	if err := d.Decode(&after); err != nil {
		return nil, fmt.Errorf("what the patch comes to: %w", err)
	}
	object, ok := after.(map[string]any)
	if !ok {
		return nil, gateway.Fail(http.StatusBadRequest, "", "", "the patch does not apply: it puts something else in the place of the dataset")
	}
	return object, nil
}

// withParents puts steps in front of a patch that add the objects which are
// missing above what it adds.
func withParents(doc map[string]any, steps []any) []any {
	var more []any
	made := map[string]bool{}
	for _, step := range steps {
		op, _ := step.(map[string]any)
		path, _ := op["path"].(string)
		if op["op"] != "add" || !strings.HasPrefix(path, "/") {
			continue
		}
		parts := strings.Split(path[1:], "/")
		var at any = doc
		for i := range len(parts) - 1 {
			object, ok := at.(map[string]any)
			if !ok && at != nil {
				break // the patch itself says what is wrong
			}
			at = object[strings.NewReplacer("~1", "/", "~0", "~").Replace(parts[i])]
			parent := "/" + strings.Join(parts[:i+1], "/")
			if at == nil && !made[parent] {
				made[parent] = true
				more = append(more, map[string]any{"op": "add", "path": parent, "value": map[string]any{}})
			}
		}
	}
	return append(more, steps...)
}
