package webui

import (
	"math"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/money"
)

// A predicate as the API has it.
type predicate struct {
	All          []predicate            `json:"all,omitempty"`
	Any          []predicate            `json:"any,omitempty"`
	Not          *predicate             `json:"not,omitempty"`
	Charges      *chargesCondition      `json:"charges,omitempty"`
	Customer     *customerCondition     `json:"customer,omitempty"`
	Subscription *subscriptionCondition `json:"subscription,omitempty"`
}

type chargesCondition struct {
	State     string   `json:"state,omitempty"`
	Methods   []string `json:"methods,omitempty"`
	Classes   []string `json:"classes,omitempty"`
	Currency  string   `json:"currency,omitempty"`
	Countries []string `json:"countries,omitempty"`
	Within    int      `json:"within,omitempty"`
	Count     *bounds  `json:"count,omitempty"`
	Sum       *bounds  `json:"sum,omitempty"`
	Average   *bounds  `json:"average,omitempty"`
}

type customerCondition struct {
	CreatedWithin int                `json:"createdWithin,omitempty"`
	CreatedBefore int                `json:"createdBefore,omitempty"`
	Countries     []string           `json:"countries,omitempty"`
	Metadata      *metadataCondition `json:"metadata,omitempty"`
}

type metadataCondition struct {
	Key    string   `json:"key"`
	Values []string `json:"values,omitempty"`
}

type subscriptionCondition struct {
	Statuses []string `json:"statuses,omitempty"`
	Prices   []string `json:"prices,omitempty"`
}

type bounds struct {
	AtLeast *int64 `json:"atLeast,omitempty"`
	AtMost  *int64 `json:"atMost,omitempty"`
	Above   *int64 `json:"above,omitempty"`
	Below   *int64 `json:"below,omitempty"`
}

// each calls do with the bounds that are set.
func (b *bounds) each(do func(op string, v int64)) {
	if b == nil {
		return
	}
	for _, one := range []struct {
		op string
		v  *int64
	}{{"atLeast", b.AtLeast}, {"atMost", b.AtMost}, {"above", b.Above}, {"below", b.Below}} {
		if one.v != nil {
			do(one.op, *one.v)
		}
	}
}

func boundsOf(op string, v int64) *bounds {
	switch op {
	case "atMost":
		return &bounds{AtMost: &v}
	case "above":
		return &bounds{Above: &v}
	case "below":
		return &bounds{Below: &v}
	}
	return &bounds{AtLeast: &v}
}

// said is a predicate in words: a sentence with its details, or what joins others.
type said struct {
	Text  string
	Parts []string
	Items []said
}

var boundWords = map[string]string{"atLeast": "at least %s", "atMost": "at most %s", "above": "above %s", "below": "below %s"}

var chargeWords = map[string]string{
	"": "Charges that were paid", "paid": "Charges that were paid", "attempted": "Charges, whatever became of them", "failed": "Charges that failed",
	"refunded": "Charges that were refunded", "disputed": "Charges that were disputed",
}

var classWords = map[string]string{"bnpl": "Buy now, pay later", "card": "Card", "other": "Other methods", "bnpl_unknown": "Klarna of an unknown kind"}

var _ = words("at least %s", "at most %s", "above %s", "below %s", "Charges that were paid", "Charges, whatever became of them", "Charges that failed",
	"Charges that were refunded", "Charges that were disputed", "Buy now, pay later", "Card", "Other methods", "Klarna of an unknown kind")

// says puts a predicate into words.
func (r *request) says(p predicate) said {
	join := func(text string, list []predicate) said {
		s := said{Text: text}
		for _, q := range list {
			s.Items = append(s.Items, r.says(q))
		}
		return s
	}
	switch {
	case p.All != nil:
		return join(r.t("All of these hold"), p.All)
	case p.Any != nil:
		return join(r.t("One of these holds"), p.Any)
	case p.Not != nil:
		return said{Text: r.t("This does not hold"), Items: []said{r.says(*p.Not)}}
	case p.Charges != nil:
		return r.saysCharges(p.Charges)
	case p.Customer != nil:
		return r.saysCustomer(p.Customer)
	case p.Subscription != nil:
		s := said{Text: r.t("A subscription")}
		s.list(r.t("Status"), p.Subscription.Statuses)
		s.list(r.t("Price"), p.Subscription.Prices)
		return s
	}
	return said{}
}

func (s *said) list(what string, of []string) {
	if len(of) > 0 {
		s.Parts = append(s.Parts, what+": "+strings.Join(of, ", "))
	}
}

func (r *request) saysCharges(c *chargesCondition) said {
	s := said{Text: r.t(chargeWords[c.State])}
	s.list(r.t("Method"), c.Methods)
	var classes []string
	for _, name := range c.Classes {
		classes = append(classes, r.t(classWords[name]))
	}
	s.list(r.t("Class"), classes)
	s.list(r.t("Country"), c.Countries)
	if c.Currency != "" {
		s.list(r.t("Currency"), []string{strings.ToUpper(c.Currency)})
	}
	if c.Within > 0 {
		s.Parts = append(s.Parts, r.tn(c.Within, "in the last %d day", "in the last %d days"))
	}
	c.Count.each(func(op string, v int64) {
		s.Parts = append(s.Parts, r.t("Number")+": "+r.t(boundWords[op], strconv.FormatInt(v, 10)))
	})
	for _, one := range []struct {
		what string
		of   *bounds
	}{{r.t("Sum"), c.Sum}, {r.t("Average"), c.Average}} {
		one.of.each(func(op string, v int64) {
			s.Parts = append(s.Parts, one.what+": "+r.t(boundWords[op], money.Format(v, c.Currency)))
		})
	}
	return s
}

func (r *request) saysCustomer(c *customerCondition) said {
	s := said{Text: r.t("The customer")}
	if c.CreatedWithin > 0 {
		s.Parts = append(s.Parts, r.tn(c.CreatedWithin, "created in the last %d day", "created in the last %d days"))
	}
	if c.CreatedBefore > 0 {
		s.Parts = append(s.Parts, r.tn(c.CreatedBefore, "created more than %d day ago", "created more than %d days ago"))
	}
	s.list(r.t("Country"), c.Countries)
	if c.Metadata != nil {
		s.list(r.t("Metadata %s", c.Metadata.Key), append([]string{}, c.Metadata.Values...))
		if len(c.Metadata.Values) == 0 {
			s.Parts = append(s.Parts, r.t("has the metadata %s", c.Metadata.Key))
		}
	}
	return s
}

// minor reads an amount of a currency, as people write it, in minor units.
func minor(text, currency string) (int64, bool) {
	exponent, _ := money.Exponent(currency)
	whole, part, _ := strings.Cut(text, ".")
	if len(part) > exponent || whole == "" || strings.ContainsAny(text, "+- ") {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+part+strings.Repeat("0", exponent-len(part)), 10, 64)
	return n, err == nil && n <= math.MaxInt64/2
}

// major writes an amount of minor units so that minor reads it.
func major(v int64, currency string) string {
	exponent, _ := money.Exponent(currency)
	text := strconv.FormatInt(v, 10)
	if exponent == 0 {
		return text
	}
	text = strings.Repeat("0", max(0, exponent+1-len(text))) + text
	return text[:len(text)-exponent] + "." + text[len(text)-exponent:]
}
