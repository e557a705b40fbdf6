// Package recommend says which articles go with a cart, by what was bought
// together. It is pure: who reads orders and keeps models is elsewhere.
//
// # The method
//
// Association rules between two articles, i → j: of the orders with i, how many
// have j? Their
//
//	support     orders with both / all orders
//	confidence  orders with both / orders with i
//	lift        confidence / (orders with j / all orders)
//
// are what a recommendation tells as its reason. Articles and rules of fewer orders
// than MinSupport are dropped, and of each article the strongest rules are kept.
//
// A cart is judged by naive Bayes: the odds that j is bought are those that it has
// among all orders, times, for each article i of the cart,
//
//	P(i | orders with j) / P(i | orders without j)
//
// so that what a cart speaks against counts as well. Few orders make rules that
// look better than they are, so both probabilities are shrunk towards the share of
// all orders that have i, as if Prior more orders had it so often. Candidates are
// what the cart's rules lead to and the best sellers; where the cart is empty or
// holds nothing known, it is the best sellers that are recommended.
//
// A model holds counts of articles, and nothing of customers: what somebody bought
// before adds little to what is in his cart (two points of hit rate at best in the
// simulated shop), and would be personal data.
package recommend

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// An Order is what somebody bought together.
type Order struct {
	Customer string // empty: a guest
	At       time.Time
	Items    []string
}

// MaxItems is of how many articles of an order pairs are counted; the rest is
// passed over. A real cart is smaller, and a model of all pairs of a larger one
// would be about its owner.
const MaxItems = 50

// Options say how a model is made. The zero value is of the defaults.
type Options struct {
	MinSupport int     `json:"minSupport,omitempty"` // orders that an item or a rule needs; 2
	Prior      float64 `json:"prior,omitempty"`      // orders; 20
	Rules      int     `json:"rules,omitempty"`      // kept of each article; 100
}

func (o Options) filled() Options {
	o.MinSupport, o.Prior, o.Rules = cmp.Or(o.MinSupport, 2), cmp.Or(o.Prior, 20), cmp.Or(o.Rules, 100)
	return o
}

// A Model recommends. It never changes, and may be asked by several at once.
type Model struct {
	Orders  int64    // that it was made of
	Items   []string // best sellers first
	Counts  []int64  // orders with an item
	Rules   [][]Rule // of each item, by the item that they lead to
	Options Options  // that it was made with
	// Sold has those items that the account has prices of, each with the currencies
	// that they are sold in; none: not any more. Of other items, such as SKUs, the
	// account says nothing.
	Sold  map[string][]string
	index map[string]int32
}

// Sells says whether an item can be bought in a currency, "" for any, as far as the
// account tells.
func (m *Model) Sells(item, currency string) bool {
	in, known := m.Sold[item]
	return !known || len(in) > 0 && (currency == "" || slices.Contains(in, currency))
}

// A Rule is what an item leads to.
type Rule struct {
	Item   int32 // its place in Items
	Orders int64 // with both
}

// A Recommendation is one item, and why.
type Recommendation struct {
	Item   string  `json:"item"`
	Score  float64 `json:"score"` // estimated probability that it is bought, too
	Reason Reason  `json:"reason"`
}

// A Reason is the rule that spoke most for a recommendation, or, without With, how
// well the item sells to all.
type Reason struct {
	With       string  `json:"with,omitempty"` // item of the cart
	Orders     int64   `json:"orders"`         // with both, or with the item
	Support    float64 `json:"support"`
	Confidence float64 `json:"confidence,omitempty"`
	Lift       float64 `json:"lift,omitempty"`
}

// Recommend returns n items at most that are not in the cart, likeliest first.
func (m *Model) Recommend(cart []string, n int) []Recommendation {
	if n <= 0 || m.Orders == 0 {
		return nil
	}
	all := m.candidates(m.known(cart), n)
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(b.odds, a.odds), cmp.Compare(a.item, b.item)) })
	out := make([]Recommendation, 0, min(n, len(all)))
	for _, c := range all[:min(n, len(all))] {
		out = append(out, m.explain(c))
	}
	return out
}

// A candidate is an item that may be recommended.
type candidate struct {
	item   int32
	odds   float64 // their logarithm
	with   int32   // item of the cart that speaks most for it; -1: none does
	says   float64 // how much, as the logarithm of odds
	orders int64   // with both
}

// A lead is a rule of an item of the cart.
type lead struct {
	to, from int32
	orders   int64
}

// candidates returns what the rules of a cart lead to, and the best sellers, with
// their odds.
func (m *Model) candidates(in []int32, n int) []candidate {
	leads := make([]lead, 0, 256)
	for _, i := range in {
		for _, r := range m.Rules[i] {
			leads = append(leads, lead{r.Item, i, r.Orders})
		}
	}
	for i := int32(0); int(i) < min(n+len(in), len(m.Items)); i++ {
		leads = append(leads, lead{i, -1, 0})
	}
	slices.SortFunc(leads, func(a, b lead) int { return cmp.Compare(a.to, b.to) })
	against := 0.0 // what all of the cart says of an item that no rule leads to, but for its own share
	for _, i := range in {
		against += m.says(i, 0)
	}
	var all []candidate
	for len(leads) > 0 {
		end := 1
		for end < len(leads) && leads[end].to == leads[0].to {
			end++
		}
		if !slices.Contains(in, leads[0].to) {
			all = append(all, m.judge(leads[:end], against, len(in)))
		}
		leads = leads[end:]
	}
	return all
}

// says is the logarithm of how much likelier i is beside an item than without it,
// where so many orders have both: but for the part that the item alone decides.
func (m *Model) says(i int32, both int64) float64 {
	has, of := float64(m.Counts[i]), float64(both)
	share := m.Options.Prior * has / float64(m.Orders)
	return math.Log((of + share) / (has - of + share))
}

// judge works out the odds of the item that all leads are about.
func (m *Model) judge(leads []lead, against float64, cart int) candidate {
	all, of, prior := float64(m.Orders), float64(m.Counts[leads[0].to]), m.Options.Prior
	own := math.Log((all - of + prior) / (of + prior))
	c := candidate{item: leads[0].to, with: -1, odds: math.Log((of+0.5)/(all-of+0.5)) + against + own*float64(cart)}
	for _, l := range leads {
		if l.from < 0 {
			continue
		}
		says := m.says(l.from, l.orders)
		c.odds += says - m.says(l.from, 0)
		if says+own > c.says {
			c.with, c.says, c.orders = l.from, says+own, l.orders
		}
	}
	return c
}

func (m *Model) explain(c candidate) Recommendation {
	all, of := float64(m.Orders), m.Counts[c.item]
	r := Recommendation{Item: m.Items[c.item], Score: 1 / (1 + math.Exp(-c.odds))}
	if c.with < 0 {
		r.Reason = Reason{Orders: of, Support: float64(of) / all}
		return r
	}
	r.Reason = Reason{
		With: m.Items[c.with], Orders: c.orders, Support: float64(c.orders) / all,
		Confidence: float64(c.orders) / float64(m.Counts[c.with]),
	}
	r.Reason.Lift = r.Reason.Confidence / (float64(of) / all)
	return r
}

// Popular returns the n best sellers that are not in the cart: what
// recommendations have to be better than.
func (m *Model) Popular(cart []string, n int) []string {
	var out []string
	for _, item := range m.Items {
		if len(out) == n {
			break
		}
		if !slices.Contains(cart, item) {
			out = append(out, item)
		}
	}
	return out
}

// known returns the places of those items of a cart that the model knows.
func (m *Model) known(cart []string) []int32 {
	var in []int32
	for _, item := range cart[:min(len(cart), MaxItems)] {
		if i, ok := m.index[item]; ok && !slices.Contains(in, i) {
			in = append(in, i)
		}
	}
	return in
}
