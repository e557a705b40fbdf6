package catalog_test

import (
	"testing"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/catalog/catalogtest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/openapitest"
)

// Answers are those of the published description.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	doc := openapitest.Load(t, "catalog")
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	w.Tables.Commit("charges", 10, 0, catalogtest.Start)
	if err := w.Catalog.Adopt(t.Context(), prod, []catalog.Copy{{Table: "charges", Name: "Stripe Charges", SchemaID: "https://ns.adobe.com/acme/schemas/stripe-charges"}}); err != nil {
		t.Fatal(err)
	}
	d := w.Dataset(t, prod, "mine")
	w.Batch(t, prod, d, `{}`)
	header := true
	b, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{
		DatasetID: d.ID, ExternalID: "e", InputFormat: &catalog.InputFormat{Format: "csv", Header: &header, Charset: "UTF-8"},
		Replay: &catalog.Replay{Predecessors: []string{"x"}}, Tags: map[string][]string{"a": {"b"}}, Errors: []catalog.BatchError{{Code: "106", Description: "empty", Rows: []string{"3-5"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Catalog.ChangeBatch(t.Context(), prod, b.ID, func(b *catalog.Batch) error { b.Status = catalog.Failed; return nil }); err != nil {
		t.Fatal(err)
	}
	const body = `{"name":"a","schemaRef":{"id":"` + catalogtest.Schema + `"},"tags":{"a":["b"]}}`
	for _, call := range []struct{ method, path, described, body string }{
		{"POST", "/dataSets", "/dataSets", body},
		{"GET", "/dataSets", "/dataSets", ""},
		{"GET", "/dataSets/" + d.ID, "/dataSets/{DATASET_ID}", ""},
		{"PUT", "/dataSets/" + d.ID, "/dataSets/{DATASET_ID}", body},
		{"PATCH", "/dataSets/" + d.ID, "/dataSets/{DATASET_ID}", `{"name":"b"}`},
		{"PATCH", "/v2/dataSets/" + d.ID, "/v2/dataSets/{DATASET_ID}", `{"name":"c"}`},
		{"GET", "/batches", "/batches", ""},
		{"GET", "/batches/" + b.ID, "/batches/{BATCH_ID}", ""},
		{"GET", "/lastBatches", "/lastBatches", ""},
		{"GET", "/tags/a", "/tags/{tagNamespace}", ""},
		{"DELETE", "/dataSets/" + d.ID, "/dataSets/{DATASET_ID}", ""},
	} {
		var body any
		if call.body != "" {
			body = call.body
		}
		r := s.Do(call.method, base+call.path, body)
		if r.Status >= 300 {
			t.Errorf("%s %s: %d %s", call.method, call.path, r.Status, r.Body)
			continue
		}
		if err := doc.Check(call.method, call.described, r.Status, r.Body); err != nil {
			t.Error(err)
		}
	}
}
