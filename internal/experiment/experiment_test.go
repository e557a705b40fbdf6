package experiment_test

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/problem"
)

func cartOffer() experiment.Experiment {
	return experiment.Experiment{
		ID: uuid.MustParse("6f2a52c8-8f0f-4a53-9b0c-1d2a54f1c001"), Key: "cart-offer", Name: "An add-on before checkout",
		State: experiment.Running, Range: experiment.Whole,
		Variants: []experiment.Variant{
			{Key: "none", Weight: 5000},
			{Key: "gift-wrap", Weight: 5000, Value: json.RawMessage(`{"show":true}`), Offer: "gift-wrap"},
		},
		Measure: experiment.Measure{Metric: experiment.Revenue, Currency: "eur", Days: 14, Before: 30},
		Phases: []experiment.Phase{{
			Number: 1, Salt: "one", Range: experiment.Whole,
			Weights: []experiment.Weight{{Variant: "none", Weight: 5000}, {Variant: "gift-wrap", Weight: 5000}},
		}},
	}
}

func anybody(string) bool { return true }

// Where a unit lies must never change: what was computed once, by another
// program, holds for ever.
func TestSlot(t *testing.T) {
	t.Parallel()
	// python3: int.from_bytes(hashlib.sha256(salt + b"\0" + unit).digest()[:8], "big") % 10000
	for _, c := range []struct {
		salt, unit string
		want       int
	}{{"", "", 3192}, {"one", "cus_1", 7054}, {"one", "cus_2", 4137}, {"two", "cus_1", 2258}, {"layer\x00cart", "고객", 5952}} {
		if got := experiment.Slot(c.salt, c.unit); got != c.want {
			t.Errorf("Slot(%q, %q) = %d, want %d", c.salt, c.unit, got, c.want)
		}
	}
}

// A client asks for one type, so that all values are of it; a control may have none.
func TestCheckTypes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, control, value, offer string
		want                        string
	}{
		{"objects", `{"show":false}`, ` {"show":true}`, "", ""},
		{"numbers", `5`, `-1.5e3`, "", ""},
		{"booleans", `true`, `false`, "", ""},
		{"no value of the control", ``, `"x"`, "", ""},
		{"an offer alone", `{}`, ``, "gift", ""},
		{"a boolean and a text", `false`, `"x"`, "", "variants[1].value: it is a text, and that of variants[0] is a boolean"},
		{"a number and a list", `0`, `[]`, "", "it is a list, and that of variants[0] is a number"},
		{"a boolean and an offer", `false`, ``, "gift", "it is an object, and that of variants[0] is a boolean"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := cartOffer()
			e.Variants[0].Value, e.Variants[1].Value = json.RawMessage(c.control), json.RawMessage(c.value)
			e.Variants[1].Offer, e.Variants[1].Recommend = c.offer, 0
			if err := e.Check(); err != nil {
				t.Fatal(err)
			}
			err := e.CheckTypes()
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	fine := cartOffer()
	if err := fine.Check(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spoil func(*experiment.Experiment)
		want  string
	}{
		"key":              {func(e *experiment.Experiment) { e.Key = "Cart Offer" }, "key:"},
		"no name":          {func(e *experiment.Experiment) { e.Name = "" }, "name:"},
		"one variant":      {func(e *experiment.Experiment) { e.Variants = e.Variants[:1] }, "variants:"},
		"weights":          {func(e *experiment.Experiment) { e.Variants[0].Weight = 4999 }, "9999 together"},
		"weight":           {func(e *experiment.Experiment) { e.Variants[0].Weight = 0 }, "variants[0].weight"},
		"twice":            {func(e *experiment.Experiment) { e.Variants[1].Key = "none" }, "variants[1].key"},
		"no value":         {func(e *experiment.Experiment) { e.Variants[1].Value, e.Variants[1].Offer = nil, "" }, "variants[1].value"},
		"null":             {func(e *experiment.Experiment) { e.Variants[1].Value = json.RawMessage(` null `) }, "variants[1].value"},
		"no JSON":          {func(e *experiment.Experiment) { e.Variants[1].Value = json.RawMessage(`{`) }, "variants[1].value"},
		"offer to a text":  {func(e *experiment.Experiment) { e.Variants[1].Value = json.RawMessage(`"x"`) }, "variants[1].value"},
		"range":            {func(e *experiment.Experiment) { e.Range.To = 10_001 }, "range:"},
		"empty range":      {func(e *experiment.Experiment) { e.Range = experiment.Range{From: 5, To: 5} }, "range:"},
		"metric":           {func(e *experiment.Experiment) { e.Measure.Metric = "luck" }, "measure.metric"},
		"currency":         {func(e *experiment.Experiment) { e.Measure.Currency = "EUR" }, "measure.currency"},
		"days":             {func(e *experiment.Experiment) { e.Measure.Days = 0 }, "measure.days"},
		"items of nothing": {func(e *experiment.Experiment) { e.Measure.Metric = experiment.Items }, "measure.items"},
		"ship":             {func(e *experiment.Experiment) { e.Ship = "nobody" }, "ship:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := cartOffer()
			c.spoil(&e)
			err := e.Check()
			if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

func TestAssignReasons(t *testing.T) {
	t.Parallel()
	e := cartOffer()
	for name, c := range map[string]struct {
		change  func(*experiment.Experiment)
		holdout experiment.Holdout
		in      func(string) bool
		want    experiment.Reason
	}{
		"assigned":     {func(*experiment.Experiment) {}, experiment.Holdout{}, anybody, experiment.Assigned},
		"holdout":      {func(*experiment.Experiment) {}, experiment.Holdout{Share: experiment.Slots}, anybody, experiment.InHoldout},
		"draft":        {func(e *experiment.Experiment) { e.State = experiment.Draft }, experiment.Holdout{}, anybody, experiment.SwitchedOff},
		"killed":       {func(e *experiment.Experiment) { e.Killed = true }, experiment.Holdout{}, anybody, experiment.SwitchedOff},
		"out of range": {func(e *experiment.Experiment) { e.Phases[0].Range = experiment.Range{} }, experiment.Holdout{}, anybody, experiment.OutOfRange},
		"not of it":    {func(e *experiment.Experiment) { e.Phases[0].Audience = "a" }, experiment.Holdout{}, func(string) bool { return false }, experiment.OutOfGroup},
		"of it":        {func(e *experiment.Experiment) { e.Phases[0].Audience = "a" }, experiment.Holdout{}, func(a string) bool { return a == "a" }, experiment.Assigned},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := e
			e.Phases = append([]experiment.Phase{}, e.Phases...)
			c.change(&e)
			variant, reason := e.Assign(c.holdout, "cus_1", c.in)
			if reason != c.want || (variant == "") == (reason == experiment.Assigned) {
				t.Errorf("%q, %d, want %d", variant, reason, c.want)
			}
		})
	}
}

// Every unit has one variant, as often as the weights say, and independent of
// which variant of another experiment it has.
func TestAssignBalance(t *testing.T) {
	t.Parallel()
	const units = 10_000
	rapid.Check(t, func(rt *rapid.T) {
		salt := func(l string) string { return rapid.StringMatching(`[a-z0-9]{16}`).Draw(rt, l) }
		cut := rapid.IntRange(500, experiment.Slots-500).Draw(rt, "cut")
		a, b := cartOffer(), cartOffer()
		a.Phases[0].Salt, b.Phases[0].Salt = salt("a"), salt("b")+"2"
		a.Phases[0].Weights = []experiment.Weight{{Variant: "none", Weight: cut}, {Variant: "gift-wrap", Weight: experiment.Slots - cut}}
		var ofA, ofBoth int
		for i := range units {
			unit := "cus_" + strconv.Itoa(i)
			va, ra := a.Assign(experiment.Holdout{}, unit, anybody)
			vb, rb := b.Assign(experiment.Holdout{}, unit, anybody)
			if ra != experiment.Assigned || rb != experiment.Assigned {
				rt.Fatalf("%s: %d %d", unit, ra, rb)
			}
			if va == "none" {
				ofA++
				if vb == "none" {
					ofBoth++
				}
			}
		}
		for what, c := range map[string]struct {
			got int
			p   float64
		}{"weight": {ofA, float64(cut) / experiment.Slots}, "independence": {ofBoth, float64(cut) / experiment.Slots / 2}} {
			// Seven standard deviations: chance alone does this once in 10^11.
			if off := math.Abs(float64(c.got) - units*c.p); off > 7*math.Sqrt(units*c.p*(1-c.p)) {
				rt.Errorf("%s: %d of %d, want about %.0f", what, c.got, units, units*c.p)
			}
		}
	})
}

// Experiments of one layer with ranges of their own share no unit; together they
// have all of the ranges' units.
func TestLayers(t *testing.T) {
	t.Parallel()
	a, b := cartOffer(), cartOffer()
	b.ID = uuid.MustParse("6f2a52c8-8f0f-4a53-9b0c-1d2a54f1c002")
	a.Layer, b.Layer = "cart", "cart"
	a.Phases[0].Range, b.Phases[0].Range = experiment.Range{To: 4000}, experiment.Range{From: 4000, To: experiment.Slots}
	for i := range 20_000 {
		unit := "cus_" + strconv.Itoa(i)
		_, ra := a.Assign(experiment.Holdout{}, unit, anybody)
		_, rb := b.Assign(experiment.Holdout{}, unit, anybody)
		if (ra == experiment.Assigned) == (rb == experiment.Assigned) {
			t.Fatalf("%s: %d and %d", unit, ra, rb)
		}
	}
}
