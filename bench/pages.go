package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/webui"
)

// Goals of pages.
const (
	pageGoal = 100 * time.Millisecond // of the 99th percentile
	viewGoal = 400_000                // bytes
)

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
	at, done, err := b.serve(ctx, "", dir, "--stripe-url", account, "--calls-per-client", "none", "--calls-per-address", "none")
	if err != nil {
		return err
	}
	defer done()
	v, err := newVisitor(at)
	if err != nil {
		return err
	}
	first, err := v.view(ctx, "/ui/signin") // before anybody is signed in
	if err != nil {
		return err
	}
	who, err := access.ReadBootstrap(dir)
	if err != nil {
		return err
	}
	if _, err := v.post(ctx, "/ui/signin", url.Values{"client_id": {who.ClientID}, "client_secret": {who.ClientSecret}}); err != nil {
		return err
	}
	if err := v.stock(ctx, stock); err != nil {
		return err
	}
	took, views, err := v.walk(ctx, large.rounds)
	if err != nil {
		return err
	}
	views["/ui/signin"] = first
	fmt.Printf("\nPages with %d dataflows and %d runs, one at a time\n\n", large.flows, large.runs)
	return printPages(took, views)
}

func printPages(took map[string][]time.Duration, views map[string]transfer) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "GET\tp50\tp99\tlongest\tbytes\tfirst view")
	largest, slowest := "", ""
	var worst time.Duration
	for _, pattern := range webui.Pages() {
		d := took[pattern]
		slices.Sort(d)
		of := func(share float64) time.Duration { return d[min(int(share*float64(len(d))), len(d)-1)] }
		if p99 := of(0.99); p99 > worst {
			slowest, worst = pattern, p99
		}
		if largest == "" || views[pattern].all() > views[largest].all() {
			largest = pattern
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\n", pattern, of(0.5).Round(time.Millisecond/10), of(0.99).Round(time.Millisecond/10), of(1).Round(time.Millisecond/10),
			views[pattern].page, views[pattern].all())
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nThe slowest is %s: p99 %s (goal %s). The largest first view is %s: %d bytes, of which the page is %d (goal %d).\n",
		slowest, worst.Round(time.Millisecond/10), pageGoal, largest, views[largest].all(), views[largest].page, viewGoal)
	return nil
}

// A transfer is what came over the wire for a page: bodies as they were sent.
type transfer struct {
	page  int            // bytes of the page itself
	files map[string]int // of what it loads, by address
}

func (t transfer) all() int {
	sum := t.page
	for _, n := range t.files {
		sum += n
	}
	return sum
}

// A visitor is a browser without scripts.
type visitor struct {
	at     string
	client *http.Client
	names  map[string]string // what stands for {name} in paths
	parts  map[string]bool   // patterns that are parts of pages: they answer scripts alone
}

func newVisitor(at string) (*visitor, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		Jar: jar, Transport: &http.Transport{DisableCompression: true}, // it is asked for here, to see what is sent
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &visitor{at: at, client: client, names: map[string]string{}, parts: map[string]bool{}}, nil
}

// get returns a page and how many bytes it was when it came.
func (v *visitor) get(ctx context.Context, path string, part bool) (status int, body string, sent int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.at+path, nil)
	if err != nil {
		return 0, "", 0, err
	}
	req.Header.Set("Accept-Encoding", "gzip")
	if part {
		req.Header.Set("Hx-Request", "true")
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return 0, "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", 0, err
	}
	sent = len(b)
	if resp.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(strings.NewReader(string(b)))
		if err != nil {
			return 0, "", 0, err
		}
		if b, err = io.ReadAll(z); err != nil {
			return 0, "", 0, err
		}
	}
	return resp.StatusCode, string(b), sent, nil
}

// page returns a page that must be there.
func (v *visitor) page(ctx context.Context, path string) (string, error) {
	status, body, _, err := v.get(ctx, path, false)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET %s: %d %s", path, status, body)
	}
	return body, err
}

// post sends a form, and returns where it leads.
func (v *visitor) post(ctx context.Context, path string, form url.Values) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, v.at+path, strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := v.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusSeeOther {
		err = fmt.Errorf("POST %s: %d %s", path, resp.StatusCode, b)
	}
	return resp.Header.Get("Location"), err
}

// loaded is what pages and styles have a browser load.
var loaded = regexp.MustCompile(`(?:(?:src|href)="(/ui/assets/[^"]+)")|(?:url\(["']?(/ui/assets/[^"')]+))`)

// view returns what a browser with an empty cache transfers for a page.
func (v *visitor) view(ctx context.Context, path string) (transfer, error) {
	status, body, sent, err := v.get(ctx, path, false)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("GET %s: %d %s", path, status, body)
	}
	t := transfer{page: sent, files: map[string]int{}}
	for left := []string{body}; len(left) > 0 && err == nil; left = left[1:] {
		for _, m := range loaded.FindAllStringSubmatch(left[0], -1) {
			file := m[1] + m[2]
			if _, ok := t.files[file]; ok {
				continue
			}
			status, content, n, failed := v.get(ctx, file, false)
			if failed == nil && status != http.StatusOK {
				failed = fmt.Errorf("GET %s: %d", file, status)
			}
			t.files[file], err = n, errors.Join(err, failed)
			if strings.HasSuffix(file, ".css") {
				left = append(left, content)
			}
		}
	}
	return t, err
}

var braces = regexp.MustCompile(`\{(\w+)\}`)

// path fills in the names of a pattern; a name that nothing stands for is an error,
// so that no new page is forgotten here.
func (v *visitor) path(pattern string) (path string, err error) {
	path = braces.ReplaceAllStringFunc(pattern, func(name string) string {
		if strings.HasPrefix(pattern, "/ui/access/roles/") || strings.HasPrefix(pattern, "/ui/alerts/") {
			name = "{" + strings.Split(pattern, "/")[len(strings.Split(pattern, "/"))-2] + "}"
		}
		is := v.names[strings.Trim(name, "{}")]
		if is == "" {
			err = fmt.Errorf("%s: the bench has nothing that stands for %s", pattern, name)
		}
		return url.PathEscape(is)
	})
	return path, err
}

// walk asks for each page so many times, in another order each time.
func (v *visitor) walk(ctx context.Context, rounds int) (map[string][]time.Duration, map[string]transfer, error) {
	took, views := map[string][]time.Duration{}, map[string]transfer{}
	patterns := webui.Pages()
	for _, pattern := range patterns {
		path, err := v.path(pattern)
		if err != nil {
			return nil, nil, err
		}
		status, body, sent, err := v.get(ctx, path, false)
		if err != nil {
			return nil, nil, err
		}
		if status == http.StatusSeeOther {
			v.parts[pattern] = true
			if status, body, sent, err = v.get(ctx, path, true); err != nil {
				return nil, nil, err
			}
		}
		if status != http.StatusOK {
			return nil, nil, fmt.Errorf("GET %s: %d %s", path, status, body)
		}
		if views[pattern] = (transfer{page: sent}); !v.parts[pattern] {
			if views[pattern], err = v.view(ctx, path); err != nil {
				return nil, nil, err
			}
		}
	}
	order := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same order each time
	for range rounds {
		for _, i := range order.Perm(len(patterns)) {
			path, err := v.path(patterns[i])
			if err != nil {
				return nil, nil, err
			}
			begun := time.Now()
			status, _, _, err := v.get(ctx, path, v.parts[patterns[i]])
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("GET %s: %d", path, status)
			}
			if err != nil {
				return nil, nil, err
			}
			took[patterns[i]] = append(took[patterns[i]], time.Since(begun))
		}
	}
	return took, views, nil
}

// stock makes a dataflow with its account, its copy and its rows, a draft of
// another, and whatever else has a page.
func (v *visitor) stock(ctx context.Context, s *stock) error {
	v.names["flow"], v.names["run"], v.names["account"] = s.flow, s.run, s.account
	err := v.workflow(ctx)
	if err != nil {
		return err
	}
	at, err := v.post(ctx, "/ui/workflow/"+v.names["draft"]+"/finish", nil)
	if err != nil {
		return err
	}
	done := regexp.MustCompile(`class="badge positive">Success`)
	for waited := 0; ; waited++ {
		page, err := v.page(ctx, at)
		if err != nil {
			return err
		}
		if done.MatchString(page) {
			v.names["dataset"] = between(page, "/ui/datasets/", `"`)
			break
		}
		if waited > 600 {
			return fmt.Errorf("the first run does not end: %s", page)
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := v.workflow(ctx); err != nil { // one that is left as it is
		return err
	}
	if _, err := v.post(ctx, "/ui/alerts/new", url.Values{"channel": {"app"}, "name": {"Failures"}, "kinds": {"run-failure"}}); err != nil {
		return err
	}
	for name, where := range map[string][2]string{
		"copy": {"/ui/copies", `<a href="/ui/copies/`}, "schema": {"/ui/schemas", `<a href="/ui/schemas/`}, "roles": {"/ui/access/roles", `<a href="/ui/access/roles/`},
		"alerts": {"/ui/alerts", `/ui/alerts/`}, "batch": {"/ui/datasets/" + v.names["dataset"], "/batches/"},
	} {
		page, err := v.page(ctx, where[0])
		if err != nil {
			return err
		}
		for _, rest := range strings.Split(page, where[1])[1:] {
			if id := rest[:strings.IndexAny(rest, `"/?`)]; id != "new" && id != "" {
				if v.names[name], err = url.PathUnescape(html.UnescapeString(id)); err != nil {
					return err
				}
				break
			}
		}
	}
	return nil
}

// between returns what stands between two texts, "" where they don't.
func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, _ := strings.Cut(rest, after)
	return found
}

// workflow fills in a draft of a dataflow up to its last step.
func (v *visitor) workflow(ctx context.Context) error {
	at, err := v.post(ctx, "/ui/workflow", nil)
	if err != nil {
		return err
	}
	draft := strings.Split(at, "/")[3]
	v.names["draft"] = draft
	base := "/ui/workflow/" + draft
	for _, step := range []struct {
		path string
		form func() (url.Values, error)
	}{
		{"/connect/new", func() (url.Values, error) { return url.Values{"name": {"Real shop"}, "token": {"sk_test_bench"}}, nil }},
		{"/data", func() (url.Values, error) { return url.Values{"resource": {"charges"}}, nil }},
		{"/detail", func() (url.Values, error) {
			page, err := v.page(ctx, base+"/detail")
			schema := regexp.MustCompile(`name="schema" value="([^"]*)" checked`).FindStringSubmatch(page)
			if schema == nil {
				schema = []string{"", ""}
			}
			return url.Values{"target": {"new"}, "datasetName": {"Charges " + draft}, "schema": {html.UnescapeString(schema[1])}, "name": {"Charges " + draft}}, err
		}},
		{"/mapping", func() (url.Values, error) {
			page, err := v.page(ctx, base+"/mapping")
			return rules(page), err
		}},
		{"/schedule", func() (url.Values, error) {
			return url.Values{"frequency": {"day"}, "interval": {"1"}, "backfill": {"on"}}, nil
		}},
	} {
		form, err := step.form()
		if err != nil {
			return err
		}
		if _, err := v.post(ctx, base+step.path, form); err != nil {
			return err
		}
	}
	return nil
}

// rules are the lines of a mapping as its form sends them.
func rules(page string) url.Values {
	form := url.Values{"do": {"next"}, "seen": {html.UnescapeString(between(page, `name="seen" value="`, `"`))}}
	for _, line := range strings.Split(page, `<li class="mapping">`)[1:] {
		for _, name := range []string{"kind", "source", "target"} {
			form.Add(name, html.UnescapeString(between(line, `name="`+name+`" value="`, `"`)))
		}
	}
	return form
}
