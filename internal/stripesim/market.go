package stripesim

import "math"

// A currency with its exponent and a round rate to the dollar. The rates make
// baskets comparable; they are nobody's quotes.
type currency struct {
	code     string
	exponent int
	usd      float64 // dollars per major unit
	settles  bool    // the account has a balance in it; others are converted to usd
}

func (c *currency) factor() float64 { return math.Pow10(c.exponent) }

// minor converts dollars to minor units, ending as prices do: in .99, .50 or
// .00, in whole units without decimals, in a zero where there are three.
func (c *currency) minor(usd float64, r *rng) int64 {
	v := usd / c.usd
	switch c.exponent {
	case 0:
		return max(int64(math.Round(v/10))*10, 50)
	case 3:
		return max(int64(math.Round(v*100))*10, 100)
	}
	whole := max(int64(math.Round(v)), 1)
	return whole*100 + [...]int64{-1, -1, -1, 0, -50, -5}[r.below(6)]
}

var (
	usd = &currency{"usd", 2, 1, true}
	eur = &currency{"eur", 2, 1.08, true}
	gbp = &currency{"gbp", 2, 1.27, true}
	aud = &currency{"aud", 2, 0.66, false}
	cad = &currency{"cad", 2, 0.73, false}
	sek = &currency{"sek", 2, 0.095, false}
	jpy = &currency{"jpy", 0, 0.0067, false}
	krw = &currency{"krw", 0, 0.00073, false}
	kwd = &currency{"kwd", 3, 3.25, false}
	bhd = &currency{"bhd", 3, 2.65, false}
	isk = &currency{"isk", 2, 0.0072, false}
	mxn = &currency{"mxn", 2, 0.055, false}

	settlements = []*currency{usd, eur, gbp}
	currencies  = []*currency{usd, eur, gbp, aud, cad, sek, jpy, krw, kwd, bhd, isk, mxn}
)

// A method is a way to pay, with how its buyers behave.
type method struct {
	name    string
	id      string  // prefix of its charges' ids
	refund  string  // prefix of its refunds' ids
	basket  float64 // median order in dollars
	spread  float64 // standard deviation of the logarithm of the order
	items   int     // typical number of order lines
	fails   float64 // share of attempts that fail
	refunds float64 // share of successful charges with a refund
	returns float64 // how readily its buyers come back, relative to others
	feeBP   int64   // Stripe's fee in basis points, plus feeFix minor units
	feeFix  int64
	days    int64 // until the money is available
	later   bool  // buy now, pay later
}

// novelMethod is a way to pay that nobody has heard of.
const novelMethod = "nimbus_split"

var (
	card     = &method{"card", "ch_", "re_", 48, 0.75, 2, 0.075, 0.045, 0.60, 290, 30, 2, false}
	klarna   = &method{"klarna", "py_", "pyr_", 96, 0.60, 4, 0.13, 0.12, 0.85, 599, 30, 3, true}
	afterpay = &method{"afterpay_clearpay", "py_", "pyr_", 82, 0.50, 3, 0.10, 0.10, 0.95, 600, 30, 3, true}
	affirm   = &method{"affirm", "py_", "pyr_", 310, 0.65, 2, 0.19, 0.06, 0.30, 600, 30, 3, true}
	zipPay   = &method{"zip", "py_", "pyr_", 140, 0.55, 3, 0.15, 0.09, 0.55, 600, 30, 3, true}
	paypal   = &method{"paypal", "py_", "pyr_", 55, 0.70, 2, 0.035, 0.05, 0.60, 349, 49, 2, false}
	link     = &method{"link", "py_", "pyr_", 52, 0.70, 2, 0.03, 0.04, 0.75, 290, 30, 2, false}
	ideal    = &method{"ideal", "py_", "pyr_", 61, 0.60, 2, 0.06, 0.035, 0.70, 0, 80, 3, false}
	sepa     = &method{"sepa_debit", "py_", "pyr_", 44, 0.40, 1, 0.04, 0.02, 0.80, 0, 35, 6, false}
	alma     = &method{"alma", "py_", "pyr_", 180, 0.50, 3, 0.12, 0.07, 0.50, 450, 30, 3, true}
	billie   = &method{"billie", "py_", "pyr_", 420, 0.70, 4, 0.10, 0.05, 0.70, 350, 30, 3, true}
	scalapay = &method{"scalapay", "py_", "pyr_", 90, 0.50, 3, 0.09, 0.09, 0.60, 450, 30, 3, true}
	sunbit   = &method{"sunbit", "py_", "pyr_", 260, 0.60, 2, 0.17, 0.06, 0.40, 490, 30, 3, true}
	novel    = &method{novelMethod, "py_", "pyr_", 120, 0.50, 3, 0.10, 0.08, 0.50, 550, 30, 3, true}

	methods = []*method{card, klarna, afterpay, affirm, zipPay, paypal, link, ideal, sepa, alma, billie, scalapay, sunbit, novel}
)

// vary makes one order in five something rarer than its buyer's country has.
func (c *charge) vary() {
	switch c.key % 35 {
	case 0:
		c.method = alma
	case 5:
		c.method = billie
	case 10:
		c.method = scalapay
	case 15:
		c.method = sunbit
	case 20:
		c.currency = jpy
	case 25:
		c.currency = kwd
	case 30:
		c.currency = bhd
	}
}

// A country with what its buyers look like and how they pay.
type country struct {
	code     string
	weight   float64
	currency *currency
	locale   string
	dial     string
	names    *names
	places   []town
	methods  []*method
	shares   []float64
}

type town struct{ city, state, postal, street string }

var countries = []country{
	{"US", 34, usd, "en-US", "+1", &english, placesUS, []*method{card, klarna, afterpay, affirm, zipPay, link, paypal}, []float64{62, 10, 7, 8, 3, 7, 3}},
	{"DE", 12, eur, "de-DE", "+49", &german, placesDE, []*method{card, klarna, paypal, sepa, link}, []float64{40, 29, 18, 9, 4}},
	{"GB", 11, gbp, "en-GB", "+44", &english, placesGB, []*method{card, klarna, afterpay, link, paypal}, []float64{62, 17, 11, 6, 4}},
	{"AU", 8, aud, "en-AU", "+61", &english, placesAU, []*method{card, afterpay, zipPay, klarna, link}, []float64{54, 22, 14, 5, 5}},
	{"SE", 6, sek, "sv-SE", "+46", &nordic, placesSE, []*method{card, klarna, link}, []float64{42, 54, 4}},
	{"NL", 6, eur, "nl-NL", "+31", &german, placesNL, []*method{ideal, card, klarna, sepa}, []float64{52, 24, 19, 5}},
	{"FR", 5, eur, "fr-FR", "+33", &french, placesFR, []*method{card, klarna, paypal, link}, []float64{76, 13, 8, 3}},
	{"JP", 5, jpy, "ja-JP", "+81", &japanese, placesJP, []*method{card, paypal}, []float64{96, 4}},
	{"KR", 5, krw, "ko-KR", "+82", &korean, placesKR, []*method{card}, []float64{1}},
	{"CA", 4, cad, "en-CA", "+1", &english, placesCA, []*method{card, affirm, klarna, afterpay, link}, []float64{66, 13, 10, 6, 5}},
	{"KW", 2, kwd, "ar-KW", "+965", &arabic, placesKW, []*method{card}, []float64{1}},
	{"IS", 1, isk, "is-IS", "+354", &nordic, placesIS, []*method{card}, []float64{1}},
	{"MX", 1, mxn, "es-MX", "+52", &spanish, placesMX, []*method{card}, []float64{1}},
}

var countryShares = func() []float64 {
	out := make([]float64, len(countries))
	for i := range countries {
		out[i] = countries[i].weight
	}
	return out
}()

// A failure is why an attempt to pay did not succeed.
type failure struct {
	code, decline, message, seller string
	network, kind                  string // outcome.network_status and outcome.type
	advice                         string
}

var cardFailures = []failure{
	{"card_declined", "generic_decline", "Your card was declined.", "The bank did not return any further details with this decline.", "declined_by_network", "issuer_declined", "try_again_later"},
	{"card_declined", "insufficient_funds", "Your card has insufficient funds.", "The bank returned the decline code `insufficient_funds`.", "declined_by_network", "issuer_declined", "try_again_later"},
	{"expired_card", "expired_card", "Your card has expired.", "The bank returned the decline code `expired_card`.", "declined_by_network", "issuer_declined", "confirm_card_data"},
	{"incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "The bank returned the decline code `incorrect_cvc`.", "declined_by_network", "issuer_declined", "confirm_card_data"},
	{"card_declined", "highest_risk_level", "Your card was declined.", "Stripe blocked this payment as too risky.", "not_sent_to_network", "blocked", "do_not_try_again"},
}

var laterFailures = []failure{
	{"payment_method_provider_decline", "payment_method_provider_decline", "The payment method provider declined the payment.", "The payment provider declined this payment.", "declined_by_network", "issuer_declined", ""},
	{"payment_method_customer_decline", "payment_method_customer_decline", "The customer did not complete the payment.", "The customer abandoned or rejected this payment.", "declined_by_network", "issuer_declined", ""},
	{"payment_method_provider_timeout", "payment_method_provider_timeout", "The payment method provider timed out.", "The payment provider did not answer in time.", "not_sent_to_network", "invalid", "try_again_later"},
}
