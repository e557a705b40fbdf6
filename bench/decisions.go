package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/flow"
)

// How decisions are measured.
const (
	decisionRate  = 1000 // a second
	decisionTime  = time.Minute
	decisionKnown = 1_000_000 // customers who were exposed before
	decisionNew   = 4         // one customer of so many is new
	decisionGoal  = 5 * time.Millisecond
)

const experiments = "/data/tributary/experiments"

// decisions measures what a shop waits for, before checkout, with the server on one
// core. Calls come when they are due, whether or not earlier ones were answered,
// and what each takes is counted from then.
func (b *bench) decisions(ctx context.Context) error {
	dir := filepath.Join(b.tmp, "decisions")
	at, stop, err := b.serve(ctx, "", dir)
	if err != nil {
		return err
	}
	e, key, err := prepare(ctx, at, dir)
	stop()
	if err != nil {
		return err
	}
	if err := expose(ctx, dir, e); err != nil {
		return err
	}
	b.env = []string{"GOMAXPROCS=1"}
	defer func() { b.env = nil }()
	if at, stop, err = b.serve(ctx, "", dir); err != nil {
		return err
	}
	defer stop()
	shop := &asker{at: at, key: key, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}}
	for i := range 500 { // connections, and the code's first pages
		if err := shop.ask(ctx, customer(i)); err != nil {
			return err
		}
	}
	n := decisionRate * int(decisionTime/time.Second)
	took := make([]time.Duration, n)
	failed := make([]error, n)
	var wg sync.WaitGroup
	before := used(b.serving)
	begun := time.Now()
	for i := range n {
		due := begun.Add(time.Duration(i) * time.Second / decisionRate)
		time.Sleep(time.Until(due))
		who := customer(i * 7919 % decisionKnown)
		if i%decisionNew == 0 {
			who = customer(decisionKnown + i)
		}
		wg.Go(func() {
			failed[i] = shop.ask(ctx, who)
			took[i] = time.Since(due)
		})
	}
	wg.Wait()
	cpu := used(b.serving) - before
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	fmt.Printf("\nDecisions, %d a second for %s, the server on one core, %d customers exposed before\n\n", decisionRate, decisionTime, decisionKnown)
	var known, fresh []time.Duration
	for i, d := range took {
		if i%decisionNew == 0 {
			fresh = append(fresh, d)
		} else {
			known = append(known, d)
		}
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "customer\tdecisions\tp50\tp90\tp99\tlongest")
	for _, row := range []struct {
		name string
		took []time.Duration
	}{{"exposed before", known}, {"new, kept on the disk", fresh}, {"all", took}} {
		slices.Sort(row.took)
		at := func(share float64) time.Duration {
			return row.took[min(int(share*float64(len(row.took))), len(row.took)-1)].Round(10 * time.Microsecond)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\n", row.name, len(row.took), at(0.5), at(0.9), at(0.99), at(1))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	slices.Sort(took)
	met := "met"
	if took[len(took)*99/100] > decisionGoal {
		met = "missed"
	}
	fmt.Printf("\nCPU of the server: %s a decision\np99 of at most %s: %s\n", (cpu / time.Duration(n)).Round(time.Microsecond), decisionGoal, met)
	return nil
}

// used is the CPU time that a process has used so far; 0 where /proc doesn't say.
func used(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if err != nil || !ok || len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100) // USER_HZ
}

func customer(i int) string { return fmt.Sprintf("cus_bench%09d", i) }

// prepare makes an experiment that runs, and a key for its decisions.
func prepare(ctx context.Context, at, dir string) (e experiment.Experiment, key string, err error) {
	r := &reader{at: at}
	if err := r.login(ctx, dir); err != nil {
		return e, "", err
	}
	if err := r.post(ctx, experiments, map[string]any{
		"key": "cart-offer", "name": "An add-on before checkout",
		"variants": []any{map[string]any{"key": "none", "weight": 5000}, map[string]any{"key": "wrap", "weight": 5000, "value": map[string]any{"show": true}}},
		"measure":  map[string]any{"metric": "revenue", "currency": "eur", "days": 14},
	}, &e); err != nil {
		return e, "", err
	}
	if err := r.post(ctx, experiments+"/"+e.ID.String()+"/start", nil, &e); err != nil {
		return e, "", err
	}
	var k struct{ Key string }
	err = r.post(ctx, experiments+"/keys", map[string]any{"name": "bench"}, &k)
	return e, k.Key, err
}

// expose puts the customers who were exposed before into the log.
func expose(ctx context.Context, dir string, e experiment.Experiment) error {
	db, err := docstore.Open(ctx, filepath.Join(dir, "control.db"), time.Now, flow.Indexes()...)
	if err != nil {
		return err
	}
	defer db.Close()
	operator, err := (&access.Service{DB: db}).Operator(ctx)
	if err != nil {
		return err
	}
	log := &exposure.Log{Dir: filepath.Join(dir, exposure.Folder), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	var some []exposure.Exposure
	for i := range decisionKnown {
		variant, _ := e.Assign(experiment.Holdout{}, customer(i), func(string) bool { return true })
		some = append(some, exposure.Exposure{Experiment: e.ID, Phase: e.Phase().Number, Variant: variant, Unit: customer(i)})
		if len(some) == exposure.MaxPut {
			if err := log.Put(ctx, operator.Sandbox.ID, some...); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return log.Close()
}

// post sends JSON as the first integration, and reads what comes back.
func (r *reader) post(ctx context.Context, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.at+path, strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	for name, v := range map[string]string{
		"Authorization": "Bearer " + r.token, "X-Api-Key": r.who.ClientID, "X-Gw-Ims-Org-Id": r.who.Org, "X-Sandbox-Name": r.who.Sandbox, "Content-Type": "application/json",
	} {
		req.Header.Set(name, v)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, err = io.ReadAll(resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("%s: %d %s", path, resp.StatusCode, text)
	}
	return json.Unmarshal(text, into)
}

// An asker asks for decisions, as a shop does.
type asker struct {
	at, key string
	client  *http.Client
}

func (a *asker) ask(ctx context.Context, who string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.at+"/ofrep/v1/evaluate/flags/cart-offer", strings.NewReader(`{"context":{"targetingKey":"`+who+`","cart":["prod_1","price_2"]}}`))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(text), `"variant"`)) {
		err = fmt.Errorf("a decision: %d %s", resp.StatusCode, text)
	}
	return err
}
