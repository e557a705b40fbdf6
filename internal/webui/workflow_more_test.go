package webui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/access"
)

// A last step that fails says at what, keeps what was made, and goes on from
// there; what was changed meanwhile is made anew, and nothing is left over.
func TestFinishGoesOn(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	draft := v.upTo("review")
	base := "/ui/workflow/" + draft
	w.mapDraft(draft, [2]string{"upper(data.id", "_tributary.charges_data.id"})
	status, _, body := v.post(base+"/finish", nil)
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "mapping set could not be made") || !strings.Contains(body, "goes on from there") {
		t.Fatalf("a mapping of a field that there is not: %d %s", status, alerts(body))
	}
	first := w.own()
	if len(first) != 1 {
		t.Fatalf("datasets %v", first)
	}
	// The same again makes no second dataset; another name makes another one, in
	// the place of the first.
	v.post(base+"/finish", nil)
	if again := w.own(); fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("a second try made %v of %v", again, first)
	}
	w.changeDraft(draft, func(d map[string]any) { d["datasetName"] = "Another name" })
	w.mapDraft(draft, chargeRules...)
	id := strings.TrimPrefix(v.must(base+"/finish", nil), "/ui/dataflows/")
	for set, name := range w.own() {
		if name != "Another name" || first[set] != "" {
			t.Errorf("the dataset %s %s", set, name)
		}
	}
	for _, of := range []string{"sourceConnections", "targetConnections", "flows"} {
		if all := items(w.api("GET", "/data/foundation/flowservice/"+of, nil)); len(all) != 1 {
			t.Errorf("%d %s", len(all), of)
		}
	}
	if run := w.ended(id); run["status"] != "success" {
		t.Errorf("the run: %v", run)
	}
}

// own are the names of the datasets that are no copies, by id.
func (w *world) own() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for id, d := range w.api("GET", "/data/foundation/catalog/dataSets?limit=100", nil).(map[string]any) {
		if d := d.(map[string]any); strings.HasPrefix(d["basePath"].(string), "ds_") {
			all[id] = d["name"].(string)
		}
	}
	return all
}

// What an interrupted last step made goes when the draft is discarded.
func TestDiscard(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	draft := v.upTo("review")
	w.mapDraft(draft, [2]string{"upper(data.id", "_tributary.charges_data.id"})
	v.post("/ui/workflow/"+draft+"/finish", nil)
	if to := v.must("/ui/workflow/"+draft+"/discard", nil); to != "/ui/sources" {
		t.Errorf("sent to %s", to)
	}
	if left := w.own(); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	for _, of := range []string{"sourceConnections", "targetConnections"} {
		if all := items(w.api("GET", "/data/foundation/flowservice/"+of, nil)); len(all) != 0 {
			t.Errorf("%d %s are left", len(all), of)
		}
	}
}

// Two presses at once make one dataflow.
func TestFinishOnce(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	draft := v.upTo("review")
	done := make(chan int, 2)
	for range cap(done) {
		go func() {
			status, _, _ := v.post("/ui/workflow/"+draft+"/finish", nil)
			done <- status
		}()
	}
	a, b := <-done, <-done
	if a != http.StatusSeeOther && b != http.StatusSeeOther {
		t.Errorf("neither was told of the dataflow: %d %d", a, b)
	}
	if all := items(w.api("GET", "/data/foundation/flowservice/flows", nil)); len(all) != 1 {
		t.Errorf("%d dataflows", len(all))
	}
}

// A schema of one's own is made of the template, and an account that there is
// can be used again.
func TestTemplateAndExistingAccount(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	v.upTo("data")
	draft := strings.Split(v.must("/ui/workflow", url.Values{}), "/")[3]
	base := "/ui/workflow/" + draft
	body := v.page(base + "/connect")
	if !strings.Contains(body, "Search accounts") || !strings.Contains(body, "Shop") {
		t.Fatalf("with an account, it is offered first: %s", body)
	}
	account := items(w.api("GET", "/data/foundation/flowservice/connections", nil))[0]["id"].(string)
	v.must(base+"/connect/existing", url.Values{"connection": {account}})
	v.must(base+"/data", url.Values{"resource": {"refunds"}})
	v.must(base+"/detail", url.Values{"target": {"new"}, "datasetName": {"Refunds of mine"}, "schema": {"template:refunds"}, "name": {"Refunds"}})
	w.mapDraft(draft, [2]string{"data.id", "_tributary.refunds_data.id"})
	v.must(base+"/schedule", url.Values{"frequency": {"once"}})
	if body := v.page(base + "/review"); !strings.Contains(body, "from the template") {
		t.Errorf("the review: %s", body)
	}
	id := strings.TrimPrefix(v.must(base+"/finish", nil), "/ui/dataflows/")
	if run := w.ended(id); run["status"] != "success" {
		t.Errorf("the run: %v", run)
	}
	for set, name := range w.own() {
		d := w.api("GET", "/data/foundation/catalog/dataSets/"+set, nil).(map[string]any)[set].(map[string]any)
		schema := d["schemaRef"].(map[string]any)["id"].(string)
		if name != "Refunds of mine" || strings.Contains(v.page("/ui/workflow/"+v.upTo("schedule")+"/detail"), `value="`+schema+`" checked`) {
			t.Errorf("the dataset %s has the schema %s", name, schema)
		}
	}
	v.must("/ui/workflow/"+strings.Split(v.must("/ui/workflow", url.Values{"connection": {account}}), "/")[3]+"/data", url.Values{"resource": {"prices"}})
}

// What is wrong with a form is said at its fields, and nothing is taken.
func TestFormsSayWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	draft := v.upTo("detail")
	base := "/ui/workflow/" + draft
	w.changeDraft(draft, func(d map[string]any) {
		d["schema"], d["name"], d["datasetName"], d["mapped"] = "template:charges", "n", "d", true
	})
	for name, c := range map[string]struct {
		path string
		form url.Values
		want string
	}{
		"no name":             {"/detail", url.Values{"target": {"new"}, "schema": {"template:charges"}, "datasetName": {"d"}}, `name-error`},
		"no dataset name":     {"/detail", url.Values{"target": {"new"}, "schema": {"template:charges"}, "name": {"n"}}, `datasetName-error`},
		"no schema":           {"/detail", url.Values{"target": {"new"}, "datasetName": {"d"}, "name": {"n"}}, `Choose a schema.`},
		"a schema of others":  {"/detail", url.Values{"target": {"new"}, "schema": {"https://ns.adobe.com/x/schemas/1"}, "datasetName": {"d"}, "name": {"n"}}, `no such schema`},
		"no dataset":          {"/detail", url.Values{"target": {"existing"}, "name": {"n"}}, `Choose a dataset.`},
		"a dataset of others": {"/detail", url.Values{"target": {"existing"}, "dataset": {"65e622315f78042c9e8166e8"}, "name": {"n"}}, `no such dataset`},
		"threshold 0":         {"/detail", url.Values{"target": {"new"}, "schema": {"template:charges"}, "datasetName": {"d"}, "name": {"n"}, "partial": {"on"}, "threshold": {"0"}}, `threshold-error`},
		"threshold 101":       {"/detail", url.Values{"target": {"new"}, "schema": {"template:charges"}, "datasetName": {"d"}, "name": {"n"}, "partial": {"on"}, "threshold": {"100.01"}}, `threshold-error`},
		"threshold of words":  {"/detail", url.Values{"target": {"new"}, "schema": {"template:charges"}, "datasetName": {"d"}, "name": {"n"}, "partial": {"on"}, "threshold": {"1e9"}}, `threshold-error`},
		"no resource":         {"/data", url.Values{}, `Choose what to read.`},
		"no frequency":        {"/schedule", url.Values{"frequency": {"year"}}, `frequency-error`},
		"14 minutes":          {"/schedule", url.Values{"frequency": {"minute"}, "interval": {"14"}}, `interval-error`},
		"no interval":         {"/schedule", url.Values{"frequency": {"day"}, "interval": {"0"}}, `interval-error`},
		"a start long ago":    {"/schedule", url.Values{"frequency": {"day"}, "interval": {"1"}, "start": {"2020-01-01T00:00"}}, `start-error`},
		"a start of words":    {"/schedule", url.Values{"frequency": {"day"}, "interval": {"1"}, "start": {"soon"}}, `start-error`},
		"no account":          {"/connect/existing", url.Values{}, `Choose an account.`},
		"no token":            {"/connect/new", url.Values{"name": {"n"}}, `token-error`},
	} {
		status, _, body := v.post(base+c.path, c.form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, c.want) || !strings.Contains(body, "data-error-summary") {
			t.Errorf("%s: %d %s", name, status, alerts(body))
		}
	}
	// A page that was open for long takes its own start as now.
	v.must(base+"/schedule", url.Values{"frequency": {"day"}, "interval": {"1"}, "start": {"2020-01-01T00:00"}, "shown": {"2020-01-01T00:00"}})
}

// A draft is its owner's alone.
func TestDraftsAreOnesOwn(t *testing.T) {
	t.Parallel()
	w := open(t)
	draft := w.signedIn(w.id, w.secret).upTo("review")
	id, secret := w.integration(access.ManageSources, access.ManageDatasets, access.ManageSchemas)
	other := w.signedIn(id, secret)
	for _, path := range []string{"/connect", "/data", "/detail", "/schedule", "/review"} {
		if status, _, _ := other.get("/ui/workflow/" + draft + path); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _, _ := other.post("/ui/workflow/"+draft+"/finish", nil); status != http.StatusNotFound {
		t.Errorf("finish: %d", status)
	}
}

// A dataflow writes into a dataset that there is; Profile can be turned on where
// the schema or the dataset is enabled for it, and nowhere else.
func TestExistingDatasetAndProfile(t *testing.T) {
	t.Parallel()
	w := open(t)
	v := w.signedIn(w.id, w.secret)
	base := "/ui/workflow/" + v.upTo("detail")
	schema := field(v.page(base+"/detail"), "schema")
	profile := func(query url.Values) bool {
		return !strings.Contains(v.page(base+"/detail/profile?"+query.Encode()), "disabled")
	}
	if profile(url.Values{"target": {"new"}, "schema": {schema}}) {
		t.Error("Profile is offered for a schema that is not enabled for it")
	}
	form := url.Values{"target": {"new"}, "datasetName": {"Our charges"}, "schema": {schema}, "name": {"n"}, "profile": {"on"}}
	v.must(base+"/detail", form)
	if body := v.page(base + "/detail"); strings.Contains(body, `name="profile" checked`) {
		t.Error("Profile is on for a schema that is not enabled for it")
	}
	w.api("POST", "/data/foundation/schemaregistry/tenant/descriptors", `{"@type":"xdm:descriptorIdentity","xdm:sourceSchema":"`+schema+`","xdm:sourceVersion":1,
		"xdm:sourceProperty":"/_tributary/charges_data/receipt_email","xdm:namespace":"Email","xdm:property":"xdm:code","xdm:isPrimary":true}`)
	w.api("PATCH", "/data/foundation/schemaregistry/tenant/schemas/"+url.PathEscape(schema), `[{"op":"add","path":"/meta:immutableTags","value":["union"]}]`)
	if !profile(url.Values{"target": {"new"}, "schema": {schema}}) {
		t.Error("Profile is not offered for a schema that is enabled for it")
	}
	v.must(base+"/detail", form)
	if body := v.page(base + "/detail"); !strings.Contains(body, `name="profile" checked`) {
		t.Error("Profile did not stay on")
	}
	w.mapDraft(strings.Split(base, "/")[3], chargeRules...)
	v.must(base+"/schedule", url.Values{"frequency": {"once"}})
	w.ended(strings.TrimPrefix(v.must(base+"/finish", nil), "/ui/dataflows/"))
	var set string
	for id := range w.own() {
		set = id
	}
	tags := w.api("GET", "/data/foundation/catalog/dataSets/"+set, nil).(map[string]any)[set].(map[string]any)["tags"]
	if !strings.Contains(fmt.Sprint(tags), "unifiedProfile:[enabled:true]") {
		t.Errorf("the dataset has the tags %v", tags)
	}

	base = "/ui/workflow/" + v.upTo("detail")
	body := v.page(base + "/detail/choices?of=dataset&dataset_search=our")
	if !strings.Contains(body, set) || !strings.Contains(body, "Stripe Charges") || !strings.Contains(body, "Profile") || strings.Count(body, `type="radio"`) != 1 {
		t.Errorf("the datasets: %s", body)
	}
	if body := v.page(base + "/detail/choices?of=dataset&dataset_search=zzz"); strings.Contains(body, set) {
		t.Errorf("a search for nothing: %s", body)
	}
	v.must(base+"/detail", url.Values{"target": {"existing"}, "dataset": {set}, "name": {"Again"}})
	w.mapDraft(strings.Split(base, "/")[3], chargeRules...)
	v.must(base+"/schedule", url.Values{"frequency": {"once"}})
	if body := v.page(base + "/review"); !strings.Contains(body, "Our charges") || !strings.Contains(body, "existing") {
		t.Errorf("the review: %s", body)
	}
	if run := w.ended(strings.TrimPrefix(v.must(base+"/finish", nil), "/ui/dataflows/")); run["status"] != "success" {
		t.Errorf("the run: %v", run)
	}
	if len(w.own()) != 1 {
		t.Errorf("datasets %v", w.own())
	}
}
