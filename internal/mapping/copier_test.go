package mapping

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/stripesim"
)

func copier(t testing.TB, resource string) (*Copier, *Program) {
	t.Helper()
	s := stripeSchema(t, resource)
	k, ok := NewCopier(composed(s), s, objects[resource], Copy(s))
	if !ok {
		t.Fatal("the default mappings are no pure copy")
	}
	p, faults := Assemble(composed(s), Copy(s))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return k, p
}

// A Copier makes the records that the set's Program makes.
func TestCopierIsProgram(t *testing.T) {
	t.Parallel()
	sim := simulated(t, 300)
	for resource := range objects {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			k, p := copier(t, resource)
			n := 0
			for truth := range sim.Oracle(stripesim.Resource(resource)) {
				n++
				same(t, k, p, string(truth.JSON))
			}
			if n < 10 {
				t.Errorf("%d objects", n)
			}
		})
	}
}

func same(t *testing.T, k *Copier, p *Program, object string) {
	t.Helper()
	got, nulled, bad := k.Apply([]byte(object))
	want := p.Apply(&expr.Env{Record: recordOf(t, `{"data":`+object+`}`)})
	if (bad != nil) != (want.Refused != nil) {
		t.Fatalf("%s: refused %v, not %v", object, bad, want.Refused)
	}
	if bad != nil {
		return
	}
	// Half a pair becomes U+FFFD in both; the copier tells of it, too.
	if nulled != want.Nulled && !strings.Contains(object, `\ud83d"`) {
		t.Errorf("%s: %d fields were left out, not %d", object, nulled, want.Nulled)
	}
	if diff := cmp.Diff(decode(t, want.Record), decode(t, got)); diff != "" {
		t.Fatalf("%s: %s", object, diff)
	}
}

func TestCopierOddText(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]string{
		"escapes":     `"\"\\\/\b\f\n\r\t\u00e9\u0000"`,
		"a pair":      `"\ud83d\ude00"`,
		"half a pair": `"\ud83d"`,
		"a delete":    "\"\x7f\"",
		"nothing":     `""`,
		"separators":  "\"\u2028\u2029\"",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, p := copier(t, "charges")
			obj := decode(t, []byte(charge))
			obj["description"] = "@@"
			obj["metadata"] = map[string]any{"k": "##"}
			text := string(marshal(t, obj))
			for _, place := range []string{`"@@"`, `"##"`, `"k"`} {
				same(t, k, p, strings.Replace(text, place, change, 1))
			}
		})
	}
	k, _ := copier(t, "charges")
	if _, _, bad := k.Apply([]byte(`{"object":"charge"}`)); bad == nil {
		t.Error("a charge without an id became a record")
	}
}

func BenchmarkCopier(b *testing.B) {
	sim := simulated(b, 400)
	k, _ := copier(b, "charges")
	var charges [][]byte
	size := 0
	for truth := range sim.Oracle(stripesim.Charges) {
		charges = append(charges, append([]byte(nil), truth.JSON...))
		size += len(truth.JSON)
	}
	b.SetBytes(int64(size / len(charges)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, bad := k.Apply(charges[i%len(charges)]); bad != nil {
			b.Fatal(bad)
		}
	}
}
