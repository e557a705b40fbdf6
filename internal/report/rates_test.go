package report_test

import (
	"math/big"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/report"
)

func TestParseRates(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ table, target, wrong string }{
		"good":             {"currency,rate\nEUR, 1.0834\njpy,0.0067\n", "usd", ""},
		"with a mark":      {"\ufeffcurrency,rate\neur,1.0834\n", "USD", ""},
		"the target is 1":  {"currency,rate\nusd,1.000\n", "usd", ""},
		"the target is 2":  {"currency,rate\nusd,2\n", "usd", "one usd is one usd"},
		"no head":          {"eur,1.0834\n", "usd", "begins with the line"},
		"twice":            {"currency,rate\neur,1\neur,2\n", "usd", "twice"},
		"zero":             {"currency,rate\neur,0.0\n", "usd", "no rate for eur"},
		"negative":         {"currency,rate\neur,-1\n", "usd", "no rate for eur"},
		"endless":          {"currency,rate\neur,1e999999999\n", "usd", "no rate for eur"},
		"a fraction":       {"currency,rate\neur,1/3\n", "usd", "no rate for eur"},
		"unknown currency": {"currency,rate\nxyz,1\n", "usd", `"xyz" is not known`},
		"unknown target":   {"currency,rate\neur,1\n", "xyz", `"xyz", is not known`},
		"empty":            {"", "usd", "is empty"},
		"three columns":    {"currency,rate\neur,1,2\n", "usd", "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := report.ParseRates(strings.NewReader(c.table), c.target)
			if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("%v", err)
			}
		})
	}
}

// What is converted is the exact sum over the currencies, rounded once; a
// currency without a rate is left out, and said so.
func TestConverted(t *testing.T) {
	long(t)
	lives[1].Hold(t)
	t.Parallel()
	sim, dir := lives[1].Copy(t)
	source, w := copytest.Open(t, dir), truthOf(t, sim)
	rates := map[string]string{"usd": "1", "eur": "1.0834", "jpy": "0.00671", "kwd": "3.2507", "bhd": "2.65"}
	for _, target := range []string{"usd", "jpy", "kwd"} {
		table := "currency,rate\n"
		for code, rate := range rates {
			if code != target {
				table += code + "," + rate + "\n"
			}
		}
		p := report.Params{Section: "converted"}
		var err error
		if p.Rates, err = report.ParseRates(strings.NewReader(table), target); err != nil {
			t.Fatal(err)
		}
		r, err := report.Run(t.Context(), source, p)
		if err != nil {
			t.Fatal(err)
		}
		decimals := map[string]int64{"usd": 100, "eur": 100, "jpy": 1, "kwd": 1000, "bhd": 1000}
		want := map[string]*big.Rat{}
		for _, c := range w.charges {
			rate, ok := new(big.Rat).SetString(rates[c.Currency])
			if !ok {
				continue
			}
			if c.Currency == target {
				rate = big.NewRat(1, 1)
			}
			rate.Mul(rate, big.NewRat(c.paid*decimals[target], decimals[c.Currency]))
			for _, l := range levels(c) {
				key := l[0] + "|" + l[1]
				if want[key] == nil {
					want[key] = new(big.Rat)
				}
				want[key].Add(want[key], rate)
			}
		}
		rows := values(r.Sections[0])
		if len(rows) != len(want) {
			t.Errorf("%s: %d rows, want %d", target, len(rows), len(want))
		}
		for _, row := range rows {
			key := row["class"].(string) + "|" + row["method"].(string)
			if want[key] == nil || row["gross"] != halfEven(want[key]) || row["currency"] != target {
				t.Errorf("%s %s: %v, want %v", target, key, row, want[key])
			}
		}
		if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "lacks aud, ") {
			t.Error(notes)
		}
	}
}
