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

// furnished are the resources that really are brought in: those that reports,
// audiences and results are made of.
var furnished = []string{"charges", "refunds", "balance_transactions", "customers"}

// furnish makes dataflows with their account, its copy and its rows, a draft of
// another, and one of whatever else has a page.
func (v *visitor) furnish(ctx context.Context) error {
	for _, resource := range furnished {
		if err := v.bring(ctx, resource); err != nil {
			return fmt.Errorf("%s: %w", resource, err)
		}
	}
	if err := v.workflow(ctx, "charges"); err != nil { // one that is left as it is
		return err
	}
	for _, one := range []struct {
		path string
		form url.Values
	}{
		{"/ui/alerts/new", url.Values{"channel": {"app"}, "name": {"Failures"}, "kinds": {"run-failure"}}},
		{"/ui/access/roles/new", url.Values{"name": {"Watchers"}, "permissions": {"view-sources"}, "sandboxes": {"prod"}}},
		{"/ui/access/privacy", url.Values{"customer": {"cus_nobody"}, "mode": {"keepBooks"}, "copy": {""}, "sure": {"yes"}}},
		{"/ui/offers/new", url.Values{
			"key": {"wrap"}, "name": {"Gift wrapping"}, "active": {"true"}, "item": {"gift-wrap"}, "item-name": {"Wrapping"}, "item-price": {""}, "item-amount": {"4.50"},
			"item-currency": {"eur"}, "minimum": {"30"}, "currency": {"eur"},
		}},
	} {
		if _, err := v.post(ctx, one.path, one.form); err != nil {
			return err
		}
	}
	audience, err := v.post(ctx, "/ui/audiences/new", url.Values{
		"do": {"save"}, "match": {"all"}, "name": {"Payers"}, "c0.kind": {"charges"}, "c0.state": {"paid"}, "c0.count-op": {"atLeast"}, "c0.count": {"2"},
	})
	if err != nil {
		return err
	}
	audience, _, _ = strings.Cut(audience, "?")
	_, err = v.post(ctx, audience+"/materialise", nil)
	return err
}

// bring makes a dataflow, and waits for its first run.
func (v *visitor) bring(ctx context.Context, resource string) error {
	if err := v.workflow(ctx, resource); err != nil {
		return err
	}
	at, err := v.post(ctx, "/ui/workflow/"+v.draft+"/finish", nil)
	if err != nil {
		return err
	}
	for range 1200 {
		page, err := v.page(ctx, at)
		if err != nil {
			return err
		}
		if strings.Contains(page, `class="badge positive">Success`) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.New("the first run does not end")
}

// between returns what stands between two texts, "" where they don't.
func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	found, _, _ := strings.Cut(rest, after)
	return found
}

// workflow fills in a draft of a dataflow up to its last step.
func (v *visitor) workflow(ctx context.Context, resource string) error {
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
		{"/data", func() (url.Values, error) { return url.Values{"resource": {resource}}, nil }},
		{"/detail", func() (url.Values, error) {
			page, err := v.page(ctx, base+"/detail")
			schema := regexp.MustCompile(`name="schema" value="([^"]*)" checked`).FindStringSubmatch(page)
			if schema == nil {
				schema = []string{"", ""}
			}
			return url.Values{"target": {"new"}, "datasetName": {resource + " " + draft}, "schema": {html.UnescapeString(schema[1])}, "name": {resource + " " + draft}}, err
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
