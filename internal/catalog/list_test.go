package catalog_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/catalog/catalogtest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

// keys returns the ids of an answer in the order in which they stand there.
func keys(t testing.TB, body []byte) []string {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	if _, err := d.Token(); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	ids := []string{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, fmt.Sprint(key))
		var skip json.RawMessage
		if err := d.Decode(&skip); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

func TestListDatasets(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	names := map[string]string{}
	for _, d := range []catalog.Dataset{
		{Name: "Stripe charges", Tags: map[string][]string{"ns": {"a", "b:c"}, "ns2": {"x"}}},
		{Name: "stripe refunds", Description: "d", ErrorDiagnostics: true},
		{Name: "Other, with a comma", Tags: map[string][]string{"ns": {"b"}}},
		{Name: "Stripe", Tags: map[string][]string{"unifiedIdentity": {"enabled:true"}}},
	} {
		d.SchemaID = catalogtest.Schema
		made, err := w.Catalog.CreateDataset(t.Context(), prod, d)
		if err != nil {
			t.Fatal(err)
		}
		names[made.ID] = strings.Fields(made.Name)[0] + strings.Fields(made.Name + " -")[1]
	}
	const charges, refunds, other, stripe = "Stripecharges", "striperefunds", "Other,with", "Stripe-"
	all := []string{charges, refunds, other, stripe}
	second := catalogtest.Start.UnixMilli()
	for query, want := range map[string][]string{
		"":                     all,
		"limit=2":              {charges, refunds},
		"limit=2&start=3":      {stripe},
		"start=99":             {},
		"orderBy=desc:created": {stripe, other, refunds, charges},
		"sort=asc:name":        {other, stripe, charges, refunds},
		"orderBy=name":         {other, stripe, charges, refunds},
		"orderBy=desc:enableErrorDiagnostics,asc:name": {refunds, other, stripe, charges},
		"name=Stripe":                            {stripe},
		"name=Stripe*":                           {charges, stripe},
		"name=*c*":                               {charges, other},
		"name=!Stripe*":                          {refunds, other},
		"name=Stripe,stripe%20refunds":           {refunds, stripe},
		"name=%22Other,%20with%20a%20comma%22":   {other},
		"description=d":                          {refunds},
		"enableErrorDiagnostics=true":            {refunds},
		"enableErrorDiagnostics=false":           {charges, other, stripe},
		"tags=ns:*":                              {charges, other},
		"tags=ns:b:c":                            {charges},
		"tags=ns:a,ns2:*":                        {charges},
		"tags=ns:a,ns2:y":                        {},
		"tags=unifiedIdentity:enabled:*":         {stripe},
		"property=name~^Stripe":                  {charges, stripe},
		"property=name==Stripe,stripe%20refunds": {refunds, stripe},
		"property=description":                   {refunds},
		"property=!description":                  {charges, other, stripe},
		"property=schemaRef.id==" + url.QueryEscape(catalogtest.Schema): all,
		"property=tags.ns2":                              {charges},
		"property=version!=1.0.0":                        {},
		"createdBefore=" + strconv.FormatInt(second, 10): {},
		"createdAfter=" + strconv.FormatInt(second, 10):  all,
		"createdUser=" + prod.User:                       all,
		"createdClient=!client":                          {},
		"property=created%3E0&name=Stripe":               {stripe},
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			r := s.With(t).Do("GET", base+"/dataSets?"+query, nil)
			if r.Status != http.StatusOK {
				t.Fatalf("status %d: %s", r.Status, r.Body)
			}
			got := []string{}
			for _, id := range keys(t, r.Body) {
				got = append(got, names[id])
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	for query, want := range map[string]string{
		"limit=0": "limit", "limit=101": "limit", "limit=x": "limit", "limit=": "limit", "start=-1": "start", "start=1.5": "start",
		"orderBy=up:name": "direction", "orderBy=asc:nothing": `there is no "nothing"`, "property=~x": "a name is missing", "property=name~(": "regular expression",
		"tags=ns": "tags=ns", "createdAfter=yesterday": "milliseconds", "nome=x": "nome: there is no such parameter", "properties=!name": "properties",
		"nameAfter=1": "no such parameter",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			r := s.With(t).Do("GET", base+"/dataSets?"+query, nil)
			if detail, _ := r.JSON(t).(map[string]any)["detail"].(string); r.Status != http.StatusBadRequest || !strings.Contains(detail, want) {
				t.Errorf("status %d: %s", r.Status, r.Body)
			}
		})
	}
}

func TestProperties(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	d := w.Dataset(t, prod, "mine")
	want := any(map[string]any{d.ID: map[string]any{"name": "mine", "files": "@/dataSets/" + d.ID + "/views/" + d.ViewID + "/files"}})
	for _, path := range []string{"/dataSets?limit=5&properties=name,description,files", "/dataSets/" + d.ID + "?properties=name,description,files"} {
		if diff := gocmp.Diff(want, s.Do("GET", base+path, nil).JSON(t)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

// An asked is a part of a query with what it means, told from the batches
// themselves.
type asked struct {
	query string
	holds func(catalog.Batch) bool
}

// Filters, order and pages of the list of batches are what one gets by going
// through all batches.
func TestBatchesAgainstOracle(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := gatewaytest.New(t, w.Catalog.HTTP())
	datasets := []string{w.Dataset(t, prod, "a").ID, w.Dataset(t, prod, "b").ID, w.Dataset(t, prod, "c").ID}
	statuses := []catalog.Status{catalog.Loading, catalog.Success, catalog.Failed, catalog.Aborted}
	var all []catalog.Batch // in the order of creation
	for i := range 60 {
		b, err := w.Catalog.CreateBatch(t.Context(), prod, catalog.Batch{
			DatasetID: datasets[i%7%3], Status: statuses[i%5%4], Completed: int64(i % 4 * 1000), Tags: map[string][]string{"t": {strconv.Itoa(i % 3)}},
			Metrics: &catalog.Metrics{InputRecordCount: int64(i % 6), OutputByteSize: int64(i)},
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	middle := all[30].Created.UnixMilli()
	parts := rapid.Custom(func(t *rapid.T) asked {
		of := rapid.SampledFrom(datasets).Draw(t, "dataset")
		status := rapid.SampledFrom(statuses).Draw(t, "status")
		n := rapid.Int64Range(0, 6).Draw(t, "n")
		at := middle + rapid.Int64Range(-40, 40).Draw(t, "at")
		b := rapid.SampledFrom(all).Draw(t, "batch")
		return rapid.SampledFrom([]asked{
			{"dataSet=" + of, func(b catalog.Batch) bool { return b.DatasetID == of }},
			{"dataSet=!" + of, func(b catalog.Batch) bool { return b.DatasetID != of }},
			{"dataSet=none," + of, func(b catalog.Batch) bool { return b.DatasetID == of }},
			{"status=" + string(status), func(b catalog.Batch) bool { return b.Status == status }},
			{"status=failure", func(b catalog.Batch) bool { return b.Status == catalog.Failed }},
			{"status=!Failure", func(b catalog.Batch) bool { return b.Status != catalog.Failed }},
			{"property=status==failure", func(b catalog.Batch) bool { return b.Status == catalog.Failed }},
			{"property=status!=" + string(status), func(b catalog.Batch) bool { return b.Status != status }},
			{"property=status~^[ls]", func(b catalog.Batch) bool { return regexp.MustCompile("^[ls]").MatchString(string(b.Status)) }},
			{"createdAfter=" + strconv.FormatInt(at, 10), func(b catalog.Batch) bool { return b.Created.UnixMilli() > at }},
			{"createdBefore=" + strconv.FormatInt(at, 10), func(b catalog.Batch) bool { return b.Created.UnixMilli() < at }},
			{"completedAfter=" + strconv.FormatInt(n*1000, 10), func(b catalog.Batch) bool { return b.Completed > n*1000 }},
			{"recordCount=" + strconv.FormatInt(n, 10), func(b catalog.Batch) bool { return b.Metrics.InputRecordCount == n }},
			{"property=" + url.QueryEscape("metrics.inputRecordCount>="+strconv.FormatInt(n, 10)), func(b catalog.Batch) bool { return b.Metrics.InputRecordCount >= n }},
			{"property=" + url.QueryEscape("size<"+strconv.FormatInt(n*9, 10)), func(b catalog.Batch) bool { return b.Metrics.OutputByteSize < n*9 }},
			{"tags=t:" + strconv.FormatInt(n, 10), func(b catalog.Batch) bool { return b.Tags["t"][0] == strconv.FormatInt(n, 10) }},
			{"batch=" + b.ID, func(x catalog.Batch) bool { return x.ID == b.ID }},
			{"property=completed", func(b catalog.Batch) bool { return b.Completed != 0 }},
			{"property=!completed", func(b catalog.Batch) bool { return b.Completed == 0 }},
			{"startAfter=5", func(catalog.Batch) bool { return false }},
		}).Draw(t, "part")
	})
	orders := map[string]func(a, b catalog.Batch) int{
		"":             func(a, b catalog.Batch) int { return a.Created.Compare(b.Created) },
		"asc:created":  func(a, b catalog.Batch) int { return a.Created.Compare(b.Created) },
		"desc:created": func(a, b catalog.Batch) int { return b.Created.Compare(a.Created) },
		"desc:status,asc:size": func(a, b catalog.Batch) int {
			return cmp.Or(cmp.Compare(b.Status, a.Status), cmp.Compare(a.Metrics.OutputByteSize, b.Metrics.OutputByteSize))
		},
		"recordCount,desc:created": func(a, b catalog.Batch) int {
			return cmp.Or(cmp.Compare(a.Metrics.InputRecordCount, b.Metrics.InputRecordCount), b.Created.Compare(a.Created))
		},
		"asc:dataSet,desc:id": func(a, b catalog.Batch) int {
			return cmp.Or(cmp.Compare(a.DatasetID, b.DatasetID), cmp.Compare(b.ID, a.ID))
		},
		"completed": func(a, b catalog.Batch) int { return cmp.Compare(a.Completed, b.Completed) },
	}
	order := []string{}
	for name := range orders {
		order = append(order, name)
	}
	slices.Sort(order)
	rapid.Check(t, func(rt *rapid.T) {
		query := rapid.SliceOfN(parts, 0, 3).Draw(rt, "query")
		by := rapid.SampledFrom(order).Draw(rt, "order")
		start := rapid.IntRange(0, 30).Draw(rt, "start")
		limit := rapid.IntRange(1, 100).Draw(rt, "limit")

		want := []catalog.Batch{}
		for _, b := range all {
			if !slices.ContainsFunc(query, func(a asked) bool { return !a.holds(b) }) {
				want = append(want, b)
			}
		}
		slices.SortStableFunc(want, orders[by])
		want = want[min(start, len(want)):]
		want = want[:min(limit, len(want))]
		ids := []string{}
		for _, b := range want {
			ids = append(ids, b.ID)
		}

		text := fmt.Sprintf("start=%d&limit=%d", start, limit)
		if by != "" {
			text += "&orderBy=" + by
		}
		for _, a := range query {
			text += "&" + a.query
		}
		r := s.Do("GET", base+"/batches?"+text, nil)
		if r.Status != http.StatusOK {
			rt.Fatalf("%s: %d %s", text, r.Status, r.Body)
		}
		if diff := gocmp.Diff(ids, keys(t, r.Body)); diff != "" {
			rt.Fatalf("%s: %s", text, diff)
		}
	})
}

func FuzzList(f *testing.F) {
	w := catalogtest.New(f)
	d, err := w.Catalog.CreateDataset(f.Context(), prod, catalog.Dataset{Name: "mine", SchemaID: catalogtest.Schema, Tags: map[string][]string{"a": {"b"}}})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := w.Catalog.CreateBatch(f.Context(), prod, catalog.Batch{DatasetID: d.ID}); err != nil {
		f.Fatal(err)
	}
	s := gatewaytest.New(f, w.Catalog.HTTP())
	for _, seed := range [][2]string{
		{"property", "name~^(a|b)+$"},
		{"property", `schemaRef.id=="a,b",c`},
		{"property", "!tags.a[]"},
		{"property", "created>=1e400"},
		{"limit", "18446744073709551616"},
		{"start", "2147483648"},
		{"orderBy", "asc:created,,desc:name"},
		{"tags", "a:*b*"},
		{"name", `"a,*"`},
		{"createdAfter", "-1"},
		{"properties", "name,,observableSchema"},
		{"status", "!failure"},
	} {
		f.Add(seed[0], seed[1], true)
		f.Add(seed[0], seed[1], false)
	}
	f.Fuzz(func(t *testing.T, name, value string, batches bool) {
		path := "/dataSets"
		if batches {
			path = "/batches"
		}
		r := s.With(t).Do("GET", base+path+"?"+url.QueryEscape(name)+"="+url.QueryEscape(value), nil)
		if r.Status != http.StatusOK && r.Status != http.StatusBadRequest {
			t.Errorf("%s=%q: %d %s", name, value, r.Status, r.Body)
		}
		r.JSON(t)
	})
}
