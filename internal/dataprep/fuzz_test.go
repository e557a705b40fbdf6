package dataprep

import (
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

// Whatever is sent, the answer is JSON, never an internal error; and what was
// taken can be read, sent again, and checked.
func FuzzSet(f *testing.F) {
	f.Add(legacy)
	f.Add(current)
	f.Add(`{"xdmSchema":"_acme.schemas.persons","mappings":[{"source":"a[*].b","destination":"person.tags[*]"},{"source":"x","destination":"person.notes.${a b}","id":5}]}`)
	shared := serve(f)
	f.Fuzz(func(t *testing.T, body string) {
		s := server{shared.With(t), t}
		r := s.Do("POST", base+"/mappingSets", body)
		if r.Status != 200 && r.Status != 400 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		v := s.Do("POST", base+"/mappingSets/validate", body)
		if v.Status != 200 && v.Status != 400 || r.Status == 200 && v.Status != 200 {
			t.Fatalf("%d %s", v.Status, v.Body)
		}
		if r.Status == 400 {
			if detail, _ := at(t, r.JSON(t), "detail").(string); detail == "" {
				t.Fatalf("no words: %s", r.Body)
			}
			return
		}
		id := at(t, r.JSON(t), "id").(string)
		set := s.do(200, "GET /mappingSets/"+id, nil)
		if got := s.do(200, "PUT /mappingSets/"+id, set); len(at(t, got, "mappings").([]any)) != len(at(t, set, "mappings").([]any)) {
			t.Fatalf("%v became %v", set, got)
		}
	})
}

// A preview answers with JSON, whatever the data and the expression.
func FuzzPreview(f *testing.F) {
	for _, seed := range [][3]string{
		{`{"a": 1}`, "a", "person.age"},
		{`[{"a": [1, {"b": "x"}]}]`, "a[*].b", "person.tags[*]"},
		{`{"a": {"firstName": 5}}`, "a", "person.name"},
		{`{"a": "2020-01-01"}`, "dformat(1, 'yyyy')", "person.at"},
		{`[1e400, null, {"a":1e400}]`, "a", "person.score"},
		{`{}`, "transformArray([1,2], x -> x * 2)", "person.tags"},
		{"{\"\":{\"\xff\":1}}", "${a b}.c", "person.notes.k"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	shared := gatewaytest.New(f, newService(f).HTTP())
	f.Fuzz(func(t *testing.T, data, source, destination string) {
		s := shared.With(t)
		if len(source) > 300 {
			return
		}
		set := string(mustJSON(t, map[string]any{"xdmSchema": "_acme.schemas.persons", "mappings": []any{map[string]string{"source": source, "destination": destination}}}))
		r := s.Do("POST", base+"/mappingSets/preview", `{"data": `+data+`, "mappingSet": `+set+`}`)
		if r.Status != 200 && r.Status != 400 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		r.JSON(t)
		r = s.Do("POST", base+"/mappingSets/suggestions", `{"data": `+data+`, "xdmSchema": "_acme.schemas.persons"}`)
		if r.Status != 200 && r.Status != 400 {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
		r = s.Do("POST", base+"/languages/el/validate", map[string]any{"expression": source, "sampleData": data})
		if r.Status != 200 && r.Status != 400 || strings.Contains(string(r.Body), "MAPPER-0500") {
			t.Fatalf("%d %s", r.Status, r.Body)
		}
	})
}
