package flow

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tributary-data/tributary/internal/gateway"
)

// search reads the body of a search, which says what a list's parameters say.
func search(call *gateway.Call, fields []string) (*query, error) {
	var b struct {
		Query string          `json:"queryString"`
		Limit json.RawMessage `json:"limit"`
		Order string          `json:"orderby"`
		Count json.RawMessage `json:"count"`
		Only  string          `json:"projectionFields"`
		Token string          `json:"continuationToken"`
	}
	if err := readBody(call, &b); err != nil {
		return nil, err
	}
	if b.Token == "" {
		b.Token = call.HTTP.URL.Query().Get("continuationToken") // as in _links.next
	}
	values := url.Values{}
	for part := range strings.SplitSeq(b.Query, "&") {
		if part = strings.TrimPrefix(part, "property="); part != "" {
			values.Add("property", part)
		}
	}
	if b.Only != "" {
		values.Add("property", b.Only)
	}
	set := func(name, text string) {
		if text = strings.Trim(text, `" `); text != "" && text != "null" {
			values.Set(name, text)
		}
	}
	set("limit", string(b.Limit))
	set("count", string(b.Count))
	set("orderby", b.Order)
	set("continuationToken", b.Token)
	if values.Get("count") == "false" {
		values.Del("count")
	}
	q, err := parseQuery(values, fields, maxSearch)
	if err != nil {
		return nil, err
	}
	q.body = true
	return q, nil
}
