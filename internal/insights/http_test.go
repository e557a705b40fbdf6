package insights_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/catalog/catalogtest"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/insights"
	"github.com/tributary-data/tributary/internal/openapitest"
)

const (
	path   = "/data/infrastructure/observability/insights/metrics"
	prefix = "timeseries.ingestion.dataset."
)

var prod = gatewaytest.Admin("prod")

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

// land makes a batch that ended at a time.
func land(t testing.TB, w *catalogtest.World, c access.Caller, d catalog.Dataset, status catalog.Status, end time.Time, rows, failed, bytes int64) {
	t.Helper()
	b, err := w.Catalog.CreateBatch(t.Context(), c, catalog.Batch{DatasetID: d.ID})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Catalog.ChangeBatch(t.Context(), c, b.ID, func(b *catalog.Batch) error {
		b.Status, b.Completed = status, end.UnixMilli()
		b.Metrics = &catalog.Metrics{InputRecordCount: rows + failed, OutputRecordCount: rows, FailedRecordCount: failed, OutputByteSize: bytes}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func serve(t testing.TB, w *catalogtest.World) *gatewaytest.Server {
	return gatewaytest.New(t, (&insights.Service{Batches: w.Catalog, Now: w.Now}).HTTP())
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := serve(t, w)
	a, b, empty := w.Dataset(t, prod, "a"), w.Dataset(t, prod, "b"), w.Dataset(t, prod, "c")
	dev := gatewaytest.Admin("dev")
	land(t, w, dev, w.Dataset(t, dev, "a"), catalog.Success, at("2024-03-07T10:00:00Z"), 1000, 0, 1000)
	land(t, w, prod, a, catalog.Success, at("2024-03-07T10:00:00Z"), 99, 1, 28758)
	land(t, w, prod, a, catalog.Success, at("2024-03-07T10:30:00Z"), 1, 0, 42)
	land(t, w, prod, b, catalog.Success, at("2024-03-07T23:59:59Z"), 5, 0, 100)
	land(t, w, prod, a, catalog.Failed, at("2024-03-04T00:00:00Z"), 0, 7, 0)
	land(t, w, prod, b, catalog.Deleted, at("2024-03-04T12:00:00Z"), 3, 0, 10) // it went in once
	land(t, w, prod, a, catalog.Loading, at("2024-03-05T00:00:00Z"), 50, 50, 50)
	land(t, w, prod, a, catalog.Aborted, at("2024-03-05T00:00:00Z"), 50, 0, 50)
	land(t, w, prod, a, catalog.Success, at("2024-02-29T23:59:59Z"), 1000, 0, 1000) // before

	type points = map[string]any
	one := func(dps points) []any { return []any{map[string]any{"groupBy": points{}, "dps": dps}} }
	of := func(d catalog.Dataset, dps points) any {
		return map[string]any{"groupBy": points{"dataSetId": d.ID}, "dps": dps}
	}
	n := func(v string) json.Number { return json.Number(v) }
	for name, c := range map[string]struct {
		granularity, metric string
		want                []any
	}{
		"rows":     {"DAY", `{"name":"` + prefix + `recordsuccess.count"}`, one(points{"2024-03-07T00:00:00Z": n("105"), "2024-03-04T00:00:00Z": n("3")})},
		"failures": {"DAY", `{"name":"` + prefix + `recordfailed.count"}`, one(points{"2024-03-07T00:00:00Z": n("1"), "2024-03-04T00:00:00Z": n("7")})},
		"batches":  {"WEEK", `{"name":"` + prefix + `batchsuccess.count"}`, one(points{"2024-03-04T00:00:00Z": n("4")})},
		"failed":   {"month", `{"name":"` + prefix + `batchfailed.count"}`, one(points{"2024-03-01T00:00:00Z": n("1")})},
		"size":     {"HOUR", `{"name":"` + prefix + `size"}`, one(points{"2024-03-07T10:00:00Z": n("28800"), "2024-03-07T23:00:00Z": n("100"), "2024-03-04T12:00:00Z": n("10")})},
		"daily":    {"", `{"name":"` + prefix + `dailysize"}`, one(points{"2024-03-07T00:00:00Z": n("28900"), "2024-03-04T00:00:00Z": n("10")})},
		"minutes":  {"MINUTE", `{"name":"` + prefix + `batchsuccess.count","filters":[{"name":"datasetId","value":"` + a.ID + `"}]}`, one(points{"2024-03-07T10:00:00Z": n("1"), "2024-03-07T10:30:00Z": n("1")})},
		"grouped": {"YEAR", `{"name":"` + prefix + `recordsuccess.count","filters":[{"name":"dataSetId","value":"` + a.ID + "|" + empty.ID + "|" + b.ID + `","groupBy":true}],"aggregator":"sum","downsample":"sum"}`, []any{
			of(a, points{"2024-01-01T00:00:00Z": n("100")}), of(empty, points{}), of(b, points{"2024-01-01T00:00:00Z": n("8")}),
		}},
		"filtered": {"YEAR", `{"name":"` + prefix + `recordsuccess.count","filters":[{"name":"dataSetId","value":"` + b.ID + `"}]}`, one(points{"2024-01-01T00:00:00Z": n("8")})},
		"average":  {"DAY", `{"name":"` + prefix + `recordsuccess.count","aggregator":"max","downsample":"avg"}`, one(points{"2024-03-07T00:00:00Z": n("50"), "2024-03-04T00:00:00Z": n("3")})},
		"nothing":  {"DAY", `{"name":"` + prefix + `size","filters":[{"name":"dataSetId","value":"none"}]}`, one(points{})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"start":"2024-03-01T00:00:00.000Z","end":"2024-03-08T00:00:00.000Z","granularity":"` + c.granularity + `","metrics":[` + c.metric + `]}`
			r := s.With(t).Do("POST", path, body)
			if r.Status != http.StatusOK {
				t.Fatalf("%d %s", r.Status, r.Body)
			}
			got := r.JSON(t).(map[string]any)["metricResponses"].([]any)[0].(map[string]any)
			if diff := cmp.Diff(c.want, got["datapoints"]); diff != "" {
				t.Error(diff)
			}
			if err := openapitest.Load(t, "observability-insights").Check("POST", "/metrics", r.Status, r.Body); err != nil {
				t.Error(err)
			}
			var asked map[string]any
			if err := json.Unmarshal([]byte(c.metric), &asked); err != nil {
				t.Fatal(err)
			}
			if got["metric"] != asked["name"] || got["granularity"] != strings.ToUpper(map[bool]string{true: "day", false: c.granularity}[c.granularity == ""]) {
				t.Errorf("%s", r.Body)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := serve(t, w)
	const metric = `"metrics":[{"name":"` + prefix + `size"}]`
	for name, c := range map[string]struct{ body, detail string }{
		"name":        {`{"metrics":[{"name":"timeseries.profiles.count"}]}`, `there is no metric "timeseries.profiles.count"`},
		"no prefix":   {`{"metrics":[{"name":"size"}]}`, `there is no metric "size"`},
		"none":        {`{}`, "at least one"},
		"many":        {`{"metrics":[` + strings.Repeat(`{"name":"x"},`, 50) + `{}]}`, "at most 50"},
		"granularity": {`{"granularity":"FORTNIGHT",` + metric + `}`, `granularity: "FORTNIGHT" is none of DAY, HOUR`},
		"start":       {`{"start":"yesterday",` + metric + `}`, `start: "yesterday" is not a time of ISO 8601`},
		"end":         {`{"end":"2024-13-01",` + metric + `}`, `end: "2024-13-01"`},
		"order":       {`{"start":"2024-03-02","end":"2024-03-01",` + metric + `}`, "start: it lies behind end"},
		"filter":      {`{"metrics":[{"name":"` + prefix + `size","filters":[{"name":"schemaId","value":"x"}]}]}`, `there is no filter "schemaId"`},
		"aggregator":  {`{"metrics":[{"name":"` + prefix + `size","aggregator":"p95"}]}`, `aggregator: "p95"`},
		"downsample":  {`{"metrics":[{"name":"` + prefix + `size","downsample":"p95"}]}`, `downsample: "p95"`},
		"JSON":        {"{\n  \"metrics\": [,]\n}", "line 2, column 15"},
		"kind":        {`{"metrics":7}`, "line 1, column"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := s.With(t).Do("POST", path, c.body)
			got, _ := r.JSON(t).(map[string]any)
			details, _ := got["details"].([]any)
			if r.Status != http.StatusBadRequest || got["httpStatus"] != "BAD_REQUEST" || got["errorCode"] != "INSGHT-1000-400" || len(details) != 1 || !strings.Contains(fmt.Sprint(details[0]), c.detail) {
				t.Errorf("%d %s", r.Status, r.Body)
			}
		})
	}
	if r := s.Do("GET", path, nil); r.Status != http.StatusMethodNotAllowed || r.Header.Get("Allow") != "POST" {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	p := prod.Principal
	p.Admin, p.Grants = false, map[string][]access.Permission{"prod": {access.ViewSchemas}}
	if r := s.As(p, "POST", path, `{`); r.Status != http.StatusForbidden {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	p.Grants["prod"] = []access.Permission{access.ViewMonitoring}
	if r := s.As(p, "POST", path, `{`+metric+`}`); r.Status != http.StatusOK {
		t.Errorf("%d %s", r.Status, r.Body)
	}
}

// Sums over spans are the sum over the whole time, whatever the granularity
// and however grouped, and every span begins where its granularity says.
func TestSums(t *testing.T) {
	t.Parallel()
	w := catalogtest.New(t)
	s := serve(t, w)
	datasets := []catalog.Dataset{w.Dataset(t, prod, "a"), w.Dataset(t, prod, "b"), w.Dataset(t, prod, "c")}
	type landed struct {
		dataset string
		end     time.Time
		rows    int64
	}
	var all []landed
	begin := at("2023-12-28T00:00:00Z")
	for i := range 60 {
		l := landed{datasets[i%3].ID, begin.Add(time.Duration(i*i) * 7 * time.Hour), int64(i)}
		land(t, w, prod, datasets[i%3], catalog.Success, l.end, l.rows, 0, 0)
		all = append(all, l)
	}
	last := all[len(all)-1].end
	rapid.Check(t, func(rt *rapid.T) {
		granularity := rapid.SampledFrom([]string{"MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"}).Draw(rt, "granularity")
		grouped := rapid.Bool().Draw(rt, "grouped")
		ids := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{datasets[0].ID, datasets[1].ID, datasets[2].ID}), 1, 3, rapid.ID).Draw(rt, "ids")
		hours := int(last.Sub(begin).Hours())
		from := rapid.IntRange(0, hours).Draw(rt, "from")
		start := begin.Add(time.Duration(from) * time.Hour)
		end := begin.Add(time.Duration(rapid.IntRange(from, hours).Draw(rt, "to")) * time.Hour)
		want := int64(0)
		for _, l := range all {
			if slices.Contains(ids, l.dataset) && !l.end.Before(start) && !l.end.After(end) {
				want += l.rows
			}
		}
		r := s.Do("POST", path, map[string]any{
			"start": start, "end": end, "granularity": granularity,
			"metrics": []any{map[string]any{"name": prefix + "recordsuccess.count", "filters": []any{map[string]any{"name": "dataSetId", "value": strings.Join(ids, "|"), "groupBy": grouped}}}},
		})
		var got struct {
			MetricResponses []struct {
				Datapoints []struct {
					GroupBy map[string]string
					DPS     map[time.Time]float64
				}
			}
		}
		if err := json.Unmarshal(r.Body, &got); err != nil {
			rt.Fatalf("%s: %v", r.Body, err)
		}
		sum := 0.0
		points := got.MetricResponses[0].Datapoints
		if grouped && len(points) != len(ids) || !grouped && len(points) != 1 {
			rt.Fatalf("%d series: %s", len(points), r.Body)
		}
		for _, p := range points {
			for at, v := range p.DPS {
				sum += v
				h, m, sec := at.Clock()
				bad := sec != 0 || granularity != "MINUTE" && m != 0 || !slices.Contains([]string{"MINUTE", "HOUR"}, granularity) && h != 0 ||
					granularity == "WEEK" && at.Weekday() != time.Monday || granularity == "MONTH" && at.Day() != 1 || granularity == "YEAR" && at.YearDay() != 1
				if bad {
					rt.Fatalf("a %s begins at %s", granularity, at)
				}
			}
		}
		if math.Abs(sum-float64(want)) > 0 {
			rt.Fatalf("%s: %v rows, want %d", r.Body, sum, want)
		}
	})
}

func FuzzMetrics(f *testing.F) {
	w := catalogtest.New(f)
	d, err := w.Catalog.CreateDataset(f.Context(), prod, catalog.Dataset{Name: "mine", SchemaID: catalogtest.Schema})
	if err != nil {
		f.Fatal(err)
	}
	land(f, w, prod, d, catalog.Success, catalogtest.Start, 1, 1, 1)
	s := serve(f, w)
	for _, seed := range []string{
		`{"metrics":[{"name":"` + prefix + `size","filters":[{"name":"dataSetId","value":"|","groupBy":true}]}]}`,
		`{"start":"0000-01-01","end":"9999-12-31T23:59:59.999999999+23:59","granularity":"week","metrics":[{"name":"` + prefix + `dailysize","aggregator":"avg"}]}`,
		`{"metrics":[null]}`, `null`, `[]`, `{"metrics":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := s.With(t).Do("POST", path, body)
		if r.Status != http.StatusOK && r.Status != http.StatusBadRequest && r.Status != http.StatusRequestEntityTooLarge {
			t.Errorf("%q: %d %s", body, r.Status, r.Body)
		}
		r.JSON(t)
	})
}
