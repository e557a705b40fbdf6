package control_test

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/audience"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/leaktest"
	"github.com/tributary-data/tributary/internal/stripesim"
)

const erasureBase = "/data/tributary/privacy/requests"

type erasureView struct {
	ID, Customer, Mode, State, Waits, Error, Copy string
	AskedAt, StartedAt, EndedAt                   int64
	Steps                                         []struct {
		Store   string
		Removed []struct {
			From  string
			Count int64
		}
	}
}

// buyer makes a customer with a charge and a refund, and values planted in all.
func (s *shop) buyer(t *testing.T, word string) (needles []string) {
	t.Helper()
	create := func(r stripesim.Resource, d stripesim.Draft, change func(o map[string]any)) string {
		id, err := s.sim.Create(r, d)
		if err == nil {
			err = s.sim.Mutate(r, id, change)
		}
		if err != nil {
			t.Fatal(err)
		}
		needles = append(needles, id, id[:16]) // bounds in manifests are cut
		return id
	}
	plant := func(o map[string]any) { o["description"], o["metadata"] = "of "+word, map[string]any{"note": word} }
	customer := create(stripesim.Customers, stripesim.Draft{}, func(o map[string]any) {
		plant(o)
		o["name"], o["email"] = word, word+"@example.com"
	})
	intent := ""
	charge := create(stripesim.Charges, stripesim.Draft{Customer: customer, Method: "card", Status: "succeeded", Amount: 9017}, func(o map[string]any) {
		plant(o)
		intent = o["payment_intent"].(string)
		o["metadata"].(map[string]any)["visitor"] = "visitor " + word
	})
	create(stripesim.Refunds, stripesim.Draft{Charge: charge, Amount: 300}, func(o map[string]any) { o["metadata"] = map[string]any{"note": word} })
	bad := fmt.Sprintf(`{"id":"ch_bad%s","object":"charge","created":%d,"amount":"lots","currency":"eur","customer":%q,"description":%q}`, word, s.sim.Now().Unix()-600, customer, word)
	if err := s.sim.Put(stripesim.Charges, []byte(bad)); err != nil {
		t.Fatal(err)
	}
	// What others keep of a customer: exposures, also of the visitor that he was before he
	// bought, and a name in a document.
	sandbox := s.sandboxID(t)
	for _, unit := range []string{customer, "visitor " + word} {
		if err := s.plane.Exposures.Put(t.Context(), sandbox, exposure.Exposure{Experiment: uuid.New(), Phase: 1, Variant: "a", Unit: unit}); err != nil {
			t.Fatal(err)
		}
	}
	s.dataset("orders of "+customer, s.schema(resources["prices"]))
	s.pushed(t, customer, word, charge, intent)
	return append(needles, word)
}

// pushed is what clients push of a customer: rows that came in, some of which name nothing but
// a charge or what pays it, rows that failed, a file of a batch that is still open, and a
// name that the audit log has.
func (s *shop) pushed(t *testing.T, customer, word, charge, intent string) {
	t.Helper()
	dataset := s.dataset("pushed", s.schema(resources["customers"]))
	row := func(more string) string {
		return fmt.Sprintf(`{"_id":%q,"_tributary":{"customers_data":{"id":%q,"description":"of %s"%s}}}`, customer+more, customer, word, more)
	}
	about := func(text string) string {
		return fmt.Sprintf(`{"_id":%q,"_tributary":{"customers_data":{"id":"crm 1","name":%q,"description":%q}}}`+"\n", "z "+text, word, text) // the customer is a bound of the file
	}
	_, batch := s.push(dataset, about("Sent "+word+" the slip of "+charge+".")+about("slip_"+charge+".pdf")+about("paid by "+intent)+row("")+"\n"+row(`,"created":"no time"`)+"\n"+row(`,"created":"never"`)+"\nbroken "+customer+" "+word, 100)
	if batch["status"] != "success" {
		t.Fatalf("%v", batch)
	}
	open := s.must(201, "POST", "/data/foundation/import/batches", map[string]any{"datasetId": dataset, "inputFormat": map[string]any{"format": "json"}}).json(t)["id"].(string)
	s.must(201, "PUT", "/data/foundation/import/batches/"+open+"/datasets/"+dataset+"/files/of-"+customer+".json", row(""), "Content-Type", "application/octet-stream")
	s.must(404, "PUT", "/data/foundation/import/batches/"+customer+"/datasets/"+dataset+"/files/1.json", row(""), "Content-Type", "application/octet-stream")
}

// failing makes a dataflow of charges in which those of the buyers fail, and the samples
// quote what stands in them.
func (s *shop) failing(t *testing.T) {
	t.Helper()
	schema := s.schema(resources["charges"])
	set := s.must(200, "GET", "/data/foundation/conversion/mappingSetTemplates/charges?schema="+url.QueryEscape(schema), nil).json(t)
	for _, m := range set["mappings"].([]any) {
		if m := m.(map[string]any); strings.HasSuffix(m["destination"].(string), "charges_data.amount") {
			from := m["source"].(string)
			m["sourceType"], m["source"] = "EXPRESSION", fmt.Sprintf(`iif(%s == 9017, %s, %s)`, from, strings.Replace(from, "amount", "description", 1), from)
		}
	}
	mapping := s.must(200, "POST", "/data/foundation/conversion/mappingSets", set).json(t)["id"]
	run := s.ended(t, s.flow(t, "charges", daily(), func(body map[string]any) {
		body["transformations"] = []any{map[string]any{"name": "Mapping", "params": map[string]any{"mappingId": mapping, "mappingVersion": 0}}}
		body["options"] = map[string]any{"partialIngestionPercent": 50}
	}), 1)
	if status(run) == "failed" || count(run, "failed") != 2 {
		t.Fatalf("%v", run)
	}
}

// places are the kinds of places that tell of one of the needles.
func (s *shop) places(t *testing.T, needles []string) map[string]string {
	t.Helper()
	kinds := map[string]string{}
	for _, f := range leaktest.Scan(t, leaktest.Places{Dir: s.plane.dir, Postgres: s.database, Texts: map[string]string{"log": string(s.plane.log.Bytes())}}, needles...) {
		kind, _, _ := strings.Cut(f.Place, ": ")
		switch {
		case strings.HasPrefix(kind, "lake/") && strings.Contains(kind, "/data/"):
			kind = "datasets of dataflows"
		case strings.HasPrefix(kind, "lake/") && strings.HasSuffix(kind, ".metadata.json"):
			kind = "marks of dataflows"
		case strings.HasPrefix(kind, "staging/"), strings.HasPrefix(kind, "diagnostics/"):
			kind, _, _ = strings.Cut(kind, "/")
		case strings.HasPrefix(f.Place, "postgres: pages"):
			kind = "pages of PostgreSQL"
		case kind == "postgres":
			kind = "postgres"
		case strings.HasPrefix(kind, "copies/") && strings.Contains(kind, "_history/data/"):
			kind = "histories"
		case strings.HasPrefix(kind, "copies/") && strings.Contains(kind, "/data/"):
			kind = "datasets"
		case strings.HasPrefix(kind, "copies/") && strings.HasSuffix(kind, "tributary.db"):
			kind = "database of a copy"
		case strings.HasPrefix(kind, exposure.Folder):
			kind = "exposures"
		case strings.HasPrefix(kind, audience.Folder):
			kind = "audiences"
		}
		kinds[kind] = f.Place + " " + f.Needle
	}
	return kinds
}

// erased waits for a privacy request.
func (s *shop) erased(t *testing.T, id string) (v erasureView) {
	t.Helper()
	for range 1500 {
		v = into[erasureView](t, s.must(200, "GET", erasureBase+"/"+id, nil))
		if v.State == "complete" || v.State == "failed" {
			return v
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("the request does not end: %+v\n%s", v, s.said())
	return v
}

// A privacy request removes a customer from the copies, the datasets that
// dataflows made of them, exposures, audiences and documents; later runs do not bring it
// back, and all else stays.
func TestErasure(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	on(t, func(t *testing.T, database string) { erases(t, openShop(t, database)) })
}

func erases(t *testing.T, s *shop) {
	t.Helper()
	gone, control := s.buyer(t, "Aldegundis4711"), s.buyer(t, "Balthasar4711")
	followed := []string{"charges", "customers", "refunds", "balance_transactions"}
	s.failing(t)
	for _, resource := range followed {
		if run := s.ended(t, s.flow(t, resource, daily()), 1); status(run) == "failed" {
			t.Fatalf("%v", run)
		}
	}
	predicate := map[string]any{"charges": map[string]any{"state": "paid", "count": map[string]any{"atLeast": 1}}}
	audienceID := into[struct{ ID string }](t, s.must(201, "POST", "/data/tributary/audiences", map[string]any{"name": "Payers like " + gone[0], "predicate": predicate})).ID
	s.must(200, "POST", "/data/tributary/audiences/"+audienceID+"/materialise", nil)
	kinds := []string{"datasets of dataflows", "marks of dataflows", "histories", "datasets", "database of a copy", "exposures", "audiences", "staging", "diagnostics", "audit.log"}
	if s.database == "" {
		kinds = append(kinds, "control.db")
	} else {
		kinds = append(kinds, "postgres", "pages of PostgreSQL")
	}
	_, secret := s.running("cart")
	s.must(201, "POST", "/data/tributary/experiments", map[string]any{
		"key": "visits", "name": "Visits", "unit": map[string]any{"metadata": "visitor"},
		"variants": []any{map[string]any{"key": "none", "weight": 5000}, map[string]any{"key": "wrap", "weight": 5000, "value": 1}},
		"measure":  map[string]any{"metric": "revenue", "currency": "eur", "days": 14},
	})
	before := s.places(t, gone)
	for _, kind := range kinds {
		if before[kind] == "" {
			t.Errorf("nothing in %s tells of the customer before: %v", kind, before)
		}
	}

	operator, err := s.plane.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]any{"customer": gone[0]}
	if r := s.plane.integration(t, operator, access.ViewDatasets).do("POST", erasureBase, body); r.status != 403 {
		t.Errorf("%d %s", r.status, r.body)
	}
	for _, bad := range []map[string]any{{}, {"customer": "a b"}, {"customer": "eur"}, {"customer": gone[0], "mode": "x"}} {
		s.must(400, "POST", erasureBase, bad)
	}
	s.must(404, "POST", erasureBase, map[string]any{"customer": gone[0], "copy": "acct_9-test"})
	s.must(404, "GET", erasureBase+"/x", nil)
	if s.plane.Erasure.Log == nil {
		t.Error("nobody would be told that the requests can't be read")
	}
	asked := into[erasureView](t, s.must(202, "POST", erasureBase, body))
	done := s.erased(t, asked.ID)
	if done.State != "complete" || strings.Contains(done.Customer, gone[0]) || done.EndedAt == 0 {
		t.Fatalf("%+v\n%s", done, s.said())
	}
	check := func(when string) {
		t.Helper()
		// The shop goes on to ask about both.
		for i, who := range []string{gone[0], control[0]} {
			status, said := s.plane.decide(t, secret, "/cart", `{"context": {"targetingKey": "`+who+`"}}`)
			if status != 200 || strings.Contains(said, "forgotten") != (i == 0) {
				t.Errorf("%s, a decision is %d %s", when, status, said)
			}
		}
		for kind, place := range s.places(t, gone) {
			t.Errorf("%s, %s tells of the customer: %s", when, kind, place)
		}
		stays := s.places(t, control)
		for _, kind := range kinds {
			if stays[kind] == "" {
				t.Errorf("%s, nothing in %s tells of the other customer: the search is blind there", when, kind)
			}
		}
	}
	check("after the request")
	removed := map[string]int64{}
	for _, step := range done.Steps {
		for _, r := range step.Removed {
			removed[step.Store] += r.Count
		}
	}
	if removed["exposures"] != 2 || removed["audiences"] == 0 || removed["documents"] == 0 || removed["copies"] == 0 {
		t.Errorf("%+v", done)
	}

	s.sim.Advance(time.Hour)
	for _, resource := range followed {
		if run := s.ask(t, s.flows[resource]); status(run) == "failed" {
			t.Fatalf("%v", run)
		}
	}
	check("after later runs")
	for _, resource := range []string{"charges", "customers", "refunds"} {
		truth := s.truth(t, resource)
		for _, id := range gone {
			delete(truth, id)
		}
		for id := range truth {
			if strings.HasPrefix(id, "ch_bad") {
				delete(truth, id)
			}
		}
		if diff := cmp.Diff(truth, s.rows(t, resource)); diff != "" {
			t.Errorf("%s: %s", resource, diff)
		}
	}
	if want, got := len(s.truth(t, "balance_transactions")), s.rows(t, "balance_transactions"); len(got) != want {
		t.Errorf("%d balance transactions are left of %d", len(got), want)
	}
	// A copy that is made after the request: nobody told it but the list.
	copies, err := filepath.Glob(filepath.Join(s.plane.dir, "copies", s.sandboxID(t), "acct_*"))
	if err != nil || len(copies) != 1 {
		t.Fatalf("%v, %v", copies, err)
	}
	if err := os.Rename(copies[0], s.plane.dir+"-before"); err != nil { // who still reads it is not disturbed
		t.Fatal(err)
	}
	for _, resource := range followed {
		if run := s.ask(t, s.flows[resource]); status(run) == "failed" {
			t.Fatalf("%v", run)
		}
	}
	check("in a copy made later")

	list := into[struct {
		Items []erasureView
		Next  string
	}](t, s.must(200, "GET", erasureBase+"?limit=1", nil))
	if len(list.Items) != 1 || list.Items[0].ID != asked.ID || list.Next != "" {
		t.Errorf("%+v", list)
	}
}
