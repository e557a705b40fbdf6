package expr

import (
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// sameNode compares trees without positions.
func sameNode(a, b node) string {
	return cmp.Diff(a, b,
		cmp.Exporter(func(reflect.Type) bool { return true }),
		cmp.Comparer(func(Pos, Pos) bool { return true }),
		cmp.Comparer(func(a, b *binaryOp) bool { return a.symbol == b.symbol }),
		cmp.Comparer(func(a, b Value) bool { return equal(a, b) }),
		cmpopts.EquateEmpty())
}

// Generators are made anew for each draw: rapid writes into a generator when it
// tells its name, which tests in parallel must not share.

func anyName() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-z_$][a-z0-9_$]{0,6}|[ -~ł\n]{1,6}|new|null|_errors`)
}

func plainWord() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-zA-Z_$][a-z0-9_$]{0,6}`).Filter(plainName)
}

func anyText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~\n\t]{0,8}`)).Filter(func(s string) bool {
		return strings.ToValidUTF8(s, "") == s
	})
}

func anyNumber(t *rapid.T) Value {
	n := big.NewInt(rapid.Int64Min(0).Draw(t, "n"))
	if rapid.Bool().Draw(t, "big") {
		n.Mul(n, n)
	}
	v, err := decimal{coef: n, scale: rapid.IntRange(0, 30).Draw(t, "scale")}.value()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// anyNode draws a tree that the parser can make; whether it compiles does not
// matter.
func anyNode(t *rapid.T, depth int) node {
	sub := func() node { return anyNode(t, depth-1) }
	subs := func(least int) []node {
		var list []node
		for range rapid.IntRange(least, 3).Draw(t, "items") {
			list = append(list, sub())
		}
		return list
	}
	kinds := 13
	if depth <= 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds).Draw(t, "node") {
	case 0:
		return &literal{v: BoolOf(rapid.Bool().Draw(t, "bool"))}
	case 1:
		return &literal{v: TextOf(anyText().Draw(t, "text"))}
	case 2:
		return &literal{v: anyNumber(t)}
	case 3:
		return &nameNode{name: anyName().Draw(t, "name")}
	case 4:
		return &literal{}
	case 5:
		return &arrayNode{items: subs(0)}
	case 6:
		m := &mapNode{keys: rapid.SliceOfNDistinct(anyText(), 0, 3, rapid.ID).Draw(t, "keys")}
		for range m.keys {
			m.vals = append(m.vals, sub())
		}
		return m
	case 7:
		return &memberNode{x: sub(), name: anyName().Draw(t, "name")}
	case 8:
		if rapid.Bool().Draw(t, "all") {
			return &allNode{x: sub()}
		}
		return &indexNode{x: sub(), i: sub()}
	case 9:
		args := subs(0)
		if rapid.Bool().Draw(t, "lambda") {
			args = append(args, &lambdaNode{param: plainWord().Draw(t, "param"), body: sub()})
		}
		return &callNode{name: plainWord().Draw(t, "function"), args: args}
	case 10:
		return &methodNode{x: sub(), name: plainWord().Draw(t, "method"), args: subs(0)}
	case 11:
		return &unaryNode{op: rapid.SampledFrom([]string{"-", "!", "~"}).Draw(t, "op"), x: sub()}
	case 12:
		return &binaryNode{op: &binaryOps[rapid.IntRange(0, len(binaryOps)-1).Draw(t, "op")], x: sub(), y: sub()}
	default:
		return &condNode{c: sub(), x: sub(), y: sub()}
	}
}

// What is printed is read as the same tree, and prints the same again.
func TestRoundTripProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := anyNode(t, 4)
		text := canonical(n)
		if len(text) > maxLength {
			t.Skip("too long")
		}
		again, err := parse(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := sameNode(n, again); diff != "" {
			t.Fatalf("%s is read as another tree:\n%s", text, diff)
		}
		if twice := canonical(again); twice != text {
			t.Fatalf("%s prints as %s", text, twice)
		}
	})
}

func TestPathRoundTripProperty(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := Path{{Name: anyName().Draw(t, "root")}}
		for range rapid.IntRange(0, 5).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				p = append(p, Step{Name: anyName().Draw(t, "name")})
			case 1:
				p = append(p, Step{Index: rapid.IntRange(0, 1000).Draw(t, "index")})
			default:
				p = append(p, Step{All: true})
			}
		}
		again, err := ParsePath(p.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// A value survives the way through JSON text.
func TestJSONRoundTripProperty(t *testing.T) {
	t.Parallel()
	var draw func(t *rapid.T, depth int) Value
	draw = func(t *rapid.T, depth int) Value {
		switch rapid.IntRange(0, 3+2*min(depth, 1)).Draw(t, "kind") {
		case 0:
			return Value{}
		case 1:
			return BoolOf(rapid.Bool().Draw(t, "bool"))
		case 2:
			return TextOf(anyText().Draw(t, "text"))
		case 3:
			return anyNumber(t)
		case 4:
			var items []Value
			for range rapid.IntRange(0, 4).Draw(t, "items") {
				items = append(items, draw(t, depth-1))
			}
			return ArrayOf(items)
		default:
			keys := rapid.SliceOfNDistinct(anyText(), 0, 12, rapid.ID).Draw(t, "keys")
			vals := make([]Value, len(keys))
			for i := range vals {
				vals[i] = draw(t, depth-1)
			}
			v, ok := MapOf(keys, vals)
			if !ok {
				t.Fatal("a key stands twice")
			}
			return v
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		v := draw(t, 3)
		again, err := ParseJSON(v.AppendJSON(nil))
		if err != nil {
			t.Fatalf("%s: %v", v.Text(), err)
		}
		if !equal(v, again) {
			t.Fatalf("%s is read as %s", v.Text(), again.Text())
		}
	})
}

// Arithmetic agrees with fractions, which are exact.
func TestArithmeticProperty(t *testing.T) {
	t.Parallel()
	rat := func(v Value) *big.Rat {
		r, ok := new(big.Rat).SetString(v.Text())
		if !ok {
			panic(v.Text())
		}
		return r
	}
	signed := func(t *rapid.T) Value {
		v := anyNumber(t)
		if rapid.Bool().Draw(t, "small") {
			v = IntOf(int64(rapid.IntRange(0, 20).Draw(t, "n")))
		}
		if rapid.Bool().Draw(t, "negative") {
			v, _ = v.number().neg().value()
		}
		return v
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := signed(t), signed(t)
		op := rapid.SampledFrom([]string{"+", "-", "*", "/", "%"}).Draw(t, "op")
		got, err := arithmetic(op, a, b)
		x, y := rat(a), rat(b)
		if (op == "/" || op == "%") && y.Sign() == 0 {
			if err == nil {
				t.Fatal("divided by zero")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want := new(big.Rat)
		switch op {
		case "+":
			want.Add(x, y)
		case "-":
			want.Sub(x, y)
		case "*":
			want.Mul(x, y)
		case "/":
			want.Quo(x, y)
			// Half of the last of 34 digits, relative to the quotient.
			off := new(big.Rat).Sub(rat(got), want)
			limit := new(big.Rat).Mul(want, new(big.Rat).SetFrac(big.NewInt(1), pow10(33)))
			if off.Abs(off).Cmp(limit.Abs(limit)) > 0 {
				t.Fatalf("%s / %s = %s, off by %s", a.Text(), b.Text(), got.Text(), off.FloatString(40))
			}
			return
		default:
			q := new(big.Rat).Quo(x, y)
			whole := new(big.Int).Quo(q.Num(), q.Denom())
			want.Sub(x, new(big.Rat).Mul(y, new(big.Rat).SetInt(whole)))
		}
		if rat(got).Cmp(want) != 0 {
			t.Fatalf("%s %s %s = %s, want %s", a.Text(), op, b.Text(), got.Text(), want.RatString())
		}
		if got.Kind() == Decimal {
			if d := got.number(); d.scale == 0 && d.coef.IsInt64() {
				t.Fatalf("%s is an integer", got.Text())
			}
		}
	})
}

// A date printed by a pattern that shows all of it is read as the same.
func TestDatePatternProperty(t *testing.T) {
	t.Parallel()
	zones := []string{"UTC", "Europe/Paris", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "-03:30"}
	patterns := []string{
		"yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "EEEE d MMMM u h:m:s.SSS a Z", "DDD.yyyy KK 'o''clock' a mm ss SSSSSS ZZZZZ",
		"yyyyMMddHHmmssSSSX", "G yyyy LLL dd kk mm ss SSS OOOO", "O dd-MM-yyyy HH:mm:ss.SSS",
	}
	rapid.Check(t, func(t *rapid.T) {
		zone, err := zoneNamed(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		// From 1970 on, when offsets have whole minutes.
		when := time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(t, "ms")).In(zone)
		p, err := compilePattern(rapid.SampledFrom(patterns).Draw(t, "pattern"))
		if err != nil || p.fixed != "" {
			t.Fatal(err, p.fixed)
		}
		text := p.format(when)
		again, err := p.read(text)
		if err != nil || !again.Equal(when) {
			t.Fatalf("%s is read as %s, not %s: %v", text, again, when, err)
		}
		// The same from the clock's face, but for the hour that comes twice.
		local := localTime(when.Year(), int(when.Month()), when.Day(), when.Hour(), when.Minute(), when.Second(), when.Nanosecond(), zone)
		if off := when.Sub(local); off != 0 && (off < 0 || off > time.Hour) {
			t.Fatalf("%s has the clock of %s", local, when)
		}
		if local.Format(time.DateTime) != when.Format(time.DateTime) {
			t.Fatalf("%s shows another time than %s", local, when)
		}
	})
}
