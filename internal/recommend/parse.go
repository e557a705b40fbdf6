package recommend

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Formats of a text that names the items of an order.
const (
	Auto = ""     // JSON where the text begins with [ or {, else a list
	List = "list" // ids with commas between them
	JSON = "json" // an array of ids or of objects, such as Adobe Commerce's order items
)

// Formats are the names of them.
var Formats = []string{Auto, List, JSON}

// members of an object that may be its item's id, the first that it has. Where
// there is a product's, id and item_id are of the line of one order (WooCommerce,
// Shopify, Adobe Commerce).
var members = []string{"sku", "product_id", "id", "item_id", "product", "price_id", "price"}

// longest is how many characters a value of Stripe's metadata may have.
const longest = 500

// ParseItems returns the ids that a text names, each once. Whole is false where
// the text is cut short or isn't what format says; then it returns what there is
// before that. Stripe takes 500 characters as a value of metadata, so texts of many
// items end in their midst.
func ParseItems(text, format string) (items []string, whole bool) {
	full := utf8.RuneCountInString(text) >= longest
	text = strings.TrimSpace(text)
	if quoted := ""; format != List && strings.HasPrefix(text, `"`) && json.Unmarshal([]byte(text), &quoted) == nil {
		return ParseItems(quoted, format) // JSON in JSON
	}
	switch {
	case format == List || format == Auto && !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{"):
		return parseList(text, full)
	case strings.HasPrefix(text, "["):
		return parseArray(text)
	case strings.HasPrefix(text, "{"):
		return parseObject(text)
	}
	return appendItem(nil, json.RawMessage(text), nil), json.Valid([]byte(text))
}

// parseList reads ids with commas between them. Nothing shows where a list was cut:
// of one that is as long as it can be, the last id may be half of one.
func parseList(text string, full bool) (items []string, whole bool) {
	all := strings.Split(text, ",")
	if full {
		all = all[:len(all)-1]
	}
	for _, item := range all {
		if item = strings.TrimSpace(item); item != "" {
			items = appendOnce(items, item)
		}
	}
	return items, !full
}

// parseArray reads [id, {"sku": id}, …]. What is a part of another item of the order
// (of a bundle, or the variant of a configurable product) was not put into the cart
// beside it.
func parseArray(text string) (items []string, whole bool) {
	all, whole := elements(text)
	lines := map[string]bool{}
	objects := make([]object, len(all))
	for i, raw := range all {
		_ = json.Unmarshal(raw, &objects[i]) // else it has no members
		if id := scalar(objects[i]["item_id"]); id != "" {
			lines[id] = true
		}
	}
	for i, raw := range all {
		if !lines[scalar(objects[i]["parent_item_id"])] {
			items = appendItem(items, raw, objects[i])
		}
	}
	return items, whole
}

// An object is one of JSON.
type object map[string]json.RawMessage

// elements returns those of an array that are whole.
func elements(text string) (all []json.RawMessage, whole bool) {
	d := json.NewDecoder(strings.NewReader(text))
	if _, err := d.Token(); err != nil {
		return nil, false
	}
	for d.More() {
		var raw json.RawMessage
		if d.Decode(&raw) != nil {
			return all, false
		}
		all = append(all, raw)
	}
	_, err := d.Token()
	return all, err == nil && !d.More()
}

// parseObject reads {"items": […]}, which may be cut short, or one item.
func parseObject(text string) (items []string, whole bool) {
	o := object{}
	d := json.NewDecoder(strings.NewReader(text))
	if _, err := d.Token(); err != nil { // {
		return nil, false
	}
	for d.More() {
		token, err := d.Token()
		name, _ := token.(string)
		if err != nil {
			return nil, false
		}
		if value := strings.TrimLeft(text[d.InputOffset():], " \t\r\n:"); name == "items" && strings.HasPrefix(value, "[") {
			items, _ = parseArray(value)
			return items, json.Valid([]byte(text))
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		o[name] = value
	}
	return appendItem(nil, nil, o), json.Valid([]byte(text))
}

// appendItem appends the id that an element names, if any: the text or number that
// it is, or that a member of it is. A price that is a number is an amount.
func appendItem(items []string, raw json.RawMessage, o object) []string {
	if id := scalar(raw); id != "" {
		return appendOnce(items, id)
	}
	for _, name := range members {
		id := scalar(o[name])
		if _, err := strconv.ParseFloat(id, 64); id != "" && (name != "price" || err != nil) {
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
