package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/webui"
)

const signIn = webui.Base + "/signin"

// Goals of pages.
const (
	pageGoal = 100 * time.Millisecond // of the 99th percentile
	viewGoal = 400_000                // bytes
)

// pageTime is how long one page is asked for, at most, beside a last time.
const pageTime = 20 * time.Second

// pages measures every page of the user interface, one after the other, with the
// dataflows of a large installation and one that really runs, and what a browser
// with an empty cache transfers for its first page.
func (b *bench) pages(ctx context.Context) error {
	dir := filepath.Join(b.tmp, "pages")
	_, stop, err := b.serve(ctx, "", dir) // makes the installation
	if err != nil {
		return err
	}
	stop()
	stock, err := fill(ctx, dir, large)
	if err != nil {
		return err
	}
	account, end, err := b.simulate(ctx, "--seed", "1", "--charges", "5000", "--customers", "500")
	if err != nil {
		return err
	}
	defer end()
	if err := compare(ctx, dir, account); err != nil {
		return err
	}
	at, done, err := b.serve(ctx, "", dir, "--stripe-url", account, "--calls-per-client", "none", "--calls-per-address", "none")
	if err != nil {
		return err
	}
	defer done()
	v, err := newVisitor(at)
	if err != nil {
		return err
	}
	first, err := v.view(ctx, signIn) // before anybody is signed in
	if err != nil {
		return err
	}
	who, err := access.ReadBootstrap(dir)
	if err != nil {
		return err
	}
	if _, err := v.post(ctx, signIn, url.Values{"client_id": {who.ClientID}, "client_secret": {who.ClientSecret}}); err != nil {
		return err
	}
	if err := v.furnish(ctx); err != nil {
		return err
	}
	pages, lost := v.addresses(ctx, stock)
	if pages == nil {
		return lost
	}
	took, views, err := v.walk(ctx, pages, large.rounds)
	if err != nil {
		return err
	}
	views[signIn] = first
	fmt.Printf("\nPages with %d dataflows and %d runs, one at a time\n\n", large.flows, large.runs)
	return errors.Join(v.print(pages, took, views), lost)
}

// abroad are parts of pages that wait for Stripe's answer where the last one is too
// old; pages stand without them, and they load by themselves.
var abroad = map[string]bool{"/ui/workflow/{draft}/connect/account": true}

func (v *visitor) print(pages map[string]address, took map[string][]time.Duration, views map[string]transfer) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "GET\tasked\tfirst\tp50\tp99\tlongest\tbytes\tfirst view")
	largest, slowest := "", ""
	var worst time.Duration
	for _, pattern := range webui.Pages() {
		d := took[pattern]
		if len(d) == 0 {
			continue
		}
		slices.Sort(d)
		of := func(share float64) time.Duration { return percentile(d, share) }
		name := pattern
		if abroad[pattern] {
			name += " (asks Stripe)"
		}
		if p99 := of(0.99); p99 > worst && !abroad[pattern] {
			slowest, worst = pattern, p99
		}
		if largest == "" || views[pattern].all() > views[largest].all() {
			largest = pattern
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\t%s\t%d\t%d\n", name, len(d), v.first[pages[pattern].path].Round(time.Millisecond/10), of(0.5).Round(time.Millisecond/10), of(0.99).Round(time.Millisecond/10), of(1).Round(time.Millisecond/10),
			views[pattern].page, views[pattern].all())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nThe first time is that of whoever came first after the last commit. The slowest of what waits for nobody else is %s: p99 %s (goal %s). The largest first view is %s: %d bytes, of which the page is %d (goal %d).\n",
		slowest, worst.Round(time.Millisecond/10), pageGoal, largest, views[largest].all(), views[largest].page, viewGoal)
	return nil
}

// walk asks for each page so many times, in another order each time; for slow ones
// less often.
func (v *visitor) walk(ctx context.Context, pages map[string]address, rounds int) (map[string][]time.Duration, map[string]transfer, error) {
	took, views := map[string][]time.Duration{}, map[string]transfer{}
	patterns := slices.Sorted(maps.Keys(pages))
	for _, pattern := range patterns {
		at := pages[pattern]
		_, _, sent, err := v.get(ctx, at.path, at.part)
		if err != nil {
			return nil, nil, err
		}
		if views[pattern] = (transfer{page: sent}); !at.part {
			if views[pattern], err = v.view(ctx, at.path); err != nil {
				return nil, nil, err
			}
		}
	}
	spent := map[string]time.Duration{}
	order := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same order each time
	for range rounds {
		for _, i := range order.Perm(len(patterns)) {
			pattern := patterns[i]
			at := pages[pattern]
			if spent[pattern] > pageTime {
				continue
			}
			begun := time.Now()
			status, _, _, err := v.get(ctx, at.path, at.part)
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("GET %s: %d", at.path, status)
			}
			if err != nil {
				return nil, nil, err
			}
			took[pattern] = append(took[pattern], time.Since(begun))
			spent[pattern] += time.Since(begun)
		}
	}
	return took, views, nil
}
