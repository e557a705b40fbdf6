package mapping

// A Drift is something seen that the schema does not describe.
type Drift struct {
	Path string // dotted, [] for list elements
	Kind string // DriftField, DriftType or DriftValue
	// Seen is the JSON type of the value (string, integer, number, boolean,
	// object, array, null), or for DriftValue the value itself.
	Seen string
}

// Values of Drift.Kind.
const (
	DriftField = "unknown_field" // the schema has no such field; the value is kept in raw
	DriftType  = "unknown_type"  // an optional field has another type; it lands as null
	DriftValue = "unknown_value" // a value that an open enum does not list; it lands as it is
)

// Noted is how often something was seen, and where first.
type Noted struct {
	Count   int64
	Example string // id of an object; "" when it had none
}

// Drift returns what was seen since the last call.
func (p *Plan) Drift() map[Drift]Noted {
	d := p.drift
	p.drift = nil
	return d
}

// maxDrift bounds the different things noted between two calls of Drift: the
// names come from outside.
const maxDrift = 1000

func (p *Plan) noteDrift(path, kind, seen string) {
	if p.drift == nil {
		p.drift = map[Drift]Noted{}
	}
	d := Drift{path, kind, seen}
	n, again := p.drift[d]
	if !again {
		if len(p.drift) >= maxDrift {
			return
		}
		p.fresh = append(p.fresh, d)
	}
	n.Count++
	p.drift[d] = n
}

// exemplify names the object in hand as the example of what it is the first to
// show.
func (p *Plan) exemplify() {
	for _, d := range p.fresh {
		if n, ok := p.drift[d]; ok {
			n.Example = string(p.scan.rec.ID)
			p.drift[d] = n
		}
	}
	p.fresh = p.fresh[:0]
}

// noteValue notes a string that is none of the values that an enum is known to take.
func (p *Plan) noteValue(n *node, text []byte) {
	if v, ok := n.known[string(text)]; ok {
		n.usual = v
		return
	}
	p.noteDrift(n.path, DriftValue, shownValue(text))
}

// maxValue is the longest text that is taken for the value of an enum.
const maxValue = 64

// shownValue returns text if it is made as Stripe makes the values of enums.
// What else stands there may be about a person.
func shownValue(text []byte) string {
	if len(text) == 0 || len(text) > maxValue {
		return OtherText
	}
	for _, c := range text {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '.' {
			return OtherText
		}
	}
	if text[0] >= '0' && text[0] <= '9' {
		return OtherText
	}
	return string(text)
}

// OtherText stands for a value that is not shown.
const OtherText = "(text)"
