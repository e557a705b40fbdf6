package report

import (
	"fmt"
	"math/big"
)

// perMonth is how many billing intervals a month has: a year has 12 months, 365
// days and 365/7 weeks.
var perMonth = map[string]*big.Rat{
	"month": big.NewRat(1, 1), "year": big.NewRat(1, 12), "week": big.NewRat(365, 7*12), "day": big.NewRat(365, 12),
}

// monthly adds up what items cost by interval to what they bring in a month and
// in a year, by currency.
func monthly(s *Section) error {
	type sum struct {
		items, out int64
		month      *big.Rat
	}
	sums := map[string]*sum{}
	var order []string
	for _, r := range s.Rows {
		currency := s.text(r, "currency")
		x := sums[currency]
		if x == nil {
			x = &sum{month: new(big.Rat)}
			sums[currency], order = x, append(order, currency)
		}
		items := s.integer(r, "items")
		x.out += s.integer(r, "left_out")
		if items == 0 {
			continue
		}
		amount, ok := new(big.Rat).SetString(s.text(r, "amount"))
		factor, count := perMonth[s.text(r, "interval")], s.integer(r, "interval_count")
		if !ok || count < 1 {
			return fmt.Errorf("%s every %d %s is no recurring amount", s.text(r, "amount"), count, s.text(r, "interval"))
		}
		if factor == nil { // an interval that nobody knows
			x.out += items
			continue
		}
		x.items += items
		amount.Mul(amount, factor)
		x.month.Add(x.month, amount.Quo(amount, new(big.Rat).SetInt64(count)))
	}
	s.Columns = concat(texts("currency"), moneys("mrr", "year"), counts("items", "left_out"))
	s.Rows = []Row{}
	for _, currency := range order {
		x := sums[currency]
		month, err := round(x.month)
		if err != nil {
			return err
		}
		year, err := round(new(big.Rat).Mul(x.month, big.NewRat(12, 1)))
		if err != nil {
			return err
		}
		s.Rows = append(s.Rows, Row{currency, month, year, x.items, x.out})
	}
	return nil
}
