package stripesim

import "strings"

// idKind is a name space of ids: the same key gives unrelated ids in two of them.
type idKind uint64

const (
	idCharge idKind = iota + 1
	idRefund
	idBalance
	idSubscription
	idItem
	idPrice
	idInlinePrice
	idProduct
	idCustomer
	idInvoice
	idIntent
	idMethod
	idEvent
	idPayout
	idDispute
	idDiscount
	idRequest
	idReview
	idTaxID
	idSource
	idEndpoint
	idSecret
	idPerson // not an id: separates the random numbers of a person from those of the customer object
	idTimeline
	idTaste // what a customer likes, how often and how much he buys
	idVisit // what happens at a checkout
)

// Keys are below idSpace = 62^8, so that eight characters hold one. Objects
// made while the simulator runs have keys from addedKey on.
const (
	idSpace  = 62 * 62 * 62 * 62 * 62 * 62 * 62 * 62
	addedKey = 1 << 40
)

// ids makes Stripe-like identifiers from numbers, and finds the numbers again,
// so that a million objects need no index by id. The order of ids says nothing
// about the order of keys.
type ids struct {
	seed uint64
	run  string // ten characters that all ids of one account share
}

// long appends prefix and 24 characters: a generation digit, five drawn ones,
// the account's run, and eight that hold the key.
func (g *ids) long(b []byte, kind idKind, prefix string, key uint64) []byte {
	r := g.rng(kind, key)
	b = append(b, prefix...)
	first := byte('1')
	if kind == idCharge || kind == idIntent || kind == idBalance && key>>44 == 0 || kind == idRefund {
		first = '3' // as everything that a PaymentIntent made
	}
	b = append(b, first)
	b = r.appendWord(b, 5)
	b = append(b, g.run...)
	return appendKey(b, g.permute(kind, key))
}

// short appends prefix and 14 characters, as Stripe does for cus_, prod_ and si_.
func (g *ids) short(b []byte, kind idKind, prefix string, key uint64) []byte {
	r := g.rng(kind, key)
	b = append(b, prefix...)
	b = r.appendWord(b, 6)
	return appendKey(b, g.permute(kind, key))
}

// key returns the number that id would have been made from. Whether it is one
// is for the caller to check, by making the id again.
func (g *ids) key(kind idKind, id string) (uint64, bool) {
	if len(id) < 8 {
		return 0, false
	}
	var x uint64
	for _, c := range []byte(id[len(id)-8:]) {
		d := strings.IndexByte(base62, c)
		if d < 0 {
			return 0, false
		}
		x = x*62 + uint64(d)
	}
	return g.restore(kind, x), true
}

func appendKey(b []byte, x uint64) []byte {
	var d [8]byte
	for i := 7; i >= 0; i-- {
		d[i] = base62[x%62]
		x /= 62
	}
	return append(b, d[:]...)
}

func (g *ids) rng(kind idKind, key uint64) rng {
	return rng{mix(g.seed ^ mix(uint64(kind)<<56^key))}
}

const half = 1<<24 - 1

// permute is a Feistel network over 48 bits, repeated until the result lies in
// the id space.
func (g *ids) permute(kind idKind, x uint64) uint64 {
	k := g.seed ^ uint64(kind)*0x9e3779b97f4a7c15
	for {
		l, r := x>>24, x&half
		for i := range uint64(4) {
			l, r = r, l^mix(r^k+i)&half
		}
		if x = l<<24 | r; x < idSpace {
			return x
		}
	}
}

func (g *ids) restore(kind idKind, x uint64) uint64 {
	k := g.seed ^ uint64(kind)*0x9e3779b97f4a7c15
	for {
		l, r := x>>24, x&half
		for i := range uint64(4) {
			l, r = r^mix(l^k+3-i)&half, l
		}
		if x = l<<24 | r; x < idSpace {
			return x
		}
	}
}
