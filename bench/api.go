package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
)

// What the API is measured with.
const (
	apiFlows = 1000
	apiRuns  = 10_000
	apiRate  = 50 // calls a second: what one client may make
	apiTime  = time.Minute
)

// named is what of a path is of this run alone: ids and times.
var named = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]{12,}`)

// api measures reads of dataflows and runs over HTTP. Calls come at a steady
// rate, whether or not earlier ones were answered, and what each takes is counted
// from when it was due.
func (b *bench) api(ctx context.Context) error {
	dir := filepath.Join(b.tmp, "api")
	_, stop, err := b.serve(ctx, "", dir) // makes the installation
	if err != nil {
		return err
	}
	stop()
	paths, err := fill(ctx, dir)
	if err != nil {
		return err
	}
	at, end, err := b.serve(ctx, "", dir, "--calls-per-client", "none", "--calls-per-address", "none")
	if err != nil {
		return err
	}
	defer end()
	c := &reader{at: at}
	if err := c.login(ctx, dir); err != nil {
		return err
	}
	took := make([][]time.Duration, len(paths))
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	order := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same calls each time
	begun := time.Now()
	for i := range int(apiTime/time.Second) * apiRate {
		due := begun.Add(time.Duration(i) * time.Second / apiRate)
		time.Sleep(time.Until(due))
		which := order.IntN(len(paths))
		wg.Go(func() {
			err := c.read(ctx, paths[which])
			mu.Lock()
			defer mu.Unlock()
			took[which] = append(took[which], time.Since(due))
			if err != nil {
				failed = err
			}
		})
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	fmt.Printf("\nReads of %d dataflows and %d runs, %d calls a second for %s\n\n", apiFlows, apiRuns, apiRate, apiTime)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "GET\tcalls\tp50\tp99\tlongest")
	for i, path := range append(paths, "all") {
		if path == "all" {
			took = append(took, slices.Concat(took...))
		}
		d := took[i]
		slices.Sort(d)
		if len(d) == 0 {
			continue
		}
		tenth := func(share float64) time.Duration {
			return d[min(int(share*float64(len(d))), len(d)-1)].Round(100 * time.Microsecond)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", named.ReplaceAllString(path, "…"), len(d), tenth(0.5), tenth(0.99), tenth(1))
	}
	return w.Flush()
}

// fill puts dataflows and runs into the database of an installation, and returns
// the reads that are measured.
func fill(ctx context.Context, dir string) ([]string, error) {
	db, err := docstore.Open(ctx, filepath.Join(dir, "control.db"), time.Now, flow.Indexes()...)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	caller, err := (&access.Service{DB: db}).Operator(ctx)
	if err != nil {
		return nil, err
	}
	begun := time.Now().Add(-24 * time.Hour).UnixMilli()
	item := func(at int64) flow.Item {
		etag := `"` + uuid.NewString() + `"`
		return flow.Item{
			ID: uuid.NewString(), CreatedAt: at, UpdatedAt: at, CreatedBy: caller.User, UpdatedBy: caller.User, SandboxID: caller.Sandbox.ID, SandboxName: caller.Sandbox.Name,
			Org: caller.Org, Version: etag, Etag: etag,
		}
	}
	spec := flow.Spec{ID: flow.FlowSpec, Version: "1.0"}
	var flows, runs, starts []string
	put := func(kind, parent string, i flow.Item, v any) func(t *docstore.Tx) error {
		return func(t *docstore.Tx) error {
			body, err := json.Marshal(v)
			if err != nil {
				return err
			}
			_, err = t.Put(docstore.Scope{Org: caller.Org, Sandbox: caller.Sandbox.ID}, docstore.Doc{Kind: kind, ID: i.ID, Parent: parent, Created: time.UnixMilli(i.CreatedAt), Body: body})
			return err
		}
	}
	var puts []func(t *docstore.Tx) error
	for i := range apiFlows {
		f := flow.Flow{
			Item: item(begun + int64(i)), Spec: spec, SourceIDs: []string{uuid.NewString()}, TargetIDs: []string{uuid.NewString()},
			Transformations: []flow.Transformation{{Name: "Mapping"}}, Schedule: &flow.Schedule{Start: "1700000000", Frequency: "hour", Interval: "1", Backfill: "true"},
			Route: flow.Route{ConnectionID: uuid.NewString(), Resource: "charges", DatasetID: uuid.NewString()},
		}
		f.Name, f.State = fmt.Sprintf("charges of shop %03d", i*37%apiFlows), []string{flow.Enabled, flow.Disabled}[i%2]
		flows = append(flows, f.ID)
		puts = append(puts, put("flow.flow", "", f.Item, f))
	}
	for i := range apiRuns {
		r := flow.Run{Item: item(begun + 1000*int64(i)), FlowID: flows[i*31%apiFlows], FlowSpec: spec, ProviderRefID: uuid.NewString()}
		r.Metrics = flow.Metrics{Duration: flow.Span{Started: r.CreatedAt, Completed: r.CreatedAt + 500}, Records: flow.Records{Input: 100, Output: 100}}
		r.Metrics.Status.Status = []string{flow.Success, flow.Success, flow.Success, flow.Failed}[i%4]
		for _, name := range []string{"copyActivity", "promotionActivity"} {
			r.Activities = append(r.Activities, flow.Activity{
				ID: uuid.NewString(), Name: name, Updated: r.CreatedAt, Duration: r.Metrics.Duration, Records: r.Metrics.Records, Status: r.Metrics.Status,
				Source: []flow.Party{{ID: uuid.NewString(), Type: "SourceConnection"}}, Target: []flow.Party{{ID: uuid.NewString(), Type: "TargetConnection"}},
			})
		}
		runs, starts = append(runs, r.ID), append(starts, fmt.Sprint(r.CreatedAt))
		puts = append(puts, put("flow.run", r.FlowID, r.Item, r))
	}
	for chunk := range slices.Chunk(puts, 500) {
		if err := db.Do(ctx, func(t *docstore.Tx) error {
			for _, put := range chunk {
				if err := put(t); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	one := flows[apiFlows/2]
	return []string{
		"/flows/" + one, "/runs/" + runs[apiRuns/2], "/flows", "/flows?limit=100&orderby=name", "/flows?count=true", "/runs?limit=100", "/runs?property=flowId==" + one,
		"/runs?property=metrics.statusSummary.status==failed", "/runs?property=metrics.durationSummary.startedAtUTC%3E" + starts[apiRuns*9/10], "/runs?count=true",
	}, nil
}

// A reader calls the API as the first integration.
type reader struct {
	at, token string
	who       access.Bootstrap
}

func (r *reader) login(ctx context.Context, dir string) (err error) {
	if r.who, err = access.ReadBootstrap(dir); err != nil {
		return err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {r.who.ClientID}, "client_secret": {r.who.ClientSecret}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.at+"/ims/token/v3", strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	var token struct {
		Token string `json:"access_token"`
	}
	text, err := r.do(req)
	if err != nil {
		return err
	}
	err = json.Unmarshal(text, &token)
	r.token = token.Token
	return err
}

func (r *reader) read(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.at+"/data/foundation/flowservice"+path, nil)
	if err != nil {
		return err
	}
	for name, v := range map[string]string{"Authorization": "Bearer " + r.token, "X-Api-Key": r.who.ClientID, "X-Gw-Ims-Org-Id": r.who.Org, "X-Sandbox-Name": r.who.Sandbox} {
		req.Header.Set(name, v)
	}
	_, err = r.do(req)
	return err
}

func (r *reader) do(req *http.Request) ([]byte, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", req.URL, resp.StatusCode, text)
	}
	return text, err
}
