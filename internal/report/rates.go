package report

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/money"
	"github.com/tributary-data/tributary/internal/problem"
)

// Rates convert sums into one currency.
type Rates struct {
	Target string              // code of the currency
	Of     map[string]*big.Rat // units of Target that one unit of the currency is worth: 1.08 for eur into usd
}

var decimal = regexp.MustCompile(`^[0-9]{1,18}(\.[0-9]{1,18})?$`)

// ParseRates reads a table of rates: CSV with the columns currency and rate,
// which it names in its first line. A rate is how many units of target one unit
// (a euro, not a cent) of the currency is worth.
func ParseRates(r io.Reader, target string) (*Rates, error) {
	target = strings.ToLower(strings.TrimSpace(target))
	if _, known := money.Exponent(target); !known {
		return nil, problem.Errorf(problem.Invalid, "the currency to convert to, %q, is not known", target)
	}
	out := &Rates{Target: target, Of: map[string]*big.Rat{}}
	c := csv.NewReader(r)
	c.FieldsPerRecord, c.TrimLeadingSpace = 2, true
	for first := true; ; first = false {
		record, err := c.Read()
		if errors.Is(err, io.EOF) && !first {
			break
		}
		if errors.Is(err, io.EOF) {
			return nil, problem.Errorf(problem.Invalid, "the table of rates is empty: it begins with the line currency,rate")
		}
		if err != nil {
			return nil, problem.Errorf(problem.Invalid, "the table of rates can't be read: %v", err)
		}
		currency, rate := strings.ToLower(strings.TrimSpace(record[0])), strings.TrimSpace(record[1])
		if first {
			if strings.TrimPrefix(currency, "\ufeff") != "currency" || strings.ToLower(rate) != "rate" {
				return nil, problem.Errorf(problem.Invalid, "the table of rates begins with the line currency,rate")
			}
			continue
		}
		if err := out.add(currency, rate); err != nil {
			return nil, err
		}
	}
	if one := out.Of[target]; one != nil && one.Cmp(big.NewRat(1, 1)) != 0 {
		return nil, problem.Errorf(problem.Invalid, "one %s is one %s, whatever the table of rates says", target, target)
	}
	out.Of[target] = big.NewRat(1, 1)
	return out, nil
}

func (r *Rates) add(currency, rate string) error {
	if _, known := money.Exponent(currency); !known {
		return problem.Errorf(problem.Invalid, "the table of rates: the currency %q is not known", currency)
	}
	if r.Of[currency] != nil {
		return problem.Errorf(problem.Invalid, "the table of rates has %s twice", currency)
	}
	v := new(big.Rat)
	if decimal.MatchString(rate) { // 1e999999999 would be long in coming
		v, _ = v.SetString(rate)
	}
	if v.Sign() <= 0 {
		return problem.Errorf(problem.Invalid, "the table of rates: %q is no rate for %s: want a decimal above zero, such as 1.0834", rate, currency)
	}
	r.Of[currency] = v
	return nil
}

// exactly returns an amount of a currency in minor units of the target.
func (r *Rates) exactly(amount int64, currency string) *big.Rat {
	from, _ := money.Exponent(currency)
	to, _ := money.Exponent(r.Target)
	v := new(big.Rat).SetInt64(amount)
	v.Mul(v, r.Of[currency])
	power := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(to-from, from-to))), nil))
	if from > to {
		power.Inv(power)
	}
	return v.Mul(v, power)
}

// round returns the whole number next to v, the even one of two.
func round(v *big.Rat) (int64, error) {
	whole, rest := new(big.Int).DivMod(v.Num(), v.Denom(), new(big.Int))
	switch twice := rest.Lsh(rest, 1).Cmp(v.Denom()); {
	case twice > 0, twice == 0 && whole.Bit(0) == 1:
		whole.Add(whole, big.NewInt(1))
	}
	if !whole.IsInt64() {
		return 0, fmt.Errorf("%s is too large an amount", whole)
	}
	return whole.Int64(), nil
}

// convert adds the sections of money in the target currency.
func (r *Report) convert(ctx context.Context, s Source) error {
	rates := r.Params.Rates
	if rates == nil {
		return nil
	}
	missing := map[string]bool{}
	for _, c := range []struct{ of, name, title string }{
		{"methods", "converted", "Methods, converted to "}, {"periods", "converted_periods", "Methods over time, converted to "},
	} {
		if r.Params.Section != "" && r.Params.Section != c.name {
			continue
		}
		of := r.section(c.of)
		if of == nil { // another section alone is wanted
			for _, d := range r.Params.specs() {
				if d.name == c.of {
					var err error
					if of, err = r.Params.run(ctx, s, d); err != nil {
						return err
					}
				}
			}
		}
		section, err := rates.section(of, missing)
		if err != nil {
			return err
		}
		section.Name, section.Title = c.name, c.title+strings.ToUpper(rates.Target)
		r.Sections = append(r.Sections, section)
	}
	if len(missing) > 0 {
		r.Notes = append(r.Notes, "The table of rates lacks "+strings.Join(slices.Sorted(maps.Keys(missing)), ", ")+": what is converted leaves them out.")
	}
	return nil
}

const conversion = `Sums over the currencies of another section, by the rates that were given; one rate for the whole time.

attempts, orders  those in currencies that have a rate.
gross, refunded   added up exactly and rounded once, half to even, to a minor unit of the target. net is their difference.
share_gross       of the sum over all methods.`

// section adds up the currencies of a section of orders.
func (r *Rates) section(of *Section, missing map[string]bool) (*Section, error) {
	out := &Section{
		Definition: conversion, Query: of.Query, Rows: []Row{}, currency: "currency",
		Columns: concat(texts("currency", "class", "method"), counts("attempts", "orders"), moneys("gross", "refunded", "net"), shares("share_gross")),
	}
	timed := of.index("period") >= 0
	if timed {
		out.Columns = concat(out.Columns[:1], texts("period"), out.Columns[1:])
	}
	type sum struct {
		period, class, method string
		attempts, orders      int64
		gross, refunded       *big.Rat
	}
	sums := map[string]*sum{}
	for _, row := range of.Rows {
		currency := of.text(row, "currency")
		if r.Of[currency] == nil {
			missing[currency] = true
			continue
		}
		x := sum{period: of.text(row, "period"), class: of.text(row, "class"), method: of.text(row, "method")}
		key := x.period + "\n" + rank(x.class) + "\n" + rank(x.method)
		if sums[key] == nil {
			x.gross, x.refunded = new(big.Rat), new(big.Rat)
			sums[key] = &x
		}
		at := sums[key]
		at.attempts += of.integer(row, "attempts")
		at.orders += of.integer(row, "orders")
		at.gross.Add(at.gross, r.exactly(of.integer(row, "gross"), currency))
		at.refunded.Add(at.refunded, r.exactly(of.integer(row, "refunded"), currency))
	}
	totals := map[string]int64{}
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		x := sums[key]
		gross, err := round(x.gross)
		if err != nil {
			return nil, err
		}
		refunded, err := round(x.refunded)
		if err != nil {
			return nil, err
		}
		if x.class == "all" {
			totals[x.period] = gross
		}
		var share any
		if total := totals[x.period]; total != 0 {
			share = float64(gross) / float64(total)
		}
		row := Row{r.Target, x.class, x.method, x.attempts, x.orders, gross, refunded, gross - refunded, share}
		if timed {
			row = append(Row{r.Target, x.period}, row[1:]...)
		}
		out.Rows = append(out.Rows, row)
	}
	return out, nil
}

// rank sorts "all" before everything else.
func rank(name string) string {
	if name == "all" {
		return ""
	}
	return name
}
