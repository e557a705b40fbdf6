package experiment

import (
	"crypto/sha256"
	"encoding/binary"
)

// Slot is a unit's place among Slots under a salt: the first 8 bytes of the
// SHA-256 of salt, NUL and unit, modulo Slots. 2^64 is so much larger that no
// slot is likelier than another by more than 1 in 10^15.
func Slot(salt, unit string) int {
	b := make([]byte, 0, 128)
	b = append(b, salt...)
	b = append(b, 0)
	b = append(b, unit...)
	sum := sha256.Sum256(b)
	return int(binary.BigEndian.Uint64(sum[:8]) % Slots)
}

// A Reason says why a unit gets what it gets.
type Reason int

// The reasons.
const (
	Assigned    Reason = iota // it has a variant
	InHoldout                 // it is of those that no experiment touches
	OutOfRange                // another experiment of the layer may have it
	OutOfGroup                // it is not of the audience
	SwitchedOff               // the experiment is killed or doesn't run
)

// A Holdout is the share of a sandbox's units that no experiment touches.
type Holdout struct {
	Share int    `json:"share"` // slots
	Salt  string `json:"salt"`
}

// Assign returns the key of the variant that a unit gets in the experiment's
// newest phase. In says whether the unit is of the phase's audience; it is asked
// of nobody whom the rest keeps out already.
func (e *Experiment) Assign(h Holdout, unit string, in func(audience string) bool) (string, Reason) {
	p := e.Phase()
	switch {
	case e.State != Running || e.Killed:
		return "", SwitchedOff
	case h.Share > 0 && Slot(h.Salt, unit) < h.Share:
		return "", InHoldout
	case !p.Range.Has(Slot(e.layerSalt(), unit)):
		return "", OutOfRange
	case p.Audience != "" && !in(p.Audience):
		return "", OutOfGroup
	}
	slot := Slot(p.Salt, unit)
	for _, w := range p.Weights {
		if slot < w.Weight {
			return w.Variant, Assigned
		}
		slot -= w.Weight
	}
	return "", SwitchedOff // no phase has weights that end before Slots
}

// layerSalt is the same for all experiments of a layer, and no other's.
func (e *Experiment) layerSalt() string {
	if e.Layer == "" {
		return "experiment\x00" + e.ID.String()
	}
	return "layer\x00" + e.Layer
}
