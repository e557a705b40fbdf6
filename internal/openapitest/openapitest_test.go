package openapitest_test

import (
	"testing"

	"github.com/tributary-data/tributary/internal/openapitest"
)

// Every description can be read, and it says no to what is wrong.
func TestLoad(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"access-control", "batch-ingestion", "catalog", "data-access", "data-prep", "flow-service",
		"identity-service", "observability-insights", "ofrep", "sandbox", "schema-registry",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openapitest.Load(t, name)
			if len(d.Paths()) == 0 {
				t.Error("no paths")
			}
			t.Log(d.Paths())
		})
	}
}

// What does not fit is said.
func TestCheck(t *testing.T) {
	t.Parallel()
	d := openapitest.Load(t, "schema-registry")
	if err := d.Check("GET", "/stats", 200, []byte(`{"imsOrg": "o", "tenantId": "t"}`)); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"type":   d.Check("GET", "/stats", 200, []byte(`{"imsOrg": 5}`)),
		"status": d.Check("GET", "/stats", 299, nil),
		"path":   d.Check("GET", "/nothing", 200, nil),
		"method": d.Check("DELETE", "/stats", 200, nil),
		"text":   d.Check("GET", "/stats", 200, []byte(`{`)),
	} {
		if err == nil {
			t.Errorf("a wrong %s was not found", name)
		}
	}
}
