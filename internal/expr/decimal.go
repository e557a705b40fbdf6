package expr

import (
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// A decimal is coef × 10^-scale, with 0 ≤ scale and no zero at the end of a
// fraction. Once made it never changes.
type decimal struct {
	coef  *big.Int
	scale int
}

const (
	// maxDigits bounds a number, before and behind its point together.
	maxDigits = 1000
	// divisionDigits is how many significant digits a quotient has that does
	// not come out even (IEEE 754 decimal128, which JEXL's arithmetic takes).
	divisionDigits = 34
)

var (
	errNotNumber = errors.New("not a decimal number")
	errBigNumber = errors.New("a number of more than 1000 digits")
	errDivision  = errors.New("division by zero")
)

var ten = big.NewInt(10)

func pow10(n int) *big.Int { return new(big.Int).Exp(ten, big.NewInt(int64(n)), nil) }

// value returns d as a Value.
func (d decimal) value() (Value, error) {
	if d.scale > 0 {
		d = d.trimmed()
	}
	if d.scale == 0 && d.coef.IsInt64() {
		return IntOf(d.coef.Int64()), nil
	}
	if d.scale > maxDigits || d.coef.BitLen() > maxDigits*332/100 {
		return Value{}, errBigNumber
	}
	return Value{kind: Decimal, ref: &d}, nil
}

func (d decimal) trimmed() decimal {
	coef, scale := new(big.Int).Set(d.coef), d.scale
	for q, r := new(big.Int), new(big.Int); scale > 0; scale-- {
		if q.QuoRem(coef, ten, r); r.Sign() != 0 {
			break
		}
		coef, q = q, coef
	}
	return decimal{coef: coef, scale: scale}
}

// aligned returns the coefficients of both at one scale.
func aligned(a, b decimal) (x, y *big.Int, scale int) {
	switch {
	case a.scale < b.scale:
		return new(big.Int).Mul(a.coef, pow10(b.scale-a.scale)), b.coef, b.scale
	case a.scale > b.scale:
		return a.coef, new(big.Int).Mul(b.coef, pow10(a.scale-b.scale)), a.scale
	}
	return a.coef, b.coef, a.scale
}

func (d decimal) cmp(o decimal) int {
	x, y, _ := aligned(d, o)
	return x.Cmp(y)
}

func (d decimal) add(o decimal) decimal {
	x, y, scale := aligned(d, o)
	return decimal{coef: new(big.Int).Add(x, y), scale: scale}
}

func (d decimal) neg() decimal { return decimal{coef: new(big.Int).Neg(d.coef), scale: d.scale} }

func (d decimal) mul(o decimal) decimal {
	return decimal{coef: new(big.Int).Mul(d.coef, o.coef), scale: d.scale + o.scale}
}

// mod is the rest of the division to a whole number, with the sign of d.
func (d decimal) mod(o decimal) (decimal, error) {
	if o.coef.Sign() == 0 {
		return decimal{}, errDivision
	}
	x, y, scale := aligned(d, o)
	return decimal{coef: new(big.Int).Rem(x, y), scale: scale}, nil
}

// div is exact where the quotient has at most divisionDigits digits, and else
// rounded to as many, half to even. Whole digits are never rounded.
func (d decimal) div(o decimal) (decimal, error) {
	if o.coef.Sign() == 0 {
		return decimal{}, errDivision
	}
	x, y, _ := aligned(d, o)
	scale := max(1, divisionDigits+1+digits(y)-digits(x))
	q, rest := new(big.Int).QuoRem(new(big.Int).Mul(x, pow10(scale)), y, new(big.Int))
	if rest.Sign() == 0 {
		return decimal{coef: q, scale: scale}, nil
	}
	drop := min(scale, digits(q)-divisionDigits) // at least one
	unit := pow10(drop)
	q, r := new(big.Int).QuoRem(q, unit, new(big.Int))
	half := new(big.Int).Mul(r.Abs(r), big.NewInt(2)).Cmp(unit)
	// A rest behind the digits that were computed breaks a tie upwards.
	if half >= 0 {
		if x.Sign()*y.Sign() < 0 {
			q.Sub(q, big.NewInt(1))
		} else {
			q.Add(q, big.NewInt(1))
		}
	}
	return decimal{coef: q, scale: scale - drop}, nil
}

func digits(n *big.Int) int {
	s := len(n.String())
	if n.Sign() < 0 {
		s--
	}
	return s
}

func (d decimal) String() string {
	s := d.coef.String()
	if d.scale == 0 {
		return s
	}
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	if pad := d.scale + 1 - len(s); pad > 0 {
		s = strings.Repeat("0", pad) + s
	}
	return sign + s[:len(s)-d.scale] + "." + s[len(s)-d.scale:]
}

// parseNumber reads digits with an optional sign, fraction and exponent.
func parseNumber(s string) (Value, error) {
	if len(s) < 19 {
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return IntOf(n), nil
		}
	}
	mantissa, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil || i+1 == len(s) {
			if errors.Is(err, strconv.ErrRange) {
				return Value{}, errBigNumber
			}
			return Value{}, errNotNumber
		}
		mantissa, exp = s[:i], n
	}
	whole, fraction, point := strings.Cut(mantissa, ".")
	unsigned := strings.TrimLeft(whole, "+-")
	if len(whole)-len(unsigned) > 1 || !allDigits(unsigned) || point && !allDigits(fraction) {
		return Value{}, errNotNumber
	}
	if len(unsigned)+len(fraction) > maxDigits || exp > maxDigits || exp < -maxDigits {
		return Value{}, errBigNumber
	}
	coef, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok {
		return Value{}, errNotNumber
	}
	d := decimal{coef: coef, scale: len(fraction) - exp}
	if d.scale < 0 {
		d = decimal{coef: coef.Mul(coef, pow10(-d.scale))}
	}
	return d.value()
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// arithmetic computes a op b for two numbers and one of the five operators.
// Integers stay machine words as long as they fit.
func arithmetic(op string, a, b Value) (Value, error) {
	if a.kind == Int && b.kind == Int {
		if v, ok := arithmeticInt(op, a.n, b.n); ok {
			return IntOf(v), nil
		}
	}
	x, y := a.number(), b.number()
	var err error
	switch op {
	case "+":
		x = x.add(y)
	case "-":
		x = x.add(y.neg())
	case "*":
		x = x.mul(y)
	case "/":
		x, err = x.div(y)
	default:
		x, err = x.mod(y)
	}
	if err != nil {
		return Value{}, err
	}
	return x.value()
}

func arithmeticInt(op string, a, b int64) (int64, bool) {
	switch op {
	case "+":
		c := a + b
		return c, (c > a) == (b > 0)
	case "-":
		c := a - b
		return c, (c < a) == (b > 0)
	case "*":
		const small = math.MaxInt32
		return a * b, -small < a && a < small && -small < b && b < small
	case "/":
		if b > 0 && a%b == 0 {
			return a / b, true
		}
	case "%":
		if b > 0 {
			return a % b, true
		}
	}
	return 0, false
}
