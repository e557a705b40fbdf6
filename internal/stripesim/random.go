package stripesim

import (
	"math"
	"math/bits"
)

// mix is the finaliser of splitmix64: it turns any 64 bits into 64 bits that
// look unrelated.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// A rng is a splitmix64 generator. It is a value of eight bytes: objects are
// drawn again from (seed, kind, number) whenever they are rendered, so making
// one must cost nothing.
type rng struct{ s uint64 }

func (r *rng) next() uint64 {
	r.s += 0x9e3779b97f4a7c15
	return mix(r.s)
}

// below returns a number in [0, n); n must be positive.
func (r *rng) below(n int) int {
	hi, _ := bits.Mul64(r.next(), uint64(n))
	return int(hi)
}

// between returns a number in [lo, hi].
func (r *rng) between(lo, hi int64) int64 {
	if hi <= lo {
		return lo
	}
	return lo + int64(r.below(int(hi-lo+1)))
}

// unit returns a number in [0, 1).
func (r *rng) unit() float64 { return float64(r.next()>>11) / (1 << 53) }

func (r *rng) chance(p float64) bool { return r.unit() < p }

// bell returns a number with mean 0 and a standard deviation of about 1,
// between -3.5 and 3.5.
func (r *rng) bell() float64 {
	return (r.unit() + r.unit() + r.unit() + r.unit() - 2) * 1.7320508
}

// pick draws one of the weighted choices; the weights need not sum up to one.
func (r *rng) pick(weights []float64) int {
	var sum float64
	for _, w := range weights {
		sum += w
	}
	u := r.unit() * sum
	for i, w := range weights {
		if u -= w; u < 0 {
			return i
		}
	}
	return len(weights) - 1
}

// count draws how often something with that mean happens.
func (r *rng) count(mean float64) int {
	if mean > 30 {
		return int(math.Round(max(mean+r.bell()*math.Sqrt(mean), 0)))
	}
	n, p := 0, r.unit()
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= r.unit()
	}
	return n
}

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// appendWord appends n base-62 characters drawn from r.
func (r *rng) appendWord(b []byte, n int) []byte {
	for n > 0 {
		x := r.next()
		for k := min(n, 10); k > 0; k-- { // ten characters use up the 64 bits
			b = append(b, base62[x%62])
			x /= 62
			n--
		}
	}
	return b
}

// appendDigits appends n decimal digits drawn from r.
func (r *rng) appendDigits(b []byte, n int) []byte {
	for n > 0 {
		x := r.next()
		for k := min(n, 18); k > 0; k-- {
			b = append(b, byte('0'+x%10))
			x /= 10
			n--
		}
	}
	return b
}
