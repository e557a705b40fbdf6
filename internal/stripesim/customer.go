package stripesim

import (
	"strconv"
	"strings"
)

// person is what charges and subscriptions need to know of a customer.
type person struct {
	country *country
	prefers *method
	given   int
	family  int
	place   town
	deleted bool
	rng     rng // continues with what only the customer object shows
}

func (w *world) personAt(key uint64) person {
	r := w.rng(idPerson, key)
	c := &countries[r.pick(countryShares)]
	p := person{country: c, prefers: c.methods[r.pick(c.shares)]}
	p.given, p.family = r.below(len(c.names.given)), r.below(len(c.names.family))
	p.place = c.places[r.below(len(c.places))]
	p.deleted = r.chance(0.008) && key < addedKey
	p.rng = r
	return p
}

func (p *person) name() string {
	n := p.country.names
	if n.familyFirst {
		return n.family[p.family] + " " + n.given[p.given]
	}
	return n.given[p.given] + " " + n.family[p.family]
}

// appendEmail appends an address of a reserved domain.
func (p *person) appendEmail(b []byte, key uint64) []byte {
	n := p.country.names
	b = append(b, n.givenLatin[p.given]...)
	b = append(b, '.')
	b = append(b, n.familyLatin[p.family]...)
	b = strconv.AppendUint(b, key, 10)
	b = append(b, '@')
	return append(b, n.domain...)
}

func (p *person) address(e *enc, k string) {
	e.obj(k)
	e.strOrNull("city", p.place.city)
	e.str("country", p.country.code)
	e.str("line1", p.place.street)
	e.null("line2")
	e.str("postal_code", p.place.postal)
	e.strOrNull("state", p.place.state)
	e.close('}')
}

func noAddress(e *enc, k string) {
	e.obj(k)
	e.nulls("city", "country", "line1", "line2", "postal_code", "state")
	e.close('}')
}

func (p *person) phone(e *enc, k string, r *rng) {
	e.key(k)
	e.quote()
	e.b = append(e.b, p.country.dial...)
	e.b = r.appendDigits(e.b, 9)
	e.quote()
}

// appendCustomerID appends the id of the customer with that key.
func (w *world) appendCustomerID(b []byte, key uint64) []byte {
	if !w.oddIDs || key >= addedKey {
		return w.short(b, idCustomer, "cus_", key)
	}
	switch key % 40 {
	case 7: // longer than any column of 64 characters
		b = append(b, "cus_migrated-from-legacy-shop-"...)
		for range 18 {
			b = append(b, "0123456789"...)
		}
		return w.short(b, idCustomer, "-", key)
	case 11:
		return w.short(b, idCustomer, "고객 № ", key)
	case 21: // differs from its neighbour in case only
		n := len(b)
		b = w.short(b, idCustomer, "cus_", key-1)
		flipCase(b[n+4:])
	default:
		b = w.short(b, idCustomer, "cus_", key)
	}
	return b
}

func flipCase(b []byte) {
	for i, c := range b {
		if c|0x20 >= 'a' && c|0x20 <= 'z' {
			b[i] = c ^ 0x20
		}
	}
}

func (w *world) findCustomer(id string) (int, bool) {
	if pos, ok := w.find(idCustomer, id, len(w.customers), w.appendCustomerID); ok || !w.oddIDs || len(id) < 5 {
		return pos, ok
	}
	neighbour := []byte(id)
	flipCase(neighbour[4:])
	key, ok := w.key(idCustomer, string(neighbour))
	if !ok || key+1 >= uint64(len(w.customers)) || string(w.appendCustomerID(nil, key+1)) != id {
		return 0, false
	}
	return int(key + 1), true
}

// find returns the position of a generated object whose key is its position.
func (w *world) find(kind idKind, id string, n int, spell func([]byte, uint64) []byte) (int, bool) {
	key, ok := w.key(kind, id)
	if !ok || key >= uint64(n) || string(spell(nil, key)) != id {
		return 0, false
	}
	return int(key), true
}

func (e *enc) customerID(k string, w *world, key uint64) {
	e.key(k)
	e.quote()
	e.b = w.appendCustomerID(e.b, key)
	e.quote()
}

// customer renders the customer with that key.
func (w *world) customer(e *enc, key uint64, created int64) {
	p := w.personAt(key)
	r := p.rng
	e.open('{')
	e.customerID("id", w, key)
	e.str("object", "customer")
	known := !r.chance(0.25)
	if known {
		p.address(e, "address")
	} else {
		e.null("address")
	}
	var balance int64
	if r.chance(0.04) {
		balance = r.between(-5000, 3000)
	}
	e.int("balance", balance)
	e.int("created", created)
	if r.chance(0.6) {
		e.str("currency", p.country.currency.code)
	} else {
		e.null("currency")
	}
	e.null("default_source")
	if r.chance(0.01) {
		e.null("delinquent")
	} else {
		e.bool("delinquent", r.chance(0.03))
	}
	e.strOrNull("description", []string{"", "", "", "VIP ✨ — do not call 📵", "imported \"as is\"\tfrom CSV"}[r.below(5)])
	w.customerDiscount(e, key, created, &r)
	e.key("email")
	e.quote()
	e.b = p.appendEmail(e.b, key)
	e.quote()
	w.customerBilling(e, key, &r)
	e.bool("livemode", w.live)
	w.customerMetadata(e, key, &r)
	e.str("name", p.name())
	e.int("next_invoice_sequence", 1+int64(r.below(30)))
	if r.chance(0.4) {
		p.phone(e, "phone", &r)
	} else {
		e.null("phone")
	}
	w.customerTail(e, &p, known, &r)
	e.close('}')
}

func (w *world) customerTail(e *enc, p *person, known bool, r *rng) {
	e.arr("preferred_locales")
	if r.chance(0.7) {
		e.line()
		e.b = appendString(e.b, p.country.locale)
	}
	e.close(']')
	if known && r.chance(0.5) {
		e.obj("shipping")
		p.address(e, "address")
		e.str("name", p.name())
		p.phone(e, "phone", r)
		e.close('}')
	} else {
		e.null("shipping")
	}
	e.str("tax_exempt", []string{"none", "none", "none", "none", "exempt", "reverse"}[r.below(6)])
	e.null("test_clock")
}

func (w *world) customerBilling(e *enc, key uint64, r *rng) {
	e.key("invoice_prefix")
	e.quote()
	for x, i := mix(key^w.seed), 0; i < 8; i++ {
		e.b = append(e.b, "0123456789ABCDEF"[x>>(4*i)&15])
	}
	e.quote()
	e.obj("invoice_settings")
	if r.chance(0.03) {
		e.arr("custom_fields")
		e.line()
		e.open('{')
		e.str("name", "PO number")
		e.digits("value", r, 7)
		e.close('}')
		e.close(']')
	} else {
		e.null("custom_fields")
	}
	if r.chance(0.5) {
		e.long("default_payment_method", &w.ids, idMethod, "pm_", key|1<<41)
	} else {
		e.null("default_payment_method")
	}
	e.nulls("footer", "rendering_options")
	e.close('}')
}

func (w *world) customerMetadata(e *enc, key uint64, r *rng) {
	e.obj("metadata")
	switch n := r.below(200); {
	case n == 0: // as many keys as Stripe allows, named as others name theirs
		for i := range 50 {
			e.str("crm.field "+strconv.Itoa(i)+" ü", strings.Repeat("v", i%7))
		}
	case n < 90:
		e.key("magento_customer_id")
		e.quote()
		e.b = strconv.AppendUint(e.b, 1000+key, 10)
		e.quote()
		e.str("store_view", "shop_"+[]string{"main", "outlet", "b2b"}[r.below(3)])
		e.str("loyalty", []string{"", "silver", "gold 🏅"}[r.below(3)])
	}
	e.close('}')
}

func (w *world) customerDiscount(e *enc, key uint64, created int64, r *rng) {
	if !r.chance(0.02) {
		e.null("discount")
		return
	}
	e.obj("discount")
	e.long("id", &w.ids, idDiscount, "di_", key)
	e.str("object", "discount")
	e.null("checkout_session")
	coupon(e, created, w.live)
	e.customerID("customer", w, key)
	e.nulls("end", "invoice", "invoice_item", "promotion_code")
	e.int("start", created+60)
	e.nulls("subscription", "subscription_item")
	e.close('}')
}

func coupon(e *enc, created int64, live bool) {
	e.obj("coupon")
	e.str("id", "WELCOME-255")
	e.str("object", "coupon")
	e.null("amount_off")
	e.int("created", created-daySeconds)
	e.null("currency")
	e.str("duration", "forever")
	e.null("duration_in_months")
	e.bool("livemode", live)
	e.null("max_redemptions")
	e.obj("metadata")
	e.close('}')
	e.str("name", "25.5% off")
	e.lit("percent_off", "25.5")
	e.null("redeem_by")
	e.int("times_redeemed", 7)
	e.bool("valid", true)
	e.close('}')
}
