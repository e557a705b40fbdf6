package money

import (
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestExponent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		currencies string
		exponent   int
		known      bool
	}{
		{"bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf", 0, true},
		{"bhd jod kwd omr tnd", 3, true},
		{"usd eur gbp huf twd mxn sek aud chf", 2, true},
		{"isk ugx", 2, true}, // sent with decimals that are always 00
		{"USD Eur", 2, true},
		{"JPY", 0, true},
		{"KWD", 3, true},
		{"usdc xyz us dollar", 2, false},
	} {
		t.Run(tt.currencies, func(t *testing.T) {
			t.Parallel()
			for c := range strings.FieldsSeq(tt.currencies) {
				if exponent, known := Exponent(c); exponent != tt.exponent || known != tt.known {
					t.Errorf("%s: got %d, %t", c, exponent, known)
				}
			}
		})
	}
	if exponent, known := Exponent(""); exponent != 2 || known {
		t.Errorf("no currency: got %d, %t", exponent, known)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		amount   int64
		currency string
		want     string
	}{
		{1099, "usd", "10.99 USD"},
		{500, "jpy", "500 JPY"},
		{0, "usd", "0.00 USD"},
		{0, "jpy", "0 JPY"},
		{0, "kwd", "0.000 KWD"},
		{5, "usd", "0.05 USD"},
		{-5, "usd", "-0.05 USD"},
		{-400, "eur", "-4.00 EUR"},
		{-1, "jpy", "-1 JPY"},
		{12340, "bhd", "12.340 BHD"},
		{1000, "isk", "10.00 ISK"},
		{100, "xyz", "1.00 XYZ"},
		{math.MaxInt64, "usd", "92233720368547758.07 USD"},
		{math.MinInt64, "usd", "-92233720368547758.08 USD"},
		{math.MinInt64, "krw", "-9223372036854775808 KRW"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			if got := Format(tt.amount, tt.currency); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestFormatKeepsTheAmount(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Int64().Draw(t, "amount")
		currency := rapid.SampledFrom([]string{"usd", "eur", "jpy", "krw", "kwd", "tnd", "isk", "ugx", "zzz"}).Draw(t, "currency")
		text := Format(amount, currency)

		// The number is worth amount / 10^exponent, and has all its decimals.
		number, code, _ := strings.Cut(text, " ")
		worth, ok := new(big.Rat).SetString(number)
		exponent, _ := Exponent(currency)
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exponent)), nil)
		if want := new(big.Rat).SetFrac(big.NewInt(amount), unit); !ok || worth.Cmp(want) != 0 || number != want.FloatString(exponent) || code != strings.ToUpper(currency) {
			t.Fatalf("%s is worth %s, want %s", text, worth, want.FloatString(exponent))
		}
	})
}
