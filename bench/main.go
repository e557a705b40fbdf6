// Bench measures Tributary as its users run it: the built program, in a
// process of its own, against a simulated Stripe in another.
//
//	go run ./bench                 everything (some minutes)
//	go run ./bench -only backfill  the backfill under Stripe's limits, against the floor
//	go run ./bench -only cpu       CPU and memory per object, without limits
//	go run ./bench -only webhook   from a webhook to the row in `query`
//	go run ./bench -only api       reads of 1,000 dataflows and 10,000 runs over HTTP, under load
//	go run ./bench -only lists     what pages ask for, with 500 dataflows and 50,000 runs, over HTTP
//	go run ./bench -only pages     the pages themselves, and what a first view transfers, with as many
//	go run ./bench -only decisions  a shop's calls before checkout, 1,000 a second, with a million customers
//	go run ./bench -only stats     experiments whose truth is known: false alarms, coverage, the promise of plans
//	go run ./bench -only long      lives of accounts, copied through faults and kills, compared at the end
//
// The floor is what the limits allow: the larger of all requests over the global
// limit and each endpoint's over the endpoint's. The least number of requests is
// one for each full page of a list, one for each list inside an object that does
// not show it whole, and one for each inline price, which no list shows.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	only := flag.String("only", "", "backfill, cpu, webhook, api, lists, pages, decisions, stats or long; empty for all but stats and long")
	latency := flag.Duration("latency", 150*time.Millisecond, "of the simulated Stripe, in the backfill")
	sizes := flag.String("charges", "100000,1000000", "numbers of charges for cpu")
	profile := flag.String("cpuprofile", "", "write a CPU profile of the last cpu run to this file")
	against := flag.String("against", "", "for decisions: another built program, which is measured in turns with this one")
	changes := flag.Int("changes", 100, "for webhook: how many objects are changed")
	lives := flag.Int("lives", 10, "for long: how many accounts")
	days := flag.Int("days", 180, "for long: virtual days of each")
	experiments := flag.Int("experiments", 2000, "for stats: how many experiments of a kind")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if *only == "stats" {
		if err := statistics(ctx, *experiments); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if *only == "long" {
		if err := long(ctx, *lives, *days); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx, *only, *latency, *sizes, *profile, *against, *changes); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, latency time.Duration, sizes, profile, against string, changes int) error {
	tmp, err := os.MkdirTemp("", "tributary-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	b := &bench{tmp: tmp, bin: filepath.Join(tmp, "tributary"), profile: profile}
	build := exec.CommandContext(ctx, "go", "build", "-o", b.bin, "./cmd/tributary")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build: %w", err)
	}
	if only == "" || only == "backfill" {
		if err := b.backfill(ctx, latency); err != nil {
			return err
		}
	}
	if only == "" || only == "cpu" {
		if err := b.cpu(ctx, sizes); err != nil {
			return err
		}
	}
	if only == "" || only == "webhook" {
		if err := b.webhook(ctx, latency, changes); err != nil {
			return err
		}
	}
	if only == "" || only == "api" {
		if err := b.api(ctx); err != nil {
			return err
		}
	}
	if only == "" || only == "lists" {
		if err := b.lists(ctx); err != nil {
			return err
		}
	}
	if only == "" || only == "pages" {
		if err := b.pages(ctx); err != nil {
			return err
		}
	}
	if only == "" || only == "decisions" {
		if err := b.decisions(ctx, against); err != nil {
			return err
		}
	}
	return nil
}

type bench struct {
	tmp, bin, profile string
	on                []string // command that runs serve; empty for none
	serving           int      // process id of the serve that was started last
	dirs              int
}

// report is the part of `sync --output json` that is needed.
type report struct {
	Status    string
	Duration  int64 `json:"duration_ms"`
	Resources []struct {
		Resource                string
		Read, Requests, Refused int64
		Inserted, Updated       int64
		Quarantined, Unchanged  int64
		Duration                int64 `json:"duration_ms"`
		Error                   *struct{ Message string }
	}
	Budget struct{ Requests int64 } `json:"read_budget"`
}

// A result is one sync with what the kernel counted of its process.
type result struct {
	report
	wall time.Duration
	cpu  time.Duration
	rss  int64 // bytes, peak

	nested, inline int64 // requests that the lists don't spare
}

var ready = regexp.MustCompile(`listening on (http://\S+)`)

// simulate starts a simulated Stripe and returns its URL.
func (b *bench) simulate(ctx context.Context, args ...string) (url string, stop func(), err error) {
	cmd := exec.CommandContext(ctx, b.bin, append([]string{"simulate", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if m := ready.FindStringSubmatch(lines.Text()); m != nil {
			go func() {
				for lines.Scan() {
				}
			}()
			return m[1], stop, nil
		}
	}
	stop()
	return "", nil, errors.New("the simulator did not start")
}

// sync runs one backfill into a new directory, which is removed afterwards.
func (b *bench) sync(ctx context.Context, url, key string, args ...string) (result, error) {
	b.dirs++
	dir := filepath.Join(b.tmp, strconv.Itoa(b.dirs))
	defer os.RemoveAll(dir)
	args = append([]string{"sync", "--dir", dir, "--stripe-url", url, "--output", "json"}, args...)
	if b.profile != "" {
		args = append(args, "--profile", b.profile)
	}
	cmd := exec.CommandContext(ctx, b.bin, args...)
	cmd.Env = append(os.Environ(), "STRIPE_API_KEY="+key)
	cmd.Stderr = os.Stderr
	var r result
	began := time.Now()
	out, err := cmd.Output()
	r.wall = time.Since(began)
	if err != nil {
		return r, fmt.Errorf("sync %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	if err := json.Unmarshal(out, &r.report); err != nil {
		return r, err
	}
	if !slices.Contains(args, "--no-history") {
		if r.nested, r.inline, err = b.extra(ctx, dir); err != nil {
			return r, err
		}
	}
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	r.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	r.rss = usage.Maxrss << 10
	return r, nil
}

// extra counts what has to be asked for beside the lists.
func (b *bench) extra(ctx context.Context, dir string) (nested, inline int64, err error) {
	out, err := exec.CommandContext(ctx, b.bin, "query", "--dir", dir, "--format", "csv", `
		select (select count(*) from subscriptions where json_array_length(items->'data') > 10),
			(select count(*) from prices_history where source = 'reference')`).Output()
	if err != nil {
		return 0, 0, fmt.Errorf("query: %w", err)
	}
	lines := strings.Split(string(out), "\n")
	_, err = fmt.Sscanf(lines[1], "%d,%d", &nested, &inline)
	return nested, inline, err
}

// backfill measures the time against the floor. The account is the one that
// other tools were measured with: 145,000 objects, most of them balance
// transactions and charges.
func (b *bench) backfill(ctx context.Context, latency time.Duration) error {
	cases := []struct {
		name             string
		mode, key        string
		limits           string
		global, endpoint float64
		share            float64
	}{
		{"live, share 1", "live", "sk_live_bench", "100/25", 100, 25, 1},
		{"live, share 0.6", "live", "sk_live_bench", "100/25", 100, 25, 0.6},
		{"test key, share 1", "test", "sk_test_bench", "25/25", 25, 25, 1},
	}
	fmt.Printf("Backfill under Stripe's limits, %s latency\n\n", latency)
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "case\tobjects\tseconds\tfloor\tratio\trequests\tleast\tratio\trefused\tobjects/s\tstatus\t")
	for _, c := range cases {
		url, stop, err := b.simulate(ctx, "--seed", "1", "--charges", "50000", "--customers", "20000", "--subscriptions", "10000", "--prices", "200",
			"--mode", c.mode, "--limits", c.limits, "--latency", latency.String())
		if err != nil {
			return err
		}
		r, err := b.sync(ctx, url, c.key, "--rate-share", fmt.Sprint(c.share))
		stop()
		if err != nil {
			return err
		}
		var objects, least, most, refused int64
		for _, s := range r.Resources {
			n := s.Inserted
			if s.Resource == "prices" {
				n -= r.inline
			}
			pages := (n + 99) / 100
			objects, least, most, refused = objects+s.Inserted, least+pages, max(most, pages), refused+s.Refused
		}
		least += r.nested + r.inline
		most = max(most, r.inline)
		floor := max(float64(least)/(c.global*c.share), float64(most)/(c.endpoint*c.share))
		seconds := r.wall.Seconds()
		fmt.Fprintf(t, "%s\t%d\t%.1f\t%.1f\t%.3f\t%d\t%d\t%.3f\t%d\t%.0f\t%s\t\n", c.name, objects, seconds, floor, seconds/floor,
			r.Budget.Requests, least, float64(r.Budget.Requests)/float64(least), refused, float64(objects)/seconds, r.Status)
	}
	return t.Flush()
}

// cpu measures what an object costs, from HTTP body to committed snapshot.
func (b *bench) cpu(ctx context.Context, sizes string) error {
	fmt.Printf("\nCPU and memory per object, no limits, no latency (sync's process alone)\n\n")
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "charges\tkept\tseconds\tCPU seconds\tobjects/CPU s\tpeak RSS MB\tstatus\t")
	for size := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			return err
		}
		url, stop, err := b.simulate(ctx, "--seed", "1", "--charges", size, "--customers", strconv.Itoa(max(n/5, 1)), "--subscriptions", "10", "--prices", "10")
		if err != nil {
			return err
		}
		for _, kept := range [][]string{{"dataset alone", "--no-history"}, {"with history"}} {
			r, err := b.sync(ctx, url, "sk_test_bench", slices.Concat([]string{"--resources", "charges", "--rate-limit", "none", "--rate-share", "1"}, kept[1:])...)
			if err != nil {
				stop()
				return err
			}
			objects := r.Resources[0].Inserted
			fmt.Fprintf(t, "%d\t%s\t%.1f\t%.1f\t%.0f\t%.0f\t%s\t\n", objects, kept[0], r.wall.Seconds(), r.cpu.Seconds(),
				float64(objects)/r.cpu.Seconds(), float64(r.rss)/1e6, r.Status)
		}
		stop()
	}
	return t.Flush()
}

// percentile returns the least of the sorted times that a share of them, above 0 and
// at most 1, does not exceed.
func percentile(sorted []time.Duration, share float64) time.Duration {
	return sorted[max(int(math.Ceil(share*float64(len(sorted))))-1, 0)]
}
