package analysis

import (
	"encoding/json"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/stats"
)

// A Float is a number of statistics; what is no finite number is null in JSON.
type Float float64

// MarshalJSON writes a number or null.
func (f Float) MarshalJSON() ([]byte, error) {
	if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(f))
}

// UnmarshalJSON reads a number; null is NaN.
func (f *Float) UnmarshalJSON(b []byte) error {
	v := math.NaN()
	if string(b) != "null" {
		if err := json.Unmarshal(b, &v); err != nil {
			return err
		}
	}
	*f = Float(v)
	return nil
}

// A Result is what an experiment came to. Money is in minor units of
// Measure.Currency, shares are of 1.
type Result struct {
	Experiment Subject            `json:"experiment"`
	Phase      uint32             `json:"phase"`
	Began      time.Time          `json:"began"`
	Ended      time.Time          `json:"ended,omitzero"`
	AsOf       time.Time          `json:"asOf"`
	Fresh      time.Time          `json:"freshUntil"` // the copy has everything up to then
	Measure    experiment.Measure `json:"measure"`    // with what it leaves open filled in
	Variants   []Variant          `json:"variants"`   // the control first
	Mismatch   Mismatch           `json:"mismatch"`
	Decision   Decision           `json:"decision"`
	// Metrics are the one that decides first, and then all others.
	Metrics    []Metric    `json:"metrics"`
	Guardrails []Guardrail `json:"guardrails"`
	Segments   []Segment   `json:"segments"`
	Series     []Series    `json:"series"`
	Notes      []string    `json:"notes"` // what a reader of the numbers should know
	Queries    []Query     `json:"queries"`
}

// A Subject is the experiment of a result.
type Subject struct {
	ID         uuid.UUID        `json:"id"`
	Key        string           `json:"key"`
	Name       string           `json:"name"`
	Hypothesis string           `json:"hypothesis,omitempty"`
	State      experiment.State `json:"state"`
	Killed     bool             `json:"killed"`
	Unit       experiment.Unit  `json:"unit"`
}

// A Variant says how many units it was shown to.
type Variant struct {
	Key     string `json:"key"`
	Name    string `json:"name,omitempty"`
	Weight  int    `json:"weight"`
	Exposed int64  `json:"exposed"` // units, up to the time of the result
	Ready   int64  `json:"ready"`   // those of them whose horizon is over: they are compared
}

// A Mismatch says whether variants were shown to units in the shares that they
// have (sample ratio mismatch). If they were not, something kept units of one
// variant out, and no comparison of the others means anything.
type Mismatch struct {
	Chi2  Float `json:"chi2"`
	P     Float `json:"p"`
	Found bool  `json:"found"` // P is below 0.001
}

// mismatchBelow is the p-value below which units are taken to be missing: lower than
// that of effects, as it is looked at again and again and stops all else. Of sound
// experiments that are looked at each day, some 1 % ever see it in a month, 2 % in a year.
const mismatchBelow = 0.001

// A Verdict says in a word what the numbers allow to say.
type Verdict string

// The verdicts.
const (
	Mismatched Verdict = "mismatch"  // the groups can't be compared
	TooFew     Verdict = "waiting"   // too few units are ready
	Undecided  Verdict = "undecided" // no variant differs from the control as far as can be told
	Better     Verdict = "better"    // a variant, or several, does better
	Worse      Verdict = "worse"     // one does worse, and none better
)

// A Decision is the result in words.
type Decision struct {
	Verdict Verdict  `json:"verdict"`
	Text    string   `json:"text"`
	Caveats []string `json:"caveats"`
}

// A Metric is compared between variants.
type Metric struct {
	Name    string `json:"name"`
	Kind    Kind   `json:"kind"`
	Decides bool   `json:"decides"`
	// Explained is the share of the variance that is explained by what units did
	// before, and taken out of Adjusted effects; null where nothing is.
	Explained   Float        `json:"explained"`
	Groups      []Group      `json:"groups"`
	Comparisons []Comparison `json:"comparisons"` // one of each variant but the control
}

// A Group is the metric of one variant's units.
type Group struct {
	Variant string `json:"variant"`
	Units   int64  `json:"units"`
	Value   Float  `json:"value"`
	Low     Float  `json:"low"` // interval at the experiment's level, for one look
	High    Float  `json:"high"`
}

// A Comparison is that of one variant with the control.
type Comparison struct {
	Variant string  `json:"variant"`
	Plain   Effect  `json:"plain"`
	Effect  Effect  `json:"effect"` // with what was known before taken out, where Adjusted; else the plain one
	Adjust  bool    `json:"adjusted"`
	Many    *Looked `json:"corrected,omitempty"` // absent of the metric that decides
}

// An Effect is how far a variant is from the control.
type Effect struct {
	Value Float `json:"value"` // absolute difference
	Low   Float `json:"low"`
	High  Float `json:"high"`
	P     Float `json:"p"` // for one look at a time fixed before
	// Always holds at every look at once.
	Always Always `json:"always"`
	Lift   Lift   `json:"lift"`

	estimate stats.Estimate
}

// Always is an always-valid interval and p-value; null where there is none yet.
type Always struct {
	Low  Float `json:"low"`
	High Float `json:"high"`
	P    Float `json:"p"`
}

// A Lift is an effect as a share of the control's value; null where that is not
// clearly above 0.
type Lift struct {
	Value  Float  `json:"value"`
	Low    Float  `json:"low"`
	High   Float  `json:"high"`
	Always Always `json:"always"`
}

// Looked are p-values corrected for how many are looked at side by side: Holm's
// bound the chance of any error, Benjamini and Hochberg's (BH) the share of errors
// among what is found. Holm is of the always-valid p-value, HolmOnce and BHOnce are
// of that for one look.
type Looked struct {
	Holm     Float `json:"holm"`
	HolmOnce Float `json:"holmOnce"`
	BHOnce   Float `json:"bhOnce"`
	Found    bool  `json:"found"` // Holm is at most alpha
}

// A Guardrail is a rate that should not get worse.
type Guardrail struct {
	Name        string       `json:"name"`
	Groups      []Group      `json:"groups"`
	Comparisons []GuardCheck `json:"comparisons"`
}

// A GuardCheck says whether a variant's rate is above the control's. Alarm is
// always-valid: at all looks together it goes off without a reason with probability
// alpha at most. Warning is the one-sided test for this look alone.
type GuardCheck struct {
	Variant string `json:"variant"`
	Effect  Effect `json:"effect"`
	P       Float  `json:"p"` // one-sided, of the rate being higher, for one look
	Warning bool   `json:"warning"`
	Alarm   bool   `json:"alarm"`
	Few     bool   `json:"few"` // too few such orders to say anything
}

// fewEvents is how many refunded or disputed orders both groups must have
// together before a difference of their rates is told by the normal distribution.
const fewEvents = 10

// A Segment compares the metric that decides among units that paid alike before
// their exposure.
type Segment struct {
	By          string       `json:"by"`      // last or first: which of their orders
	Segment     string       `json:"segment"` // bnpl, card, other, none
	Groups      []Group      `json:"groups"`
	Comparisons []Comparison `json:"comparisons"` // corrected together with those of all segments
}

// A Series is how the effect of a variant on the metric that decides came about.
type Series struct {
	Variant string `json:"variant"`
	Looks   []Look `json:"looks"`
}

// A Look is what was known at the end of a day: with Adjusted, where the metric's are.
type Look struct {
	At     time.Time `json:"at"`
	Units  int64     `json:"units"` // of both groups
	Effect Effect    `json:"effect"`
}

// A Query made numbers: what they mean, and the SQL, which can be asked again
// wherever SQL is asked.
type Query struct {
	Name       string `json:"name"`
	Definition string `json:"definition"`
	SQL        string `json:"sql"`
}
