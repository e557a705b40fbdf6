package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A recommendation is an item that goes with a cart, and why.
type recommendation struct {
	Item   string  `json:"item"`
	Score  float64 `json:"score"`
	Reason struct {
		With       string  `json:"with"`
		Orders     int64   `json:"orders"`
		Support    float64 `json:"support"`
		Confidence float64 `json:"confidence"`
		Lift       float64 `json:"lift"`
	} `json:"reason"`
}

// A fitting says whether an offer is for a cart.
type fitting struct {
	ID   string `json:"id"`
	Key  string `json:"key"`
	Name string `json:"name"`
	Fits bool   `json:"fits"`
	Why  string `json:"why"`
}

// WhyTitle says which condition doesn't hold, or what has to be said to know it.
func (v tryView) WhyTitle(f fitting) string {
	said := map[string]string{"currency": v.Currency, "minimumCart": v.Value, "countries": v.Country, "audience": v.Customer}
	if text, asked := said[f.Why]; asked && text == "" {
		return untoldTitles[f.Why]
	}
	return whyTitles[f.Why]
}

var untoldTitles = map[string]string{
	"currency": "Say the currency of the cart", "minimumCart": "Say what the cart is worth", "countries": "Say the country", "audience": "Say the customer: it is for an audience",
}

var whyTitles = map[string]string{
	"active": "It is off", "from": "Its time has not come", "until": "Its time is over", "currency": "The cart has another currency",
	"minimumCart": "The cart is worth less", "contains": "What it goes with is not in the cart", "excludes": "Something in the cart excludes it",
	"countries": "It is for other countries", "items": "All of it is in the cart", "audience": "The customer is not of its audience",
	"price": "A price of it is not active any more",
}

var _ = words("It is off", "Its time has not come", "Its time is over", "The cart has another currency", "The cart is worth less",
	"What it goes with is not in the cart", "Something in the cart excludes it", "It is for other countries", "All of it is in the cart",
	"The customer is not of its audience", "A price of it is not active any more",
	"Say the currency of the cart", "Say what the cart is worth", "Say the country", "Say the customer: it is for an audience")

// tryView is a cart that is tried, and what came of it.
type tryView struct {
	Cart, Customer, Value, Currency, Country string

	Made            bool     // there is a model
	Known           []string // some items, as examples
	Tried           bool
	Recommendations []recommendation `json:"recommendations"`
	Offers          []fitting        `json:"offers"`
	Faults          formFaults
}

func (r *request) tryView() (v tryView, err error) {
	err = r.get(offerAPI+"/model", nil, nil)
	if missing(err, http.StatusNotFound) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.Made = true
	var popular struct {
		Recommendations []recommendation `json:"recommendations"`
	}
	err = r.get(offerAPI+"/recommendations", url.Values{"n": {"8"}}, &popular)
	for _, one := range popular.Recommendations {
		v.Known = append(v.Known, one.Item)
	}
	return v, err
}

// Alone says that nothing is known to go with what is in the cart.
func (v tryView) Alone() bool {
	return strings.TrimSpace(v.Cart) != "" && !slices.ContainsFunc(v.Recommendations, func(one recommendation) bool { return one.Reason.With != "" })
}

// KnownText are the examples, as a sentence has them.
func (v tryView) KnownText() string { return strings.Join(v.Known, ", ") }

func (r *request) showTry() error {
	v, err := r.tryView()
	if err != nil {
		return err
	}
	return r.show("offer_try", v)
}

// tryCart shows what goes with a cart. It is a POST, so that no customer's id
// stands in an address.
func (r *request) tryCart() error {
	v, err := r.tryView()
	if err != nil {
		return err
	}
	v.Cart, v.Customer, v.Value = r.form("cart"), r.form("customer"), r.form("value")
	v.Currency, v.Country = strings.ToLower(r.form("currency")), strings.ToUpper(r.form("country"))
	body := map[string]any{"cart": append([]string{}, linesOf(v.Cart)...), "customer": v.Customer, "n": 5, "currency": v.Currency, "country": v.Country}
	if v.Value != "" && v.Currency == "" {
		v.Faults.add("currency", r.t("An amount needs a currency."))
	} else if v.Value != "" {
		if amount := r.amount(v.Value, v.Currency, "value", &v.Faults); amount != nil {
			body["value"] = *amount
		}
	}
	if len(v.Faults) == 0 {
		if err := r.send(http.MethodPost, offerAPI+"/recommendations", body, &v); err != nil {
			v.Faults = append(v.Faults, r.fault(err))
		}
	}
	if len(v.Faults) > 0 {
		return r.again("offer_try", "main", v)
	}
	v.Tried = true
	return r.show("offer_try", v)
}
