package privacy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/privacy"
)

var key = bytes.Repeat([]byte{7}, privacy.KeySize)

// hashOfJane is what the key makes of jane@example.com.
const hashOfJane = "hmac-sha256:805d462cb2ab8c4c1bed35895911194cd41ca63a8e6e36951feca327b739bf9d"

func filter(t testing.TB, resource string, rules ...privacy.Rule) *privacy.Filter {
	t.Helper()
	p, err := privacy.Compile(rules, key)
	if err != nil {
		t.Fatal(err)
	}
	f := p.For(resource)
	if f == nil {
		t.Fatalf("no rule is for %s", resource)
	}
	return f
}

func rule(path, do string) privacy.Rule { return privacy.Rule{Resource: "*", Path: path, Do: do} }

func TestApply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		rules []privacy.Rule
		in    string
		want  string
	}{
		{"drop first", []privacy.Rule{rule("email", "drop")}, `{ "email" : "a@b.c" , "x" : 1 }`, `{ "x" : 1 }`},
		{"drop middle", []privacy.Rule{rule("email", "drop")}, `{"a":1, "email":"a@b.c", "x":1}`, `{"a":1, "x":1}`},
		{"drop last", []privacy.Rule{rule("email", "drop")}, `{"a":1 , "email":"a@b.c"}`, `{"a":1 }`},
		{"drop all", []privacy.Rule{rule("*", "drop")}, `{"a":1,"b":{},"c":[]}`, `{}`},
		{"drop twice", []privacy.Rule{rule("email", "drop")}, `{"email":"a","x":0,"email":{"y":"b"}}`, `{"x":0}`},
		{"mask", []privacy.Rule{rule("email", "mask")}, `{"email": "a@b.c","n":"a@b.c"}`, `{"email": "***","n":"a@b.c"}`},
		{"mask numbers", []privacy.Rule{rule("a", "mask")}, `{"a":[1,-2.5e3,true,false,null,"x",{"b":7}]}`, `{"a":[null,null,null,null,null,"***",{"b":null}]}`},
		{"hash", []privacy.Rule{rule("**.email", "hash")}, `{"a":{"email":"jane@example.com"}}`, `{"a":{"email":"` + hashOfJane + `"}}`},
		{"hash what is written otherwise", []privacy.Rule{rule("**.email", "hash")}, `{"em\u0061il":"jane\u0040example.com"}`, `{"em\u0061il":"` + hashOfJane + `"}`},
		{"hash a hash", []privacy.Rule{rule("email", "hash")}, `{"email":"` + hashOfJane + `"}`, `{"email":"` + hashOfJane + `"}`},
		{"any depth", []privacy.Rule{rule("**.email", "mask")}, `{"email":"a","x":[{"y":{"email":"b"}},[{"email":"c"}]]}`, `{"email":"***","x":[{"y":{"email":"***"}},[{"email":"***"}]]}`},
		{"arrays are passed through", []privacy.Rule{rule("items.data.note", "mask")}, `{"items":{"data":[{"note":"a","n":1},{"note":"b"}]}}`, `{"items":{"data":[{"note":"***","n":1},{"note":"***"}]}}`},
		{"a star is a name", []privacy.Rule{rule("details.*.name", "mask")}, `{"details":{"card":{"name":"a"},"name":"b","x":{"y":{"name":"c"}}}}`, `{"details":{"card":{"name":"***"},"name":"b","x":{"y":{"name":"c"}}}}`},
		{"a star is an element", []privacy.Rule{rule("a.*.b", "drop")}, `{"a":[{"b":1},{"c":2}]}`, `{"a":[{},{"c":2}]}`},
		{"elements drop out", []privacy.Rule{rule("a.*", "drop")}, `{"a":[1, {"b":2}]}`, `{"a":[]}`},
		{"the strictest counts", []privacy.Rule{rule("a.b", "drop"), rule("a", "hash"), rule("**.c", "mask")}, `{"a":{"b":"x","c":"y"}}`, `{"a":{"c":"***"}}`},
		{"dots in a name", []privacy.Rule{rule(`metadata.e\.mail`, "mask")}, `{"metadata":{"e.mail":"a","e":{"mail":"b"}}}`, `{"metadata":{"e.mail":"***","e":{"mail":"b"}}}`},
		{"a star in a name", []privacy.Rule{rule(`metadata.\*`, "mask")}, `{"metadata":{"*":"a","x":"b"}}`, `{"metadata":{"*":"***","x":"b"}}`},
		{"trailing stars", []privacy.Rule{rule(`metadata.**`, "mask")}, `{"metadata":{"x":{"y":"b"}},"z":"c"}`, `{"metadata":{"x":{"y":"***"}},"z":"c"}`},
		{"names differ by case", []privacy.Rule{rule(`email`, "mask")}, `{"Email":"a"}`, `{"Email":"a"}`},
		{"no object", []privacy.Rule{rule(`**.email`, "mask")}, ` ["a", {"email":"b"}] `, ` ["a", {"email":"***"}] `},
		{"a text", []privacy.Rule{rule(`**.email`, "mask")}, `"a"`, `"a"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := filter(t, "customers", tt.rules...)
			for range 2 { // a filter learns
				got, err := f.Apply([]byte("> "), []byte(tt.in))
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff("> "+tt.want, string(got)); d != "" {
					t.Errorf("(-want +got):\n%s", d)
				}
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	t.Parallel()
	f := filter(t, "customers", rule("**.email", "mask"))
	for name, in := range map[string]string{
		"nothing":            ``,
		"cut":                `{"a":`,
		"cut in a list":      `[1`,
		"no colon":           `{"email" "a@b.c"}`,
		"no comma":           `{"a":1 "email":"a@b.c"}`,
		"no key":             `{1:2}`,
		"no value":           `{"a":}`,
		"text behind":        `{} {}`,
		"a word":             `{"a":maybe}`,
		"a bad escape":       `{"em\x61il":"a@b.c"}`,
		"a control":          "{\"a\":\"\x01\"}",
		"no UTF-8":           "{\"em\xffail\":\"a@b.c\"}",
		"a NUL":              "{\"a\":\x00}",
		"deep":               strings.Repeat("[", 2000) + strings.Repeat("]", 2000),
		"the wrong bracket":  `{"a":[1}`,
		"the other bracket":  `[{"a":1]`,
		"a comma at the end": `{"a":1,}`,
	} {
		if got, err := f.Apply(nil, []byte(in)); err == nil || got != nil {
			t.Errorf("%s: %q passed as %q", name, in, got)
		}
	}
}

func TestFor(t *testing.T) {
	t.Parallel()
	p, err := privacy.Compile([]privacy.Rule{{Resource: "customers", Path: "email", Do: "drop"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.For("charges") != nil || (*privacy.Policy)(nil).For("customers") != nil {
		t.Error("there is a filter where no rule is")
	}
	got, err := p.For("customers").Apply(nil, []byte(`{"email":1}`))
	if err != nil || string(got) != `{}` {
		t.Errorf("%s, %v", got, err)
	}
}

func TestHit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		rule string
		path []string
		want bool
	}{
		{"amount", []string{"amount"}, true},
		{"**.amount", []string{"amount"}, true},
		{"*", []string{"amount"}, true},
		{"a", []string{"a", "amount"}, true},
		{"a.b", []string{"a"}, false},
		{"items.data.price", []string{"items", "data", privacy.Element, "price", "id"}, true},
		{"items.data.*", []string{"items", "data", privacy.Element, "price", "id"}, true},
		{"items.data.x.price", []string{"items", "data", privacy.Element, "price", "id"}, false},
		{"options.*.amount", []string{"options", privacy.AnyName, "amount"}, true},
		{"options.*.name", []string{"options", privacy.AnyName, "amount"}, false},
		{"**.email", []string{"options", privacy.AnyName, "amount"}, false}, // whatever a currency may be called
		{"email", []string{"amount"}, false},
	} {
		p, err := privacy.Compile([]privacy.Rule{{Resource: "x", Path: "amount", Do: "drop"}, {Resource: "*", Path: tt.rule, Do: "mask"}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if i, got := p.Hit("y", tt.path...); got != tt.want || got && i != 1 {
			t.Errorf("%s on %v: rule %d, %t, want %t", tt.rule, tt.path, i, got, tt.want)
		}
	}
}

// names are few, so that rules meet what documents have.
var names = []string{"a", "b", "email", "a.b", "*", "é", `q"`}

func drawRules(t *rapid.T) []privacy.Rule {
	step := rapid.SampledFrom([]string{"a", "b", "email", `a\.b`, `\*`, "é", `q"`, "*", "**"})
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) privacy.Rule {
		path := strings.Join(rapid.SliceOfN(step, 1, 4).Draw(t, "path"), ".")
		if strings.Trim(path, "*.") == "" && !strings.Contains("."+path+".", ".*.") {
			path += ".a"
		}
		return privacy.Rule{
			Resource: rapid.SampledFrom([]string{"*", "charges", "refunds"}).Draw(t, "resource"), Path: path,
			Do: rapid.SampledFrom([]string{"drop", "hash", "mask"}).Draw(t, "do"),
		}
	}), 1, 4).Draw(t, "rules")
}

// write draws a document and writes it with blanks and escapes at random.
func write(t *rapid.T, out *strings.Builder, depth int) {
	blank := func() { out.WriteString(rapid.SampledFrom([]string{"", "", " ", "\n  "}).Draw(t, "blank")) }
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 {
		kind %= 4
	}
	blank()
	switch kind {
	case 0:
		writeText(t, out, rapid.SampledFrom([]string{"", "jane@example.com", "***", `"\`, "ünï", hashOfJane}).Draw(t, "text"))
	case 1:
		out.WriteString(rapid.SampledFrom([]string{"0", "-1.5e3", "42"}).Draw(t, "number"))
	case 2, 3:
		out.WriteString(rapid.SampledFrom([]string{"true", "false", "null"}).Draw(t, "word"))
	case 4:
		out.WriteByte('{')
		for i := range rapid.IntRange(0, 4).Draw(t, "members") {
			if i > 0 {
				out.WriteByte(',')
			}
			blank()
			writeText(t, out, rapid.SampledFrom(names).Draw(t, "name"))
			blank()
			out.WriteByte(':')
			write(t, out, depth-1)
		}
		blank()
		out.WriteByte('}')
	case 5:
		out.WriteByte('[')
		for i := range rapid.IntRange(0, 3).Draw(t, "elements") {
			if i > 0 {
				out.WriteByte(',')
			}
			write(t, out, depth-1)
		}
		blank()
		out.WriteByte(']')
	}
	blank()
}

func writeText(t *rapid.T, out *strings.Builder, text string) {
	if !rapid.Bool().Draw(t, "escaped") {
		b, _ := json.Marshal(text)
		out.Write(b)
		return
	}
	out.WriteByte('"')
	for _, r := range text {
		fmt.Fprintf(out, `\u%04x`, r)
	}
	out.WriteByte('"')
}

func TestApplyIsWhatTheNaiveWayDoes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		p, err := privacy.Compile(rules, key)
		if err != nil {
			t.Fatal(err)
		}
		f := p.For("charges")
		for range 3 {
			var text strings.Builder
			write(t, &text, 4)
			compare(t, f, rules, []byte(text.String()))
		}
	})
}

// compare applies f and the naive way to a document.
func compare(t interface {
	Helper()
	Fatalf(format string, args ...any)
}, f *privacy.Filter, rules []privacy.Rule, text []byte,
) {
	t.Helper()
	tree, err := decode(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	want := naive{rules, "charges", key}.apply(tree, nil, "")
	if f == nil {
		if d := cmp.Diff(tree, want, cmp.AllowUnexported(member{})); d != "" {
			t.Fatalf("no filter, and yet %v change %s:\n%s", rules, text, d)
		}
		return
	}
	out, err := f.Apply(nil, text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	got, err := decode(out)
	if err != nil {
		t.Fatalf("%v make %s of %s: %v", rules, out, text, err)
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(member{})); d != "" {
		t.Fatalf("%v make %s of %s (-want +got):\n%s", rules, out, text, d)
	}
	again, err := f.Apply(nil, out)
	if err != nil || !bytes.Equal(again, out) {
		t.Fatalf("%v applied twice make %s of %s: %v", rules, again, out, err)
	}
}

func FuzzApply(f *testing.F) {
	f.Add(`**.email`, "hash", `{"email":"a@b.c","x":[{"em\u0061il":null}]}`)
	f.Add(`a.*`, "drop", `{"a":[1,{"b":2}],"a":{"c":"\ud83d"}}`)
	f.Add(`metadata.**.x\.y`, "mask", `{"metadata":{"x.y":1e400}}`)
	f.Fuzz(func(t *testing.T, path, do, text string) {
		rules := []privacy.Rule{rule(path, do)}
		p, err := privacy.Compile(rules, key)
		if err != nil {
			t.Skip()
		}
		if !utf8.ValidString(text) || !json.Valid([]byte(text)) {
			out, err := p.For("charges").Apply(nil, []byte(text))
			if err == nil && !utf8.Valid(out) && utf8.ValidString(text) {
				t.Fatalf("%q became %q", text, out)
			}
			return
		}
		// The naive way tries every way that stars can be meant.
		if strings.Count(path, "**") > 3 || strings.Count(path, ".") > 8 || strings.Count(text, "[")+strings.Count(text, "{") > 100 {
			t.Skip()
		}
		compare(t, p.For("charges"), rules, []byte(text))
	})
}

func BenchmarkApply(b *testing.B) {
	charge := []byte(chargeText)
	for name, rules := range map[string][]privacy.Rule{
		"deep":  {rule("**.email", "hash")},
		"plain": {rule("receipt_email", "drop"), rule("billing_details.email", "hash")},
	} {
		b.Run(name, func(b *testing.B) {
			f := filter(b, "charges", rules...)
			var dst []byte
			b.SetBytes(int64(len(charge)))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = f.Apply(dst[:0], charge); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// chargeText is a charge in the shape that Stripe sends, of ordinary size.
const chargeText = `{"id":"ch_3PgafuB7WZ01zgkW1XYmPNZs","object":"charge","amount":24900,"amount_captured":24900,"amount_refunded":0,` +
	`"application":null,"application_fee":null,"application_fee_amount":null,"balance_transaction":"txn_3PgafuB7WZ01zgkW1aaa",` +
	`"billing_details":{"address":{"city":"Hamburg","country":"DE","line1":"Am Sandtorkai 1","line2":null,"postal_code":"20457","state":null},` +
	`"email":"jane@example.com","name":"Jane Diaz","phone":null,"tax_id":null},"calculated_statement_descriptor":"SHOP.EXAMPLE",` +
	`"captured":true,"created":1767261120,"currency":"eur","customer":"cus_QXg1o8vcGmoR32","description":"Order 4711","destination":null,` +
	`"dispute":null,"disputed":false,"failure_balance_transaction":null,"failure_code":null,"failure_message":null,"fraud_details":{},` +
	`"invoice":null,"livemode":false,"metadata":{"order":"4711","channel":"web","contact":"jane@example.com"},"on_behalf_of":null,"order":null,` +
	`"outcome":{"advice_code":null,"network_advice_code":null,"network_decline_code":null,"network_status":"approved_by_network","reason":null,` +
	`"risk_level":"normal","risk_score":23,"seller_message":"Payment complete.","type":"authorized"},"paid":true,` +
	`"payment_intent":"pi_3PgafuB7WZ01zgkW1pppp","payment_method":"pm_1PgafuB7WZ01zgkWmmmm","payment_method_details":{"klarna":{` +
	`"payer_details":{"address":{"country":"DE"}},"payment_method_category":"pay_later","preferred_locale":"de-DE"},"type":"klarna"},` +
	`"radar_options":{},"receipt_email":"jane@example.com","receipt_number":null,` +
	`"receipt_url":"https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjdF8xUGdhZnVCN1daMDF6Z2tXKJ","refunded":false,"review":null,` +
	`"shipping":{"address":{"city":"Hamburg","country":"DE","line1":"Am Sandtorkai 1","line2":null,"postal_code":"20457","state":null},` +
	`"carrier":null,"name":"Jane Diaz","phone":null,"tracking_number":null},"source":null,"source_transfer":null,` +
	`"statement_descriptor":null,"statement_descriptor_suffix":null,"status":"succeeded","transfer_data":null,"transfer_group":null}`
