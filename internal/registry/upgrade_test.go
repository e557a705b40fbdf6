package registry_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/registry"
	"github.com/tributary-data/tributary/internal/xdm"
)

// older changes the field group of refunds to what an earlier release may have
// seeded, and returns its $id and that of the schema.
func older(t *testing.T, s *registry.Service, c access.Caller, change func(fields *jsondoc.Object)) (group, schema string) {
	t.Helper()
	seed(t, s, c)
	err := s.DB.Do(t.Context(), func(tx *docstore.Tx) error {
		scope := docstore.Scope{Org: c.Org, Sandbox: c.Sandbox.ID}
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
			group = "https://ns.adobe.com/acme/mixins/" + d.ID
			at := body.Object("doc")
			for _, step := range []string{"definitions", "customFields", "properties", "_acme", "properties", "refunds_data", "properties"} {
				at = at.Object(step)
			}
			change(at)
			if d.Body, err = json.Marshal(body); err != nil {
				return err
			}
			_, err = tx.Put(scope, d)
			return err
		}
		return nil
	})
	if err != nil || group == "" {
		t.Fatalf("%q, %v", group, err)
	}
	all, err := s.Summaries(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(sum registry.Summary) bool { return sum.Resource == "refunds" })
	return group, all[i].ID
}

// lacking takes away fields that this release has, from the middle, inside an
// object and a known value, and leaves one that it does not have.
func lacking(fields *jsondoc.Object) {
	fields.Delete("instructions_email", "presentment_details")
	fields.Object("destination_details").Object("properties").Delete("zip")
	fields.Object("failure_reason").Object("meta:enum").Delete("declined")
	fields.Set("forgotten", jsondoc.Of("title", "Forgotten", "type", "string", "meta:xdmType", "string"))
}

func version(t *testing.T, s *registry.Service, c access.Caller, id string) string {
	t.Helper()
	got := gatewaytest.New(t, s.HTTP()).As(c.Principal, "GET", base+"/tenant/fieldgroups/"+strings.ReplaceAll(strings.ReplaceAll(id, ":", "%3A"), "/", "%2F"), nil,
		"Accept", "application/vnd.adobe.xed+json; version=1")
	if got.Status != 200 {
		t.Fatalf("%d %s", got.Status, got.Body)
	}
	return got.JSON(t).(map[string]any)["version"].(string)
}

func refundFields(t *testing.T, s *registry.Service, c access.Caller, schema string) []*xdm.Field {
	t.Helper()
	return field(t, acme(t, s, c, schema), "refunds_data").Fields
}

// What an older release seeded gets what this one has, behind what it had.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	s, c := empty(t), gatewaytest.Admin("prod")
	var grown []string
	s.Grown = func(_ context.Context, _ access.Caller, id string) error {
		grown = append(grown, id)
		return nil
	}
	group, schema := older(t, s, c, lacking)
	if err := s.MarkUsed(t.Context(), c, schema); err != nil { // it may only grow
		t.Fatal(err)
	}
	titles, err := s.Upgrade(t.Context(), c)
	if err != nil || len(titles) != 1 || !strings.Contains(titles[0], "Refunds") {
		t.Fatalf("%v, %v", titles, err)
	}
	if diff := cmp.Diff([]string{schema}, grown); diff != "" {
		t.Error(diff)
	}
	got := refundFields(t, s, c, schema)
	var names []string
	for _, f := range got {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"forgotten", "instructions_email", "presentment_details"}, names[len(names)-3:]); diff != "" {
		t.Error(diff)
	}
	byName := func(fields []*xdm.Field) []*xdm.Field {
		fields = slices.DeleteFunc(slices.Clone(fields), func(f *xdm.Field) bool { return f.Name == "forgotten" })
		slices.SortFunc(fields, func(a, b *xdm.Field) int { return strings.Compare(a.Name, b.Name) })
		return fields
	}
	if diff := cmp.Diff(byName(seeded(t, "refunds", "acme")), byName(got)); diff != "" {
		t.Error(diff)
	}
	for range 2 {
		if v := version(t, s, c, group); v != "1.1" {
			t.Errorf("version %s", v)
		}
		if titles, err := s.Upgrade(t.Context(), c); len(titles) > 0 || err != nil {
			t.Errorf("once more: %v, %v", titles, err)
		}
	}
	log, err := s.AuditLog(t.Context(), c, group)
	if err != nil || len(log) != 2 || log[0].User != "tributary" {
		t.Errorf("%v, %v", log, err)
	}
}

// What is somebody's is left alone: groups that he changed or deleted, and
// fields of his own that are in the way.
func TestUpgradeLeavesAlone(t *testing.T) {
	t.Parallel()
	own := func(title, kind string) string {
		return group(title, `{"refunds_data": {"type": "object", "properties": {"instructions_email": {"type": "`+kind+`"}}}}`)
	}
	for name, tt := range map[string]struct {
		change func(t *testing.T, s *registry.Service, c access.Caller, group, schema string)
		fails  string
		has    bool // the schema has the field then
	}{
		"changed": {func(t *testing.T, s *registry.Service, c access.Caller, group, _ string) {
			if _, err := s.Patch(t.Context(), c, registry.FieldGroups, group, []byte(`[{"op": "replace", "path": "/title", "value": "Ours"}]`)); err != nil {
				t.Error(err)
			}
		}, "", false},
		"deleted": {func(t *testing.T, s *registry.Service, c access.Caller, group, schema string) {
			if err := s.Delete(t.Context(), c, registry.Schemas, schema); err != nil {
				t.Error(err)
			}
			if err := s.Delete(t.Context(), c, registry.FieldGroups, group); err != nil {
				t.Error(err)
			}
		}, "", false},
		"in the way": {func(t *testing.T, s *registry.Service, c access.Caller, _, schema string) {
			mine := create(t, s, c, registry.FieldGroups, own("Mine", "boolean"))
			if _, err := s.Patch(t.Context(), c, registry.Schemas, schema, []byte(`[{"op": "add", "path": "/allOf/-", "value": {"$ref": "`+mine+`"}}]`)); err != nil {
				t.Error(err)
			}
		}, "instructions_email", true},
		"the same": {func(t *testing.T, s *registry.Service, c access.Caller, _, schema string) {
			mine := create(t, s, c, registry.FieldGroups, own("Mine", "string"))
			if _, err := s.Patch(t.Context(), c, registry.Schemas, schema, []byte(`[{"op": "add", "path": "/allOf/-", "value": {"$ref": "`+mine+`"}}]`)); err != nil {
				t.Error(err)
			}
		}, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := empty(t), gatewaytest.Admin("prod")
			group, schema := older(t, s, c, func(fields *jsondoc.Object) { fields.Delete("instructions_email") })
			tt.change(t, s, c, group, schema)
			_, err := s.Upgrade(t.Context(), c)
			if tt.fails == "" && err != nil || tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) {
				t.Errorf("%v", err)
			}
			if name == "deleted" {
				return
			}
			has := slices.ContainsFunc(refundFields(t, s, c, schema), func(f *xdm.Field) bool { return f.Name == "instructions_email" })
			if has != tt.has {
				t.Errorf("the field is there: %v", has)
			}
		})
	}
}
