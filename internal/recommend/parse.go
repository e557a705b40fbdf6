package recommend

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Formats of a text that names the items of an order.
const (
	Auto = ""     // JSON where the text begins with [ or {, else a list
	List = "list" // ids with commas between them
	JSON = "json" // an array of ids or of objects, such as Adobe Commerce's order items
)

// Formats are the names of them.
var Formats = []string{Auto, List, JSON}

// members of an object that may be its item's id, the first that it has.
var members = []string{"sku", "id", "item_id", "product_id", "product", "price_id", "price"}

// ParseItems returns the ids that a text names, each once. Whole is false where
// the text is cut short or isn't what format says; then it returns what there is
// before that. Stripe takes 500 characters as a value of metadata, so lists of
// many items end in their midst.
func ParseItems(text, format string) (items []string, whole bool) {
	text = strings.TrimSpace(text)
	if format == List || format == Auto && !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") {
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = appendOnce(items, item)
			}
		}
		return items, true
	}
	d := json.NewDecoder(strings.NewReader(text))
	if strings.HasPrefix(text, "[") {
		if _, err := d.Token(); err != nil {
			return nil, false
		}
		for d.More() {
			var raw json.RawMessage
			if d.Decode(&raw) != nil {
				return items, false
			}
			items = appendItem(items, raw)
		}
		_, err := d.Token()
		return items, err == nil && !d.More()
	}
	var raw json.RawMessage
	if d.Decode(&raw) != nil {
		return nil, false
	}
	// {"items": […]}, or one item.
	var holder map[string]json.RawMessage
	if json.Unmarshal(raw, &holder) == nil {
		if list, ok := holder["items"]; ok && bytes.HasPrefix(list, []byte("[")) {
			return ParseItems(string(list), JSON)
		}
	}
	return appendItem(nil, raw), true
}

// appendItem appends the id that an element names, if any: the text or number that
// it is, or that a member of it is.
func appendItem(items []string, raw json.RawMessage) []string {
	if id := scalar(raw); id != "" {
		return appendOnce(items, id)
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil {
		return items
	}
	for _, name := range members {
		if id := scalar(object[name]); id != "" {
			return appendOnce(items, id)
		}
	}
	return items
}

func scalar(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return strings.TrimSpace(text)
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil {
		return number.String()
	}
	return ""
}

func appendOnce(items []string, item string) []string {
	if slices.Contains(items, item) {
		return items
	}
	return append(items, item)
}
