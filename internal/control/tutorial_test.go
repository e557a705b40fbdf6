package control_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/stripesim"
)

// tutorialMappings are the source paths of the tutorial's mapping set.
func tutorialMappings(t *testing.T) (paths []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"destinationXdmPath": "_\$TENANT\.charges_data\.([^"]+)", "sourceAttribute": "data\.([^"]+)"`).FindAllSubmatch(text, -1) {
		if string(m[1]) != string(m[2]) {
			t.Errorf("%s goes to %s", m[2], m[1])
		}
		paths = append(paths, string(m[2]))
	}
	if len(paths) != 36 {
		t.Fatalf("%d mappings", len(paths))
	}
	return paths
}

// mapped is what a record has of an object when these paths are copied and
// nulls are left out.
func mapped(object map[string]any, paths []string) map[string]any {
	out := map[string]any{}
	for _, path := range paths {
		names := strings.Split(path, ".")
		v := tidy(at(object, names...))
		if v == nil {
			continue
		}
		m := out
		for _, name := range names[:len(names)-1] {
			if m[name] == nil {
				m[name] = map[string]any{}
			}
			m = m[name].(map[string]any)
		}
		m[names[len(names)-1]] = v
	}
	return out
}

// tidy returns a value without what is null in it.
func tidy(v any) any {
	m, ok := v.(map[string]any)
	if !ok {
		return v
	}
	out := map[string]any{}
	for name, v := range m {
		if v = tidy(v); v != nil {
			out[name] = v
		}
	}
	return out
}

// The charge that stands in the original's documentation becomes, by the
// tutorial's mappings, the record that they say: objects are copied, what is
// null is absent, and what no mapping names, too.
func TestTutorialSample(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../xdm/testdata/seed/charges.json")
	if err != nil {
		t.Fatal(err)
	}
	var sample map[string]any
	if err := json.Unmarshal(text, &sample); err != nil {
		t.Fatal(err)
	}
	paths := tutorialMappings(t)
	on(t, func(t *testing.T, database string) {
		s := openShop(t, database)
		if err := s.sim.Put(stripesim.Charges, text); err != nil {
			t.Fatal(err)
		}
		mappings := []any{}
		for _, path := range paths {
			mappings = append(mappings, map[string]any{"destinationXdmPath": "_tributary.charges_data." + path, "sourceAttribute": "data." + path, "identity": false, "version": 0})
		}
		set := s.must(200, "POST", "/data/foundation/conversion/mappingSets", map[string]any{
			"version": 0, "xdmSchema": s.schema("Stripe Charges"), "xdmVersion": "1.0", "mappings": mappings,
		}).json(t)["id"]
		schedule := map[string]any{"startTime": fmt.Sprint(time.Now().Unix() - 60), "frequency": "minute", "interval": 15}
		id := s.flow(t, "charges", schedule, func(body map[string]any) {
			body["transformations"] = []any{map[string]any{"name": "Mapping", "params": map[string]any{"mappingId": set, "mappingVersion": 0}}}
		})
		if run := s.ended(t, id, 1); status(run) != "success" || count(run, "output") != len(s.truth(t, "charges")) {
			t.Fatalf("run %v\n%s", run, s.said())
		}
		records := s.records(t, "charges")
		got := records[sample["id"].(string)]
		if diff := cmp.Diff(mapped(sample, paths), got); diff != "" {
			t.Errorf("the sample (-want +got):\n%s", diff)
		}
		for _, want := range []struct {
			path string
			is   any
		}{
			{"payment_method_details.type", "card"},
			{"payment_method_details.card.checks.cvc_check", nil},
			{"payment_method_details.card.wallet", nil},
			{"outcome.reason", nil},
			{"outcome.risk_score", 32.0},
			{"created", 1679090539.0},
			{"billing_details", nil},
			{"invoice", nil},
		} {
			if v := at(got, strings.Split(want.path, ".")...); v != want.is {
				t.Errorf("%s: %v", want.path, v)
			}
		}
		for o := range s.sim.Oracle(stripesim.Charges) {
			var object map[string]any
			if err := json.Unmarshal(o.JSON, &object); err != nil {
				t.Fatal(err)
			}
			if records[o.ID] == nil || records[o.ID]["amount"] != object["amount"] || records[o.ID]["receipt_url"] != object["receipt_url"] {
				t.Errorf("%s: %v", o.ID, records[o.ID])
			}
		}
	})
}

// The bodies of the original, slips and all, are refused, and told is where
// they go wrong.
func TestTutorialSlips(t *testing.T) {
	t.Parallel()
	c := start(t, t.TempDir(), "").admin(t)
	for name, tt := range map[string]struct {
		path, body   string
		line, column float64
	}{
		"base connection": {flowservice + "/connections", `{
  "name": "Stripe base connection",
  "connectionSpec": { "id": "cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3", "version": "1.0" },
  "auth": { "specName": "OAuth2 Refresh Code", "params": { "accessToken": "sk_test_x", } }
}`, 4, 88},
		"source connection": {flowservice + "/sourceConnections", `{
  "name": "Stripe Source Connection For Charges Data",
  "connectionSpec": { "id": "cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3", "version": "1.0" },
  "data": { "format": "json" },
  "params": { "resourcePath": "charges" },
}`, 6, 1},
		"mapping set": {"/data/foundation/conversion/mappingSets", `{
  "version": 0,
  "xdmSchema": "https://ns.adobe.com/tributary/schemas/5f76be8c4e4b847fdac13ca42aa6b596a89a5b91dea48b16",
  "xdmVersion": "1.0",
  },
  "mappings":[]
}`, 5, 3},
		"dataflow": {flowservice + "/flows", `{
  "name": "Stripe Connector Flow Generic Rest",
  "scheduleParams": { "startTime": "1710267858", "frequency": "minute", "interval": {{interval}} }
}`, 3, 86},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := c.must(400, "POST", tt.path, tt.body)
			report := at(answer.json(t), "report")
			if at(report, "line") != tt.line || at(report, "column") != tt.column {
				t.Errorf("%s", answer.body)
			}
			if place := fmt.Sprintf("line %v, column %v", tt.line, tt.column); !strings.Contains(string(answer.body), place) {
				t.Errorf("%s lacks %q", answer.body, place)
			}
			if refused := c.must(403, "POST", tt.path, tt.body, "Authorization", "").json(t); refused["error_code"] != "403010" {
				t.Errorf("without a token: %v", refused)
			}
		})
	}
}
