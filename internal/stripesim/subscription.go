package stripesim

import "time"

// A subscription as far as charges and lists depend on it.
type subscription struct {
	key      uint64
	pos      int // in world.subs; -1 = made later
	created  int64
	customer int // key; -1 without customers
	person   person
	currency *currency
	status   string
	items    int
	first    int   // where its items begin in the price list
	ended    int64 // 0 = still running
	rng      rng
}

var subscriptionStatuses = []string{"active", "canceled", "trialing", "past_due", "unpaid", "incomplete", "incomplete_expired", "paused"}

var subscriptionShares = []float64{52, 30, 5, 4, 2, 1.5, 3, 2.5}

// subscriptionAt returns the subscription at a position.
func (w *world) subscriptionAt(pos int) subscription {
	s := w.drawSubscription(uint64(pos), w.subs[pos])
	s.pos = pos
	if n := len(w.subs); n < 100 && pos == n/2 {
		s.items = 25
	}
	return s
}

// drawSubscription draws the subscription with that key, created then.
func (w *world) drawSubscription(key uint64, created int64) subscription {
	r := w.rng(idSubscription, key)
	s := subscription{key: key, pos: -1, created: created, customer: -1, currency: usd}
	if n := before(w.customers, created); n > 0 {
		s.customer, s.person = w.buyer(n, &r)
	} else {
		s.person = w.personAt(idSpace - 1 - key)
	}
	s.status = subscriptionStatuses[r.pick(subscriptionShares)]
	if s.person.deleted {
		s.status = "canceled"
	}
	if s.status == "canceled" || s.status == "incomplete_expired" {
		s.ended = r.between(created, w.end)
	}
	if s.status == "incomplete_expired" {
		s.ended = min(created+23*hourSeconds, w.end)
	}
	s.items = s.itemCount(&r)
	s.currency = s.person.country.currency
	n := len(w.pricesBefore(s.currency, created))
	if n == 0 { // the shop has no price in it: billed in dollars
		if k := len(w.pricesBefore(usd, created)); k > 0 {
			s.currency, n = usd, k
		}
	}
	s.first = r.below(max(n, 1))
	s.rng = r
	return s
}

// itemCount: mostly one; one in a thousand has 25, more than an answer shows;
// 10 and 11 are the edge of what it shows.
func (s *subscription) itemCount(r *rng) int {
	switch s.key % 1000 {
	case 37:
		return 25
	case 61:
		return 10
	case 83:
		return 11
	}
	return 1 + r.pick([]float64{84, 9, 4, 2, 1})
}

// charges says whether the subscription paid an invoice at t.
func (s *subscription) charges(t int64) bool {
	switch s.status {
	case "trialing", "incomplete", "incomplete_expired":
		return false
	}
	return s.ended == 0 || t <= s.ended
}

// An item is one price of a subscription.
type item struct {
	key      uint64
	created  int64
	price    price
	listed   int // position of the price in the list; -1 = inline
	quantity int64
}

// item returns the n-th item. A subscription in a currency without prices, the
// items beyond the list, and one in fifty bring a price of their own.
func (w *world) item(s *subscription, n int) item {
	key := s.key<<6 | uint64(n)
	r := w.rng(idItem, key)
	it := item{key: key, created: s.created + 1, listed: -1, quantity: 1}
	if r.chance(0.2) {
		it.quantity = 1 + int64(r.below(9))
	}
	have := w.pricesBefore(s.currency, s.created)
	if n < len(have) && !r.chance(0.02) {
		it.listed = have[(s.first+n)%len(have)]
		it.price = w.prices[it.listed]
		return it
	}
	it.price = w.inlinePrice(s, key, &r)
	return it
}

// inlinePrice is the price made by price_data of the item with that key. It is
// never listed.
func (w *world) inlinePrice(s *subscription, itemKey uint64, r *rng) price {
	p := price{
		key: itemKey, kind: idInlinePrice, created: s.created, active: true, currency: s.currency,
		product: itemKey | 1<<47, interval: "month", count: 1,
	}
	p.amount = s.currency.minor(articles[r.below(len(articles))].usd, r)
	if r.chance(0.3) {
		p.interval = "year"
	}
	return p
}

// inline finds an inline price by its id.
func (w *world) inline(id string) (price, bool) {
	key, ok := w.key(idInlinePrice, id)
	if !ok || key>>6 >= uint64(len(w.subs)) {
		return price{}, false
	}
	s := w.subscriptionAt(int(key >> 6))
	if int(key&63) >= s.items {
		return price{}, false
	}
	it := w.item(&s, int(key&63))
	return it.price, it.listed < 0 && string(w.appendPriceID(nil, idInlinePrice, key)) == id
}

// subscriptionTotal is what an invoice of it charges.
func (w *world) subscriptionTotal(s *subscription) int64 {
	var sum int64
	for n := range s.items {
		it := w.item(s, n)
		sum += it.price.unit() * it.quantity
	}
	if sum > 0 {
		return sum
	}
	return int64(9 * s.currency.factor()) // metered use
}

func (w *world) appendSubscriptionID(b []byte, key uint64) []byte {
	return w.long(b, idSubscription, "sub_", key)
}

func (w *world) findSubscription(id string) (int, bool) {
	return w.find(idSubscription, id, len(w.subs), w.appendSubscriptionID)
}

// findItem returns the subscription and the number of the item with that id.
func (w *world) findItem(id string) (s subscription, n int, ok bool) {
	key, ok := w.key(idItem, id)
	if !ok || key>>6 >= uint64(len(w.subs)) || string(w.short(nil, idItem, "si_", key)) != id {
		return s, 0, false
	}
	s = w.subscriptionAt(int(key >> 6))
	n = int(key & 63)
	return s, n, n < s.items
}

// period returns the billing period of s around t.
func (s *subscription) period(p *price, t int64) (from, to int64) {
	begin := time.Unix(s.created, 0).UTC()
	step := func(k int) int64 {
		switch p.interval {
		case "year":
			return begin.AddDate(k*p.count, 0, 0).Unix()
		case "week":
			return begin.AddDate(0, 0, 7*k*p.count).Unix()
		case "day":
			return begin.AddDate(0, 0, k*p.count).Unix()
		}
		return begin.AddDate(0, k*p.count, 0).Unix()
	}
	length := max(step(1)-s.created, 1)
	k := max(int((t-s.created)/length), 0)
	for k > 0 && step(k) > t {
		k--
	}
	for step(k+1) <= t {
		k++
	}
	return step(k), step(k + 1)
}
