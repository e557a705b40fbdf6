package rawjson

import (
	"bytes"
	"errors"
	"fmt"
)

// An Item is one element of a list answer's data array, as a span of the body.
type Item struct {
	Raw     []byte // the element's bytes, aliasing the body
	ID      []byte // the value of id; nil when it is missing or not a string
	Created int64  // unix seconds; -1 when it is missing or not an integer
	Deleted bool   // the object is a stub that says deleted: true
}

// A List is a Stripe list answer taken apart
// (https://docs.stripe.com/api/pagination).
type List struct {
	Items   []Item
	HasMore bool
	// NestedMore is true when some object of the page may embed a list that
	// has more elements than the page shows.
	NestedMore bool
}

// ErrNotList means that a complete JSON document is not a list answer.
var ErrNotList = errors.New("not a list answer")

var (
	errNoData  = fmt.Errorf("%w: no data array", ErrNotList)
	errNoEnd   = fmt.Errorf("%w: has_more is not there, or neither true nor false", ErrNotList)
	errNothing = fmt.Errorf("%w: it says that there is more, and shows nothing", ErrNotList)
)

// ParseList takes body apart into into, reusing its memory. It checks that
// body is one complete, balanced JSON object that says whether the list goes
// on, so that an answer cut short is never taken for a short page, nor one
// without has_more for the last; it does not check the scalars inside the
// elements.
func ParseList(body []byte, into *List) error {
	into.Items = into.Items[:0]
	into.HasMore, into.NestedMore = false, false
	seen, said := false, false
	end, err := eachMember(body, SkipSpace(body, 0), func(key []byte, at int) (int, error) {
		switch string(key) {
		case "data":
			if at >= len(body) || body[at] != '[' {
				return 0, errNoData
			}
			seen = true
			return into.elements(body, at)
		case "has_more":
			end, err := Skip(body, at)
			if err != nil {
				return 0, err
			}
			into.HasMore = bytes.Equal(body[at:end], litTrue)
			said = into.HasMore || string(body[at:end]) == "false"
			return end, nil
		}
		return Skip(body, at)
	})
	if err != nil {
		return err
	}
	if SkipSpace(body, end) != len(body) {
		return fmt.Errorf("data after the document at byte %d", end)
	}
	switch {
	case !seen:
		return errNoData
	case !said:
		return errNoEnd
	case into.HasMore && len(into.Items) == 0:
		return errNothing
	}
	into.NestedMore = nestedMore(body, into.HasMore)
	return nil
}

// elements appends the elements of the array at body[at].
func (l *List) elements(body []byte, at int) (int, error) {
	i := SkipSpace(body, at+1)
	if i < len(body) && body[i] == ']' {
		return i + 1, nil
	}
	for {
		item, end, err := One(body, i)
		if err != nil {
			return 0, err
		}
		l.Items = append(l.Items, item)
		i = end
		i = SkipSpace(body, i)
		switch {
		case i >= len(body):
			return 0, errCut(i)
		case body[i] == ']':
			return i + 1, nil
		case body[i] != ',':
			return 0, errAt(i, "a comma or the end of the array")
		}
		i = SkipSpace(body, i+1)
	}
}

// One takes the value at body[at] as an Item and returns the offset behind it.
func One(body []byte, at int) (Item, int, error) {
	item := Item{Created: -1}
	if at >= len(body) || body[at] != '{' {
		end, err := Skip(body, at)
		if err != nil {
			return item, 0, err
		}
		item.Raw = body[at:end]
		return item, end, nil
	}
	end, err := eachMember(body, at, func(key []byte, at int) (int, error) {
		end, err := Skip(body, at)
		if err != nil {
			return 0, err
		}
		switch string(key) {
		case "id":
			if v := body[at:end]; v[0] == '"' {
				item.ID = v[1 : len(v)-1]
				if bytes.IndexByte(v, '\\') >= 0 {
					item.ID = Unquote(nil, item.ID)
				}
			}
		case "created":
			if n, err := Int(body[at:end]); err == nil && n >= 0 {
				item.Created = n
			}
		case "deleted":
			item.Deleted = bytes.Equal(body[at:end], litTrue)
		}
		return end, nil
	})
	if err != nil {
		return item, 0, err
	}
	item.Raw = body[at:end]
	return item, end, nil
}

// ID returns where the contents of the id of the object at the start of obj
// stand in it; ok is false when it has no id, or none that is a plain string.
func ID(obj []byte) (start, end int, ok bool) {
	_, err := eachMember(obj, 0, func(key []byte, at int) (int, error) {
		stop, err := Skip(obj, at)
		if err == nil && string(key) == "id" && obj[at] == '"' && bytes.IndexByte(obj[at:stop], '\\') < 0 {
			start, end, ok = at+1, stop-1, true
		}
		return stop, err
	})
	return start, end, ok && err == nil
}

// nestedMore says whether "has_more": true stands somewhere beside the
// envelope's own. It may be wrong in saying yes.
func nestedMore(body []byte, outer bool) bool {
	n := 0
	for rest := body; ; {
		i := bytes.Index(rest, hasMore)
		if i < 0 {
			break
		}
		rest = rest[i+len(hasMore):]
		j := SkipSpace(rest, 0)
		if j < len(rest) && rest[j] == ':' && bytes.HasPrefix(rest[SkipSpace(rest, j+1):], litTrue) {
			n++
		}
	}
	if outer {
		n--
	}
	return n > 0
}

var (
	hasMore = []byte(`"has_more"`)
	litTrue = []byte("true")
)

// eachMember calls fn for the members of the object at b[at]: key without its
// quotes (escapes left as they are) and the offset of the value. fn returns
// the offset behind the value.
func eachMember(b []byte, at int, fn func(key []byte, at int) (int, error)) (int, error) {
	if at >= len(b) {
		return 0, errCut(at)
	}
	if b[at] != '{' {
		return 0, errAt(at, "an object")
	}
	i := SkipSpace(b, at+1)
	if i < len(b) && b[i] == '}' {
		return i + 1, nil
	}
	for {
		if i >= len(b) {
			return 0, errCut(i)
		}
		if b[i] != '"' {
			return 0, errAt(i, "a key")
		}
		end, _, err := String(b, i)
		if err != nil {
			return 0, err
		}
		key := b[i+1 : end-1]
		i = SkipSpace(b, end)
		if i >= len(b) {
			return 0, errCut(i)
		}
		if b[i] != ':' {
			return 0, errAt(i, "a colon")
		}
		if i, err = fn(key, SkipSpace(b, i+1)); err != nil {
			return 0, err
		}
		i = SkipSpace(b, i)
		switch {
		case i >= len(b):
			return 0, errCut(i)
		case b[i] == '}':
			return i + 1, nil
		case b[i] != ',':
			return 0, errAt(i, "a comma or the end of the object")
		}
		i = SkipSpace(b, i+1)
	}
}

// Members calls fn for the members of the object obj: key without its quotes
// (escapes left as they are), and the text of its value.
func Members(obj []byte, fn func(key, value []byte)) error {
	_, err := eachMember(obj, SkipSpace(obj, 0), func(key []byte, at int) (int, error) {
		end, err := Skip(obj, at)
		if err == nil {
			fn(key, obj[at:end])
		}
		return end, err
	})
	return err
}
