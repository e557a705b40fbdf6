package decision

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/problem"
)

// Why a decision is what it is, as OpenFeature names reasons. The protocol lacks
// DEFAULT, so what the client's code has is STATIC.
const (
	split    = "SPLIT"    // a variant by chance
	static   = "STATIC"   // the same for all who are like this one
	disabled = "DISABLED" // nothing runs
)

// A decision is what a client is told of a flag. Without a value, it uses what its
// code has.
type decision struct {
	Key      string          `json:"key"`
	Value    json.RawMessage `json:"value,omitempty"`
	Reason   string          `json:"reason"`
	Variant  string          `json:"variant,omitempty"`
	Metadata metadata        `json:"metadata"`

	exposed *exposure.Exposure // nil for none
}

// Metadata of a decision. Because is absent where there is a variant.
type metadata struct {
	Experiment string `json:"experiment"`
	Phase      uint32 `json:"phase,omitempty"`
	Because    string `json:"because,omitempty"` // draft, stopped, killed, holdout, range, audience, forgotten
	// Withheld says why the variant's offer, or add-ons, are not in the value: the
	// offer's condition that doesn't hold, gone or failed.
	Withheld string `json:"withheld,omitempty"`
}

// Why something is withheld, beside an offer's conditions.
const (
	gone    = "gone"   // there is no such offer any more
	unknown = "failed" // the log has it
)

// decide returns the decision on a flag. Nobody may be told of it before its
// exposure is kept.
func (s *Service) decide(ctx context.Context, sb *sandbox, f *flag, in input) (decision, error) {
	d := decision{Key: f.Key, Metadata: metadata{Experiment: f.id}}
	none := func(reason, because string) (decision, error) {
		d.Reason, d.Metadata.Because = reason, because
		return d, nil
	}
	switch {
	case f.Killed:
		return none(disabled, "killed")
	case f.State == experiment.Draft:
		return none(disabled, "draft")
	case f.State == experiment.Stopped && f.Ship == "":
		return none(disabled, "stopped")
	case f.State == experiment.Stopped:
		d.Reason, d.Variant = static, f.Ship
		err := s.fill(ctx, &d, sb, f, in)
		return d, err
	}
	d.Metadata.Phase = f.Phase().Number
	unit, customer := in.unit(f.Unit)
	if sb.forgotten != nil && (sb.forgotten(unit) || customer != unit && customer != "" && sb.forgotten(customer)) {
		return none(static, "forgotten")
	}
	var failed error
	variant, reason := f.Assign(sb.Holdout, unit, func(audience string) bool {
		var is bool
		is, failed = s.belongs(ctx, sb, f, audience, unit, customer)
		return is
	})
	if failed != nil {
		return decision{}, failed
	}
	switch reason {
	case experiment.InHoldout:
		return none(static, "holdout")
	case experiment.OutOfRange:
		return none(static, "range")
	case experiment.OutOfGroup:
		return none(static, "audience")
	case experiment.SwitchedOff:
		return none(disabled, "killed")
	case experiment.Assigned:
	}
	d.Reason, d.Variant = split, variant
	e := f.exposureOf(variant, unit)
	d.exposed = &e
	err := s.fill(ctx, &d, sb, f, in)
	return d, err
}

// belongs says whether a unit is of the audience, or was when it was exposed: what
// somebody gets stays.
func (s *Service) belongs(ctx context.Context, sb *sandbox, f *flag, audience, unit, customer string) (bool, error) {
	if s.Audience != nil && customer != "" {
		if is, err := s.Audience(ctx, sb.Scope.Sandbox, audience, customer); is || err != nil {
			return is, err
		}
	}
	return s.Exposures.Known(ctx, sb.Scope.Sandbox, f.exposureOf("", unit))
}

// fill writes the value of the decision's variant. What can't be had of it is left
// out: the decision stands already.
func (s *Service) fill(ctx context.Context, d *decision, sb *sandbox, f *flag, in input) error {
	sh := f.shares[d.Variant]
	if sh == nil || sh.members == nil {
		if sh != nil {
			d.Value = sh.Value
		}
		return nil
	}
	value := maps.Clone(sh.members)
	_, customer := in.unit(f.Unit)
	v := Visit{Customer: customer, Cart: in.cart, Value: in.value, Currency: in.currency, Country: in.country}
	withhold := func(why string, err error) {
		if d.Metadata.Withheld == "" {
			d.Metadata.Withheld = why
		}
		if err != nil {
			s.complain(ctx, in.hidden(err))
		}
	}
	if sh.Offer != "" {
		text, why, err := s.offer(ctx, sb, sh.Offer, v)
		switch {
		case problem.KindOf(err) == problem.NotFound:
			withhold(gone, err)
		case err != nil:
			withhold(unknown, err)
		case why != "":
			withhold(why, nil)
		}
		value["offer"] = text
	}
	if sh.Recommend > 0 {
		some, err := s.recommend(ctx, sb, v, sh.Recommend)
		if err != nil {
			withhold(unknown, err)
			some = json.RawMessage("[]")
		}
		value["recommendations"] = some
	}
	if err := ctx.Err(); err != nil { // the caller has gone
		return err
	}
	var err error
	d.Value, err = marshal(value)
	return err
}

func (s *Service) offer(ctx context.Context, sb *sandbox, id string, v Visit) (text json.RawMessage, why string, err error) {
	if s.Offer == nil {
		return nil, "", errNothing
	}
	text, why, err = s.Offer(ctx, sb.Scope.Sandbox, id, v)
	if why != "" || err != nil {
		text = nil
	}
	return text, why, err
}

func (s *Service) recommend(ctx context.Context, sb *sandbox, v Visit, n int) (json.RawMessage, error) {
	if s.Recommend == nil {
		return nil, errNothing
	}
	return s.Recommend(ctx, sb.Scope.Sandbox, v, n)
}

// keep makes the exposures of decisions durable.
func (s *Service) keep(ctx context.Context, sb *sandbox, all []decision) error {
	var some []exposure.Exposure
	for _, d := range all {
		if d.exposed != nil {
			some = append(some, *d.exposed)
		}
	}
	if len(some) == 0 {
		return nil
	}
	return s.Exposures.Put(ctx, sb.Scope.Sandbox, some...)
}

// marshal writes JSON as values were given: without escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
