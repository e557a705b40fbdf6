package report_test

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// paid returns the orders of each customer before the end, by time and id.
func (w *truth) paid(q *asked) map[string][]*charge {
	out := map[string][]*charge{}
	for _, c := range w.charges {
		if c.Customer != nil && c.paid > 0 && c.Created < q.to {
			out[*c.Customer] = append(out[*c.Customer], c)
		}
	}
	return out
}

// later returns the first order in a later second; 0 for none.
func later(orders []*charge, than int64) int64 {
	for _, c := range orders {
		if c.Created > than {
			return c.Created
		}
	}
	return 0
}

const day = 86400

func (w *truth) repeat(q *asked) result {
	out, days := result{}, map[string][]float64{}
	for _, orders := range w.paid(q) {
		first := map[string]int64{}
		for _, c := range orders {
			if !q.takes(c) {
				continue
			}
			for _, l := range levels(c) {
				if key := l[0] + "|" + l[1]; first[key] == 0 {
					first[key] = c.Created
				}
			}
		}
		for key, at := range first {
			next := later(orders, at)
			for _, name := range []string{"repeated", "watched_90", "repeated_90"} {
				out.add(name, 0, key)
			}
			out.add("customers", 1, key)
			if next > 0 {
				out.add("repeated", 1, key)
				days[key] = append(days[key], float64(next-at)/day)
			}
			if at+90*day <= q.to {
				out.add("watched_90", 1, key)
				if next > 0 && next <= at+90*day {
					out.add("repeated_90", 1, key)
				}
			}
		}
	}
	for key, at := range out {
		at["days_median"], at["days_average"] = nil, nil
		if d := days[key]; len(d) > 0 {
			slices.Sort(d)
			var sum float64
			for _, x := range d {
				sum += x
			}
			at["days_median"], at["days_average"] = (d[len(d)/2]+d[(len(d)-1)/2])/2, sum/float64(len(d))
		}
	}
	out.ratio("repeat_rate", over("repeated", "customers"))
	out.ratio("repeat_90", over("repeated_90", "watched_90"))
	return out
}

func (w *truth) cohorts(q *asked) result {
	out := result{}
	windows := []int64{30, 90, 180}
	for _, orders := range w.paid(q) {
		c := orders[0]
		if !q.takes(c) {
			continue
		}
		period, _ := q.period(c.Created)
		next := later(orders, c.Created)
		for _, class := range []string{"all", c.class} {
			out.add("customers", 1, period, class)
			for _, n := range windows {
				name := strconv.FormatInt(n, 10)
				out.add("watched_"+name, 0, period, class)
				out.add("returned_"+name, 0, period, class)
				if c.Created+n*day <= q.to {
					out.add("watched_"+name, 1, period, class)
					if next > 0 && next-c.Created <= n*day {
						out.add("returned_"+name, 1, period, class)
					}
				}
			}
		}
	}
	for _, n := range windows {
		name := strconv.FormatInt(n, 10)
		out.ratio("rate_"+name, over("returned_"+name, "watched_"+name))
	}
	return out
}

func (w *truth) migration(q *asked) result {
	out, from := result{}, map[string]float64{}
	for _, orders := range w.paid(q) {
		a := orders[0]
		if !q.takes(a) {
			continue
		}
		class, method := "none", "none"
		if len(orders) > 1 {
			class, method = orders[1].class, orders[1].method
		}
		from[a.class+"|"+a.method]++
		out.add("customers", 1, a.class, a.method, class, method)
	}
	for key, at := range out {
		at["share"] = num(at, "customers") / from[strings.Join(strings.Split(key, "|")[:2], "|")]
	}
	return out
}

// A sample of baskets.
type sample []float64

func (s sample) mean() float64 {
	var sum float64
	for _, v := range s {
		sum += v
	}
	return sum / float64(len(s))
}

func (s sample) variance() float64 {
	m, sum := s.mean(), 0.0
	for _, v := range s {
		sum += (v - m) * (v - m)
	}
	return sum / float64(len(s)-1)
}

func (w *truth) lift(q *asked) result {
	type stratum struct{ country, kind, period string }
	cards, bnpl := map[string]map[stratum]sample{}, map[string]map[stratum]sample{}
	put := func(to map[string]map[stratum]sample, key string, s stratum, v int64) {
		if to[key] == nil {
			to[key] = map[stratum]sample{}
		}
		to[key][s] = append(to[key][s], float64(v))
	}
	for _, c := range w.charges {
		if !q.takes(c) || c.paid == 0 || c.Invoice != nil || c.shop {
			continue
		}
		period, _ := q.period(c.Created)
		s := stratum{c.country, c.kind, period}
		switch c.class {
		case "card":
			put(cards, c.Currency, s, c.paid)
		case "bnpl":
			put(bnpl, c.Currency+"|all", s, c.paid)
			put(bnpl, c.Currency+"|"+c.method, s, c.paid)
		}
	}
	out := result{}
	for key, strata := range bnpl {
		currency, _, _ := strings.Cut(key, "|")
		at := out.at(key)
		var every, everyCard sample
		var orders, matched, count, cardOrders, sum, cardSum float64
		var parts, cardParts [][2]float64 // variances, and their degrees of freedom
		for s, b := range strata {
			every = append(every, b...)
			n, c := float64(len(b)), cards[currency][s]
			orders += n
			if len(b) < 2 || len(c) < 2 {
				continue
			}
			matched, count, cardOrders = matched+n, count+1, cardOrders+float64(len(c))
			sum, cardSum = sum+n*b.mean(), cardSum+n*c.mean()
			parts = append(parts, [2]float64{n * b.variance(), n - 1})
			cardParts = append(cardParts, [2]float64{n * n * c.variance() / float64(len(c)), float64(len(c) - 1)})
		}
		for _, c := range cards[currency] {
			everyCard = append(everyCard, c...)
		}
		at["orders"], at["matched"], at["strata"], at["card_orders"] = int64(orders), int64(matched), int64(count), int64(cardOrders)
		for _, name := range []string{"average", "card_average", "lift", "lift_low", "lift_high", "raw_lift"} {
			at[name] = nil
		}
		if len(everyCard) > 0 {
			at["raw_lift"] = every.mean()/everyCard.mean() - 1
		}
		if matched > 0 {
			b, c := sum/matched, cardSum/matched
			at["average"], at["card_average"], at["lift"] = b, c, b/c-1
			var variance, slack, half float64
			for i := range parts {
				x, y := parts[i][0]/sum/sum, cardParts[i][0]/cardSum/cardSum
				variance += x + y
				slack += x*x/parts[i][1] + y*y/cardParts[i][1]
			}
			if slack > 0 {
				half = w.student(variance*variance/slack) * math.Sqrt(variance)
			}
			if matched >= 8 && cardOrders >= 8 {
				at["lift_low"], at["lift_high"] = math.Exp(math.Log(b/c)-half)-1, math.Exp(math.Log(b/c)+half)-1
			}
		}
	}
	return out
}

func (w *truth) subscriptions(q *asked) result {
	out, seen := result{}, map[string]bool{}
	for _, s := range w.subs {
		if q.Currency != "" && s.Currency != q.Currency {
			continue
		}
		out.add("subscriptions", 1, s.Currency, s.Status)
		out.add("customers", 0, s.Currency, s.Status)
		if key := w.key(s.Currency, s.Status, s.Customer); !seen[key] {
			seen[key] = true
			out.add("customers", 1, s.Currency, s.Status)
		}
	}
	return out
}

func (w *truth) mrr(q *asked) result {
	out, sums := result{}, map[string]*big.Rat{}
	for _, s := range w.subs {
		if s.Status != "active" && s.Status != "past_due" || q.Currency != "" && s.Currency != q.Currency {
			continue
		}
		for _, item := range s.Items.Data {
			out.add("items", 0, s.Currency)
			out.add("left_out", 0, s.Currency)
			if sums[s.Currency] == nil {
				sums[s.Currency] = new(big.Rat)
			}
			quantity := int64(1)
			if item.Quantity != nil {
				quantity = *item.Quantity
			}
			p := item.Price
			if x := p.Transform; x != nil {
				if x.Round == "up" {
					quantity += x.By - 1
				}
				quantity /= x.By
			}
			var cost *big.Rat
			switch {
			case p.Recurring.Usage == "metered":
			case p.Mode == nil && p.Unit != nil:
				cost = new(big.Rat).Mul(exact(p.Unit), big.NewRat(quantity, 1))
			case p.Mode != nil && w.tiers[p.ID] != nil:
				cost = tiered(*p.Mode, w.tiers[p.ID], quantity)
			}
			if cost == nil {
				out.add("left_out", 1, s.Currency)
				continue
			}
			out.add("items", 1, s.Currency)
			years := map[string]*big.Rat{"day": big.NewRat(365, 1), "week": big.NewRat(365, 7), "month": big.NewRat(12, 1), "year": big.NewRat(1, 1)}
			cost.Mul(cost, years[p.Recurring.Interval])
			cost.Quo(cost, big.NewRat(p.Recurring.Count, 1))
			sums[s.Currency].Add(sums[s.Currency], cost)
		}
	}
	for currency, sum := range sums {
		at := out.at(currency)
		at["year"] = halfEven(sum)
		at["mrr"] = halfEven(new(big.Rat).Quo(sum, big.NewRat(12, 1)))
	}
	return out
}

// tiered prices one unit after the other.
func tiered(mode string, tiers []tier, quantity int64) *big.Rat {
	of := func(n int64) (i int) {
		return slices.IndexFunc(tiers, func(t tier) bool { return t.UpTo == nil || n <= *t.UpTo })
	}
	cost := new(big.Rat)
	reached := -1
	for n := int64(1); n <= quantity; n++ {
		i := of(n)
		if mode == "volume" {
			i = of(quantity)
		}
		cost.Add(cost, exact(tiers[i].UnitDecimal))
		if tiers[i].UnitDecimal == nil && tiers[i].Unit != nil {
			cost.Add(cost, big.NewRat(*tiers[i].Unit, 1))
		}
		if i != reached {
			cost.Add(cost, exact(tiers[i].FlatDecimal))
			if tiers[i].FlatDecimal == nil && tiers[i].Flat != nil {
				cost.Add(cost, big.NewRat(*tiers[i].Flat, 1))
			}
		}
		reached = i
	}
	return cost
}
