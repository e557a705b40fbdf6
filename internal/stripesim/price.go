package stripesim

import (
	"sort"
	"strconv"
)

// A price of the shop's list, or one that a subscription brought along.
type price struct {
	key       uint64
	kind      idKind // idPrice or idInlinePrice
	created   int64
	active    bool
	currency  *currency
	product   uint64
	interval  string // empty: one_time
	count     int
	metered   bool
	amount    int64  // unit_amount; not used when decimal, tiers or custom say more
	decimal   string // unit_amount_decimal where unit_amount cannot express it
	custom    bool
	tiers     []tier
	mode      string // graduated or volume
	options   []*currency
	divide    int64
	nickname  string
	lookup    string
	trialDays int64
}

type tier struct {
	upTo, unit, flat int64 // upTo 0: no end; -1: null
	unitDecimal      string
}

// makePrices draws the price list. Twenty kinds take turns, so that even a
// short list has tiers, currencies, fractions and retired prices.
func (w *world) makePrices(created []int64) {
	w.prices = make([]price, len(created))
	w.recurring = map[*currency][]int{}
	for i, t := range created {
		// Most of a list is older than the business done with it.
		t = w.start + (t-w.start)/4
		if i == len(created)-1 {
			t = created[i]
		}
		p := w.priceAt(uint64(i), t)
		w.prices[i] = p
		if p.interval != "" {
			w.recurring[p.currency] = append(w.recurring[p.currency], i)
		}
	}
}

func (w *world) priceAt(key uint64, created int64) price {
	r := w.rng(idPrice, key)
	p := price{key: key, kind: idPrice, created: created, active: !r.chance(0.2), product: key / 2, count: 1}
	p.currency = [...]*currency{usd, usd, eur, gbp, usd, sek, jpy, kwd, eur}[r.below(9)]
	p.amount = p.currency.minor(articles[r.below(len(articles))].usd, &r)
	if r.chance(0.3) {
		p.lookup = "plan_" + strconv.FormatUint(key, 10)
	}
	p.nickname = []string{"", "", "Frühbucher 🐦", "월 구독"}[r.below(4)]
	if key%20 < 15 {
		p.interval = [...]string{"month", "month", "month", "year", "week", "day"}[r.below(6)]
	}
	switch key % 20 {
	case 1:
		p.decimal, p.metered = "0.05", true
	case 2:
		p.tiers, p.mode = []tier{{10, 500, -1, ""}, {100, 400, 250, ""}, {0, 300, -1, ""}}, "graduated"
		p.options = []*currency{eur, gbp}
	case 3:
		p.tiers, p.mode, p.metered = []tier{{1000, -1, -1, "0.1234"}, {0, -1, 900, "0.000000000001"}}, "volume", true
	case 4:
		p.options = []*currency{eur, gbp, jpy}
	case 5:
		p.count, p.interval, p.trialDays = 3, "month", 14
	case 6:
		p.active = false
	case 7:
		p.divide = 12
	case 15:
		p.custom, p.active = true, true
	case 16:
		p.decimal = "12.5"
	}
	return p
}

func (w *world) appendPriceID(b []byte, kind idKind, key uint64) []byte {
	return w.long(b, kind, "price_", key)
}

func (w *world) findPrice(id string) (int, bool) {
	return w.find(idPrice, id, len(w.prices), func(b []byte, key uint64) []byte { return w.appendPriceID(b, idPrice, key) })
}

// pricesBefore returns the positions of the recurring prices in c that existed at t.
func (w *world) pricesBefore(c *currency, t int64) []int {
	all := w.recurring[c]
	return all[:sort.Search(len(all), func(i int) bool { return w.prices[all[i]].created > t })]
}

// unit is the price of one, as far as a renewal charges it.
func (p *price) unit() int64 {
	if p.decimal != "" || p.tiers != nil || p.custom {
		return 0
	}
	return p.amount
}
