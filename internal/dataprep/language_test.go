package dataprep

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLanguage(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for body, want := range map[string]string{
		`{"expression": "concat(\"Hi\", \",\", \"there\", \"!\")"}`:                                  "none",
		`{"expression": {"expression": "concat(\"Hi\", \",\", \"there\", \"!\")"}}`:                  "none",
		`{"expression": "upper(data.id)", "mappingSetId": "x", "sampleData": null}`:                  "none",
		`{"expression": "upper(data.id)", "sampleData": "{\"data\":{\"id\":\"x\"}}"}`:                "none",
		`{"expression": "upper(data.id)", "sampleData": {"data": {"id": 5}}, "sampleDataType": "J"}`: "line 1, column 7: upper: argument 1: wants text, not integer",
		`{"expression": "upper("}`:                "line 1, column 7: found the end of the expression where a value, a field or a function is expected",
		`{"expression": "fpid_to_ecid(data.id)"}`: "line 1, column 1: fpid_to_ecid: not available",
		`{"expression": ""}`:                      "line 1, column 1: an empty expression",
	} {
		got := s.do(200, "POST /languages/el/validate", body)
		status := map[bool]string{true: "succeeded", false: "failed"}[want == "none"]
		if text, _ := at(t, got, "error").(string); at(t, got, "validationStatus") != status || !strings.HasPrefix(text, want) {
			t.Errorf("%s: %v", body, got)
		}
	}
	for _, body := range []string{`{}`, `{"expression": 5}`, `{"expression": {"expression": {}}}`, `{"expression": "a", "sampleData": "{"}`, `[]`} {
		s.do(400, "POST /languages/el/validate", body)
	}
	functions := s.do(200, "GET /languages/el/functions", nil).([]any)
	byName := map[any]any{}
	for _, f := range functions {
		byName[at(t, f, "function")] = f
	}
	want := decoded(t, `{"category": "Hierarchies - Arrays", "function": "size_of", "returnType": "java.lang.Long", "since": 1}`).(map[string]any)
	for k, v := range want {
		if d := cmp.Diff(v, at(t, byName["size_of"], k)); d != "" {
			t.Error(d)
		}
	}
	if p := at(t, byName["first"], "params", 0); at(t, p, "dataType") != "[Ljava.lang.Object;" || at(t, p, "position") != json.Number("1") {
		t.Errorf("%v", p)
	}
	if at(t, byName["fpid_to_ecid"], "unavailable") == nil || at(t, byName["aa_get_event_id"], "unavailable") == nil || at(t, byName["now"], "unavailable") != nil || len(functions) < 100 {
		t.Errorf("%d functions", len(functions))
	}
	plus := decoded(t, `{"operatorSymbol": "+", "methodName": "add", "numberOfOperands": 2, "example": "1 + 2"}`).(map[string]any)
	operators := s.do(200, "GET /languages/el/operators", nil).([]any)
	for k, v := range plus {
		if d := cmp.Diff(v, at(t, operators, 0, k)); d != "" {
			t.Error(d)
		}
	}
}
