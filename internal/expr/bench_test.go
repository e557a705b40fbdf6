package expr

import "testing"

// Ten expressions for one record, as a mapping set with calculated fields has
// them.
func BenchmarkEval(b *testing.B) {
	record, err := ParseJSON([]byte(`{"data":{"id":"ch_1","currency":"usd","amount":1099,"created":1571829875,"status":"succeeded",` +
		`"metadata":{"order":"6735","extra":"{\"a\":{\"b\":1}}"},"items":[{"price":{"id":"p1"}},{"price":{"id":"p2"}}]}}`))
	if err != nil {
		b.Fatal(err)
	}
	var list []*Expr
	for _, text := range []string{
		`upper(data.currency)`, `data.amount / 100`, `iif(data.status == "succeeded", true, false)`,
		`dformat(data.created * 1000, "yyyy-MM-dd'T'HH:mm:ssX")`, `concat(data.id, "-", data.metadata.order)`,
		`json_to_object(data.metadata.extra).a.b`, `data.items[*].price.id`, `coalesce(data.nowhere.at.all, "none")`,
		`sha256(data.id)`, `data.amount > 1000 && data.currency =~ ["usd", "eur"]`,
	} {
		e, err := Compile(text)
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, e)
	}
	b.ReportAllocs()
	for b.Loop() {
		env := Env{Record: record}
		for _, e := range list {
			if _, err := e.Eval(&env); err != nil {
				b.Fatal(err)
			}
		}
	}
}
