package mapping

import (
	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/xdm"
)

func clip(text []byte) string {
	if len(text) > 40 {
		return string(text[:40]) + "…"
	}
	return string(text)
}

func kindOf(slot dataset.Slot) string {
	switch slot.Kind {
	case dataset.String:
		return "string"
	case dataset.Number:
		return "number"
	case dataset.True, dataset.False:
		return "boolean"
	case dataset.Null:
		return "null"
	default:
		return "value"
	}
}

func kindWord(f *xdm.Field) string {
	switch f.Kind {
	case xdm.Long, xdm.Int, xdm.Short, xdm.Byte:
		return "integer"
	case xdm.Double:
		return "number"
	case xdm.Boolean:
		return "boolean"
	case xdm.Object, xdm.Map:
		return "object"
	case xdm.Array:
		return "array"
	case xdm.String, xdm.Date, xdm.DateTime:
	}
	return "string"
}

func article(word string) string {
	switch word[0] {
	case 'n':
		if word == "null" {
			return word
		}
	case 'a', 'e', 'i', 'o', 'u':
		return "an " + word
	}
	return "a " + word
}
