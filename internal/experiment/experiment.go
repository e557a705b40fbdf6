// Package experiment says what an experiment with offers is, and which variant a
// unit gets. It is pure: who keeps experiments, who asks and who counts is
// elsewhere.
//
// # Who gets what
//
// A unit is who or what a variant is assigned to: a customer of Stripe, or a
// visitor who has no customer yet and whose id the shop writes into the metadata
// of what he buys. Each share is a number of 10,000 slots, and a unit's slot is a
// hash of a salt and the unit, so that nothing needs to be remembered for the
// assignment to stay, in all processes and for ever:
//
//   - the holdout is a share of a sandbox's units that no experiment touches;
//   - a layer is a set of experiments of which a unit is in one at most: each has
//     a range of the layer's slots of its own;
//   - inside of an experiment's phase, variants have ranges as wide as their weights.
//
// The salts are independent, so the groups are too.
//
// # Phases
//
// What a running experiment compares may not change under it: another weight or
// audience begins a new phase, which has a salt of its own, so that units are
// mixed anew, and which is analysed by itself.
package experiment

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Slots is into how many parts units are divided, and the sum of all weights.
const Slots = 10_000

// A State is what an experiment is in. It goes from draft to running, and from
// there to stopped; what is stopped may run again, in a new phase.
type State string

// The states.
const (
	Draft   State = "draft"
	Running State = "running"
	Stopped State = "stopped"
)

// An Experiment compares variants of what is offered.
type Experiment struct {
	ID   uuid.UUID `json:"id"`
	Key  string    `json:"key"` // what a client asks for: the flag's key; unique in a sandbox, never changed
	Name string    `json:"name"`
	// Hypothesis is what is expected and why, for people.
	Hypothesis string `json:"hypothesis,omitempty"`
	State      State  `json:"state"`
	// Killed stops decisions at once, without an end to the phase: everybody gets
	// what the client's code has.
	Killed bool `json:"killed"`

	Unit Unit `json:"unit"`
	// Layer is the name of the layer that the experiment lies in, and Range what
	// it has of it. Without a layer it has one for itself.
	Layer string `json:"layer,omitempty"`
	Range Range  `json:"range"`
	// Audience is the id of the audience whose customers may be in it; empty for
	// all.
	Audience string    `json:"audience,omitempty"`
	Variants []Variant `json:"variants"` // the first is the control
	// Ship is the key of the variant that everybody gets once it is stopped; empty
	// for what the client's code has.
	Ship string `json:"ship,omitempty"`

	Measure Measure `json:"measure"`
	Phases  []Phase `json:"phases"` // the newest last; none in a draft
}

// A Unit says what is assigned, and how its purchases are found.
type Unit struct {
	// Metadata is the key of a charge's metadata that holds the unit; empty where
	// the unit is the id of the charge's customer.
	Metadata string `json:"metadata,omitempty"`
}

// A Range is the slots from From up to but not including To.
type Range struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// Has says whether a slot lies in it.
func (r Range) Has(slot int) bool { return r.From <= slot && slot < r.To }

// Whole is all slots.
var Whole = Range{To: Slots}

// A Variant is one of the things that are compared.
type Variant struct {
	Key    string `json:"key"`
	Name   string `json:"name,omitempty"`
	Weight int    `json:"weight"` // slots; all weights together are Slots
	// Value is what a client gets, any JSON but null. It may be absent of the
	// control, whose units then get what the client's code has.
	Value json.RawMessage `json:"value,omitempty"`
	// Offer is the id of an offer that is added to the value, which is an object
	// then, as its member offer.
	Offer string `json:"offer,omitempty"`
	// Recommend is how many add-ons for the customer and cart are added to the
	// value as its member recommendations; 0 for none.
	Recommend int `json:"recommend,omitempty"`
}

// A Measure is by what the variants are compared.
type Measure struct {
	// Metric is the one that decides, a name of Metrics.
	Metric string `json:"metric"`
	// Currency is the one whose charges count (ISO 4217, lower case): amounts of
	// several are never added up.
	Currency string `json:"currency"`
	// Days is for how many days after its exposure a unit is watched: its horizon.
	// Only units whose horizon is over are compared.
	Days int `json:"days"`
	// Before is for how many days before the exposure what a unit bought is
	// looked at, to take out what was known of it already (CUPED). 0 for none.
	Before int `json:"before"`
	// Items is the key of a charge's metadata that says how many items it has;
	// empty where nothing does.
	Items string `json:"items,omitempty"`
	// Alpha is the rate of false alarms that is accepted, 0.05 if 0.
	Alpha float64 `json:"alpha,omitempty"`
	// Planned is how many units the experiment is planned to have, which always
	// valid intervals are made narrowest for.
	Planned int64 `json:"planned,omitempty"`
}

// A Phase is a time in which nothing of the comparison changed. It keeps what the
// experiment was then.
type Phase struct {
	Number   uint32    `json:"number"` // from 1
	Salt     string    `json:"salt"`
	Began    time.Time `json:"began"`
	Ended    time.Time `json:"ended,omitzero"`
	Range    Range     `json:"range"`
	Audience string    `json:"audience,omitempty"`
	// Weights are those of the variants that units could get, in their order.
	Weights []Weight `json:"weights"`
	Measure Measure  `json:"measure"`
}

// A Weight is a variant's share of a phase.
type Weight struct {
	Variant string `json:"variant"`
	Weight  int    `json:"weight"`
}

// The metrics that may decide. Each is a number of a unit, over its horizon.
const (
	Revenue    = "revenue"    // paid less refunded, minor units
	Conversion = "conversion" // 1 if the unit paid anything
	OrderValue = "orderValue" // revenue per order: a ratio of the groups' sums
	Orders     = "orders"     // how many charges were paid
	Items      = "items"      // items of the paid charges
)

// Metrics are their names.
var Metrics = []string{Revenue, Conversion, OrderValue, Orders, Items}

// Phase returns the newest phase; its Number is 0 in a draft.
func (e *Experiment) Phase() Phase {
	if len(e.Phases) == 0 {
		return Phase{}
	}
	return e.Phases[len(e.Phases)-1]
}

// Variant returns the variant of a key.
func (e *Experiment) Variant(key string) (Variant, bool) {
	for _, v := range e.Variants {
		if v.Key == key {
			return v, true
		}
	}
	return Variant{}, false
}

// Gives says whether a variant gives the offer of an id.
func (e *Experiment) Gives(offer string) bool {
	return slices.ContainsFunc(e.Variants, func(v Variant) bool { return v.Offer == offer })
}
