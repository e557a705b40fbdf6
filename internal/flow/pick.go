package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"github.com/tributary-data/tributary/internal/rawjson"
)

// pick decodes the named members of a JSON object, numbers as json.Number,
// and walks past the others. A name that the object has not is absent.
func pick(text []byte, names []string) (map[string]any, error) {
	found := map[string]any{}
	at := rawjson.SkipSpace(text, 0)
	if at >= len(text) || text[at] != '{' {
		return nil, errors.New("a JSON object is expected")
	}
	at = rawjson.SkipSpace(text, at+1)
	if at < len(text) && text[at] == '}' {
		return found, nil
	}
	for {
		if at >= len(text) || text[at] != '"' {
			return nil, errors.New("a member of a JSON object is expected")
		}
		end, _, err := rawjson.String(text, at)
		if err != nil {
			return nil, err
		}
		name := text[at+1 : end-1]
		if at = rawjson.SkipSpace(text, end); at >= len(text) || text[at] != ':' {
			return nil, errors.New("a colon is expected in a JSON object")
		}
		at = rawjson.SkipSpace(text, at+1)
		if end, err = rawjson.Skip(text, at); err != nil {
			return nil, err
		}
		if slices.Contains(names, string(name)) {
			d := json.NewDecoder(bytes.NewReader(text[at:end]))
			d.UseNumber()
			var v any
			if err := d.Decode(&v); err != nil {
				return nil, err
			}
			found[string(name)] = v
		}
		if at = rawjson.SkipSpace(text, end); at < len(text) && text[at] == '}' {
			return found, nil
		}
		if at >= len(text) || text[at] != ',' {
			return nil, errors.New("the end of a JSON object is expected")
		}
		at = rawjson.SkipSpace(text, at+1)
	}
}
