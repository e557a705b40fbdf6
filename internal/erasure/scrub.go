package erasure

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// gone takes the place of what named a customer.
const gone = "(removed)"

// messages are the members of documents that hold sentences about data: an error may
// quote any value of the object that it names.
var messages = []string{"message", "description", "error", "reason", "detail", "stop", "waits", "text", "summary"}

// Names says whether an id stands in a text, and not as a part of another one.
func Names(text, id string) bool { return place(text, id, 0) >= 0 }

// Unname takes an id from a text.
func Unname(text, id string) string {
	for at := 0; ; at += len(gone) {
		if at = place(text, id, at); at < 0 {
			return text
		}
		text = text[:at] + gone + text[at+len(id):]
	}
}

// place is where an id stands in a text, from a place on; -1 for nowhere.
func place(text, id string, from int) int {
	for from <= len(text) {
		at := strings.Index(text[from:], id)
		if at < 0 || id == "" {
			return -1
		}
		at += from
		before, _ := utf8.DecodeLastRuneInString(text[:at])
		after, _ := utf8.DecodeRuneInString(text[at+len(id):])
		if !letter(before) && !letter(after) {
			return at
		}
		from = at + 1
	}
	return -1
}

func letter(r rune) bool { return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)) }

// A Matcher knows the ids of what is to be forgotten.
type Matcher interface {
	// Mentions says whether one stands in a text.
	Mentions(text string) bool
	// Scrub takes them from a text.
	Scrub(text string) string
}

// Scrub takes from the body and the keys of a document what names a customer or
// something of his: of messages all, of other texts the ids. It reports whether the
// document is another one now.
func Scrub(d *docstore.Doc, m Matcher) (changed bool, err error) {
	for i, key := range d.Keys {
		if m.Mentions(key) {
			d.Keys[i], changed = fmt.Sprint(m.Scrub(key), " ", d.ID), true // others may be called the same now
		}
	}
	if !m.Mentions(string(d.Body)) {
		return changed, nil
	}
	v, err := jsondoc.Parse(d.Body)
	if err == nil {
		d.Body, err = jsondoc.Marshal(scrub(v, "", m))
	}
	if err != nil {
		return changed, fmt.Errorf("a document of the kind %s that names the customer can't be read: %w", d.Kind, err)
	}
	return true, nil
}

// scrub returns what may stay of the value of a member; the elements of a list are
// what the list is.
func scrub(v any, member string, m Matcher) any {
	switch v := v.(type) {
	case *jsondoc.Object:
		out := jsondoc.Of()
		for name, value := range v.All() {
			kept := name
			if m.Mentions(name) {
				kept = m.Scrub(name)
			}
			out.Set(kept, scrub(value, name, m))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = scrub(v[i], member, m)
		}
		return out
	case string:
		switch {
		case !m.Mentions(v):
		case slices.Contains(messages, member):
			return gone
		default:
			return m.Scrub(v)
		}
	}
	return v
}
