package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
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
	"github.com/tributary-data/tributary/internal/audience"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/flow"
)

// How decisions are measured.
const (
	decisionRate  = 1000 // a second
	decisionTime  = time.Minute
	decisionTurn  = 5 * time.Second
	decisionKnown = 1_000_000 // customers who were exposed before
	decisionNew   = 4         // one customer of so many is new
	decisionGoal  = 5 * time.Millisecond
)

const experiments = "/data/tributary/experiments"

// A decider is a server under measurement.
type decider struct {
	name  string
	shop  *asker
	pid   int
	stop  func()
	took  []time.Duration // by number of the call
	cpu   time.Duration
	calls int
}

// decisions measures what a shop waits for, before checkout, with the server on one
// core, and an audience of
// all customers. Calls come when they are due, whether or not earlier ones were answered,
// and what each takes is counted from then. Where there is another build to compare
// with, both take turns, so that what else the machine does befalls both.
func (b *bench) decisions(ctx context.Context, against string) error {
	ours := b.bin
	builds := []string{ours}
	if against != "" {
		builds = append(builds, against)
	}
	var all []*decider
	defer func() {
		b.bin, b.on = ours, nil
		for _, d := range all {
			d.stop()
		}
	}()
	for i, bin := range builds {
		b.bin, b.on = bin, nil
		d, err := b.decider(ctx, filepath.Join(b.tmp, fmt.Sprint("decisions", i)))
		if err != nil {
			return err
		}
		d.name = []string{"", "the other build"}[i]
		all = append(all, d)
	}
	disk, end := flushes(b.tmp)
	for turn := range int(decisionTime / decisionTurn) {
		for _, d := range all {
			if err := d.turn(ctx, turn); err != nil {
				_ = end()
				return err
			}
		}
	}
	if err := end(); err != nil {
		return err
	}
	fmt.Printf("\nDecisions, %d a second for %s, the server on one core, %d customers exposed before, all of an audience\n\n", decisionRate, decisionTime, decisionKnown)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "customer\tdecisions\tp50\tp90\tp99\tp99.9\tlongest")
	for _, d := range all {
		d.print(w)
	}
	quantiles(w, "(80 bytes and an fsync, beside it)", *disk)
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Println()
	for _, d := range all {
		slices.Sort(d.took)
		met := "met"
		if percentile(d.took, 0.99) > decisionGoal {
			met = "missed"
		}
		fmt.Printf("CPU of the server: %s a decision; p99 of at most %s: %s %s\n", (d.cpu / time.Duration(d.calls)).Round(time.Microsecond), decisionGoal, met, d.name)
	}
	return nil
}

// decider prepares a directory and starts the server that decides by it.
func (b *bench) decider(ctx context.Context, dir string) (*decider, error) {
	at, stop, err := b.serve(ctx, "", dir)
	if err != nil {
		return nil, err
	}
	e, key, err := prepare(ctx, at, dir)
	stop()
	if err != nil {
		return nil, err
	}
	if err := expose(ctx, dir, e); err != nil {
		return nil, err
	}
	b.on = []string{"taskset", "-c", "0"} // one core, for the collector and the kernel's part, too
	if at, stop, err = b.serve(ctx, "", dir); err != nil {
		return nil, err
	}
	d := &decider{shop: &asker{at: at, key: key, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000}}}, pid: b.serving, stop: stop}
	for i := range 500 { // connections, and the code's first pages
		if err := d.shop.ask(ctx, customer(i)); err != nil {
			stop()
			return nil, err
		}
	}
	return d, nil
}

// turn asks as many decisions as are due in one.
func (d *decider) turn(ctx context.Context, turn int) error {
	n := decisionRate * int(decisionTurn/time.Second)
	took, failed := make([]time.Duration, n), make([]error, n)
	var wg sync.WaitGroup
	before := used(d.pid)
	begun := time.Now()
	for j := range n {
		i := turn*n + j
		due := begun.Add(time.Duration(j) * time.Second / decisionRate)
		time.Sleep(time.Until(due))
		who := customer(i * 7919 % decisionKnown)
		if i%decisionNew == 0 {
			who = customer(decisionKnown + i)
		}
		wg.Go(func() {
			failed[j] = d.shop.ask(ctx, who)
			took[j] = time.Since(due)
		})
	}
	wg.Wait()
	d.cpu += used(d.pid) - before
	d.calls += n
	d.took = append(d.took, took...)
	return errors.Join(failed...)
}

func (d *decider) print(w io.Writer) {
	var known, fresh []time.Duration
	for i, took := range d.took {
		if i%decisionNew == 0 {
			fresh = append(fresh, took)
		} else {
			known = append(known, took)
		}
	}
	if d.name != "" {
		fmt.Fprintf(w, "%s:\t\t\t\t\t\t\n", d.name)
	}
	quantiles(w, "exposed before", known)
	quantiles(w, "new, kept on the disk", fresh)
	quantiles(w, "all", slices.Clone(d.took))
}

// quantiles prints a row of a table, and sorts took.
func quantiles(w io.Writer, name string, took []time.Duration) {
	slices.Sort(took)
	at := func(share float64) time.Duration {
		return percentile(took, share).Round(10 * time.Microsecond)
	}
	fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", name, len(took), at(0.5), at(0.9), at(0.99), at(0.999), at(1))
}

// flushes measures, until end is called, what the disk alone takes for what a decision
// writes: no decision on somebody new can take less.
func flushes(dir string) (took *[]time.Duration, end func() error) {
	took, done, ended := new([]time.Duration), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- func() error {
			f, err := os.Create(filepath.Join(dir, "flushes"))
			if err != nil {
				return err
			}
			defer f.Close()
			every := time.NewTicker(time.Second / 50)
			defer every.Stop()
			for {
				select {
				case <-done:
					return nil
				case <-every.C:
				}
				begun := time.Now()
				if _, err := f.Write(make([]byte, 80)); err != nil {
					return err
				}
				if err := f.Sync(); err != nil {
					return err
				}
				*took = append(*took, time.Since(begun))
			}
		}()
	}()
	return took, func() error {
		close(done)
		return <-ended
	}
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
	var group struct{ ID string }
	if err := r.post(ctx, "/data/tributary/audiences", map[string]any{"name": "All of them", "predicate": map[string]any{"charges": map[string]any{}}}, &group); err != nil {
		return e, "", err
	}
	if err := r.post(ctx, experiments, map[string]any{
		"key": "cart-offer", "name": "An add-on before checkout", "audience": group.ID,
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

// expose makes all customers members of the experiment's audience, and puts those
// who were exposed before into the log.
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
	if err := members(filepath.Join(dir, audience.Folder, e.Audience), operator.Sandbox.ID, e.Audience); err != nil {
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

// members writes the file of an audience's members, which are all customers.
func members(dir, sandbox, id string) error {
	const n = decisionKnown + decisionRate*int(decisionTime/time.Second)
	made, err := json.Marshal(audience.Made{Audience: id, Sandbox: sandbox, Version: 1, Generation: "1", At: time.Now(), Count: n, Customers: int64(n)})
	if err != nil {
		return err
	}
	var body []byte
	for i := range n {
		body = append(body, customer(i)...)
	}
	each := len(body) / n
	for i := range n {
		body = binary.BigEndian.AppendUint32(body, uint32((i+1)*each)) //nolint:gosec // some megabytes
	}
	body = append(body, make([]byte, 4*n)...) // when they joined
	file := append([]byte("tributary audience 1\n"), append(made, '\n')...)
	file = append(file, body...)
	file = binary.BigEndian.AppendUint32(file, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "members"), file, 0o600)
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
