package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What passes copy stands in the catalog: a dataset for each resource, with as
// many rows in its batches as there are.
func TestServeShowsCopies(t *testing.T) {
	t.Parallel()
	s := openShop(t, small(nil), nil)
	dir := filepath.Join(t.TempDir(), "copy")
	v := s.serve(t, dir)
	var token struct {
		Token string `json:"access_token"`
		Key   string `json:"api_key"`
		Org   string `json:"org_id"`
	}
	o := command{args: []string{"token", "--dir", dir}}.run(t)
	if err := json.Unmarshal([]byte(o.stdout), &token); err != nil || o.status != 0 {
		t.Fatalf("%d %s%s: %v", o.status, o.stdout, o.stderr, err)
	}
	get := func(path string) map[string]map[string]any {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, v.url+"/data/foundation/catalog"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, h := range map[string]string{"Authorization": "Bearer " + token.Token, "X-Api-Key": token.Key, "X-Gw-Ims-Org-Id": token.Org} {
			req.Header.Set(k, h)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var all map[string]map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&all); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %v", path, resp.StatusCode, err)
		}
		return all
	}
	names := map[string]bool{}
	for id, d := range get("/dataSets") {
		name := d["name"].(string)
		names[name] = true
		rows := 0.0
		for _, b := range get("/batches?limit=100&dataSet=" + id) {
			m := b["metrics"].(map[string]any)
			deleted, _ := m["deletedRecordCount"].(float64)
			rows += m["outputRecordCount"].(float64) - deleted
		}
		resource := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "Stripe ")), " ", "_")
		q := command{args: []string{"query", "--dir", dir, "--format", "csv", "select count(*) from " + resource}}.run(t)
		if _, want, _ := strings.Cut(strings.TrimSpace(q.stdout), "\n"); fmt.Sprint(rows) != want || rows == 0 {
			t.Errorf("%s: the batches have %v rows, the copy %s", name, rows, want)
		}
	}
	if len(names) != 6 {
		t.Errorf("datasets %v", names)
	}
	if err := v.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := v.wait(); err != nil {
		t.Errorf("serve ended with %v\n%s", err, v.text(t))
	}
}
