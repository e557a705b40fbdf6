package mapping

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// composed is a schema as the registry composes it.
func composed(s *xdm.Schema) *xdm.Composition {
	return &xdm.Composition{ID: s.ID, Title: s.Title, Fields: []*xdm.Field{field("_"+s.Tenant, xdm.Object, field(s.Group, xdm.Object, s.Fields...))}}
}

func stripeSchema(t testing.TB, resource string) *xdm.Schema {
	t.Helper()
	s, err := xdm.Stripe(resource, "acme")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var objects = map[string]string{
	"charges": "charge", "subscriptions": "subscription", "refunds": "refund",
	"balance_transactions": "balance_transaction", "customers": "customer", "prices": "price",
}

func simulated(t testing.TB, charges int) *stripesim.Sim {
	t.Helper()
	sim, err := stripesim.New(stripesim.Config{Seed: 4, Counts: stripesim.Counts{Charges: charges, Customers: 60, Prices: 30, Subscriptions: 40}, Novelty: true})
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// A pure copy by a Program makes the records that the Plan makes.
func TestProgramIsPlan(t *testing.T) {
	t.Parallel()
	sim := simulated(t, 400)
	for resource, object := range objects {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			s := stripeSchema(t, resource)
			set, ok := PureCopy(composed(s), s, Copy(s))
			if !ok || len(set.Rules) != len(s.Fields) {
				t.Fatal("the default mappings are no pure copy")
			}
			fast, err := Compile(set, s, object)
			if err != nil {
				t.Fatal(err)
			}
			general, faults := Assemble(composed(s), Copy(s))
			if len(faults) > 0 || len(general.Unfilled()) > 0 {
				t.Fatal(faults, general.Unfilled())
			}
			var r dataset.Record
			n := 0
			for truth := range sim.Oracle(stripesim.Resource(resource)) {
				if t.Failed() {
					return
				}
				n++
				if bad := fast.Scan(truth.JSON, &r); bad != nil {
					t.Fatalf("%+v", bad)
				}
				got := general.Apply(&expr.Env{Record: recordOf(t, `{"data":`+string(truth.JSON)+`}`)})
				if got.Refused != nil || got.Nulled != r.Warnings {
					t.Fatalf("%s: refused %+v, warnings %+v, not %d", truth.ID, got.Refused, got.Warnings, r.Warnings)
				}
				record := decode(t, got.Record)["_acme"].(map[string]any)[s.Group].(map[string]any)
				sameRecord(t, values(&r, fast.Layout().Nodes, r.Slots), record)
			}
			if n < 20 {
				t.Errorf("%d objects", n)
			}
		})
	}
}

// Objects that are broken are refused by both, or neither.
func TestProgramRefusesAsPlan(t *testing.T) {
	t.Parallel()
	s := stripeSchema(t, "charges")
	fast, general := plan(t, "charges", "charge"), func() *Program {
		p, _ := Assemble(composed(s), Copy(s))
		return p
	}()
	var r dataset.Record
	for _, change := range [][2]string{
		{"id", ""},
		{"amount", `"10"`},
		{"amount", "null"},
		{"amount", "1.5"},
		{"currency", ""},
		{"amount_refunded", `"x"`},
		{"description", "5"},
		{"outcome", `{"risk_score":"x"}`},
		{"metadata", `{"a":null}`},
		{"application_fee_amount", "1e30"},
		{"captured", `"maybe"`},
	} {
		obj := decode(t, []byte(charge))
		if delete(obj, change[0]); change[1] != "" {
			obj[change[0]] = decode(t, []byte(`{"x":`+change[1]+`}`))["x"]
		}
		text := marshal(t, obj)
		bad := fast.Scan(text, &r)
		got := general.Apply(&expr.Env{Record: recordOf(t, `{"data":`+string(text)+`}`)})
		// A text that is a number is converted by the one, and refused by the other.
		converted := change[1] == `"10"` || change[1] == "5"
		if (bad != nil) != (got.Refused != nil) && !converted {
			t.Errorf("%s = %s: plan %+v, program %+v", change[0], change[1], bad, got.Refused)
		}
	}
}

func marshal(t testing.TB, v map[string]any) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteByte('{')
	for k, x := range v {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", k)
		switch x := x.(type) {
		case map[string]any:
			b.Write(marshal(t, x))
		case nil:
			b.WriteString("null")
		case string:
			b.Write(expr.TextOf(x).AppendJSON(nil))
		default:
			fmt.Fprint(&b, x)
		}
	}
	b.WriteByte('}')
	return b.Bytes()
}

func TestPureCopy(t *testing.T) {
	t.Parallel()
	s := stripeSchema(t, "charges")
	required := "id; object; amount; created; currency"
	copies := func(names string) []Mapping {
		var all []Mapping
		for name := range strings.SplitSeq(names, "; ") {
			to, from, renamed := strings.Cut(name, " <- ")
			if !renamed {
				from = "data." + to
			}
			m := line(to + " <- " + from)
			m.Destination = "_acme.charges_data." + to
			all = append(all, m)
		}
		return all
	}
	tests := []struct {
		name, mappings string
		want           bool
		grow           func(c *xdm.Composition)
	}{
		{"what is required", required, true, nil},
		{"in another order", "currency; created; amount; id; object", true, nil},
		{"with children that are copied anyway", required + "; payment_method_details.card.last4; payment_method_details; outcome; payment_method_details.card", true, nil},
		{"a map with a key", required + "; metadata; metadata.order", true, nil},
		{"a mapping twice", required + "; id", true, nil},
		{"children alone", required + "; payment_method_details.card.last4", false, nil},
		{"without what is required", "id; object; amount", false, nil},
		{"renamed", required + "; customer <- data.invoice", false, nil},
		{"renamed, and then not", required + "; customer <- data.invoice; customer", true, nil},
		{"from above the wrapper", required + "; customer <- customer", false, nil},
		{"from beside the wrapper", required + "; customer <- other.customer", false, nil},
		{"computed", required + "; customer <- =upper(data.customer)", false, nil},
		{"an expression that is a path", required + "; customer <- =data.customer", false, nil},
		{"static", required + "; customer <- 'x", false, nil},
		{"a child from elsewhere", required + "; outcome; outcome.type <- data.status", false, nil},
		{"elements", required + "; refunds[0]", false, nil},
		{"nothing", "nowhere", false, nil},
		{"a schema with another field", required, true, func(c *xdm.Composition) {
			c.Fields = append(c.Fields, field("more", xdm.String))
		}},
		{"a schema with another required field", required, false, func(c *xdm.Composition) {
			c.Fields = append(c.Fields, &xdm.Field{Name: "more", Required: true})
		}},
		{"a schema with another object", required, false, func(c *xdm.Composition) {
			c.Fields[0].Fields = append(c.Fields[0].Fields, &xdm.Field{Name: "more", Kind: xdm.Object, Required: true})
		}},
		{"a field that grew", required + "; outcome", false, func(c *xdm.Composition) {
			grown := *within(within(c.Fields, "_acme"), "charges_data")[fieldAt(s, "outcome")]
			grown.Fields = append(slices.Clip(grown.Fields), field("mine", xdm.String))
			within(within(c.Fields, "_acme"), "charges_data")[fieldAt(s, "outcome")] = &grown
		}},
		{"a field with limits", required + "; status", false, func(c *xdm.Composition) {
			limited := *s.Fields[fieldAt(s, "status")]
			limited.Limits = &xdm.Limits{Pattern: "x"}
			within(within(c.Fields, "_acme"), "charges_data")[fieldAt(s, "status")] = &limited
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := composed(&xdm.Schema{Tenant: "acme", Group: s.Group, Fields: append([]*xdm.Field(nil), s.Fields...)})
			if tt.grow != nil {
				tt.grow(c)
			}
			mappings := copies(tt.mappings)
			set, ok := PureCopy(c, s, mappings)
			if ok != tt.want {
				t.Fatalf("%v, want %v", ok, tt.want)
			}
			if !ok {
				return
			}
			fast, err := Compile(set, s, "charge")
			if err != nil {
				t.Fatal(err)
			}
			var r dataset.Record
			if bad := fast.Scan([]byte(charge), &r); bad != nil {
				t.Fatalf("%+v", bad)
			}
			if d := fast.Drift(); len(d) > 0 {
				t.Errorf("known fields are drift: %v", d)
			}
			p, _ := Assemble(c, mappings)
			got := p.Apply(&expr.Env{Record: recordOf(t, `{"data":`+charge+`}`)})
			sameRecord(t, values(&r, fast.Layout().Nodes, r.Slots), decode(t, got.Record)["_acme"].(map[string]any)[s.Group].(map[string]any))
		})
	}
}

func fieldAt(s *xdm.Schema, name string) int {
	for i, f := range s.Fields {
		if f.Name == name {
			return i
		}
	}
	return -1
}

// BenchmarkPlan and BenchmarkProgram are about the same objects.
func BenchmarkPlan(b *testing.B)    { benchmark(b, true) }
func BenchmarkProgram(b *testing.B) { benchmark(b, false) }

func benchmark(b *testing.B, fast bool) {
	sim := simulated(b, 400)
	var charges [][]byte
	for truth := range sim.Oracle(stripesim.Charges) {
		charges = append(charges, bytes.Clone(truth.JSON))
	}
	s := stripeSchema(b, "charges")
	p, _ := Assemble(composed(s), Copy(s))
	quick := plan(b, "charges", "charge")
	var r dataset.Record
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		obj := charges[i%len(charges)]
		b.SetBytes(int64(len(obj)))
		if fast {
			if quick.Scan(obj, &r) != nil {
				b.Fatal("refused")
			}
			continue
		}
		v, err := expr.ParseJSON(obj)
		if err != nil {
			b.Fatal(err)
		}
		record, _ := expr.MapOf([]string{Wrapper}, []expr.Value{v})
		if p.Apply(&expr.Env{Record: record}).Refused != nil {
			b.Fatal("refused")
		}
	}
}
