package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/webui"
)

// An address is where a page of a pattern is.
type address struct {
	path string
	part bool // of a page: it answers scripts alone
}

// others are no pages of ours: they lead to an issuer of tokens.
var others = regexp.MustCompile(`^/ui/signin/`)

// addresses returns where one page of each pattern is. What links lead to is found by
// them; the ids that stand in there, or belong to the stock, stand in the others. The
// error names the patterns that lead nowhere, so that no new page is forgotten here.
func (v *visitor) addresses(ctx context.Context, s *stock) (found map[string]address, err error) {
	if found, err = v.linked(ctx); err != nil {
		return nil, err
	}
	var lost []error
	names := map[string]string{"draft": v.draft}
	for pattern, at := range found {
		path, _, _ := strings.Cut(at.path, "?")
		parts := strings.Split(path, "/")
		for i, part := range strings.Split(pattern, "/") {
			if strings.HasPrefix(part, "{") {
				names[strings.Trim(part, "{}")] = parts[i]
				names[parts[i-1]] = parts[i] // {id} is one of many
			}
		}
	}
	// Those with a long history.
	names["flow"], names["run"], names["account"] = s.flow, s.run, s.account
	for _, pattern := range webui.Pages() {
		if _, ok := found[pattern]; others.MatchString(pattern) || ok && !strings.Contains(pattern, "{flow}") && !strings.Contains(pattern, "{account}") {
			continue
		}
		parts := strings.Split(pattern, "/")
		for i, part := range parts {
			name := strings.Trim(part, "{}")
			if part == name {
				continue
			}
			if name == "id" {
				name = parts[i-1]
			}
			parts[i] = cmp.Or(names[name], "none")
		}
		at := address{path: strings.Join(parts, "/")}
		status, body, _, err := v.get(ctx, at.path, false)
		if err == nil && status == http.StatusSeeOther {
			at.part = true
			status, body, _, err = v.get(ctx, at.path, true)
		}
		if _, ok := found[pattern]; ok && status != http.StatusOK {
			continue // the dataflows of the stock have no mapping
		}
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK {
			lost = append(lost, fmt.Errorf("%s is not measured: %d %s", pattern, status, body[:min(len(body), 200)]))
			continue
		}
		found[pattern] = at
	}
	return found, errors.Join(lost...)
}

// linked follows links from page to page.
func (v *visitor) linked(ctx context.Context) (map[string]address, error) {
	mux := http.NewServeMux()
	var queue []string
	for _, p := range webui.Pages() {
		mux.Handle("GET "+p, http.NotFoundHandler())
		if !strings.Contains(p, "{") && !others.MatchString(p) {
			queue = append(queue, p)
		}
	}
	found := map[string]address{}
	links := regexp.MustCompile(`href="(/ui/[^"#]*)`)
	for ; len(queue) > 0; queue = queue[1:] {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.at+queue[0], nil)
		if err != nil {
			return nil, err
		}
		_, pattern := mux.Handler(req)
		pattern = strings.TrimPrefix(pattern, "GET ")
		if _, ok := found[pattern]; ok || pattern == "" {
			continue
		}
		status, body, _, err := v.get(ctx, queue[0], false)
		if err != nil {
			return nil, err
		}
		if status != http.StatusOK {
			continue
		}
		found[pattern] = address{path: queue[0]}
		for _, link := range links.FindAllStringSubmatch(body, -1) {
			queue = append(queue, html.UnescapeString(link[1]))
		}
	}
	return found, nil
}

// furnish makes a dataflow with its account, its copy and its rows, a draft of
// another, and one of whatever else has a page.
func (v *visitor) furnish(ctx context.Context) error {
	if err := v.workflow(ctx); err != nil {
		return err
	}
	at, err := v.post(ctx, "/ui/workflow/"+v.draft+"/finish", nil)
	if err != nil {
		return err
	}
	for tries := 0; ; tries++ {
		page, err := v.page(ctx, at)
		if err != nil {
			return err
		}
		if strings.Contains(page, `class="badge positive">Success`) {
			break
		}
		if tries > 600 {
			return errors.New("the first run does not end")
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err := v.workflow(ctx); err != nil { // one that is left as it is
		return err
	}
	if _, err := v.post(ctx, "/ui/alerts/new", url.Values{"channel": {"app"}, "name": {"Failures"}, "kinds": {"run-failure"}}); err != nil {
		return err
	}
	if _, err := v.post(ctx, "/ui/access/roles/new", url.Values{"name": {"Watchers"}, "permissions": {"view-sources"}, "sandboxes": {"prod"}}); err != nil {
		return err
	}
	experiment, err := v.post(ctx, "/ui/experiments/new", url.Values{
		"name": {"An add-on before checkout"}, "key": {"cart-offer"}, "units": {"customer"}, "from": {"0"}, "to": {"100"}, "variant": {"none", "wrap"}, "variant-name": {"", "Wrap"},
		"share": {"50", "50"}, "value": {"", `{"show": true}`}, "offer": {"", ""}, "recommend": {"", ""}, "metric": {"revenue"}, "currency": {"EUR"}, "days": {"14"}, "before": {"30"},
	})
	if err != nil {
		return err
	}
	experiment, _, _ = strings.Cut(experiment, "?")
	_, err = v.post(ctx, experiment+"/start", url.Values{"version": {"1"}})
	return err
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
	v.draft = draft
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
		{"/mapping/done", func() (url.Values, error) {
			page, err := v.page(ctx, base+"/mapping") // which begins with what is suggested
			return url.Values{"seen": {between(page, `name="seen" value="`, `"`)}}, err
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
