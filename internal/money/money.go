// Package money knows how Stripe counts money: as integers in the smallest
// unit of a currency. It prints such amounts exactly, without floats.
package money

import (
	"strconv"
	"strings"
)

// Exponent returns how many decimals an amount in currency has at Stripe, and
// whether the currency is known; an unknown one is taken to have 2. The case
// of the code does not matter. Stripe sends isk and ugx with two decimals
// although they have none, so their exponent is 2
// (https://docs.stripe.com/currencies#zero-decimal).
func Exponent(currency string) (exponent int, known bool) {
	switch strings.ToLower(currency) {
	case "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof",
		"xpf":
		return 0, true
	case "bhd", "jod", "kwd", "omr", "tnd":
		return 3, true
	case "aed", "afn", "all", "amd", "ang", "aoa", "ars", "aud", "awg", "azn", "bam", "bbd", "bdt", "bgn",
		"bmd", "bnd", "bob", "brl", "bsd", "bwp", "bzd", "cad", "cdf", "chf", "cny", "cop", "crc", "cve",
		"czk", "dkk", "dop", "dzd", "eek", "egp", "etb", "eur", "fjd", "fkp", "gbp", "gel", "gip", "gmd",
		"gtq", "gyd", "hkd", "hnl", "hrk", "htg", "huf", "idr", "ils", "inr", "isk", "jmd", "kes", "kgs",
		"khr", "kyd", "kzt", "lak", "lbp", "lkr", "lrd", "lsl", "ltl", "lvl", "mad", "mdl", "mkd", "mnt",
		"mop", "mro", "mur", "mvr", "mwk", "mxn", "myr", "mzn", "nad", "ngn", "nio", "nok", "npr", "nzd",
		"pab", "pen", "pgk", "php", "pkr", "pln", "qar", "ron", "rsd", "rub", "sar", "sbd", "scr", "sek",
		"sgd", "shp", "sll", "sos", "srd", "std", "svc", "szl", "thb", "tjs", "top", "try", "ttd", "twd",
		"tzs", "uah", "ugx", "usd", "uyu", "uzs", "vef", "wst", "xcd", "yer", "zar", "zmw":
		return 2, true
	}
	return 2, false
}

// Format prints an amount in minor units as a decimal and the currency's code
// in capitals, for example "10.99 USD" or "500 JPY".
func Format(amount int64, currency string) string {
	exponent, _ := Exponent(currency)
	digits := strconv.FormatInt(amount, 10)
	sign := ""
	if amount < 0 {
		sign, digits = "-", digits[1:]
	}
	if pad := exponent + 1 - len(digits); pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	point := len(digits) - exponent
	if exponent > 0 {
		digits = digits[:point] + "." + digits[point:]
	}
	return sign + digits + " " + strings.ToUpper(currency)
}
