package stripesim

import (
	"math"
	"strconv"
)

// view says which expansions an answer shows.
type view struct {
	tiers, options, optionTiers bool   // of prices
	allItems                    bool   // of subscriptions: every item instead of the first ten
	version                     string // whose shape; "": acacia's
}

func (w *world) price(e *enc, p *price, v view) {
	e.open('{')
	e.long("id", &w.ids, p.kind, "price_", p.key)
	e.str("object", "price")
	e.bool("active", p.active)
	e.str("billing_scheme", p.scheme())
	e.int("created", p.created)
	e.str("currency", p.currency.code)
	if v.options || v.optionTiers {
		p.currencyOptions(e, v)
	}
	if p.custom {
		e.obj("custom_unit_amount")
		e.null("maximum")
		e.int("minimum", p.amount)
		e.null("preset")
		e.close('}')
	} else {
		e.null("custom_unit_amount")
	}
	e.bool("livemode", w.live)
	e.strOrNull("lookup_key", p.lookup)
	p.metadata(e)
	e.strOrNull("nickname", p.nickname)
	e.short("product", &w.ids, idProduct, "prod_", p.product)
	p.recurrence(e)
	e.str("tax_behavior", [...]string{"unspecified", "exclusive", "inclusive"}[p.key%3])
	if v.tiers && p.tiers != nil {
		appendTiers(e, p.tiers)
	}
	e.strOrNull("tiers_mode", p.mode)
	if p.divide > 0 {
		e.obj("transform_quantity")
		e.int("divide_by", p.divide)
		e.str("round", "up")
		e.close('}')
	} else {
		e.null("transform_quantity")
	}
	if p.interval == "" {
		e.str("type", "one_time")
	} else {
		e.str("type", "recurring")
	}
	p.unitAmount(e, "unit_amount")
	e.close('}')
}

func (p *price) scheme() string {
	if p.tiers != nil {
		return "tiered"
	}
	return "per_unit"
}

func (p *price) metadata(e *enc) {
	e.obj("metadata")
	if p.key%4 == 0 {
		e.str("sku", articles[p.key%uint64(len(articles))].sku)
		e.str("season", "été/夏")
	}
	e.close('}')
}

// unitAmount writes the pair name and name_decimal.
func (p *price) unitAmount(e *enc, name string) {
	switch {
	case p.tiers != nil || p.custom:
		e.nulls(name, name+"_decimal")
	case p.decimal != "":
		e.null(name)
		e.str(name+"_decimal", p.decimal)
	default:
		e.int(name, p.amount)
		e.str(name+"_decimal", strconv.FormatInt(p.amount, 10))
	}
}

func (p *price) recurrence(e *enc) {
	if p.interval == "" {
		e.null("recurring")
		return
	}
	e.obj("recurring")
	if p.metered {
		e.str("aggregate_usage", "sum")
	} else {
		e.null("aggregate_usage")
	}
	e.str("interval", p.interval)
	e.int("interval_count", int64(p.count))
	e.null("meter")
	e.intOrNull("trial_period_days", p.trialDays)
	e.str("usage_type", p.usage())
	e.close('}')
}

func (p *price) usage() string {
	if p.metered {
		return "metered"
	}
	return "licensed"
}

// currencyOptions writes the price's own currency and the others it is sold in.
func (p *price) currencyOptions(e *enc, v view) {
	e.obj("currency_options")
	p.currencyOption(e, p.currency, v)
	for _, c := range p.options {
		if c != p.currency {
			p.currencyOption(e, c, v)
		}
	}
	e.close('}')
}

func (p *price) currencyOption(e *enc, c *currency, v view) {
	in := *p
	ratio := p.currency.usd / c.usd * c.factor() / p.currency.factor()
	in.amount = int64(math.Round(float64(p.amount) * ratio))
	e.obj(c.code)
	e.null("custom_unit_amount")
	e.str("tax_behavior", "unspecified")
	if v.optionTiers && p.tiers != nil {
		appendTiers(e, p.tiers)
	}
	in.unitAmount(e, "unit_amount")
	e.close('}')
}

func appendTiers(e *enc, tiers []tier) {
	e.arr("tiers")
	for _, t := range tiers {
		e.line()
		e.open('{')
		amounts(e, "flat_amount", t.flat, "")
		amounts(e, "unit_amount", t.unit, t.unitDecimal)
		e.intOrNull("up_to", t.upTo)
		e.close('}')
	}
	e.close(']')
}

func amounts(e *enc, name string, v int64, decimal string) {
	switch {
	case decimal != "":
		e.null(name)
		e.str(name+"_decimal", decimal)
	case v < 0:
		e.nulls(name, name+"_decimal")
	default:
		e.int(name, v)
		e.str(name+"_decimal", strconv.FormatInt(v, 10))
	}
}

// plan renders the legacy twin of a recurring price.
func (w *world) plan(e *enc, p *price) {
	e.open('{')
	e.long("id", &w.ids, p.kind, "price_", p.key)
	e.str("object", "plan")
	e.bool("active", p.active)
	if p.metered {
		e.str("aggregate_usage", "sum")
	} else {
		e.null("aggregate_usage")
	}
	p.unitAmount(e, "amount")
	e.str("billing_scheme", p.scheme())
	e.int("created", p.created)
	e.str("currency", p.currency.code)
	e.str("interval", p.interval)
	e.int("interval_count", int64(p.count))
	e.bool("livemode", w.live)
	p.metadata(e)
	e.null("meter")
	e.strOrNull("nickname", p.nickname)
	e.short("product", &w.ids, idProduct, "prod_", p.product)
	e.strOrNull("tiers_mode", p.mode)
	if p.divide > 0 {
		e.obj("transform_usage")
		e.int("divide_by", p.divide)
		e.str("round", "up")
		e.close('}')
	} else {
		e.null("transform_usage")
	}
	e.intOrNull("trial_period_days", p.trialDays)
	e.str("usage_type", p.usage())
	e.close('}')
}
