package privacy

import (
	"encoding/hex"
	"fmt"
	stdhash "hash"

	"github.com/tributary-data/tributary/internal/rawjson"
)

// A Filter applies rules to the objects of one resource. It keeps what it
// learned between objects, so it must not be used by two goroutines at once.
type Filter struct {
	machine *machine
	mac     stdhash.Hash

	src, dst []byte
	from     int // up to where src is in dst
	key, sum []byte
}

// maxDepth is where a document is no object of Stripe's any more.
const maxDepth = 1000

// Withheld says why an object that Apply refused is kept without its text.
const Withheld = "its text is withheld, since privacy rules can't be applied to it"

// What takes the place of text.
const (
	masked     = `***`
	hashPrefix = `hmac-sha256:`
)

// Apply appends raw, one JSON document, to dst with the rules applied. After an
// error nothing of raw may be kept: where it has no structure, paths lead
// nowhere.
func (f *Filter) Apply(dst, raw []byte) ([]byte, error) {
	f.src, f.dst, f.from = raw, dst, 0
	defer func() { f.src, f.dst = nil, nil }()
	end, err := f.value(rawjson.SkipSpace(raw, 0), f.machine.start, keep, 0)
	if err != nil {
		return nil, err
	}
	if i := rawjson.SkipSpace(raw, end); i != len(raw) {
		return nil, &rawjson.SyntaxError{Offset: i, Want: "the end"}
	}
	return append(f.dst, raw[f.from:]...), nil
}

// replace puts text in the place of src[start:end].
func (f *Filter) replace(start, end int, text string) {
	f.dst = append(append(f.dst, f.src[f.from:start]...), text...)
	f.from = end
}

// peek returns the byte at i, 0 at the end of the text.
func (f *Filter) peek(i int) byte {
	if i < len(f.src) {
		return f.src[i]
	}
	return 0
}

// value walks the value at i, to which do is done; it returns where it ends.
func (f *Filter) value(i int, s *state, do action, depth int) (end int, err error) {
	switch f.peek(i) {
	case '{', '[':
		if do == keep && !s.live {
			return rawjson.Skip(f.src, i)
		}
		if depth >= maxDepth {
			return 0, fmt.Errorf("is nested deeper than %d levels", maxDepth)
		}
		if f.src[i] == '{' {
			return f.object(i, s, do, depth)
		}
		return f.array(i, s, do, depth)
	case '"':
		return f.text(i, do)
	case 'n':
		return rawjson.Literal(f.src, i)
	case 't', 'f':
		end, err = rawjson.Literal(f.src, i)
	case 0:
		if i >= len(f.src) {
			return 0, rawjson.ErrCut
		}
		fallthrough
	default:
		end, _, err = rawjson.Number(f.src, i)
	}
	if err == nil && do != keep {
		f.replace(i, end, "null")
	}
	return end, err
}

func (f *Filter) text(i int, do action) (end int, err error) {
	end, flags, err := rawjson.String(f.src, i)
	if err != nil || do == keep {
		return end, err
	}
	if do == mask {
		f.replace(i+1, end-1, masked)
		return end, nil
	}
	text := f.plain(f.src[i+1:end-1], flags)
	if isHash(text) {
		return end, nil
	}
	f.mac.Reset()
	f.mac.Write(text)
	f.sum = f.mac.Sum(f.sum[:0])
	f.replace(i+1, end-1, hashPrefix)
	f.dst = hex.AppendEncode(f.dst, f.sum)
	return end, nil
}

// plain returns the value of the contents of a string.
func (f *Filter) plain(contents []byte, flags rawjson.Flags) []byte {
	if flags&rawjson.Escaped == 0 {
		return contents
	}
	f.key = rawjson.Unquote(f.key[:0], contents)
	return f.key
}

// isHash says whether text is what a hash rule makes: rules are applied again
// to what was stored when they change.
func isHash(text []byte) bool {
	if len(text) != len(hashPrefix)+64 || string(text[:len(hashPrefix)]) != hashPrefix {
		return false
	}
	for _, c := range text[len(hashPrefix):] {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// A cutter removes members of an object or elements of an array, each with one
// of its commas.
type cutter struct {
	kept  bool // something stands before the value in hand
	comma int  // the one before it
}

func (f *Filter) cut(c *cutter, start, end int) {
	if c.kept {
		start = c.comma
	}
	f.replace(start, end, "")
}

// separator walks what stands behind a value, at i: it returns where the next
// one begins, or where the container with that closing bracket ends.
func (f *Filter) separator(i int, c *cutter, closing byte) (next int, more bool, err error) {
	i = rawjson.SkipSpace(f.src, i)
	switch f.peek(i) {
	case closing:
		return i + 1, false, nil
	case ',':
		c.comma = i
		next = rawjson.SkipSpace(f.src, i+1)
		if !c.kept {
			f.from = next
		}
		return next, true, nil
	}
	if i >= len(f.src) {
		return 0, false, rawjson.ErrCut
	}
	return 0, false, &rawjson.SyntaxError{Offset: i, Want: "a comma or the end of what is open"}
}

func (f *Filter) object(i int, s *state, do action, depth int) (int, error) {
	i = rawjson.SkipSpace(f.src, i+1)
	if f.peek(i) == '}' {
		return i + 1, nil
	}
	var c cutter
	for {
		start := i
		if f.peek(i) != '"' {
			return 0, &rawjson.SyntaxError{Offset: i, Want: "a key"}
		}
		end, flags, err := rawjson.String(f.src, i)
		if err != nil {
			return 0, err
		}
		key := f.plain(f.src[i+1:end-1], flags)
		if i = rawjson.SkipSpace(f.src, end); f.peek(i) != ':' {
			return 0, &rawjson.SyntaxError{Offset: i, Want: "a colon"}
		}
		i = rawjson.SkipSpace(f.src, i+1)
		if i, err = f.part(&c, start, i, f.machine.member(s, key), do, depth); err != nil {
			return 0, err
		}
		more := false
		if i, more, err = f.separator(i, &c, '}'); err != nil || !more {
			return i, err
		}
	}
}

func (f *Filter) array(i int, s *state, do action, depth int) (int, error) {
	i = rawjson.SkipSpace(f.src, i+1)
	if f.peek(i) == ']' {
		return i + 1, nil
	}
	var c cutter
	for {
		var err error
		if i, err = f.part(&c, i, i, f.machine.item(s), do, depth); err != nil {
			return 0, err
		}
		more := false
		if i, more, err = f.separator(i, &c, ']'); err != nil || !more {
			return i, err
		}
	}
}

// part walks a member or element that begins at start and whose value stands
// at i.
func (f *Filter) part(c *cutter, start, i int, s *state, do action, depth int) (end int, err error) {
	if do = max(do, s.do); do != drop {
		end, err = f.value(i, s, do, depth+1)
		c.kept = true
		return end, err
	}
	if end, err = rawjson.Skip(f.src, i); err != nil {
		return 0, err
	}
	f.cut(c, start, end)
	return end, nil
}
