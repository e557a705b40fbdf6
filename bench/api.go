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

	"github.com/tributary-data/tributary/internal/access"
)

// How the API is measured.
const (
	apiRate = 50 // calls a second: what one client may make
	apiTime = time.Minute
)

// A population is what the API is measured with.
type population struct {
	flows, runs, accounts int
	every                 time.Duration // between two runs, the last one of which was now
	// rounds is how many times each call is made, one after the other; 0 for calls at
	// apiRate.
	rounds int
}

// large is what pages have to stay fast with.
var large = population{flows: 500, runs: 50_000, accounts: 20, every: 30 * 24 * time.Hour / 50_000, rounds: 100}

// A stock is what of a population calls name.
type stock struct {
	population
	flow, account string   // one of them
	run           string   // one of the flow's
	runs          []string // ids, from the oldest on
	starts        []int64  // of the runs, epoch ms
}

// ago returns when a share of the runs had not begun.
func (s *stock) ago(share float64) string {
	return fmt.Sprint(s.starts[int((1-share)*float64(len(s.starts)-1))])
}

const flowservice = "/data/foundation/flowservice"

// named is what of a path is of this run alone: ids and times.
var named = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]{12,}`)

// api measures reads of dataflows and runs over HTTP.
func (b *bench) api(ctx context.Context) error {
	return b.reads(ctx, "api", population{flows: 1000, runs: 10_000, accounts: 1000, every: time.Second}, func(s *stock) []string {
		var paths []string
		for _, path := range []string{
			"/flows/" + s.flow, "/runs/" + s.runs[len(s.runs)/2], "/flows", "/flows?limit=100&orderby=name", "/flows?count=true", "/runs?limit=100", "/runs?property=flowId==" + s.flow,
			"/runs?property=metrics.statusSummary.status==failed", "/runs?property=metrics.durationSummary.startedAtUTC%3E" + s.ago(0.1), "/runs?count=true",
		} {
			paths = append(paths, flowservice+path)
		}
		return paths
	})
}

// lists measures what pages of the user interface ask for.
func (b *bench) lists(ctx context.Context) error {
	return b.reads(ctx, "lists", large, func(s *stock) []string {
		var paths []string
		for _, path := range []string{
			"/flows?limit=100&orderby=name", "/flows?limit=100&orderby=-name&property=state==enabled", "/runs?limit=25&property=flowId==" + s.flow,
			"/runs?limit=25&property=flowId==" + s.flow + "&property=metrics.statusSummary.status==failed&property=metrics.durationSummary.startedAtUTC%3E" + s.ago(0.25),
			"/runs?limit=25&property=metrics.statusSummary.status==failed&property=metrics.durationSummary.startedAtUTC%3E" + s.ago(0.0001),
			"/runs?limit=25&property=metrics.statusSummary.status==inProgress", "/runs?count=true&property=metrics.statusSummary.status==failed",
			"/runs?limit=25&property=metrics.recordSummary.failedRecordCount%3E1000", "/runs?count=true&property=metrics.durationSummary.startedAtUTC%3E" + s.ago(0.25),
		} {
			paths = append(paths, flowservice+path)
		}
		for _, path := range []string{
			"/flows", "/flows?limit=100&sort=name&search=charges%20of%20shop%201", "/flows?badge=failed&sort=-lastRun&connectionId=" + s.account, "/unfinished", "/next", "/connections", "/counts",
			"/summary", "/summary?last=7d", "/summary?last=30d", "/summary?last=30d&failures=true", "/summary?last=30d&breakdown=false&flowId=" + s.flow,
		} {
			paths = append(paths, "/data/tributary/monitor"+path)
		}
		return paths
	})
}

// reads measures calls over HTTP, with a population that was put there before.
// Those of a rate come whether or not earlier ones were answered, and what each
// takes is counted from when it was due.
func (b *bench) reads(ctx context.Context, name string, p population, calls func(s *stock) []string) error {
	dir := filepath.Join(b.tmp, name)
	_, stop, err := b.serve(ctx, "", dir) // makes the installation
	if err != nil {
		return err
	}
	stop()
	stock, err := fill(ctx, dir, p)
	if err != nil {
		return err
	}
	paths := calls(stock)
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
	call := func(due time.Time, which int) {
		err := c.read(ctx, paths[which])
		mu.Lock()
		defer mu.Unlock()
		took[which] = append(took[which], time.Since(due))
		if err != nil {
			failed = err
		}
	}
	fmt.Printf("\nReads of %d dataflows and %d runs", p.flows, p.runs)
	begun := time.Now()
	if p.rounds == 0 {
		fmt.Printf(", %d calls a second for %s", apiRate, apiTime)
		for i := range int(apiTime/time.Second) * apiRate {
			due := begun.Add(time.Duration(i) * time.Second / apiRate)
			time.Sleep(time.Until(due))
			which := order.IntN(len(paths))
			wg.Go(func() { call(due, which) })
		}
	}
	for range p.rounds {
		for _, which := range order.Perm(len(paths)) {
			call(time.Now(), which)
		}
	}
	wg.Wait()
	if failed != nil {
		return failed
	}
	fmt.Print("\n\n")
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
			return percentile(d, share).Round(100 * time.Microsecond)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", named.ReplaceAllString(strings.TrimPrefix(path, flowservice), "…"), len(d), tenth(0.5), tenth(0.99), tenth(1))
	}
	return w.Flush()
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
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.at+path, nil)
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
