package main

import (
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"
)

// The demo shows its figures, and then serves pages to which what it printed is
// the way in, and a dataflow that brings in what there is of charges.
func TestDemo(t *testing.T) {
	t.Parallel()
	long(t)
	dir := filepath.Join(t.TempDir(), "demo")
	v := lasting(t, "demo", "--dir", dir, "--serve", "--listen", "127.0.0.1:0")
	v.says(t, `(bnpl +klarna)`)
	v.says(t, `(best possible +0\.[4-9])`)
	v.url = v.says(t, `The pages are at (\S+)/ui`)
	form := url.Values{"client_id": {v.says(t, `client id +(\S+)`)}, "client_secret": {v.says(t, `client secret +(\S+)`)}}
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.PostForm(v.url+"/ui/signin", form)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusSeeOther {
		t.Errorf("signing in is answered with %d: %v", resp.StatusCode, err)
	}

	by := printed[printedToken](t, command{args: []string{"token", "--dir", dir}}.run(t))
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, runs := v.get(t, by, "/data/foundation/flowservice/runs")
		items, _ := runs["items"].([]any)
		if len(items) > 0 {
			metrics, _ := items[0].(map[string]any)["metrics"].(map[string]any)
			status, _ := metrics["statusSummary"].(map[string]any)
			records, _ := metrics["recordSummary"].(map[string]any)
			if status["status"] == "success" {
				if n, _ := records["outputRecordCount"].(float64); n < 12_000 {
					t.Errorf("the first run brought in %v", records)
				}
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the dataflow has no run that went well: %v", runs)
		}
	}
}
