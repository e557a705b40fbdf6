package rawjson

import "bytes"

// An Embedded is a list inside an object that shows only its first page
// (https://docs.stripe.com/api/pagination: has_more is true).
type Embedded struct {
	DataEnd int    // offset of the bracket that closes its data array; 0 when it has none
	HasMore int    // offset of the word true of its has_more
	URL     []byte // its url; nil when it has none
	LastID  []byte // id of the last element shown; nil when there is none
	Empty   bool   // no element is shown
}

// Incomplete returns the lists with has_more true inside the object obj, in
// the order in which they end.
func Incomplete(obj []byte) ([]Embedded, error) {
	var found []Embedded
	_, err := incomplete(obj, SkipSpace(obj, 0), 0, &found)
	return found, err
}

// maxDepth is where the search for lists stops: Stripe's are two levels deep,
// and the text comes from outside.
const maxDepth = 20

func incomplete(b []byte, i, depth int, found *[]Embedded) (int, error) {
	if i >= len(b) {
		return 0, errCut(i)
	}
	if depth > maxDepth {
		return Skip(b, i)
	}
	switch b[i] {
	case '[':
		i = SkipSpace(b, i+1)
		if i < len(b) && b[i] == ']' {
			return i + 1, nil
		}
		for {
			end, err := incomplete(b, i, depth+1, found)
			if err != nil {
				return 0, err
			}
			i = SkipSpace(b, end)
			if i >= len(b) {
				return 0, errCut(i)
			}
			if b[i] == ']' {
				return i + 1, nil
			}
			i = SkipSpace(b, i+1)
		}
	case '{':
		var e Embedded
		isList, more := false, false
		end, err := eachMember(b, i, func(key []byte, at int) (int, error) {
			var end int
			var err error
			if string(key) == "data" && at < len(b) && b[at] == '[' {
				var l List
				if _, err := l.elements(b, at); err != nil {
					return 0, err
				}
				if e.Empty = len(l.Items) == 0; !e.Empty {
					e.LastID = l.Items[len(l.Items)-1].ID
				}
			}
			if end, err = incomplete(b, at, depth+1, found); err != nil {
				return 0, err
			}
			switch string(key) {
			case "object":
				isList = string(b[at:end]) == `"list"`
			case "data":
				e.DataEnd = end - 1
			case "has_more":
				more, e.HasMore = bytes.Equal(b[at:end], litTrue), at
			case "url":
				if b[at] == '"' {
					e.URL = Unquote(nil, b[at+1:end-1])
				}
			}
			return end, nil
		})
		if isList && more {
			*found = append(*found, e)
		}
		return end, err
	}
	return Skip(b, i)
}
