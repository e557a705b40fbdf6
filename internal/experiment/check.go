package experiment

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"

	"github.com/tributary-data/tributary/internal/problem"
)

// Bounds of an experiment.
const (
	MaxVariants = 20
	MaxValue    = 64 << 10 // bytes of a variant's value
	MaxDays     = 365
	MaxText     = 2000 // bytes of a name or hypothesis
)

// A key stands in URLs and in SQL; the same goes for keys of flags elsewhere.
var keyForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)

var currencyForm = regexp.MustCompile(`^[a-z]{3}$`)

// Check returns the first thing that makes an experiment impossible, by the name
// of its member in JSON.
func (e *Experiment) Check() error {
	switch {
	case !keyForm.MatchString(e.Key):
		return invalid("key: %q is not 1 to 64 lower-case letters, digits, dots, hyphens and underlines that begin and end with a letter or digit", e.Key)
	case e.Name == "" || len(e.Name) > MaxText:
		return invalid("name: it needs 1 to %d bytes", MaxText)
	case len(e.Hypothesis) > MaxText:
		return invalid("hypothesis: it may have %d bytes", MaxText)
	case e.Layer != "" && !keyForm.MatchString(e.Layer):
		return invalid("layer: %q is not a key", e.Layer)
	case e.Range.From < 0 || e.Range.To > Slots || e.Range.From >= e.Range.To:
		return invalid("range: from %d up to %d is no part of the slots 0 to %d", e.Range.From, e.Range.To, Slots)
	case len(e.Unit.Metadata) > 40:
		return invalid("unit.metadata: Stripe's keys of metadata have at most 40 characters")
	}
	if err := e.checkVariants(); err != nil {
		return err
	}
	if _, is := e.Variant(e.Ship); e.Ship != "" && !is {
		return invalid("ship: there is no variant %q", e.Ship)
	}
	return e.Measure.check()
}

func (e *Experiment) checkVariants() error {
	if len(e.Variants) < 2 || len(e.Variants) > MaxVariants {
		return invalid("variants: there are %d, and an experiment has 2 to %d: the control first", len(e.Variants), MaxVariants)
	}
	sum := 0
	for i, v := range e.Variants {
		switch {
		case !keyForm.MatchString(v.Key):
			return invalid("variants[%d].key: %q is not a key", i, v.Key)
		case slices.ContainsFunc(e.Variants[:i], func(o Variant) bool { return o.Key == v.Key }):
			return invalid("variants[%d].key: there are two variants %q", i, v.Key)
		case v.Weight < 1 || v.Weight > Slots:
			return invalid("variants[%d].weight: %d is not 1 to %d", i, v.Weight, Slots)
		case len(v.Name) > MaxText:
			return invalid("variants[%d].name: it may have %d bytes", i, MaxText)
		case v.Recommend < 0 || v.Recommend > 50:
			return invalid("variants[%d].recommend: %d is not 0 to 50", i, v.Recommend)
		}
		if err := v.checkValue(i); err != nil {
			return err
		}
		sum += v.Weight
	}
	if sum != Slots {
		return invalid("variants: their weights are %d together, and must be %d", sum, Slots)
	}
	return nil
}

func (v Variant) checkValue(i int) error {
	value := bytes.TrimSpace(v.Value)
	made := v.Offer != "" || v.Recommend > 0
	switch {
	case len(value) == 0 && i > 0 && !made:
		return invalid("variants[%d].value: only the control may be without one", i)
	case len(value) == 0:
		return nil
	case len(value) > MaxValue || !json.Valid(value):
		return invalid("variants[%d].value: it is not JSON of at most %d bytes", i, MaxValue)
	case string(value) == "null":
		return invalid("variants[%d].value: null is no value", i)
	case made && value[0] != '{':
		return invalid("variants[%d].value: an offer and recommendations are added to an object, and this is none", i)
	}
	return nil
}

// CheckTypes returns an error unless all values are of one type. A client asks for one,
// and gives those who have a value of another what its code has: they would count for a
// variant that they never saw. It is apart from Check: what runs already must be
// possible to switch off whatever its values are.
func (e *Experiment) CheckTypes() error {
	first := -1
	for i, v := range e.Variants {
		switch kind := v.kind(); {
		case kind == "":
		case first < 0:
			first = i
		case kind != e.Variants[first].kind():
			return invalid("variants[%d].value: it is %s, and that of variants[%d] is %s: a client asks for one type", i, kind, first, e.Variants[first].kind())
		}
	}
	return nil
}

// kind names the type of a variant's value, "" for none.
func (v Variant) kind() string {
	value := bytes.TrimSpace(v.Value)
	switch {
	case v.Offer != "" || v.Recommend > 0:
		return "an object"
	case len(value) == 0:
		return ""
	}
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a text"
	case 't', 'f':
		return "a boolean"
	default:
		return "a number"
	}
}

func (m Measure) check() error {
	switch {
	case !slices.Contains(Metrics, m.Metric):
		return invalid("measure.metric: %q is none of %q", m.Metric, Metrics)
	case !currencyForm.MatchString(m.Currency):
		return invalid("measure.currency: %q is not three lower-case letters, such as eur", m.Currency)
	case m.Days < 1 || m.Days > MaxDays:
		return invalid("measure.days: %d is not 1 to %d", m.Days, MaxDays)
	case m.Before < 0 || m.Before > MaxDays:
		return invalid("measure.before: %d is not 0 to %d", m.Before, MaxDays)
	case m.Metric == Items && m.Items == "":
		return invalid("measure.items: the metric items needs the key of the metadata that counts them")
	case m.Alpha < 0 || m.Alpha > 0.5:
		return invalid("measure.alpha: %v is not between 0 and 0.5", m.Alpha)
	case m.Planned < 0:
		return invalid("measure.planned: %d is less than 0", m.Planned)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return problem.Errorf(problem.Invalid, format, args...)
}
