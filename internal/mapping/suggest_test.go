package mapping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Stripe's objects find their place in the Stripe schemas without a doubt, and
// what is suggested is a pure copy.
func TestSuggestStripe(t *testing.T) {
	t.Parallel()
	sim := simulated(t, 200)
	for resource := range objects {
		s := stripeSchema(t, resource)
		var samples []expr.Value
		for truth := range sim.Oracle(stripesim.Resource(resource)) {
			if len(samples) < 5 {
				samples = append(samples, recordOf(t, `{"data":`+string(truth.JSON)+`}`))
			}
		}
		found, unmatched := Suggest(composed(s), samples)
		var all []Mapping
		for _, f := range found {
			if f.Score != 1 {
				t.Errorf("%s: %+v", resource, f)
			}
			all = append(all, f.Mapping)
		}
		if _, ok := PureCopy(composed(s), s, all); !ok {
			t.Errorf("%s: not a pure copy: %v", resource, all)
		}
		if len(unmatched) > 0 {
			t.Errorf("%s: nowhere: %v", resource, unmatched)
		}
	}
}

func TestSuggest(t *testing.T) {
	t.Parallel()
	c := &xdm.Composition{Fields: []*xdm.Field{
		field("_acme", xdm.Object,
			field("person", xdm.Object, field("firstName", xdm.String), field("last_name", xdm.String), field("birthDate", xdm.Date)),
			field("emailAddress", xdm.String), field("orderTotal", xdm.Double), field("active", xdm.Boolean), field("tags", xdm.Object, field("x", xdm.String)),
			listOf("items", field("", xdm.Object, field("sku", xdm.String), field("price", xdm.Double))),
		),
	}}
	found, unmatched := Suggest(c, []expr.Value{
		recordOf(t, `{"First Name":"Ann","lastName":"B","birth_date":null,"contact":{"email_address":"a@b"},"order":{"total":1.5},"active":{"no":1},"tags":["x"],"items":[{"sku":1,"price":"2"}],"zip":5}`),
		recordOf(t, `{"birth_date":"2000-01-01"}`),
	})
	var got []string
	for _, f := range found {
		got = append(got, fmt.Sprintf("%s -> %s %.2f", f.Source, f.Destination, f.Score))
	}
	want := []string{
		"${First Name} -> _acme.person.firstName 0.75",
		"lastName -> _acme.person.last_name 0.75",
		"birth_date -> _acme.person.birthDate 0.75",
		"contact.email_address -> _acme.emailAddress 0.75",
		"items -> _acme.items 0.80",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff("order.total active.no tags[*] zip", strings.Join(unmatched, " ")); d != "" {
		t.Error(d)
	}
	if found, unmatched := Suggest(c, nil); len(found)+len(unmatched) > 0 {
		t.Error(found, unmatched)
	}
}
