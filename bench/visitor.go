package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

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
	draft  string                   // of a dataflow, filled in up to its last step
	first  map[string]time.Duration // how long what was never asked for took, by path
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
	return &visitor{at: at, client: client, first: map[string]time.Duration{}}, nil
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
	begun := time.Now()
	resp, err := v.client.Do(req)
	if err != nil {
		return 0, "", 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, "", 0, err
	}
	if _, ok := v.first[path]; !ok && resp.StatusCode == http.StatusOK {
		v.first[path] = time.Since(begun)
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
