package extract

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/stripe"
)

func TestTouched(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"charge.succeeded":               "charges",
		"charge.dispute.created":         "charges",
		"charge.refund.updated":          "refunds charges",
		"refund.failed":                  "refunds charges",
		"review.closed":                  "charges",
		"customer.updated":               "customers",
		"customer.deleted":               "customers",
		"customer.subscription.deleted":  "subscriptions",
		"customer.discount.created":      "customers subscriptions",
		"customer.tax_id.updated":        "customers",
		"invoice.paid":                   "customers subscriptions charges",
		"subscription_schedule.released": "subscriptions",
		"price.deleted":                  "prices",
		"plan.updated":                   "prices",
		"payout.paid":                    "",
		"never.heard.of":                 "",
	} {
		var got []string
		for _, touch := range touched(kind) {
			if !slices.Contains(got, touch.resource) {
				got = append(got, touch.resource)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s touches %v, want %s", kind, got, want)
		}
	}
}

// eventTypes returns all types of Stripe's events, with what their objects are.
func eventTypes(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/event_types.txt")
	if err != nil {
		t.Fatal(err)
	}
	types := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if kind, objects, ok := strings.Cut(strings.TrimSpace(line), " "); ok && kind != "#" {
			types[kind] = strings.Split(objects, ",")
		}
	}
	if len(types) < 200 {
		t.Fatalf("%d types", len(types))
	}
	return types
}

// What a page without a filter tells, the filtered lists tell as well, and
// nothing is asked for that tells nothing.
func TestListed(t *testing.T) {
	t.Parallel()
	var want []string
	for kind := range eventTypes(t) {
		if touched(kind) != nil {
			want = append(want, kind)
		}
	}
	var got []string
	for _, group := range listed {
		if len(group) > 20 {
			t.Errorf("%d types in one request", len(group))
		}
		got = append(got, group...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the types that touch something, and those that are listed: %s", d)
	}
}

// An event whose object is one of ours is about it, and the types that show
// objects of one resource are listed together.
func TestShown(t *testing.T) {
	t.Parallel()
	groups := map[string]int{}
	for kind, objects := range eventTypes(t) {
		for _, r := range stripe.Resources {
			if !slices.Contains(objects, r.Object) {
				continue
			}
			if !slices.Contains(touched(kind), touch{r.Name, "id"}) {
				t.Errorf("%s shows a %s and is not about it", kind, r.Object)
			}
			group := slices.IndexFunc(listed, func(g []string) bool { return slices.Contains(g, kind) })
			if other, ok := groups[r.Name]; ok && other != group {
				t.Errorf("%s is listed apart from others that show %s", kind, r.Name)
			}
			groups[r.Name] = group
		}
	}
	if len(groups) != 5 {
		t.Errorf("%d resources are shown", len(groups))
	}
}

func TestParseNotice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, event string
		want        Notice
	}{
		{
			"a charge", `{"id":"evt_1","object":"event","type":"charge.updated","created":7,"api_version":"2020-08-27","account":"acct_2","livemode":true,
				"data":{"object":{"id":"ch_1","object":"charge","amount":5},"previous_attributes":{"amount":4}}}`,
			Notice{
				ID: "evt_1", Type: "charge.updated", Created: 7, APIVersion: "2020-08-27", Account: "acct_2", Livemode: true,
				Refs: []Ref{{"charges", "ch_1", 7}}, Resource: "charges", ObjectID: "ch_1", Object: []byte(`{"id":"ch_1","object":"charge","amount":5}`),
			},
		},
		{
			"the old name of a refund's event", `{"id":"evt_2","object":"event","type":"charge.refund.updated","created":8,"data":{"object":{"id":"re_1","object":"refund","charge":{"id":"ch_1"}}}}`,
			Notice{
				ID: "evt_2", Type: "charge.refund.updated", Created: 8, Refs: []Ref{{"refunds", "re_1", 8}, {"charges", "ch_1", 8}},
				Resource: "refunds", ObjectID: "re_1", Object: []byte(`{"id":"re_1","object":"refund","charge":{"id":"ch_1"}}`),
			},
		},
		{
			"an invoice", `{"id":"evt_3","object":"event","type":"invoice.paid","created":9,"data":{"object":{"id":"in_1","object":"invoice","customer":"cus_1","subscription":null,"parent":{"subscription_details":{"subscription":"sub_1"}}}}}`,
			Notice{ID: "evt_3", Type: "invoice.paid", Created: 9, Refs: []Ref{{"customers", "cus_1", 9}, {"subscriptions", "sub_1", 9}}},
		},
		{
			"an invoice that names it twice", `{"id":"evt_3","object":"event","type":"invoice.paid","created":9,"data":{"object":{"subscription":"sub_1","parent":{"subscription_details":{"subscription":"sub_1"}}}}}`,
			Notice{ID: "evt_3", Type: "invoice.paid", Created: 9, Refs: []Ref{{"subscriptions", "sub_1", 9}}},
		},
		{
			"a plan is no price", `{"id":"evt_4","object":"event","type":"plan.updated","created":9,"data":{"object":{"id":"price_1","object":"plan"}}}`,
			Notice{ID: "evt_4", Type: "plan.updated", Created: 9, Refs: []Ref{{"prices", "price_1", 9}}},
		},
		{
			"an announcement", `{"id":"evt_5","object":"event","type":"invoice.upcoming","created":9,"data":{"object":{"customer":"cus_1"}}}`,
			Notice{ID: "evt_5", Type: "invoice.upcoming", Created: 9},
		},
		{
			"never heard of", `{"id":"evt_6","object":"event","type":"moon.landed","created":9,"data":{"object":[]}}`,
			Notice{ID: "evt_6", Type: "moon.landed", Created: 9},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseNotice([]byte(tt.event))
			if err != nil {
				t.Fatal(err)
			}
			if (got.After == "") != (got.Resource == "") || (got.Before != "") != strings.Contains(tt.event, "previous_attributes") {
				t.Errorf("before %q, after %q", got.Before, got.After)
			}
			got.Before, got.After = "", ""
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	for _, bad := range []string{
		``, `[]`, `{}`, `{"object":"event"}`, `{"id":"evt_1","object":"v2.core.event","created":"2026-01-01T00:00:00Z"}`,
		`{"id":"evt_1","object":"charge"}`, `{"id":"evt_1","object":"event","type":"charge.updated","data":{"object":7}}`,
	} {
		if n, err := ParseNotice([]byte(bad)); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%s: %+v, %v", bad, n, err)
		}
	}
}

// What an event says it changed is what the one before it led to.
func TestBeforeAndAfter(t *testing.T) {
	t.Parallel()
	parse := func(object, previous string) Notice {
		if previous != "" {
			previous = `,"previous_attributes":` + previous
		}
		n, err := ParseNotice([]byte(`{"id":"evt_1","object":"event","type":"customer.updated","data":{"object":` + object + previous + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, tt := range []struct{ name, was, now, previous string }{
		{"a value", `{"id":"c","object":"customer","n":1.50,"x":null}`, `{"object":"customer","id":"c","n":2,"x":null}`, `{"n":1.50}`},
		{"a value where none was", `{"id":"c","object":"customer","n":null}`, `{"id":"c","object":"customer","n":{"a":1}}`, `{"n":null}`},
		{"none where a hash was", `{"id":"c","object":"customer","n":{"a":1,"b":2}}`, `{"id":"c","object":"customer","n":null}`, `{"n":{"a":1,"b":2}}`},
		{"a part of a hash", `{"id":"c","object":"customer","n":{"a":1,"b":2}}`, `{"id":"c","object":"customer","n":{"a":1,"b":3,"d":4}}`, `{"n":{"b":2,"d":null}}`},
		{"a list", `{"id":"c","object":"customer","n":[1,2]}`, `{"id":"c","object":"customer","n":[3]}`, `{"n":[1,2]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			was, now := parse(tt.was, ""), parse(tt.now, tt.previous)
			if was.After == "" || now.Before != was.After || now.After == was.After {
				t.Errorf("%q led to, %q was changed, to %q", was.After, now.Before, now.After)
			}
		})
	}
}

func FuzzParseNotice(f *testing.F) {
	f.Add([]byte(`{"id":"evt_1","object":"event","type":"charge.updated","created":7,"data":{"object":{"id":"ch_1","object":"charge"},"previous_attributes":{"a":{"b":null}}}}`))
	f.Add([]byte(`{"id":"evt_1","object":"event","type":"invoice.paid","data":{"object":{"customer":{"id":"cus_1"},"parent":null}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		n, err := ParseNotice(raw)
		if err != nil {
			if problem.KindOf(err) != problem.Invalid {
				t.Fatal(err)
			}
			return
		}
		if n.ID == "" || (n.Resource == "") != (n.Object == nil) {
			t.Fatalf("%+v", n)
		}
		if n.Resource != "" && !slices.Contains(n.Refs, Ref{n.Resource, n.ObjectID, n.Created}) {
			t.Fatalf("it shows %s %s and is not about it: %+v", n.Resource, n.ObjectID, n.Refs)
		}
	})
}
