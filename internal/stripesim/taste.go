package stripesim

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// What shoppers put into a basket together is drawn from a model that is known:
//
//   - an anchor is what they came for. With probability favour it is of one of the
//     two families that the customer likes, else of any; inside of that by
//     popularity.
//   - each other article is added, independent of the rest, with the probability
//     1 − (1 − complement of the anchor)(1 − by chance).
//
// So the probability of a basket is a sum of products (probability), and what is
// likeliest to be in it beside the rest can be computed, see BestAddOns.

const (
	families  = 12
	roles     = 6
	favour    = 0.5
	byChance  = 0.35 // articles of a basket that nothing explains, on average
	catalogue = families * roles
)

// A ware is an article that has complements.
type ware struct {
	sku string
	usd float64
}

// A tasteModel is what baskets are drawn from. The index is the item's.
type tasteModel struct {
	items   []ware
	popular []float64          // share of anchors; they sum up to 1
	family  [families]float64  // the same of each family
	chance  []float64          // probability to be in a basket by chance
	fits    [][]float64        // [anchor][item]: probability to be added
	alone   []float64          // probability that nothing is added to an anchor
	index   map[string]int     // by sku
	cheap   map[string]float64 // dollars of what is no item but may be offered
}

var tastes = newTastes()

func newTastes() *tasteModel {
	names := [families]string{"yoga", "run", "swim", "hike", "camp", "bike", "climb", "ski", "gym", "golf", "surf", "row"}
	things := [roles]struct {
		name string
		usd  float64
	}{{"shoes", 79}, {"bag", 38}, {"bottle", 12}, {"watch", 92}, {"strap", 14}, {"care", 9}}
	m := &tasteModel{
		index: map[string]int{},
		cheap: map[string]float64{"gift-wrap": 4, "protect-2y": 9, "express": 6, "care-kit": 12},
	}
	r := rng{0x7a57e}
	rank := make([]int, catalogue)
	for i := range rank {
		k := r.below(i + 1)
		rank[i], rank[k] = rank[k], i
	}
	var sum float64
	for i := range catalogue {
		thing := things[i%roles]
		m.items = append(m.items, ware{names[i/roles] + "-" + thing.name, math.Round(thing.usd * (0.8 + 0.4*r.unit()))})
		m.index[m.items[i].sku] = i
		m.popular = append(m.popular, math.Pow(float64(rank[i]+3), -0.8))
		sum += m.popular[i]
	}
	for i := range catalogue {
		m.popular[i] /= sum
		m.family[i/roles] += m.popular[i]
		m.chance = append(m.chance, byChance*m.popular[i])
	}
	for i := range catalogue {
		q := m.complements(i, &r)
		alone := 1.0
		for j := range q {
			if j != i {
				alone *= 1 - q[j]
			}
		}
		m.fits, m.alone = append(m.fits, q), append(m.alone, alone)
	}
	return m
}

// complements draws what is bought with an anchor: two things of its family, and
// one of any.
func (m *tasteModel) complements(anchor int, r *rng) []float64 {
	q := make([]float64, catalogue)
	first := anchor/roles*roles + (anchor%roles+1+r.below(2))%roles
	second := anchor/roles*roles + (anchor%roles+3+r.below(2))%roles
	q[first], q[second] = 0.45, 0.30
	if far := r.below(catalogue); far/roles != anchor/roles {
		q[far] = 0.15
	}
	for i := range q {
		q[i] = 1 - (1-q[i])*(1-m.chance[i])
	}
	return q
}

// likes are the two families that a customer likes, perhaps the same twice;
// -1 of a guest.
func (w *world) likes(customer int) (a, b int) {
	if customer < 0 {
		return -1, -1
	}
	r := w.rng(idTaste, uint64(customer))
	return r.below(families), r.below(families)
}

// anchor is the probability that somebody who likes two families came for i.
func (m *tasteModel) anchor(i, a, b int) float64 {
	f := i / roles
	if a < 0 {
		return m.popular[i]
	}
	p := (1 - favour) * m.popular[i]
	if f == a {
		p += favour / 2 * m.popular[i] / m.family[a]
	}
	if f == b {
		p += favour / 2 * m.popular[i] / m.family[b]
	}
	return p
}

// basket draws what a customer buys together, the anchor first.
func (w *world) basket(customer int, r *rng) []int {
	m := tastes
	a, b := w.likes(customer)
	var i int
	if u := r.unit(); a >= 0 && u < favour {
		family := a
		if u < favour/2 {
			family = b
		}
		i = family*roles + r.pick(m.popular[family*roles:(family+1)*roles])
	} else {
		i = r.pick(m.popular)
	}
	out := []int{i}
	for j, p := range m.fits[i] {
		if j != i && r.chance(p) {
			out = append(out, j)
		}
	}
	return out
}

// probability is that of a basket, whatever of it is the anchor.
func (m *tasteModel) probability(basket []int, a, b int) float64 {
	var sum float64
	for _, anchor := range basket {
		p := m.anchor(anchor, a, b) * m.alone[anchor]
		for _, j := range basket {
			if q := m.fits[anchor][j]; j != anchor {
				p *= q / (1 - q)
			}
		}
		sum += p
	}
	return sum
}

// A Likely is what a basket may hold beside what is known of it.
type Likely struct {
	SKU string
	P   float64 // probability that it is the one that is missing
}

// BestAddOns returns what is likeliest to be in a basket of which one article is
// missing, likeliest first: of the model that baskets are drawn from, so that
// nobody who knows the baskets alone can do better on average. Without a known
// customer it knows no taste. Articles that the shop doesn't have are passed over.
func (s *Sim) BestAddOns(customer string, cart []string, n int) []Likely {
	a, b := -1, -1
	if pos, ok := s.world.findCustomer(customer); ok {
		a, b = s.world.likes(pos)
	}
	var basket []int
	for _, sku := range cart {
		if i, ok := tastes.index[sku]; ok && !slices.Contains(basket, i) {
			basket = append(basket, i)
		}
	}
	var out []Likely
	var sum float64
	for j, it := range tastes.items {
		if slices.Contains(basket, j) {
			continue
		}
		p := tastes.probability(append(slices.Clone(basket), j), a, b)
		sum += p
		out = append(out, Likely{it.sku, p})
	}
	slices.SortStableFunc(out, func(x, y Likely) int { return cmp.Compare(y.P, x.P) })
	for i := range out {
		out[i].P /= sum
	}
	return out[:min(n, len(out))]
}

// AddOnPrice returns what one of an article costs in a currency, in minor units.
func AddOnPrice(sku, code string) (int64, bool) {
	c := currencyOf(code)
	if c == nil {
		return 0, false
	}
	p, ok := tastes.price(sku, c, 1)
	return p, ok
}

// price is what an article costs whose editions are larger or smaller by size.
// What the shop doesn't know costs ten dollars.
func (m *tasteModel) price(sku string, c *currency, size float64) (int64, bool) {
	dollars, ok := m.cheap[sku]
	if i, is := m.index[sku]; is {
		dollars, ok = m.items[i].usd, true
	}
	if !ok {
		dollars = 10
	}
	r := rng{hash(sku + c.code)}
	return c.minor(dollars*size, &r), ok
}

// A line is an article of an order.
type line struct {
	sku   string
	qty   int
	price int64 // of one, minor units
}

func appendLines(b []byte, lines []line) []byte {
	b = append(b, '[')
	for i, l := range lines {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{\"sku\":\"`...)
		b = append(b, l.sku...)
		b = append(b, `\",\"qty\":`...)
		b = strconv.AppendInt(b, int64(l.qty), 10)
		b = append(b, `,\"price\":`...)
		b = strconv.AppendInt(b, l.price, 10)
		b = append(b, '}')
	}
	return append(b, ']')
}

func quantity(lines []line) int {
	n := 0
	for _, l := range lines {
		n += l.qty
	}
	return n
}
