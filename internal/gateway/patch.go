package gateway

import (
	"fmt"

	"github.com/tributary-data/tributary/internal/jsondoc"
)

// ApplyPatch applies a JSON Patch (RFC 6902) to a document, all operations or
// none, and returns what comes of it; members keep their order. Allowed are
// the operations that the service knows, all six where none is given; they may
// be written in any case. A patch that can't be applied is a problem.Invalid
// that names the operation.
func ApplyPatch(doc, patch []byte, allowed ...string) ([]byte, error) {
	if err := DecodeJSON(patch, &jsonText{}); err != nil { // says line and column
		return nil, err
	}
	ops, err := jsondoc.ParsePatch(patch, allowed...)
	if err != nil {
		return nil, err
	}
	v, err := jsondoc.Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("the document to patch: %w", err)
	}
	if v, err = jsondoc.Patch(v, ops); err != nil {
		return nil, err
	}
	return jsondoc.Marshal(v)
}

// jsonText takes any JSON without building values.
type jsonText struct{}

// UnmarshalJSON accepts all that is JSON.
func (*jsonText) UnmarshalJSON([]byte) error { return nil }
