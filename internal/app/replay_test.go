package app_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/childtest"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// nimbus is what a user writes for what Stripe began to send.
const nimbus = `{"title": "Nimbus", "type": "object", "meta:xdmType": "object", "definitions": {"customFields": {"type": "object", "meta:xdmType": "object", "properties": {
  "_{TENANT}": {"type": "object", "meta:xdmType": "object", "properties": {"charges_data": {"type": "object", "meta:xdmType": "object", "properties": {
    "status": {"type": "string", "meta:xdmType": "string", "meta:enum": {"partially_settled": "Partially settled"}},
    "settlement_speed": {"title": "Settlement speed", "type": "string", "meta:xdmType": "string"},
    "payment_method_details": {"type": "object", "meta:xdmType": "object", "properties": {
      "nimbus_split": {"type": "object", "meta:xdmType": "object", "properties": {
        "reference": {"type": "string", "meta:xdmType": "string"},
        "installments": {"type": "object", "meta:xdmType": "object", "properties": {
          "count": {"type": "integer", "minimum": -9007199254740991, "maximum": 9007199254740991, "meta:xdmType": "long"}}}}}}}
  }}}}}}}, "allOf": [{"$ref": "#/definitions/customFields", "type": "object", "meta:xdmType": "object"}]}`

// counting serves an account and counts the requests to it.
func counting(t *testing.T, cfg stripesim.Config) (*copied, *atomic.Int64) {
	t.Helper()
	var n atomic.Int64
	return serve(t, cfg, func(sim *stripesim.Sim) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			sim.ServeHTTP(w, r)
		})
	}), &n
}

func novel() stripesim.Config {
	return stripesim.Config{Seed: 61, Expand: expansions, Novelty: true, Counts: stripesim.Counts{Charges: 2000, Customers: 20, Subscriptions: 10, Prices: 10}}
}

func driftsOf(t *testing.T, dir string) []string {
	t.Helper()
	list, err := app.Drifts(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s %s %s %s", d.Resource, d.Kind, d.Path, d.Seen))
		if d.Example == "" || d.Count == 0 || d.LastSeen.Before(d.FirstSeen) || d.FirstSeen.Year() < 2000 {
			t.Errorf("%+v", d)
		}
	}
	slices.Sort(out)
	return out
}

func replay(t *testing.T, r app.Replay) map[string]app.Replayed {
	t.Helper()
	done, err := r.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]app.Replayed{}
	for _, one := range done {
		out[one.Resource] = one
	}
	return out
}

// What no release knows lands at once, is reported, and gets columns when the
// user says what it is: for old rows too, without a request to Stripe.
func TestNewFields(t *testing.T) {
	t.Parallel()
	long(t)
	c, requests := counting(t, novel())
	first := complete(t, c.pass(t))
	if diff := cmp.Diff(&app.DriftNews{Fields: 4, Values: 3}, first.Drift); diff != "" {
		t.Errorf("the first pass: %s", diff)
	}
	if again := complete(t, c.pass(t)); again.Drift != nil {
		t.Errorf("the second pass has news: %+v", again.Drift)
	}
	report(t, differences(t.Context(), c.sim, c.dir))
	want := []string{
		"charges unknown_field payment_method_details.nimbus_split object",
		"charges unknown_field settlement_speed string",
		"charges unknown_field sustainability object",
		"charges unknown_value payment_method_details.type nimbus_split",
		"charges unknown_value status partially_settled",
		"refunds unknown_field destination_details.link object", // the specification lacks it
		"refunds unknown_value destination_details.type link",
	}
	if diff := cmp.Diff(want, driftsOf(t, c.dir)); diff != "" {
		t.Errorf("drift: %s", diff)
	}
	landed := selected(t, reader(t, c.dir), `select count(*) n, count(payment_method_details->'nimbus_split'->'reference') split, count(settlement_speed) speed from charges`)
	split, speed := landed[0]["split"], landed[0]["speed"]
	if fmt.Sprint(split) == "0" || fmt.Sprint(speed) == "0" {
		t.Fatalf("nothing new is in the views: %v", landed)
	}

	extended, err := app.ExtendSchema(t.Context(), c.dir, []byte(nimbus), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	added := app.Extended{Resource: "charges", Title: "Nimbus", Version: 1, Added: []string{
		"status = partially_settled", "settlement_speed", "payment_method_details.nimbus_split",
	}}
	if diff := cmp.Diff(added, extended); diff != "" {
		t.Error(diff)
	}
	complete(t, c.pass(t)) // adds the columns
	columns := `select count(*) n, count(d._tributary.charges_data.payment_method_details.nimbus_split.reference) split,
		count(d._tributary.charges_data.settlement_speed) speed from xdm.charges d`
	if got := selected(t, reader(t, c.dir), columns)[0]; fmt.Sprintf("%v %v", got["split"], got["speed"]) != "0 0" {
		t.Errorf("before the replay: %v", got)
	}

	asked := requests.Load()
	done := replay(t, app.Replay{Dir: c.dir})
	if n := requests.Load() - asked; n > 0 {
		t.Errorf("the replay made %d requests to Stripe", n)
	}
	for _, r := range xdm.Resources {
		if d := done[r]; !d.Rebuilt || d.RowsBefore != d.RowsAfter || d.RowsAfter == 0 || !d.Complete() {
			t.Errorf("%+v", d)
		}
	}
	if got := selected(t, reader(t, c.dir), columns)[0]; got["split"] != split || got["speed"] != speed {
		t.Errorf("after the replay: %v, want %v and %v", got, split, speed)
	}
	wrong := selected(t, reader(t, c.dir), `select d._id from xdm.charges d join lake.charges h on h.seq = d._seq
		where d._tributary.charges_data.payment_method_details.nimbus_split.installments.count is distinct from
			(h.raw->'payment_method_details'->'nimbus_split'->'installments'->'count')::bigint
		or d._tributary.charges_data.settlement_speed is distinct from h.raw->>'settlement_speed'`)
	if len(wrong) > 0 {
		t.Errorf("the columns differ from the objects: %v", wrong)
	}
	left := []string{"charges unknown_field payment_method_details.nimbus_split.installments.cadence string", want[2], want[3], want[5], want[6]}
	if diff := cmp.Diff(left, driftsOf(t, c.dir)); diff != "" {
		t.Errorf("drift after the extension: %s", diff)
	}
	unchanged(t, c)
}

// What drift saw makes a field group that can be used as it is.
func TestSuggestedExtension(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, novel(), nil)
	complete(t, c.pass(t))
	group, err := app.SuggestExtension(t.Context(), c.dir, "charges")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.ExtendSchema(t.Context(), c.dir, group, time.Now()); err != nil {
		t.Fatalf("%v\n%s", err, group)
	}
	for _, left := range driftsOf(t, c.dir) {
		if strings.HasPrefix(left, "charges") {
			t.Errorf("left over: %s", left)
		}
	}
	if group, err = app.SuggestExtension(t.Context(), c.dir, "charges"); err != nil || group != nil {
		t.Errorf("suggested again: %s, %v", group, err)
	}
	replay(t, app.Replay{Dir: c.dir, Resources: []string{"charges"}})
	rows := selected(t, reader(t, c.dir), `select d._tributary.charges_data.payment_method_details.nimbus_split->>'$.installments.cadence' as cadence
		from xdm.charges d where d._tributary.charges_data.payment_method_details.nimbus_split is not null`)
	if len(rows) == 0 || rows[0]["cadence"] != "fortnightly" {
		t.Errorf("got %v", rows)
	}
	fields, err := app.SchemaFields(t.Context(), c.dir, "charges")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(fields, func(f app.SchemaField) bool { return f.Path == "sustainability" })
	if i < 0 || !fields[i].Added || fields[i].Type != "json" {
		t.Errorf("schema show does not have sustainability as it was added")
	}
}

func TestExtensionsRefused(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, tiny(62), nil)
	if _, err := app.ExtendSchema(t.Context(), c.dir, []byte(nimbus), time.Now()); problem.KindOf(err) != problem.NotFound {
		t.Errorf("without a copy: %v", err)
	}
	complete(t, c.pass(t))
	for name, group := range map[string]string{
		"another type":  strings.Replace(nimbus, `"settlement_speed": {"title"`, `"amount": {"title"`, 1),
		"no resource":   strings.Replace(nimbus, `"charges_data"`, `"payouts_data"`, 1),
		"another group": strings.Replace(nimbus, `"charges_data"`, `"charge"`, 1),
		"no JSON":       "{",
	} {
		if done, err := app.ExtendSchema(t.Context(), c.dir, []byte(group), time.Now()); problem.KindOf(err) == problem.Internal {
			t.Errorf("%s: %+v, %v", name, done, err)
		}
	}
	for n, want := range []int{1, 0} {
		done, err := app.ExtendSchema(t.Context(), c.dir, []byte(nimbus), time.Now())
		if err != nil || done.Version != want {
			t.Errorf("call %d: %+v, %v", n, done, err)
		}
	}
	// The next version has the type that the first one gave.
	_, err := app.ExtendSchema(t.Context(), c.dir, []byte(strings.Replace(nimbus, `"Settlement speed", "type": "string", "meta:xdmType": "string"`, `"Settlement speed", "type": "boolean", "meta:xdmType": "boolean"`, 1)), time.Now())
	if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), "settlement_speed is string in the schema and boolean") {
		t.Errorf("a breaking change: %v", err)
	}
	complete(t, c.pass(t))
}

// dump is every row of every dataset, as lines of JSON.
func dump(t *testing.T, r *app.Reader) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, resource := range xdm.Resources {
		out[resource] = dumpOne(t, r, resource)
	}
	return out
}

func dumpOne(t *testing.T, r *app.Reader, resource string) []string {
	t.Helper()
	rows, err := r.Query(t.Context(), "select * from xdm."+resource+" order by _id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var out bytes.Buffer
	if _, err := duck.Write(&out, rows, "ndjson"); err != nil {
		t.Fatal(err)
	}
	return slices.Collect(strings.Lines(out.String()))
}

// A replay under the same schema makes the rows that upserts and deletes had
// made, whatever happened to the objects, and readers see them all the while.
func TestReplayChangesNothing(t *testing.T) {
	t.Parallel()
	long(t)
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			c := serve(t, tiny(70+seed), nil)
			c.batchRows = 25
			r := rand.New(rand.NewPCG(seed, 5))
			complete(t, c.pass(t))
			for range 3 {
				for range 25 {
					live(t, c.sim, r)
				}
				c.sim.Advance(time.Hour)
				complete(t, c.pass(t))
				opened := reader(t, c.dir)
				want := dump(t, opened)
				again := app.Replay{Dir: c.dir}
				again.Between = func(resource string) {
					if diff := cmp.Diff(want[resource], dumpOne(t, opened, resource)); diff != "" {
						t.Errorf("during the rebuild: %s", diff)
					}
				}
				replay(t, again)
				if diff := cmp.Diff(want, dump(t, reader(t, c.dir))); diff != "" {
					t.Errorf("the replay changed rows: %s", diff)
				}
				if diff := cmp.Diff(want, dump(t, opened)); diff != "" {
					t.Errorf("a reader that was there before: %s", diff)
				}
				if r.IntN(2) == 0 {
					if err := app.Maintain(t.Context(), c.dir, []string{"auto", "month", "none"}[r.IntN(3)], func(app.Maintenance) {}); err != nil {
						t.Fatal(err)
					}
					replay(t, app.Replay{Dir: c.dir})
					if diff := cmp.Diff(want, dump(t, reader(t, c.dir))); diff != "" {
						t.Errorf("the replay after maintenance changed rows: %s", diff)
					}
				}
			}
			report(t, differences(context.Background(), c.sim, c.dir))
			deleted(t, c)
			unchanged(t, c)
		})
	}
}

// A replay that is killed before its commit changes nothing, blocks nobody, and
// can be done again.
func TestReplayKilled(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, tiny(75), nil)
	complete(t, c.pass(t))
	if _, err := app.ExtendSchema(t.Context(), c.dir, []byte(nimbus), time.Now()); err != nil {
		t.Fatal(err)
	}
	want := dump(t, reader(t, c.dir))
	for _, only := range []string{"charges", "prices"} {
		out, err := childtest.Command(t, life{Dir: c.dir, End: inReplay, Nth: 1, Only: only}).CombinedOutput()
		if !childtest.Killed(err) || bytes.Contains(out, []byte(done)) {
			t.Fatalf("the process was not killed: %v\n%s", err, out)
		}
		got := dump(t, reader(t, c.dir))
		for _, resource := range xdm.Resources {
			// The columns came with the lane, and charges were done when prices were not.
			if diff := cmp.Diff(len(want[resource]), len(got[resource])); diff != "" {
				t.Errorf("%s: %s", resource, diff)
			}
			if resource != "charges" {
				if diff := cmp.Diff(want[resource], got[resource]); diff != "" {
					t.Errorf("%s: %s", resource, diff)
				}
			}
		}
	}
	complete(t, c.pass(t))
	replay(t, app.Replay{Dir: c.dir})
	unchanged(t, c)
}
