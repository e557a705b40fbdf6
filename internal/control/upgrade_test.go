package control_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// A server of this release takes over from one whose schemas had fewer fields:
// they are added to those that nobody has changed, and to their tables; what
// was stored before reads null.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	p := start(t, t.TempDir(), "")
	c := p.admin(t)
	by, err := p.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	err = p.DB.Do(t.Context(), func(tx *docstore.Tx) error {
		scope := docstore.Scope{Org: by.Org, Sandbox: by.Sandbox.ID}
		docs, err := tx.List(scope, "xdm.mixins", docstore.Page{})
		if err != nil {
			return err
		}
		for _, d := range docs {
			body := &jsondoc.Object{}
			if err := json.Unmarshal(d.Body, body); err != nil {
				return err
			}
			if body.Text("template") != "refunds" {
				continue
			}
			at := body.Object("doc")
			for _, step := range []string{"definitions", "customFields", "properties", "_tributary", "properties", "refunds_data", "properties"} {
				at = at.Object(step)
			}
			at.Delete("instructions_email")
			if d.Body, err = json.Marshal(body); err != nil {
				return err
			}
			if _, err := tx.Put(scope, d); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	schema := c.schema("Stripe Refunds")
	dataset := c.dataset("Mine", schema)
	if _, batch := c.push(dataset, refund("re_1", 500), 0); batch["status"] != "success" {
		t.Fatalf("%v", batch)
	}
	shows := func(path string) bool {
		return strings.Contains(string(c.must(200, "GET", path, nil, "Accept", "application/vnd.adobe.xed-full+json; version=1").body), "instructions_email")
	}
	path := "/data/foundation/schemaregistry/tenant/schemas/" + url.PathEscape(schema)
	if shows(path) {
		t.Fatal("the older schema has the field")
	}
	p.stop()

	for _, first := range []bool{true, false} { // the second start has nothing to do
		p = start(t, p.dir, "")
		c.plane = p
		if !shows(path) {
			t.Error("the schema lacks the field")
		}
		d, err := p.Catalog.Dataset(t.Context(), by, dataset)
		if err != nil {
			t.Fatal(err)
		}
		rows := c.must(200, "GET", "/data/foundation/export/datasets/"+d.ID+"/preview", nil)
		if n := strings.Count(string(rows.body), `"re_1"`); n != 1 {
			t.Errorf("%s", rows.body)
		}
		if said := strings.Contains(string(p.log.Bytes()), "have the fields of this release"); said != first {
			t.Errorf("%s", p.log.Bytes())
		}
		p.stop()
	}
	p = start(t, p.dir, "")
	c.plane = p
	line := strings.Replace(refund("re_2", 700), `"object"`, `"instructions_email":"a@b.example","object"`, 1)
	if _, batch := c.push(dataset, line, 0); batch["status"] != "success" {
		t.Fatalf("%v", batch)
	}
	rows := c.must(200, "GET", "/data/foundation/export/datasets/"+dataset+"/preview", nil)
	if !strings.Contains(string(rows.body), `"a@b.example"`) || !strings.Contains(string(rows.body), `"re_1"`) {
		t.Errorf("%s", rows.body)
	}
}
