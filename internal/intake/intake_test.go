package intake_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/intake"
	"github.com/tributary-data/tributary/internal/problem"
)

// load makes a batch of JSON lines with one file.
func (w *world) load(t *testing.T, r intake.Request, lines ...string) catalog.Batch {
	t.Helper()
	r.DatasetID = w.dataset.ID
	if r.Format.Format == "" {
		r.Format.Format = "json"
	}
	b, err := w.Create(t.Context(), admin(), r)
	check(t, err)
	_, _, err = w.Put(t.Context(), admin(), b.ID, w.dataset.ID, "orders.json", strings.NewReader(strings.Join(lines, "\n")))
	check(t, err)
	return b
}

// push loads and completes.
func (w *world) push(t *testing.T, r intake.Request, lines ...string) catalog.Batch {
	t.Helper()
	b := w.load(t, r, lines...)
	b, err := w.Signal(t.Context(), admin(), b.ID, "complete")
	check(t, err)
	return b
}

func TestBatchesOfEveryFormat(t *testing.T) {
	t.Parallel()
	no := false
	for name, test := range map[string]struct {
		request intake.Request
		text    string
		status  catalog.Status
		in, bad int64
		rows    []string
		code    string // of the first error
	}{
		"lines": {text: order(1) + "\n\n \r\n" + order(2) + "\r\n", status: catalog.Success, in: 2, rows: []string{`{"_acme":{"amount":1,"id":"o1"}}`, `{"_acme":{"amount":2,"id":"o2"}}`}},
		"all types": {
			text:   `{"timestamp":"2026-01-31T12:00:00.1239+02:00","_acme":{"id":"a","amount":1e3,"count":1.0,"paid":true,"day":"2026-02-28","rate":0.1,"tags":["x",null],"labels":{"k":"v"}}}`,
			status: catalog.Success, in: 1,
			rows: []string{`{"_acme":{"amount":1000,"count":1,"day":"2026-02-28","id":"a","labels":{"k":"v"},"paid":true,"rate":0.1,"tags":["x",null]},"timestamp":"2026-01-31T10:00:00.123Z"}`},
		},
		"a bad line, none may be": {text: order(1) + "\n{broken", status: catalog.Failed, in: 2, bad: 1, code: "INGEST-1211-400"},
		"a bad line, some may be": {
			request: intake.Request{PartialPercent: new(50)}, text: order(1) + "\n{broken", status: catalog.Success, in: 2, bad: 1, code: "INGEST-1212-400",
			rows: []string{`{"_acme":{"amount":1,"id":"o1"}}`},
		},
		"too many bad": {request: intake.Request{PartialPercent: new(50)}, text: order(1) + "\n{\n[]\n1", status: catalog.Failed, in: 4, bad: 3, code: "INGEST-1212-400"},
		"required":     {text: `{"_acme":{"amount":1}}`, status: catalog.Failed, in: 1, bad: 1, code: "INGEST-1211-400"},
		"unknown":      {text: `{"_acme":{"id":"a","other":1}}`, status: catalog.Failed, in: 1, bad: 1, code: "INGEST-1211-400"},
		"no file rows": {text: " \n ", status: catalog.Failed, code: "106"},
		"empty":        {text: "", status: catalog.Failed, code: "106"},
		"array": {
			request: intake.Request{Format: catalog.InputFormat{Format: "JSON", IsMultiLineJSON: true}}, text: "\ufeff[\n" + order(1) + "\n,\n{\n\"_acme\":\n{\"id\":\"]}\\\"\"}}]\n",
			status: catalog.Success, in: 2, rows: []string{`{"_acme":{"amount":1,"id":"o1"}}`, `{"_acme":{"id":"]}\""}}`},
		},
		"objects":         {request: intake.Request{Format: catalog.InputFormat{Format: "json", IsMultiLineJSON: true}}, text: order(1) + order(2), status: catalog.Success, in: 2, rows: []string{`{"_acme":{"amount":1,"id":"o1"}}`, `{"_acme":{"amount":2,"id":"o2"}}`}},
		"no object":       {request: intake.Request{Format: catalog.InputFormat{Format: "json", IsMultiLineJSON: true}}, text: `[1, "a", {}`, status: catalog.Failed, in: 3, bad: 2, code: "INGEST-1401-400"},
		"array not ended": {request: intake.Request{Format: catalog.InputFormat{Format: "json", IsMultiLineJSON: true}}, text: "[" + order(1), status: catalog.Failed, in: 1, code: "INGEST-1401-400"},
		"array and more":  {request: intake.Request{Format: catalog.InputFormat{Format: "json", IsMultiLineJSON: true}}, text: "[" + order(1) + "]]", status: catalog.Failed, in: 1, code: "INGEST-1401-400"},
		"csv": {
			request: intake.Request{Format: catalog.InputFormat{Format: "csv"}},
			text:    "_acme.id,amount,_acme.paid,day,timestamp,rate\r\n\"a,\"\"b\\\"\n\",+7 ,yes,31.1.2026,2026-01-31,1.50\nb,x,,,,\n",
			status:  catalog.Success, in: 2, code: "MAPPER-3700-400",
			rows: []string{`{"_acme":{"amount":7,"day":"2026-01-31","id":"a,\"b\"\n","paid":true,"rate":1.5},"timestamp":"2026-01-31T00:00:00Z"}`, `{"_acme":{"id":"b"}}`},
		},
		"csv without header": {
			request: intake.Request{Format: catalog.InputFormat{Format: "csv", Header: &no, Delimiter: ";", NullMarker: "NULL"}},
			text:    "NULL;a;1;2;NULL;NULL;NULL\n", status: catalog.Success, in: 1, rows: []string{`{"_acme":{"amount":1,"count":2,"id":"a"}}`},
		},
		"csv with an empty header": {request: intake.Request{Format: catalog.InputFormat{Format: "csv"}}, text: ", \n1,2", status: catalog.Failed, code: "118"},
		"csv with a wrong header":  {request: intake.Request{Format: catalog.InputFormat{Format: "csv"}}, text: "id,what\na,b", status: catalog.Failed, code: "INGEST-1401-400"},
		"csv with wrong rows": {
			request: intake.Request{Format: catalog.InputFormat{Format: "csv"}, PartialPercent: new(90)}, text: "id,amount\na,1\na\n\xff,1\n,1\n\"a\"b,1\n\"never closed",
			status: catalog.Success, in: 6, bad: 5, code: "INGEST-1212-400", rows: []string{`{"_acme":{"amount":1,"id":"a"}}`},
		},
		"parquet that is none": {request: intake.Request{Format: catalog.InputFormat{Format: "parquet"}}, text: "PAR1 and so on PAR1", status: catalog.Failed, code: "INGEST-1401-400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.push(t, test.request, test.text)
			b = w.until(t.Context(), t, b.ID)
			if b.Status != test.status || b.Metrics == nil || b.Metrics.InputRecordCount != test.in || b.Metrics.FailedRecordCount != test.bad {
				t.Errorf("the batch is %s: %+v %v", b.Status, b.Metrics, b.Errors)
			}
			if code := append(b.Errors, catalog.BatchError{})[0].Code; code != test.code {
				t.Errorf("errors %v, want %s", b.Errors, test.code)
			}
			if test.rows == nil {
				test.rows = []string{}
			}
			if diff := cmp.Diff(test.rows, w.rows(t)); diff != "" {
				t.Error(diff)
			}
			if used := w.schemas.used > 0; used != (test.status == catalog.Success) {
				t.Errorf("the schema is used: %v", used)
			}
		})
	}
}

func TestParquetComesBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.push(t, intake.Request{}, order(1), `{"_acme":{"id":"x","tags":["a"],"labels":{"k":"v"},"day":"2026-01-01"},"timestamp":"2026-01-31T10:00:00.123Z"}`)
	w.until(t.Context(), t, first.ID)
	before := w.rows(t)
	files, err := w.tables.Files(t.Context(), w.dataset.Table, first.ID)
	check(t, err)
	f, err := w.tables.Open(t.Context(), w.dataset.Table, files[0].Path)
	check(t, err)
	text, err := io.ReadAll(f)
	check(t, err)
	check(t, f.Close())
	// The file has our own column, which the schema does not.
	b := w.push(t, intake.Request{Format: catalog.InputFormat{Format: "parquet"}, PartialPercent: new(100)}, string(text))
	if b = w.until(t.Context(), t, b.ID); b.Metrics.FailedRecordCount != 2 || b.Metrics.InputRecordCount != 2 {
		t.Errorf("%+v %v", b.Metrics, b.Errors)
	}
	if diff := cmp.Diff(before, w.rows(t)); diff != "" {
		t.Error(diff)
	}
}

func TestSignals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	invalid := func(id, action string) {
		t.Helper()
		if _, err := w.Signal(t.Context(), admin(), id, action); err == nil {
			t.Errorf("%s was taken", action)
		}
	}
	none, err := w.Create(t.Context(), admin(), intake.Request{DatasetID: w.dataset.ID, Format: catalog.InputFormat{Format: "json"}})
	check(t, err)
	_, err = w.Signal(t.Context(), admin(), none.ID, "COMPLETE")
	check(t, err)
	if none = w.until(t.Context(), t, none.ID); none.Status != catalog.Failed || none.Errors[0].Code != "133" {
		t.Errorf("a batch without files is %s %v", none.Status, none.Errors)
	}
	for action, status := range map[string]catalog.Status{"ABORT": catalog.Aborted, "FAIL": catalog.Failed} {
		b := w.load(t, intake.Request{}, order(1))
		invalid(b.ID, "REVERT")
		invalid(b.ID, "STOP")
		b, err := w.Signal(t.Context(), admin(), b.ID, action)
		check(t, err)
		if b.Status != status {
			t.Errorf("after %s the batch is %s", action, b.Status)
		}
		invalid(b.ID, "COMPLETE")
		invalid(b.ID, action)
		if _, _, err := w.Put(t.Context(), admin(), b.ID, w.dataset.ID, "more.json", strings.NewReader("{}")); err == nil {
			t.Error("the batch took a file")
		}
	}
	b := w.push(t, intake.Request{}, order(1))
	w.until(t.Context(), t, b.ID)
	invalid(b.ID, "COMPLETE")
	invalid(b.ID, "ABORT")
	_, err = w.Signal(t.Context(), admin(), b.ID, "revert")
	check(t, err)
	for got := b; got.Status != catalog.Deleted; {
		got, err = w.catalog.Batch(t.Context(), admin(), b.ID)
		check(t, err)
	}
	invalid(b.ID, "REVERT")
	if got := w.rows(t); len(got) > 0 {
		t.Errorf("rows %v", got)
	}
	for left := 1; left > 0; {
		dirs, err := filepath.Glob(filepath.Join(w.Dir, "staging", "*"))
		check(t, err)
		left = len(dirs)
	}
}

func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.load(t, intake.Request{ExternalID: "mine"}, order(1))
	json := catalog.InputFormat{Format: "json"}
	for name, r := range map[string]intake.Request{
		"no dataset":      {Format: json},
		"unknown dataset": {DatasetID: "65e622315f78042c9e8166e8", Format: json},
		"no format":       {DatasetID: w.dataset.ID},
		"avro":            {DatasetID: w.dataset.ID, Format: catalog.InputFormat{Format: "avro"}},
		"delimiter":       {DatasetID: w.dataset.ID, Format: catalog.InputFormat{Format: "csv", Delimiter: ";;"}},
		"charset":         {DatasetID: w.dataset.ID, Format: catalog.InputFormat{Format: "csv", Charset: "utf-16"}},
		"percent":         {DatasetID: w.dataset.ID, Format: json, PartialPercent: new(101)},
		"external id":     {DatasetID: w.dataset.ID, Format: json, ExternalID: "mine"},
		"predecessor":     {DatasetID: w.dataset.ID, Format: json, Replay: &catalog.Replay{Predecessors: []string{"x"}}},
		"loading one":     {DatasetID: w.dataset.ID, Format: json, Replay: &catalog.Replay{Predecessors: []string{other.ID}}},
		"both":            {DatasetID: w.dataset.ID, Format: json, Replay: &catalog.Replay{Predecessors: []string{other.ID}, PredecessorsByExternalID: []string{"mine"}}},
	} {
		_, err := w.Create(t.Context(), admin(), r)
		want := problem.Invalid
		if name == "external id" {
			want = problem.Conflict
		}
		if problem.KindOf(err) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLargeFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, err := w.Create(t.Context(), admin(), intake.Request{DatasetID: w.dataset.ID, Format: catalog.InputFormat{Format: "json"}})
	check(t, err)
	text := order(1) + "\n" + order(2)
	patch := func(from, to int, total int64) error {
		_, err := w.Patch(t.Context(), admin(), b.ID, w.dataset.ID, "a/b.json", intake.Range{From: int64(from), To: int64(to), Total: total}, strings.NewReader(text[from:to]))
		return err
	}
	complete := func() error {
		_, err := w.CompleteFile(t.Context(), admin(), b.ID, w.dataset.ID, "a/b.json")
		return err
	}
	if patch(0, 5, 0) == nil {
		t.Error("a piece of a file that was not begun was taken")
	}
	_, err = w.Initialize(t.Context(), admin(), b.ID, w.dataset.ID, "a/b.json")
	check(t, err)
	if complete() == nil {
		t.Error("a file without pieces was completed")
	}
	check(t, patch(10, 20, 0))
	check(t, patch(0, 7, int64(len(text))))
	for _, r := range [][2]int{{0, 7}, {5, 8}, {19, 21}, {9, 30}} {
		if patch(r[0], r[1], 0) == nil {
			t.Errorf("%v overlaps and was taken", r)
		}
	}
	if patch(7, 8, 30) == nil {
		t.Error("another total was taken")
	}
	if _, err := w.Patch(t.Context(), admin(), b.ID, w.dataset.ID, "a/b.json", intake.Range{From: 7, To: 10}, strings.NewReader("ab")); err == nil {
		t.Error("a body that is too short was taken")
	}
	if _, err := w.Patch(t.Context(), admin(), b.ID, w.dataset.ID, "a/b.json", intake.Range{From: 7, To: 10}, strings.NewReader("abcd")); err == nil {
		t.Error("a body that is too long was taken")
	}
	if complete() == nil {
		t.Error("a file with a hole was completed")
	}
	if _, err := w.Signal(t.Context(), admin(), b.ID, "COMPLETE"); err == nil {
		t.Error("a batch with an open file was completed")
	}
	check(t, patch(7, 10, 0))
	f, err := w.Head(t.Context(), admin(), b.ID, w.dataset.ID, "a/b.json")
	check(t, err)
	if diff := cmp.Diff([][2]int64{{0, 20}}, f.Parts); diff != "" {
		t.Error(diff)
	}
	if complete() == nil {
		t.Error("a file without its end was completed")
	}
	check(t, patch(20, len(text), 0))
	check(t, complete())
	check(t, complete())
	_, err = w.Signal(t.Context(), admin(), b.ID, "COMPLETE")
	check(t, err)
	if b := w.until(t.Context(), t, b.ID); b.Metrics.OutputRecordCount != 2 || b.Metrics.InputByteSize != int64(len(text)) {
		t.Errorf("%s %+v %v", b.Status, b.Metrics, b.Errors)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	srv := gatewaytest.New(t, w.HTTP())
	d := w.dataset.ID
	post := func(body any) gatewaytest.Reply { t.Helper(); return srv.Do("POST", intake.Base+"/batches", body) }
	if r := post("{"); r.Status != 400 || !strings.Contains(string(r.Body), "line 1") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if r := post(map[string]any{"datasetId": d}); r.Status != 400 || !strings.Contains(string(r.Body), "inputFormat") {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	made := post(map[string]any{
		"datasetId": d, "inputFormat": map[string]any{"format": "JSON"}, "externalId": "ext-1", "tags": map[string]any{"run": []string{"1"}}, "partialIngestionPercentage": "50",
	})
	if made.Status != 201 || made.Header.Get("Location") == "" {
		t.Fatalf("%d %s", made.Status, made.Body)
	}
	var b struct {
		ID, Status, ExternalID, ImsOrg, Version string
		RelatedObjects                          []map[string]string
		Tags                                    map[string][]string
	}
	check(t, json.Unmarshal(made.Body, &b))
	if b.Status != "loading" || b.ExternalID != "ext-1" || b.ImsOrg != gatewaytest.Org || b.Version != "1.0.0" || b.RelatedObjects[0]["id"] != d || b.Tags["acp_partialIngestionPercent"][0] != "50" {
		t.Errorf("%s", made.Body)
	}
	if r := post(map[string]any{"datasetId": d, "inputFormat": map[string]any{"format": "json"}, "externalId": "ext-1"}); r.Status != 409 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	batch := intake.Base + "/batches/" + b.ID
	files := batch + "/datasets/" + d + "/files/"
	octets := []string{"Content-Type", "application/octet-stream"}
	for _, test := range []struct {
		method, path string
		body         any
		header       []string
		status       int
	}{
		{"PUT", files + "a.json", order(1), nil, 415},
		{"PUT", files + "a.json", order(1), []string{"Content-Type", "text/plain"}, 415},
		{"PUT", files + "a.json", order(1), octets, 201},
		{"PUT", files + "a.json", order(2) + "\n{", octets, 200},
		{"PUT", files + strings.Repeat("x", 1990), order(1), octets, 414},
		{"PUT", files + "%2e%2e/%2e%2e/x", order(1), octets, 400},
		{"PUT", files + "a%00b", order(1), octets, 400},
		{"PUT", strings.Replace(files, b.ID, "01HRF", 1) + "a", order(1), octets, 404},
		{"PUT", strings.Replace(files, d, "65e622315f78042c9e8166e8", 1) + "a", order(1), octets, 404},
		{"DELETE", files + "a.json", nil, nil, 405},
		{"POST", files + "big.json", nil, nil, 400},
		{"POST", files + "big.json?action=initialize", nil, nil, 201},
		{"PATCH", files + "big.json", order(3), octets, 400},
		{"PATCH", files + "big.json", order(3), append([]string{"Content-Range", "bytes 0-1/*"}, octets...), 400},
		{"PATCH", files + "big.json", order(3), append([]string{"Content-Range", "bytes 0-600000000/*"}, octets...), 413},
		{"PATCH", files + "big.json", order(3), append([]string{"Content-Range", fmt.Sprintf("bytes 0-%d/*", len(order(3))-1)}, octets...), 200},
		{"POST", batch + "?action=COMPLETE", nil, nil, 400},
		{"POST", files + "big.json?action=COMPLETE", nil, nil, 200},
		{"GET", batch + "/datasets/" + d + "/preview", nil, nil, 400},
		{"GET", batch + "/datasets/" + d + "/preview?format=json&nrow=x", nil, nil, 400},
		{"POST", batch, nil, nil, 400},
		{"POST", batch + "?action=JUMP", nil, nil, 400},
	} {
		r := srv.Do(test.method, test.path, test.body, test.header...)
		if r.Status != test.status {
			t.Errorf("%s %s: %d %s, want %d", test.method, test.path, r.Status, r.Body, test.status)
		}
	}
	head := srv.Do("HEAD", files+"big.json", nil)
	if want := fmt.Sprintf("0-%d", len(order(3))-1); head.Status != 200 || head.Header.Get("Range") != want {
		t.Errorf("%d Range %q, want %q", head.Status, head.Header.Get("Range"), want)
	}
	preview := srv.Do("GET", batch+"/datasets/"+d+"/preview?format=json&nrow=3", nil)
	if diff := cmp.Diff(map[string]any{
		"formatParams": map[string]any{"format": "json", "isMultiLineJson": false},
		"preview": map[string]any{
			"columns": []any{map[string]any{"cid": "0", "name": "_acme/id"}, map[string]any{"cid": "1", "name": "_acme/amount"}},
			"rows":    []any{map[string]any{"0": "o2", "1": "2"}, map[string]any{"0": "o3", "1": "3"}},
		},
	}, preview.JSON(t)); diff != "" {
		t.Errorf("%s %s", diff, preview.Body)
	}
	if r := srv.Do("POST", intake.Base+"/batches/$ext-1?action=COMPLETE", nil); r.Status != 200 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	if got := w.until(t.Context(), t, b.ID); got.Status != catalog.Success || got.Metrics.OutputRecordCount != 2 || got.Metrics.FailedRecordCount != 1 {
		t.Errorf("%s %+v %v", got.Status, got.Metrics, got.Errors)
	}
	text := ""
	list, err := w.List(t.Context(), admin(), b.ID, "row_errors")
	check(t, err)
	for _, f := range list {
		r, err := w.Service.Open(t.Context(), admin(), b.ID, "row_errors/"+f.Path)
		check(t, err)
		all, err := io.ReadAll(r)
		check(t, err)
		check(t, r.Close())
		text += string(all)
	}
	if !strings.HasPrefix(text, `{"_errors":[{"code":"1401","message":"Row is corrupted and cannot be read, please fix and resend. `) || !strings.HasSuffix(text, `"_filename":"a.json","_corrupt_record":"{"}`+"\n") {
		t.Errorf("diagnostics %s", text)
	}

	nobody := access.Principal{Org: gatewaytest.Org, Client: "c", Grants: map[string][]access.Permission{"prod": {access.ViewDatasets}}}
	if r := srv.As(nobody, "POST", intake.Base+"/batches", "{"); r.Status != 403 {
		t.Errorf("%d %s", r.Status, r.Body)
	}
	stranger := gatewaytest.Admin("prod").Principal
	stranger.Org = gatewaytest.OtherOrg
	for _, r := range []gatewaytest.Reply{
		srv.As(stranger, "POST", batch+"?action=REVERT", nil), srv.As(stranger, "HEAD", files+"a.json", nil), srv.Do("POST", batch+"?action=REVERT", nil, "X-Sandbox-Name", "dev"),
	} {
		if r.Status != http.StatusNotFound {
			t.Errorf("%d %s", r.Status, r.Body)
		}
	}
}

func TestOldDiagnosticsGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.push(t, intake.Request{PartialPercent: new(100)}, "{")
	b = w.until(t.Context(), t, b.ID)
	dirs, err := filepath.Glob(filepath.Join(w.Dir, "diagnostics", "*"))
	check(t, err)
	if len(dirs) != 1 {
		t.Fatalf("directories %v", dirs)
	}
	check(t, w.Sweep(t.Context()))
	if !exists(dirs[0]) {
		t.Error("young diagnostics are gone")
	}
	old := time.Now().Add(-31 * 24 * time.Hour)
	check(t, os.Chtimes(dirs[0], old, old))
	check(t, w.Sweep(t.Context()))
	if exists(dirs[0]) {
		t.Error("old diagnostics are there")
	}
	if _, err := w.Service.Open(t.Context(), admin(), b.ID, "input_files"); problem.KindOf(err) != problem.NotFound {
		t.Error(err)
	}
}
