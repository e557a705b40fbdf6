package flow

import (
	"bytes"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A schema is a JSON Schema, as far as the parameters of the specs need one.
type schema struct {
	Type       string            `json:"type"`
	Format     string            `json:"format"` // password: never shown; date
	Pattern    string            `json:"pattern"`
	Enum       []string          `json:"enum"`
	Required   []string          `json:"required"`
	Properties map[string]schema `json:"properties"`
}

func (s schema) names() []string { return slices.Sorted(maps.Keys(s.Properties)) }

// check holds parameters against a schema; CONNECTOR-1304-400 for one that is
// missing, else CONNECTOR-1312-400. What the schema does not know is kept. No
// value is repeated: it may be a secret.
func (s schema) check(params map[string]json.RawMessage) error {
	for _, name := range s.Required {
		if blank(params[name]) {
			return mandatory(name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		p, ok := s.Properties[name]
		if !ok {
			continue
		}
		if why := p.refuses(params[name]); why != "" {
			return invalid("CONNECTOR-1312-400", name, "The value of %q is not valid: %s", name, why)
		}
	}
	return nil
}

func mandatory(name string) error {
	return invalid("CONNECTOR-1304-400", name, "Mandatory field %s not provided", name)
}

// blank says whether a value is missing, null or a text of blanks.
func blank(value json.RawMessage) bool {
	var s string
	return len(value) == 0 || string(value) == "null" || json.Unmarshal(value, &s) == nil && strings.TrimSpace(s) == ""
}

// refuses says what is wrong with a value, "" for nothing.
func (s schema) refuses(value json.RawMessage) string {
	switch s.Type {
	case "object":
		if v := bytes.TrimSpace(value); len(v) == 0 || v[0] != '{' {
			return "an object is expected"
		}
		return ""
	case "string":
	default:
		return ""
	}
	var text *string
	if err := json.Unmarshal(value, &text); err != nil || text == nil {
		return "a text is expected"
	}
	switch {
	case len(s.Enum) > 0 && !slices.Contains(s.Enum, *text):
		return "one of " + strings.Join(s.Enum, ", ") + " is expected"
	case s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(*text): // the pattern is one of the release's
		return "it should match " + s.Pattern
	case s.Format == "date" && *text != "":
		if _, err := time.Parse(time.DateOnly, *text); err != nil {
			return "a day such as 2026-01-31 is expected"
		}
	case utf8.RuneCountInString(*text) > maxText:
		return "it is too long"
	}
	return ""
}

// maxText is how many characters a parameter may have.
const maxText = 10000
