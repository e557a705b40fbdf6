package audience

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/problem"
)

// A Predicate says of which customers an audience is: a tree of which exactly one
// member is set at each place.
//
//	{"charges": {"methods": ["klarna"], "currency": "eur", "within": 90, "count": {"atLeast": 2}, "average": {"above": 8000}}}
//
// are those who paid by Klarna twice in 90 days, with orders of more than 80 EUR
// on average.
type Predicate struct {
	All          []Predicate   `json:"all,omitempty"` // each holds
	Any          []Predicate   `json:"any,omitempty"` // one holds
	Not          *Predicate    `json:"not,omitempty"` // it does not hold
	Charges      *Charges      `json:"charges,omitempty"`
	Customer     *Customer     `json:"customer,omitempty"`
	Subscription *Subscription `json:"subscription,omitempty"`
}

// Charges is about the charges of a customer, as the report on payment methods
// defines paid, method, class and country (internal/report/sql/charges.sql). Of
// those that fit all that is said, each bound must hold; without any, there must be
// one charge.
type Charges struct {
	// State is paid where it is empty: attempted takes all charges, whatever became
	// of them; refunded and disputed those that were paid and then that.
	State     string   `json:"state,omitempty"`
	Methods   []string `json:"methods,omitempty"`   // klarna, card, …: one of them
	Classes   []string `json:"classes,omitempty"`   // one of Classes
	Currency  string   `json:"currency,omitempty"`  // in small letters; needed for Sum and Average
	Countries []string `json:"countries,omitempty"` // two capitals, or ??: one of them
	Within    int      `json:"within,omitempty"`    // days of 24 hours before the moment of the calculation; 0 for ever
	Count     *Bounds  `json:"count,omitempty"`     // how many there are; 0 is a number, too
	Sum       *Bounds  `json:"sum,omitempty"`       // what was paid, minor units; 0 where there are none
	Average   *Bounds  `json:"average,omitempty"`   // of what was paid, minor units; never holds where there are none
}

// Bounds of a number; at least one is set, and all that are hold.
type Bounds struct {
	AtLeast *int64 `json:"atLeast,omitempty"`
	AtMost  *int64 `json:"atMost,omitempty"`
	Above   *int64 `json:"above,omitempty"`
	Below   *int64 `json:"below,omitempty"`
}

// Customer is about the customer object; all that is said must hold, and never
// does of one that the copy does not have.
type Customer struct {
	CreatedWithin int       `json:"createdWithin,omitempty"` // days: made at most so long ago
	CreatedBefore int       `json:"createdBefore,omitempty"` // days: made longer ago
	Countries     []string  `json:"countries,omitempty"`     // of the address, else of the shipping address; ?? for none
	Metadata      *Metadata `json:"metadata,omitempty"`
}

// Metadata is a key that the merchant's metadata has. An empty list of values
// stands for any value.
type Metadata struct {
	Key    string   `json:"key"`
	Values []string `json:"values,omitempty"`
}

// Subscription is about the subscriptions of a customer: there must be one that
// fits all that is said.
type Subscription struct {
	Statuses []string `json:"statuses,omitempty"` // active, …: one of them
	Prices   []string `json:"prices,omitempty"`   // ids: an item has one of them
}

// States of charges, and classes of payment methods.
var (
	States  = []string{"paid", "attempted", "failed", "refunded", "disputed"}
	Classes = []string{"bnpl", "bnpl_unknown", "card", "other"}
)

// Bounds of a predicate.
const (
	maxPredicate  = 64 << 10 // bytes of JSON
	maxDepth      = 8
	maxConditions = 24
	maxList       = 50
	maxText       = 500
	maxDays       = 36_500
	maxNumber     = 1_000_000_000_000_000
)

var (
	methodName   = regexp.MustCompile(`^[a-z0-9_]{1,60}$`)
	currencyCode = regexp.MustCompile(`^[a-z]{3,10}$`)
	countryCode  = regexp.MustCompile(`^[A-Z]{2}$|^\?\?$`)
	priceID      = regexp.MustCompile(`^[A-Za-z0-9_\-]{1,255}$`)
)

// Parse reads a predicate and checks it. What is wrong is told with its place.
func Parse(text []byte) (Predicate, error) {
	var p Predicate
	if len(text) > maxPredicate {
		return p, problem.Errorf(problem.Invalid, "the predicate has more than %d bytes", maxPredicate)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(&p)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	if err != nil {
		return Predicate{}, problem.Errorf(problem.Invalid, "the predicate can't be read: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return p, p.check()
}

// Check says what is wrong with a predicate.
func (p *Predicate) check() error {
	n := 0
	return p.walk("", 1, func(path string, q *Predicate) error {
		set := 0
		for _, there := range []bool{q.All != nil, q.Any != nil, q.Not != nil, q.Charges != nil, q.Customer != nil, q.Subscription != nil} {
			if there {
				set++
			}
		}
		if set != 1 {
			return wrong(path, "exactly one of all, any, not, charges, customer and subscription is expected")
		}
		if (q.All != nil || q.Any != nil) && len(q.All)+len(q.Any) == 0 {
			return wrong(path, "the list is empty")
		}
		if q.Charges == nil && q.Customer == nil && q.Subscription == nil {
			return nil
		}
		if n++; n > maxConditions {
			return wrong(path, "there are more than %d conditions", maxConditions)
		}
		switch {
		case q.Charges != nil:
			return q.Charges.check(path + "/charges")
		case q.Customer != nil:
			return q.Customer.check(path + "/customer")
		}
		return q.Subscription.check(path + "/subscription")
	})
}

// moves says whether a predicate counts days back from now, so that who is of it
// changes with time though the copy does not.
func (p *Predicate) moves() (moves bool) {
	_ = p.walk("", 1, func(_ string, q *Predicate) error { // it was checked: nothing is wrong
		moves = moves || q.Charges != nil && q.Charges.Within > 0 || q.Customer != nil && (q.Customer.CreatedWithin > 0 || q.Customer.CreatedBefore > 0)
		return nil
	})
	return moves
}

// walk calls do with each place of the tree, parents first, and its JSON pointer.
func (p *Predicate) walk(path string, depth int, do func(path string, q *Predicate) error) error {
	if depth > maxDepth {
		return wrong(path, "the conditions are nested more than %d deep", maxDepth)
	}
	if err := do(path, p); err != nil {
		return err
	}
	for name, list := range map[string][]Predicate{"all": p.All, "any": p.Any} {
		for i := range list {
			if err := list[i].walk(fmt.Sprintf("%s/%s/%d", path, name, i), depth+1, do); err != nil {
				return err
			}
		}
	}
	if p.Not != nil {
		return p.Not.walk(path+"/not", depth+1, do)
	}
	return nil
}

func wrong(path, format string, args ...any) error {
	if path == "" {
		path = "the predicate"
	}
	return problem.Errorf(problem.Invalid, "%s: %s", path, fmt.Sprintf(format, args...))
}

func (c *Charges) check(path string) error {
	switch {
	case c.State != "" && !slices.Contains(States, c.State):
		return wrong(path+"/state", "%q is none of %s", c.State, strings.Join(States, ", "))
	case c.Currency != "" && !currencyCode.MatchString(c.Currency):
		return wrong(path+"/currency", "%q is no code of a currency in small letters, such as eur", c.Currency)
	case (c.Sum != nil || c.Average != nil) && c.Currency == "":
		return wrong(path, "sum and average need a currency: amounts of several are never added up")
	case (c.Sum != nil || c.Average != nil) && (c.State == "attempted" || c.State == "failed"):
		return wrong(path, "sum and average are of what was paid: they don't go with the state %s", c.State)
	}
	if err := list(path+"/methods", c.Methods, methodName, "the type of a payment method, such as klarna"); err != nil {
		return err
	}
	if err := among(path+"/classes", c.Classes, Classes); err != nil {
		return err
	}
	if err := list(path+"/countries", c.Countries, countryCode, "a code of a country, such as DE"); err != nil {
		return err
	}
	if err := days(path+"/within", c.Within); err != nil {
		return err
	}
	for name, b := range map[string]*Bounds{"count": c.Count, "sum": c.Sum, "average": c.Average} {
		if err := b.check(path + "/" + name); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bounds) check(path string) error {
	if b == nil {
		return nil
	}
	set := 0
	for _, v := range []*int64{b.AtLeast, b.AtMost, b.Above, b.Below} {
		if v == nil {
			continue
		}
		set++
		if *v < 0 || *v > maxNumber {
			return wrong(path, "a number from 0 to %d is expected", int64(maxNumber))
		}
	}
	if set == 0 {
		return wrong(path, "atLeast, atMost, above or below is expected")
	}
	return nil
}

func (c *Customer) check(path string) error {
	if c.CreatedWithin == 0 && c.CreatedBefore == 0 && len(c.Countries) == 0 && c.Metadata == nil {
		return wrong(path, "createdWithin, createdBefore, countries or metadata is expected")
	}
	if err := days(path+"/createdWithin", c.CreatedWithin); err != nil {
		return err
	}
	if err := days(path+"/createdBefore", c.CreatedBefore); err != nil {
		return err
	}
	if err := list(path+"/countries", c.Countries, countryCode, "a code of a country, such as DE"); err != nil {
		return err
	}
	if c.Metadata == nil {
		return nil
	}
	texts := append([]string{c.Metadata.Key}, c.Metadata.Values...)
	if c.Metadata.Key == "" || len(texts) > maxList+1 {
		return wrong(path+"/metadata", "a key and at most %d values are expected", maxList)
	}
	for _, s := range texts {
		if len(s) > maxText || !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return wrong(path+"/metadata", "a text has more than %d bytes, or is no UTF-8", maxText)
		}
	}
	return nil
}

func (s *Subscription) check(path string) error {
	if err := list(path+"/statuses", s.Statuses, methodName, "a status, such as active"); err != nil {
		return err
	}
	return list(path+"/prices", s.Prices, priceID, "the id of a price")
}

func list(path string, all []string, is *regexp.Regexp, what string) error {
	if len(all) > maxList {
		return wrong(path, "there are more than %d", maxList)
	}
	for i, s := range all {
		if !is.MatchString(s) {
			return wrong(fmt.Sprintf("%s/%d", path, i), "%q is not %s", s, what)
		}
	}
	return nil
}

func among(path string, all, known []string) error {
	if len(all) > maxList {
		return wrong(path, "there are more than %d", maxList)
	}
	for i, s := range all {
		if !slices.Contains(known, s) {
			return wrong(fmt.Sprintf("%s/%d", path, i), "%q is none of %s", s, strings.Join(known, ", "))
		}
	}
	return nil
}

func days(path string, n int) error {
	if n < 0 || n > maxDays {
		return wrong(path, "a number of days from 1 to %d is expected", maxDays)
	}
	return nil
}
