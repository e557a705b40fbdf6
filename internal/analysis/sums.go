package analysis

import (
	"math"
	"math/big"
	"math/bits"

	"github.com/tributary-data/tributary/internal/stats"
)

// A wide is an integer of 128 bits in two's complement: sums of squares of
// amounts need it.
type wide struct {
	hi uint64
	lo uint64
}

// add adds another one.
func (w *wide) add(o wide) {
	var carry uint64
	w.lo, carry = bits.Add64(w.lo, o.lo, 0)
	w.hi, _ = bits.Add64(w.hi, o.hi, carry)
}

func (w wide) negative() wide {
	n := wide{^w.hi, ^w.lo}
	n.add(wide{0, 1})
	return n
}

// times is the product of two integers.
func times(a, b int64) wide {
	magnitude := func(v int64) uint64 {
		if v < 0 {
			return -uint64(v)
		}
		return uint64(v)
	}
	hi, lo := bits.Mul64(magnitude(a), magnitude(b))
	if w := (wide{hi, lo}); (a < 0) == (b < 0) {
		return w
	}
	return wide{hi, lo}.negative()
}

func (w wide) big() *big.Int {
	minus := w.hi>>63 == 1
	if minus {
		w = w.negative()
	}
	v := new(big.Int).SetUint64(w.hi)
	v.Lsh(v, 64).Or(v, new(big.Int).SetUint64(w.lo))
	if minus {
		v.Neg(v)
	}
	return v
}

// wideOf takes in an integer of DuckDB's; false if it has more bits.
func wideOf(v *big.Int) (wide, bool) {
	if v.BitLen() > 127 {
		return wide{}, false
	}
	m := new(big.Int).Abs(v)
	w := wide{new(big.Int).Rsh(m, 64).Uint64(), new(big.Int).And(m, new(big.Int).SetUint64(math.MaxUint64)).Uint64()}
	if v.Sign() < 0 {
		w = w.negative()
	}
	return w, true
}

// A quantity is what is known of a unit, a column of outcomes.sql.
type quantity int

const (
	revenue quantity = iota
	converted
	orders
	items
	refunded
	disputed
	beforeRevenue
	beforeConverted
	beforeOrders
	beforeItems
	unread
	otherOrders
	refundedLater
	quantities
)

// products are the columns behind the quantities, in the order of outcomes.sql.
var products = [...][2]quantity{
	{revenue, revenue},
	{revenue, orders},
	{orders, orders},
	{items, items},
	{refunded, refunded},
	{refunded, orders},
	{disputed, disputed},
	{disputed, orders},
	{revenue, beforeRevenue},
	{revenue, beforeOrders},
	{orders, beforeRevenue},
	{orders, beforeOrders},
	{beforeRevenue, beforeRevenue},
	{beforeRevenue, beforeOrders},
	{beforeOrders, beforeOrders},
	{converted, beforeConverted},
	{items, beforeItems},
	{beforeItems, beforeItems},
}

// Sums say of a group of units what all its numbers are made of.
type Sums struct {
	N       int64
	sum     [quantities]wide
	product [len(products)]wide
}

// An Outcome is what one unit did, by the definitions in sql/outcomes.sql; amounts
// are minor units.
type Outcome struct {
	Revenue, Orders, Items, Refunded, Disputed int64
	BeforeRevenue, BeforeOrders, BeforeItems   int64
}

// Add takes in a unit.
func (s *Sums) Add(o Outcome) {
	one := func(n int64) int64 {
		if n > 0 {
			return 1
		}
		return 0
	}
	v := [quantities]int64{
		revenue: o.Revenue, converted: one(o.Orders), orders: o.Orders, items: o.Items, refunded: o.Refunded, disputed: o.Disputed,
		beforeRevenue: o.BeforeRevenue, beforeConverted: one(o.BeforeOrders), beforeOrders: o.BeforeOrders, beforeItems: o.BeforeItems,
	}
	s.N++
	for i, n := range v {
		s.sum[i].add(times(n, 1))
	}
	for i, p := range products {
		s.product[i].add(times(v[p[0]], v[p[1]]))
	}
}

// Merge takes in another group.
func (s *Sums) Merge(o *Sums) {
	s.N += o.N
	for i := range s.sum {
		s.sum[i].add(o.sum[i])
	}
	for i := range s.product {
		s.product[i].add(o.product[i])
	}
}

// total is the sum of a quantity, which fits for amounts of this world.
func (s *Sums) total(q quantity) int64 { return s.sum[q].big().Int64() }

// of is the sum of products of two quantities.
func (s *Sums) of(a, b quantity) wide {
	if a == b && (a == converted || a == beforeConverted) {
		return s.sum[a] // 0 or 1 each
	}
	for i, p := range products {
		if p == [2]quantity{a, b} || p == [2]quantity{b, a} {
			return s.product[i]
		}
	}
	panic("outcomes.sql has no such product") // a metric's table asks for what there is not
}

func (s *Sums) mean(q quantity) float64 {
	if s.N == 0 {
		return 0
	}
	return float(s.sum[q].big()) / float64(s.N)
}

// covariance is unbiased; exact up to the last division.
func (s *Sums) covariance(a, b quantity) float64 {
	if s.N < 2 {
		return 0
	}
	n := big.NewInt(s.N)
	v := n.Mul(n, s.of(a, b).big())
	v.Sub(v, new(big.Int).Mul(s.sum[a].big(), s.sum[b].big()))
	return float(v) / (float64(s.N) * float64(s.N-1))
}

// pair is what is known of two quantities, x first.
func (s *Sums) pair(x, y quantity) stats.Pair {
	return stats.Pair{
		N: s.N, MeanX: s.mean(x), MeanY: s.mean(y),
		VarX: s.covariance(x, x), VarY: s.covariance(y, y), Cov: s.covariance(x, y),
	}
}

func float(v *big.Int) float64 {
	f, _ := new(big.Float).SetInt(v).Float64()
	return f
}
