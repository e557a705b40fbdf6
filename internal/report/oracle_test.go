package report_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// The objects of an account, as the simulator has them, and what a plain
// calculation makes of them. It shares nothing with the report.
type truth struct {
	charges []*charge
	refunds []refund
	rows    map[string]row // balance transactions by id
	subs    []subscription
	tiers   map[string][]tier

	students sync.Map // quantiles by degrees of freedom
}

type charge struct {
	ID       string
	Customer *string
	Created  int64
	Currency string
	Status   string
	Captured bool
	Held     int64 `json:"amount"`
	Amount   int64 `json:"amount_captured"`
	Disputed bool
	Invoice  *string
	Row      *string `json:"balance_transaction"`
	Undone   *string `json:"failure_balance_transaction"`
	Code     *string `json:"failure_code"`
	Outcome  *struct {
		Reason *string
		Type   *string
	}
	Billing struct{ Address place }  `json:"billing_details"`
	Ship    *struct{ Address place } `json:"shipping"`
	Details struct {
		Type   string
		Klarna *struct {
			Category *string `json:"payment_method_category"`
			Location *string
			Payer    *struct{ Address place } `json:"payer_details"`
		}
		Affirm *struct{ Location *string }
		Card   *struct {
			Country      *string
			Installments *struct{ Plan *struct{ Count int } }
		}
	} `json:"payment_method_details"`

	paid                         int64
	shop                         bool
	method, class, country, kind string
}

type place struct{ Country *string }

type refund struct {
	ID, Charge, Currency, Status string
	Amount, Created              int64
	Row                          *string `json:"balance_transaction"`
	Back                         *string `json:"failure_balance_transaction"`
}

type row struct {
	ID, Currency              string
	Category                  string `json:"reporting_category"`
	Source                    *string
	Amount, Fee, Net, Created int64
}

type subscription struct {
	ID, Customer, Currency, Status string
	Items                          struct {
		Data []struct {
			Quantity *int64
			Price    struct {
				ID        string
				Unit      *string `json:"unit_amount_decimal"`
				Mode      *string `json:"tiers_mode"`
				Recurring struct {
					Interval string
					Count    int64  `json:"interval_count"`
					Usage    string `json:"usage_type"`
				}
				Transform *struct {
					By    int64 `json:"divide_by"`
					Round string
				} `json:"transform_quantity"`
			}
		}
	}
}

type tier struct {
	UpTo        *int64  `json:"up_to"`
	Unit        *int64  `json:"unit_amount"`
	UnitDecimal *string `json:"unit_amount_decimal"`
	Flat        *int64  `json:"flat_amount"`
	FlatDecimal *string `json:"flat_amount_decimal"`
}

func all[T any](t *testing.T, sim *stripesim.Sim, r stripesim.Resource, each func(T)) {
	t.Helper()
	for o := range sim.Oracle(r) {
		var v T
		if err := json.Unmarshal(o.JSON, &v); err != nil {
			t.Fatalf("%s: %v", o.ID, err)
		}
		each(v)
	}
}

// truthOf reads the account.
func truthOf(t *testing.T, sim *stripesim.Sim) *truth {
	t.Helper()
	w := &truth{rows: map[string]row{}, tiers: map[string][]tier{}}
	all(t, sim, stripesim.Charges, func(c *charge) { w.charges = append(w.charges, c) })
	all(t, sim, stripesim.Refunds, func(f refund) { w.refunds = append(w.refunds, f) })
	all(t, sim, stripesim.BalanceTransactions, func(b row) { w.rows[b.ID] = b })
	all(t, sim, stripesim.Subscriptions, func(s subscription) { w.subs = append(w.subs, s) })
	all(t, sim, stripesim.Prices, func(p struct {
		ID    string
		Tiers []tier
	},
	) {
		w.tiers[p.ID] = p.Tiers
	})
	slices.SortFunc(w.charges, func(a, b *charge) int {
		if a.Created != b.Created {
			return int(a.Created - b.Created)
		}
		return strings.Compare(a.ID, b.ID)
	})
	first := map[string]int64{}
	for _, c := range w.charges {
		c.name()
		if c.Status == "succeeded" && c.Captured {
			c.paid = c.Amount
		}
		if c.Customer == nil {
			c.kind = "guest"
			continue
		}
		at, ok := first[*c.Customer]
		if c.kind = "new"; ok && at < c.Created {
			c.kind = "returning"
		}
		if c.paid > 0 && !ok {
			first[*c.Customer] = c.Created
		}
	}
	return w
}

func (c *charge) name() {
	c.method, c.class = c.Details.Type, "other"
	switch c.Details.Type {
	case "card":
		c.class = "card"
		if d := c.Details.Card; d != nil && d.Installments != nil && d.Installments.Plan != nil {
			c.method = "card_installments"
		}
	case "card_present", "interac_present", "kr_card":
		c.class = "card"
	case "affirm", "afterpay_clearpay", "alma", "billie", "capchase_pay", "kriya", "mondu", "rechnung", "scalapay", "sequra", "sunbit", "zip":
		c.class = "bnpl"
	case "klarna":
		c.class = "bnpl_unknown"
		if k := c.Details.Klarna; k != nil && k.Category != nil {
			switch *k.Category {
			case "pay_now":
				c.class, c.method = "other", "klarna_pay_now"
			case "pay_later", "pay_in_installments", "pay_with_financing":
				c.class = "bnpl"
			}
		}
	}
	d := c.Details
	c.shop = d.Type == "card_present" || d.Type == "interac_present" || d.Klarna != nil && d.Klarna.Location != nil || d.Affirm != nil && d.Affirm.Location != nil
	c.country = "??"
	switch {
	case c.Billing.Address.Country != nil:
		c.country = *c.Billing.Address.Country
	case c.Ship != nil && c.Ship.Address.Country != nil:
		c.country = *c.Ship.Address.Country
	case d.Klarna != nil && d.Klarna.Payer != nil && d.Klarna.Payer.Address.Country != nil:
		c.country = *d.Klarna.Payer.Address.Country
	case d.Card != nil && d.Card.Country != nil:
		c.country = *d.Card.Country
	}
}

// A result is a section: numbers by column, by the texts of the row.
type result map[string]map[string]any

func (r result) at(texts ...string) map[string]any {
	key := strings.Join(texts, "|")
	if r[key] == nil {
		r[key] = map[string]any{}
	}
	return r[key]
}

func (r result) add(name string, n int64, texts ...string) {
	at := r.at(texts...)
	old, _ := at[name].(int64)
	at[name] = old + n
}

// ratio sets a share of two counts of each row; nil over zero.
func (r result) ratio(name string, of func(map[string]any) (float64, float64)) {
	for _, at := range r {
		at[name] = nil
		if a, b := of(at); b != 0 {
			at[name] = a / b
		}
	}
}

func num(at map[string]any, name string) float64 {
	switch v := at[name].(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return math.NaN()
}

func over(a, b string) func(map[string]any) (float64, float64) {
	return func(at map[string]any) (float64, float64) { return num(at, a), num(at, b) }
}

// An asked question, with what the plain calculation needs of it.
type asked struct {
	report.Params
	from, to int64
	zone     *time.Location
}

func (q *asked) takes(c *charge) bool {
	return c.Created >= q.from && c.Created < q.to && (q.Currency == "" || c.Currency == q.Currency) &&
		(q.Country == "" || c.country == q.Country) && (q.Customer == "" || c.kind == q.Customer)
}

// period returns the period of a moment, and the first second after it.
func (q *asked) period(at int64) (name string, end int64) {
	l := time.Unix(at, 0).In(q.zone)
	from := time.Date(l.Year(), l.Month(), l.Day(), 0, 0, 0, 0, q.zone)
	to := from.AddDate(0, 0, 1)
	switch q.Period {
	case report.Week:
		from = from.AddDate(0, 0, -(int(l.Weekday())+6)%7)
		to = from.AddDate(0, 0, 7)
	case report.Month:
		from = time.Date(l.Year(), l.Month(), 1, 0, 0, 0, 0, q.zone)
		to = from.AddDate(0, 1, 0)
	}
	return from.Format(time.DateOnly), to.Unix()
}

// answers are all sections but those that are worked out from others.
func (w *truth) answers(q *asked) map[string]result {
	by := func(dimension func(*charge) (string, int64)) func(*asked) result {
		return func(q *asked) result { return w.orders(q, dimension) }
	}
	out := map[string]result{}
	for name, of := range map[string]func(*asked) result{
		"methods":   by(func(*charge) (string, int64) { return "", q.to }),
		"periods":   by(func(c *charge) (string, int64) { n, end := q.period(c.Created); return n, min(end, q.to) }),
		"countries": by(func(c *charge) (string, int64) { return c.country, q.to }),
		"customers": by(func(c *charge) (string, int64) { return c.kind, q.to }),
		"failures":  w.failures, "fees": w.fees, "repeat": w.repeat, "cohorts": w.cohorts, "migration": w.migration,
		"lift": w.lift, "subscriptions": w.subscriptions, "mrr": w.mrr, "settlement": w.settlement, "misfits": w.misfits,
	} {
		if q.Section == "" || q.Section == name {
			out[name] = of(q)
		}
	}
	return out
}

func levels(c *charge) [][2]string {
	return [][2]string{{"all", "all"}, {c.class, "all"}, {c.class, c.method}}
}

func (w *truth) orders(q *asked, dimension func(*charge) (name string, until int64)) result {
	out := result{}
	values := map[string][]int64{}
	back := map[string][]refund{}
	for _, f := range w.refunds {
		if (f.Status == "succeeded" || f.Status == "pending") && w.rows[text(f.Row)].Category != "partial_capture_reversal" {
			back[f.Charge] = append(back[f.Charge], f)
		}
	}
	for _, c := range w.charges {
		if !q.takes(c) {
			continue
		}
		name, until := dimension(c)
		for _, l := range levels(c) {
			key := []string{c.Currency, name, l[0], l[1]}
			if name == "" {
				key = []string{c.Currency, l[0], l[1]}
			}
			for _, column := range []string{"attempts", "succeeded", "failed", "pending", "orders", "gross", "refunded", "refunded_later", "refunded_orders", "disputed"} {
				out.add(column, 0, key...)
			}
			out.add("attempts", 1, key...)
			if c.Status == "succeeded" || c.Status == "failed" || c.Status == "pending" {
				out.add(c.Status, 1, key...)
			}
			out.add("gross", c.paid, key...)
			var refunded int64
			for _, f := range back[c.ID] {
				if c.paid == 0 {
					continue
				}
				refunded += f.Amount
				if f.Created >= until {
					out.add("refunded_later", f.Amount, key...)
				}
			}
			out.add("refunded", refunded, key...)
			if c.paid > 0 {
				out.add("orders", 1, key...)
				values[strings.Join(key, "|")] = append(values[strings.Join(key, "|")], c.paid)
				if refunded > 0 {
					out.add("refunded_orders", 1, key...)
				}
				if c.Disputed {
					out.add("disputed", 1, key...)
				}
			}
		}
	}
	total := map[string]map[string]any{}
	for key, at := range out {
		at["net"] = at["gross"].(int64) - at["refunded"].(int64)
		w.distribution(at, values[key])
		if parts := strings.Split(key, "|"); parts[len(parts)-2] == "all" {
			total[strings.Join(parts[:len(parts)-2], "|")] = at
		}
	}
	for key, at := range out {
		parts := strings.Split(key, "|")
		of := total[strings.Join(parts[:len(parts)-2], "|")]
		for _, name := range []string{"orders", "gross"} {
			at["share_"+name] = nil
			if num(of, name) != 0 {
				at["share_"+name] = num(at, name) / num(of, name)
			}
		}
	}
	out.ratio("success_rate", func(at map[string]any) (float64, float64) {
		return num(at, "succeeded"), num(at, "succeeded") + num(at, "failed")
	})
	out.ratio("failure_rate", func(at map[string]any) (float64, float64) {
		return num(at, "failed"), num(at, "succeeded") + num(at, "failed")
	})
	out.ratio("refund_rate", over("refunded_orders", "orders"))
	out.ratio("refunded_share", over("refunded", "gross"))
	out.ratio("dispute_rate", over("disputed", "orders"))
	return out
}

// distribution sets average and median with their intervals.
func (w *truth) distribution(at map[string]any, values []int64) {
	for _, name := range []string{"average", "average_low", "average_high", "median", "median_low", "median_high"} {
		at[name] = nil
	}
	n := len(values)
	if n == 0 {
		return
	}
	slices.Sort(values)
	var sum float64
	for _, v := range values {
		sum += float64(v)
	}
	mean := sum / float64(n)
	at["average"] = mean
	if n >= 8 {
		var squares float64
		for _, v := range values {
			squares += (float64(v) - mean) * (float64(v) - mean)
		}
		half := w.student(float64(n-1)) * math.Sqrt(squares/float64(n-1)/float64(n))
		at["average_low"], at["average_high"] = mean-half, mean+half
	}
	at["median"] = float64(values[n/2]+values[(n-1)/2]) / 2
	if k := int(math.Floor((float64(n) - 1.96*math.Sqrt(float64(n))) / 2)); k > 0 {
		at["median_low"], at["median_high"] = values[k-1], values[n-k]
	}
}

// student is the quantile 0.975 of Student's distribution, by Simpson's rule
// over its density.
func (w *truth) student(f float64) float64 {
	if v, ok := w.students.Load(f); ok {
		return v.(float64)
	}
	a, _ := math.Lgamma((f + 1) / 2)
	b, _ := math.Lgamma(f / 2)
	density := func(t float64) float64 { return math.Exp(a - b - math.Log(f*math.Pi)/2 - (f+1)/2*math.Log1p(t*t/f)) }
	area := func(to float64) float64 {
		n := 1000 + 100*int(to)
		h := to / float64(n)
		sum := density(0) + density(to)
		for i := 1; i < n; i++ {
			sum += density(float64(i)*h) * float64(2+2*(i%2))
		}
		return sum * h / 3
	}
	low, high := 1.9, 13.0
	for range 50 {
		if middle := (low + high) / 2; area(middle) < 0.475 {
			low = middle
		} else {
			high = middle
		}
	}
	w.students.Store(f, low)
	return low
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (w *truth) failures(q *asked) result {
	out, failed, attempts := result{}, map[string]float64{}, map[string]float64{}
	for _, c := range w.charges {
		if !q.takes(c) {
			continue
		}
		of := c.Currency + "|" + c.class + "|" + c.method
		attempts[of]++
		if c.Status != "failed" {
			continue
		}
		failed[of]++
		kind, reason := "", ""
		if c.Outcome != nil {
			kind, reason = text(c.Outcome.Type), text(c.Outcome.Reason)
		}
		out.add("failed", 1, of, text(c.Code), kind, reason)
	}
	for key, at := range out {
		of := strings.Join(strings.Split(key, "|")[:3], "|")
		at["share"], at["rate"] = num(at, "failed")/failed[of], num(at, "failed")/attempts[of]
	}
	return out
}

func (w *truth) fees(q *asked) result {
	out, counted, own := result{}, map[string]bool{}, map[string][]row{}
	for _, p := range w.pointers() {
		if b, ok := w.rows[p.row]; ok && p.charge != "" {
			own[p.charge] = append(own[p.charge], b)
		}
	}
	for _, c := range w.charges {
		if !q.takes(c) {
			continue
		}
		for _, b := range own[c.ID] {
			for _, l := range levels(c) {
				key := []string{c.Currency, b.Currency, l[0], l[1]}
				out.add("charges", 0, key...)
				if seen := w.key(c.ID, key); !counted[seen] {
					counted[seen] = true
					out.add("charges", 1, key...)
				}
				out.add("settled", b.Amount, key...)
				out.add("fee", b.Fee, key...)
				out.add("net", b.Net, key...)
				out.add("settled_later", 0, key...)
				out.add("fee_later", 0, key...)
				if b.Created < q.from || b.Created >= q.to {
					out.add("settled_later", b.Amount, key...)
					out.add("fee_later", b.Fee, key...)
				}
			}
		}
	}
	out.ratio("fee_rate", over("fee", "settled"))
	return out
}

func exact(text *string) *big.Rat {
	v := new(big.Rat)
	if text != nil {
		v.SetString(*text)
	}
	return v
}

func halfEven(v *big.Rat) int64 {
	f := new(big.Float).SetPrec(400).SetRat(v)
	whole, _ := f.Int(nil)
	rest := new(big.Rat).Sub(v, new(big.Rat).SetInt(whole))
	switch rest.Cmp(big.NewRat(1, 2)) {
	case 1:
		return whole.Int64() + 1
	case 0:
		return whole.Int64() + whole.Int64()%2
	}
	return whole.Int64()
}

func (w *truth) key(parts ...any) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = fmt.Sprint(p)
	}
	return strings.Join(texts, "|")
}
