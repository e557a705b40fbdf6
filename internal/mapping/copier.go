package mapping

import (
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Copier makes the records of a set that is a pure copy, as JSON text: the
// same as the set's Program does, many times as fast. It belongs to one
// goroutine.
type Copier struct {
	plan       *Plan
	rec        dataset.Record
	head, tail string
	out        []byte
}

// NewCopier returns the copier of mappings from objects of the Stripe schema s,
// of the kind object ("charge"), into records of c; false where they are no
// pure copy.
func NewCopier(c *xdm.Composition, s *xdm.Schema, object string, mappings []Mapping) (*Copier, bool) {
	set, ok := PureCopy(c, s, mappings)
	if !ok {
		return nil, false
	}
	plan, err := Compile(set, s, object)
	if err != nil {
		return nil, false
	}
	return &Copier{plan: plan, head: `{"_` + s.Tenant + `":{"` + s.Group + `":`, tail: "}}"}, true
}

// Apply makes a record of an object. It is good until the next call. Nulled is
// how many fields were left out for their type. Refused says why the object can't
// be a record.
func (k *Copier) Apply(object []byte) (record []byte, nulled int, refused *dataset.Rejected) {
	if refused = k.plan.Scan(object, &k.rec); refused != nil {
		return nil, 0, refused
	}
	k.out = append(k.out[:0], k.head...)
	k.members(k.plan.Layout().Nodes, k.rec.Slots)
	k.out = append(k.out, k.tail...)
	return k.out, k.rec.Warnings, nil
}

func (k *Copier) members(nodes []*dataset.Node, frame []dataset.Slot) {
	k.out = append(k.out, '{')
	first := true
	for _, n := range nodes {
		if !present(frame[n.Slot]) {
			continue
		}
		if !first {
			k.out = append(k.out, ',')
		}
		first = false
		k.out = append(k.out, '"')
		k.out = append(k.out, n.Field.Name...)
		k.out = append(k.out, '"', ':')
		k.value(n, frame)
	}
	k.out = append(k.out, '}')
}

func present(s dataset.Slot) bool {
	return s.Kind != dataset.Absent && s.Kind != dataset.Null && s.Kind != dataset.Invalid
}

func (k *Copier) value(n *dataset.Node, frame []dataset.Slot) {
	s := frame[n.Slot]
	switch s.Kind {
	case dataset.String:
		k.text(s)
	case dataset.Number:
		k.out = append(k.out, k.rec.Text(s)...)
	case dataset.True:
		k.out = append(k.out, "true"...)
	case dataset.False:
		k.out = append(k.out, "false"...)
	case dataset.JSON:
		k.out = quote(k.out, k.rec.Text(s))
	case dataset.Object:
		k.members(n.Children, frame)
	case dataset.List:
		k.list(n, s)
	case dataset.Absent, dataset.Null, dataset.Invalid:
		k.out = append(k.out, "null"...)
	}
}

// text writes a string as it stands in the object: its escapes are JSON's own,
// but for those that no text has, which are read and written anew.
func (k *Copier) text(s dataset.Slot) {
	if s.Escaped {
		k.out = quote(k.out, k.rec.Value(nil, s))
		return
	}
	k.out = append(k.out, '"')
	k.out = append(k.out, k.rec.Text(s)...)
	k.out = append(k.out, '"')
}

func (k *Copier) list(n *dataset.Node, s dataset.Slot) {
	open, end := byte('['), byte(']')
	if n.Field.Kind == xdm.Map {
		open, end = '{', '}'
	}
	k.out = append(k.out, open)
	at := s.Start
	for i := range s.End {
		f := k.rec.Frame(at, n.Elem.Size)
		if i > 0 {
			k.out = append(k.out, ',')
		}
		if n.Field.Kind == xdm.Map {
			k.text(f[dataset.KeySlot])
			k.out = append(k.out, ':')
		}
		k.value(n.Elem.Nodes[0], f)
		at = dataset.NextFrame(f)
	}
	k.out = append(k.out, end)
}

// quote appends text as a JSON string.
func quote(dst, text []byte) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		b := text[i]
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
		case b < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		case b < utf8.RuneSelf:
			dst = append(dst, b)
		default:
			r, n := utf8.DecodeRune(text[i:])
			dst = utf8.AppendRune(dst, r) // what is no UTF-8 becomes U+FFFD
			i += n
			continue
		}
		i++
	}
	return append(dst, '"')
}
