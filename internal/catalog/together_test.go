package catalog_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog/catalogtest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

const (
	refer = `"schemaRef":{"id":"` + catalogtest.Schema + `"}`
	first = `{"id":"one","resource":"/dataSets","method":"post","body":{"name":"First","description":"d",` + refer + `}}`
)

// Requests in one are done in their order, and later ones know what earlier
// ones made.
func TestTogether(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	r := s.Do("POST", base+"/", `[`+first+`,
		{"id":"two","resource":"/dataSets","method":"POST","body":{"name":"<<one.name>>, again","description":"beside <<one>> (<<one.schemaRef.id>>)","tags":{"of":["<<one>>"]},`+refer+`}},
		{"id":"three","resource":"/v2/dataSets/<<one>>","method":"patch","headers":{"if-match":"1.0.0"},"body":{"description":"<<two.name>>"}},
		{"id":"four","resource":"/dataSets/<<two>>?properties=name","method":"get"},
		{"id":"five","resource":"/dataSets/<<one>>","method":"delete"}]`)
	var got []struct {
		ID   string
		Code int
		Body json.RawMessage
	}
	if err := json.Unmarshal(r.Body, &got); err != nil || r.Status != http.StatusCreated || len(got) != 5 {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	var codes []string
	for _, g := range got {
		codes = append(codes, fmt.Sprint(g.ID, " ", g.Code))
	}
	if diff := cmp.Diff([]string{"one 201", "two 201", "three 200", "four 200", "five 200"}, codes); diff != "" {
		t.Error(diff)
	}
	all := s.Do("GET", base+"/dataSets", nil).JSON(t).(map[string]any)
	for id, v := range all {
		d := v.(map[string]any)
		one := d["tags"].(map[string]any)["of"].([]any)[0].(string)
		if d["name"] != "First, again" || d["description"] != "beside "+one+" ("+catalogtest.Schema+")" || !strings.Contains(string(got[0].Body), one) || string(got[3].Body) != `{"`+id+`":{"name":"First, again"}}` {
			t.Errorf("%v, %s", d, r.Body)
		}
	}
	if len(all) != 1 {
		t.Errorf("%d datasets", len(all))
	}
}

// When a request fails, those before it are taken back.
func TestTogetherFails(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	mine := w.Dataset(t, prod, "mine")
	before := read(t, s, mine.ID)
	change := `{"id":"two","resource":"/dataSets/` + mine.ID + `","method":"patch","body":{"name":"other","tags":{"a":["b"]}}},
		{"id":"three","resource":"/dataSets/<<one>>","method":"patch","body":{"name":"<<two.name>>"}},{"id":"four","resource":"/dataSets/<<two>>","method":"patch","body":{"description":"x"}}`
	for name, c := range map[string]struct {
		last   string
		status int
		says   string
	}{
		"refused":   {`{"id":"z","resource":"/dataSets","method":"post","body":{"name":""}}`, 400, `request 4 ("z") failed, and nothing was changed: name: `},
		"not there": {`{"id":"z","resource":"/dataSets/none","method":"delete"}`, 404, "nothing was changed"},
		"stale":     {`{"id":"z","resource":"/dataSets/<<one>>","method":"patch","headers":{"If-Match":"9.9.9"},"body":{}}`, 412, "9.9.9"},
		"no call":   {`{"id":"z","resource":"/nothing","method":"post","body":{}}`, 404, "no such call"},
		"itself":    {`{"id":"z","resource":"/","method":"post","body":[` + strings.ReplaceAll(first, `"one"`, `"inner"`) + `]}`, 400, "can't hold calls"},
		"away":      {`{"id":"z","resource":"http://other/dataSets","method":"get"}`, 400, "is no path"},
		"up":        {`{"id":"z","resource":"/../import/batches","method":"post","body":{}}`, 400, "is no path"},
		"up again":  {`{"id":"z","resource":"/%2e%2e/import/batches","method":"post","body":{}}`, 404, "no such call"},
		"unknown":   {`{"id":"z","resource":"/dataSets/<<zero>>","method":"get"}`, 400, "<<zero>>: no request before"},
		"member":    {`{"id":"z","resource":"/dataSets/<<one.schemaRef.none>>","method":"get"}`, 400, "no such member"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.With(t).Do("POST", base, `[`+first+`,`+change+`,`+c.last+`]`)
			if detail, _ := r.JSON(t).(map[string]any)["detail"].(string); r.Status != c.status || !strings.Contains(detail, c.says) {
				t.Errorf("%d %s", r.Status, r.Body)
			}
			now := read(t, s, mine.ID)
			for _, m := range []string{"version", "updated"} {
				now[m] = before[m]
			}
			if diff := cmp.Diff(before, now); diff != "" {
				t.Error(diff)
			}
			if all := s.Do("GET", base+"/dataSets", nil).JSON(t).(map[string]any); len(all) != 1 || len(w.Tables.Names()) != 1 {
				t.Errorf("%d datasets, tables %v", len(all), w.Tables.Names())
			}
		})
	}
	for name, c := range map[string]struct {
		body string
		says string
	}{
		"none":             {`[]`, "holds 0 requests"},
		"too many":         {`[` + strings.Repeat(first+",", 100) + first + `]`, "holds 101 requests"},
		"ids":              {`[` + first + `,` + first + `]`, "request 1: id"},
		"method":           {`[{"id":"a","method":"head","resource":"/dataSets"}]`, `"head" is none of`},
		"deleted at first": {`[{"id":"a","method":"delete","resource":"/dataSets/` + mine.ID + `"},` + first + `]`, "must be the last"},
		"header":           {`[{"id":"a","method":"get","resource":"/dataSets","headers":{"authorization":"x"}}]`, `"authorization" can't be set`},
		"an object":        {first, "line 1, column 1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.With(t).Do("POST", base, c.body)
			if detail, _ := r.JSON(t).(map[string]any)["detail"].(string); r.Status != http.StatusBadRequest || !strings.Contains(detail, c.says) {
				t.Errorf("%d %s", r.Status, r.Body)
			}
		})
	}
	if r := s.Do("POST", base, `[`+first+`]`, "Pragma", "validate-only"); r.Status != http.StatusBadRequest {
		t.Errorf("validation: %d %s", r.Status, r.Body)
	}
	read(t, s, mine.ID)
}

// Who may look may look together, and may not change anything that way.
func TestTogetherPermissions(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	p := prod.Principal
	p.Admin = false
	p.Grants = map[string][]access.Permission{"prod": {access.ViewDatasets}}
	if r := s.As(p, "POST", base, `[{"id":"a","method":"get","resource":"/dataSets"}]`); r.Status != http.StatusCreated {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r := s.As(p, "POST", base, `[`+first+`]`); r.Status != http.StatusForbidden || len(w.Tables.Names()) != 0 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}
