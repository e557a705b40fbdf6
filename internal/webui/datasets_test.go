package webui_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

// contains says what of the texts a page lacks.
func contains(t *testing.T, name, body string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(body, text) {
			t.Errorf("%s lacks %q: %s", name, text, body)
		}
	}
}

// A dataset that a dataflow wrote: its batches, its files, its rows, its schema.
func TestDatasetPages(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	w.ended(v.scheduled(url.Values{"frequency": {"once"}}))
	id := ""
	for of := range w.own() {
		id = of
	}
	list := v.page("/ui/datasets")
	contains(t, "the list", list, `href="/ui/datasets/`+id+`"`, "Our charges", "Success", `href="/ui/schemas/https:%2F%2F`)
	if body := v.page("/ui/datasets?q=nothing+like+it"); !strings.Contains(body, "No dataset is like that") || strings.Contains(body, "Our charges") {
		t.Errorf("a search for nothing: %s", body)
	}
	if _, _, body := v.get("/ui/datasets?q=OUR", "HX-Request", "true"); strings.Contains(body, "<html") || !strings.Contains(body, "Our charges") {
		t.Errorf("the part of the list: %s", body)
	}

	page := v.page("/ui/datasets/" + id)
	contains(t, "the dataset", page, "<h1>Our charges</h1>", "ds_", "Properties", `<td class="num">150</td>`, "Success")
	if status, _, _ := v.get("/ui/datasets/nonesuch"); status != http.StatusNotFound {
		t.Errorf("a dataset that is not there: %d", status)
	}
	batch := regexp.MustCompile(`/ui/datasets/` + id + `/batches/[^"]+`).FindString(page)
	contains(t, "the batch", v.page(batch), "Rows written", ".parquet", "/data/foundation/export/files/", " kB")
	contains(t, "the rows", v.page("/ui/datasets/"+id+"/preview"), "_tributary.charges_data.id", "100 rows", "ch_")
	if status, _, _ := v.get("/ui/datasets/other/batches/" + batch[strings.LastIndexByte(batch, '/')+1:]); status != http.StatusNotFound {
		t.Errorf("a batch of another dataset: %d", status)
	}

	schema := regexp.MustCompile(`/ui/schemas/[^"]+`).FindString(page)
	contains(t, "the schema", v.page(schema), "charges_data", `class="tree"`, "Structure", "amount", `<span class="type">string</span>`)

	only, secret := w.integration(access.ViewSources)
	for _, path := range []string{"/ui/datasets", "/ui/datasets/" + id, batch, schema, "/ui/schemas"} {
		if status, _, _ := w.signedIn(only, secret).get(path); status != http.StatusForbidden {
			t.Errorf("%s with View Sources only: %d", path, status)
		}
	}
}

// Schemas are found by name, and show what descriptors and rules say of fields.
func TestSchemaPages(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	contains(t, "an empty list", v.page("/ui/schemas?q=zzz"), "No schema is like that")
	v.upTo("mapping")
	body := v.page("/ui/schemas")
	schema := regexp.MustCompile(`/ui/schemas/https[^"]+">Stripe Charges<`).FindString(body)
	if schema == "" {
		t.Fatalf("no schema is listed: %s", body)
	}
	schema, _, _ = strings.Cut(schema, `"`)
	id, err := url.PathUnescape(strings.TrimPrefix(schema, "/ui/schemas/"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(v.page(schema), "Primary identity") {
		t.Error("there is an identity before one was described")
	}
	w.api("POST", "/data/foundation/schemaregistry/tenant/descriptors", `{"@type":"xdm:descriptorIdentity","xdm:sourceSchema":"`+id+`","xdm:sourceVersion":1,
		"xdm:sourceProperty":"/_tributary/charges_data/receipt_email","xdm:namespace":"Email","xdm:property":"xdm:code","xdm:isPrimary":true}`)
	contains(t, "the schema", v.page(schema), "Primary identity", "Email")
	if status, _, _ := v.get("/ui/schemas/https:%2F%2Fns.example.com%2Fnone"); status != http.StatusNotFound {
		t.Errorf("a schema that is not there: %d", status)
	}
}
