// Package offer keeps what a shop may offer beside a cart (a catalog of offers),
// and the models of what goes with it: made of a copy of a Stripe account, kept in
// memory and in a file, rebuilt when the copy has changed.
package offer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/problem"
)

// An Offer is what may be offered: items at a price, and when.
type Offer struct {
	ID          uuid.UUID  `json:"id"`
	Key         string     `json:"key"` // unique in a sandbox, never changed
	Name        string     `json:"name"`
	Description string     `json:"description,omitempty"`
	Active      bool       `json:"active"`
	Items       []Item     `json:"items"`
	Conditions  Conditions `json:"conditions"`
}

// An Item is a thing that is offered. It has a price of Stripe's, or an amount of
// its own.
type Item struct {
	Item string `json:"item"` // id, as baskets have it: an SKU, a product
	Name string `json:"name,omitempty"`
	// Price is the id of a price in the account. Where there is a copy, amount and
	// currency are filled from it.
	Price    string `json:"price,omitempty"`
	Amount   *int64 `json:"amount,omitempty"` // of one, minor units
	Currency string `json:"currency,omitempty"`
}

// Conditions say for whom and when an offer is; what is left empty is for all.
type Conditions struct {
	Currency    string    `json:"currency,omitempty"`    // of the cart
	MinimumCart int64     `json:"minimumCart,omitempty"` // value of the cart, minor units of Currency
	Contains    []string  `json:"contains,omitempty"`    // at least one of these items is in the cart
	Excludes    []string  `json:"excludes,omitempty"`    // none of these is
	Countries   []string  `json:"countries,omitempty"`   // ISO 3166, upper case
	Audience    string    `json:"audience,omitempty"`    // id of the audience that a customer must be of
	From        time.Time `json:"from,omitzero"`
	Until       time.Time `json:"until,omitzero"` // not any more then
}

// A Cart is what an offer's conditions are held against.
type Cart struct {
	Items    []string
	Value    int64 // minor units
	Currency string
	Country  string
}

var (
	keyForm      = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	currencyForm = regexp.MustCompile(`^[a-z]{3}$`)
	countryForm  = regexp.MustCompile(`^[A-Z]{2}$`)
)

// Bounds of an offer.
const (
	maxItems = 50
	maxName  = 200
	maxText  = 2000
	maxID    = 200
)

// Check says what of an offer can't be, in a problem of kind Invalid.
func (o *Offer) Check() error {
	switch {
	case !keyForm.MatchString(o.Key):
		return wrong("key: %.100q is not 1 to 64 of a-z, 0-9, '.', '_' and '-'", o.Key)
	case o.Name == "" || len(o.Name) > maxName:
		return wrong("name: it has 1 to %d bytes", maxName)
	case len(o.Description) > maxText:
		return wrong("description: it has %d bytes at most", maxText)
	case len(o.Items) == 0 || len(o.Items) > maxItems:
		return wrong("items: an offer has 1 to %d", maxItems)
	}
	for i, it := range o.Items {
		if err := it.check(); err != nil {
			return wrong("items[%d].%v", i, err)
		}
		if slices.ContainsFunc(o.Items[:i], func(other Item) bool { return other.Item == it.Item }) {
			return wrong("items[%d].item: %.100q is there twice", i, it.Item)
		}
	}
	return o.Conditions.check()
}

func (i *Item) check() error {
	switch {
	case i.Item == "" || len(i.Item) > maxID:
		return fmt.Errorf("item: it has 1 to %d bytes", maxID)
	case len(i.Name) > maxName:
		return fmt.Errorf("name: it has %d bytes at most", maxName)
	case len(i.Price) > maxID:
		return fmt.Errorf("price: it has %d bytes at most", maxID)
	case i.Price == "" && (i.Amount == nil || i.Currency == ""):
		return fmt.Errorf("price: an item has a price, or an amount and a currency")
	case (i.Amount == nil) != (i.Currency == ""):
		return fmt.Errorf("amount: amount and currency go together")
	case i.Amount != nil && (*i.Amount < 0 || *i.Amount > 1e12):
		return fmt.Errorf("amount: %d is not 0 to 10^12", *i.Amount)
	case i.Currency != "" && !currencyForm.MatchString(i.Currency):
		return fmt.Errorf("currency: %.20q is no code of three lower-case letters", i.Currency)
	}
	return nil
}

func (c *Conditions) check() error {
	switch {
	case c.Currency != "" && !currencyForm.MatchString(c.Currency):
		return wrong("conditions.currency: %.20q is no code of three lower-case letters", c.Currency)
	case c.MinimumCart < 0 || c.MinimumCart > 1e12:
		return wrong("conditions.minimumCart: %d is not 0 to 10^12", c.MinimumCart)
	case c.MinimumCart > 0 && c.Currency == "":
		return wrong("conditions.currency: minimumCart needs it")
	case len(c.Contains) > maxItems || len(c.Excludes) > maxItems || len(c.Countries) > 250:
		return wrong("conditions: there are %d items and 250 countries at most", maxItems)
	case len(c.Audience) > maxID:
		return wrong("conditions.audience: it has %d bytes at most", maxID)
	case !c.Until.IsZero() && !c.From.Before(c.Until):
		return wrong("conditions.until: it is not after from")
	}
	for _, item := range slices.Concat(c.Contains, c.Excludes) {
		if item == "" || len(item) > maxID {
			return wrong("conditions: an item has 1 to %d bytes", maxID)
		}
	}
	for _, country := range c.Countries {
		if !countryForm.MatchString(country) {
			return wrong("conditions.countries: %.20q is no code of two upper-case letters", country)
		}
	}
	return nil
}

// checkCurrencies says which price of an active offer can't be paid: a cart has one
// currency.
func (o *Offer) checkCurrencies() error {
	want, of := o.Conditions.Currency, "conditions.currency is"
	for i, it := range o.Items {
		switch {
		case it.Currency == "" || !o.Active:
		case want == "":
			want, of = it.Currency, fmt.Sprintf("items[%d] is in", i)
		case it.Currency != want:
			return wrong("items[%d].currency: the price is in %s, and %s %s: no cart has both", i, it.Currency, of, want)
		}
	}
	return nil
}

func wrong(format string, args ...any) error { return problem.Errorf(problem.Invalid, format, args...) }

// In says whether an offer is active at a time, whatever the cart.
func (o *Offer) In(now time.Time) bool {
	c := &o.Conditions
	return o.Active && !now.Before(c.From) && (c.Until.IsZero() || now.Before(c.Until))
}

// Fits says whether an offer is for a cart at a time, and if not, why: the name of
// the condition. Whether the customer is of its audience is for others to say.
func (o *Offer) Fits(cart Cart, now time.Time) (why string, ok bool) {
	c := &o.Conditions
	has := func(item string) bool { return slices.Contains(cart.Items, item) }
	switch {
	case !o.Active:
		return "active", false
	case now.Before(c.From):
		return "from", false
	case !o.In(now):
		return "until", false
	case c.Currency != "" && !strings.EqualFold(c.Currency, cart.Currency):
		return "currency", false
	case cart.Value < c.MinimumCart:
		return "minimumCart", false
	case len(c.Contains) > 0 && !slices.ContainsFunc(c.Contains, has):
		return "contains", false
	case slices.ContainsFunc(c.Excludes, has):
		return "excludes", false
	case len(c.Countries) > 0 && !slices.Contains(c.Countries, strings.ToUpper(cart.Country)):
		return "countries", false
	case cart.Currency != "" && slices.ContainsFunc(o.Items, func(i Item) bool { return i.Currency != "" && !strings.EqualFold(i.Currency, cart.Currency) }):
		return "currency", false // nobody pays in two
	case !slices.ContainsFunc(o.Items, func(i Item) bool { return !has(i.Item) }):
		return "items", false // all of it is in the cart already
	}
	return "", true
}
