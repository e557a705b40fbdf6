package control_test

import (
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/audience"
	"github.com/tributary-data/tributary/internal/lake"
)

const audiences = "/data/tributary/audiences"

// waitFor calls ok until it is true.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s does not come", what)
		}
	}
}

// An audience goes from its predicate to members in all forms, follows the copy and
// its own versions, and forgets a customer everywhere.
func TestAudience(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	dir := t.TempDir()
	copied(t, dir, 60)
	p := start(t, dir, "")
	c := p.admin(t)
	body := map[string]any{"name": "Who paid", "predicate": map[string]any{"charges": map[string]any{"count": map[string]any{"atLeast": 1}}}}

	seen := c.must(200, "POST", audiences+"/preview", body).json(t)
	size := int(seen["size"].(float64))
	if size < 3 || seen["customers"].(float64) < float64(size) || len(seen["sample"].([]any)) == 0 {
		t.Fatalf("%v", seen)
	}
	made := c.must(201, "POST", audiences, body)
	id := made.json(t)["id"].(string)
	path := audiences + "/" + id
	if made.header.Get("Location") != path {
		t.Errorf("%v", made.header)
	}
	state := func() map[string]any {
		return c.must(200, "GET", path, nil).json(t)["state"].(map[string]any)
	}
	waitFor(t, "the first calculation", func() bool { return state()["count"] != nil && state()["dataset"] != nil })

	members := func() (all []string) {
		page := c.must(200, "GET", path+"/members?limit=2", nil).json(t)
		generation := page["generation"].(string)
		for {
			for _, m := range page["items"].([]any) {
				all = append(all, m.(map[string]any)["customer"].(string))
			}
			if page["next"] == nil {
				return all
			}
			page = c.must(200, "GET", fmt.Sprintf("%s/members?limit=2&from=%v&generation=%s", path, page["next"], generation), nil).json(t)
		}
	}
	all := members()
	if len(all) != size || !slices.IsSorted(all) {
		t.Fatalf("%d members, and the preview said %d", len(all), size)
	}
	forms := func(want []string) {
		t.Helper()
		lines, err := csv.NewReader(strings.NewReader(string(c.must(200, "GET", path+"/export", nil).body))).ReadAll()
		if err != nil || len(lines) != len(want)+1 {
			t.Fatalf("%d lines: %v", len(lines), err)
		}
		file := filepath.Join(t.TempDir(), "members.parquet")
		if err := os.WriteFile(file, c.must(200, "GET", path+"/export?format=parquet", nil).body, 0o600); err != nil {
			t.Fatal(err)
		}
		var rows []string
		for row, err := range lake.ReadParquet(t.Context(), file) {
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, string(row))
		}
		sql := c.must(200, "POST", "/data/tributary/sql", map[string]any{"query": "SELECT _tributary.audienceMember.customer AS id, _tributary.audienceMember.version FROM audience_who_paid ORDER BY 1"}).json(t)
		var table []string
		for i, row := range sql["rows"].([]any) {
			table = append(table, row.([]any)[0].(string))
			if i < len(want) && (lines[i+1][0] != want[i] || !strings.Contains(rows[i], `"`+want[i]+`"`)) {
				t.Errorf("line %d: %q, %s, want %s", i, lines[i+1], rows[i], want[i])
			}
		}
		if diff := cmp.Diff(want, table); diff != "" || len(rows) != len(want) {
			t.Errorf("%d rows of Parquet; the dataset: %s", len(rows), diff)
		}
	}
	forms(all)

	// Another process answers for decisions from the file.
	other := audience.New(&audience.Service{Dir: filepath.Join(dir, audience.Folder), Now: time.Now})
	operator, err := p.Access.Operator(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	here := operator.Sandbox.ID
	has := func(sandbox, unit string) bool {
		t.Helper()
		ok, err := other.Has(t.Context(), sandbox, id, unit)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !has(here, all[0]) || has(here, all[0]+"x") || has("elsewhere", all[0]) {
		t.Error("another process does not know the members")
	}

	// What is named anew keeps its version; what asks for others gets a new one.
	body["predicate"] = map[string]any{"not": map[string]any{"charges": map[string]any{}}}
	if r := c.do("PUT", path, body, "If-Match", `"99"`); r.status != http.StatusPreconditionFailed {
		t.Errorf("%d %s", r.status, r.body)
	}
	if v := c.must(200, "PUT", path, body, "If-Match", made.header.Get("Etag")).json(t); v["version"] != 2.0 {
		t.Errorf("%v", v)
	}
	waitFor(t, "the members of version 2", func() bool { return state()["version"] == 2.0 })
	if others := members(); slices.ContainsFunc(others, func(id string) bool { return slices.Contains(all, id) }) || state()["left"] != float64(size) {
		t.Errorf("%v, %v", others, state())
	}
	waitFor(t, "another process", func() bool { return !has(here, all[0]) })
	body["predicate"] = map[string]any{"charges": map[string]any{}}
	c.must(200, "PUT", path, body)
	c.must(200, "POST", path+"/materialise", nil)
	forms(all)
	if v := c.must(200, "GET", path+"/versions", nil).json(t)["items"].([]any); len(v) != 3 {
		t.Errorf("%v", v)
	}

	// Forgetting.
	gone, stays := all[0], all[1]
	for want := 1; want >= 0; want-- { // the second time there is nothing
		n, err := p.Audience.Forget(t.Context(), operator.Scope(), gone)
		if err != nil || n != want {
			t.Fatalf("%d audiences, want %d: %v", n, want, err)
		}
	}
	forms(all[1:])
	waitFor(t, "another process", func() bool { return !has(here, gone) && has(here, stays) })
	for _, folder := range []string{filepath.Join(dir, audience.Folder), filepath.Join(dir, "lake", "stripe", tableOf(t, p, operator, id))} {
		if said := withText(t, folder, gone); len(said) > 0 {
			t.Errorf("he is still in %v", said)
		}
		if len(withText(t, folder, stays)) == 0 {
			t.Errorf("nothing was searched in %s", folder)
		}
	}

	// In use, it stays; then it goes with all it has.
	trial := map[string]any{
		"key": "checkout", "name": "Checkout", "audience": "nothing", "range": map[string]int{"from": 0, "to": 10_000},
		"variants": []any{map[string]any{"key": "a", "weight": 5000}, map[string]any{"key": "b", "weight": 5000, "value": true}},
		"measure":  map[string]any{"metric": "conversion", "currency": "usd", "days": 7},
	}
	const experiments = "/data/tributary/experiments"
	c.must(400, "POST", experiments, trial)
	trial["audience"] = id
	experiment := experiments + "/" + c.must(201, "POST", experiments, trial).json(t)["id"].(string)
	c.must(200, "POST", experiment+"/start", nil)
	if r := c.do("DELETE", path, nil); r.status != http.StatusConflict || !strings.Contains(string(r.body), `the running experiment \"Checkout\"`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	changed := func() int { // another name, and another predicate with it
		t.Helper()
		body["name"] = body["name"].(string) + "x"
		c.must(200, "PUT", path, body)
		other := maps.Clone(body)
		other["predicate"] = map[string]any{"charges": map[string]any{"within": len(body["name"].(string))}}
		r := c.do("PUT", path, other)
		if r.status == http.StatusConflict && !strings.Contains(string(r.body), `the running experiment \"Checkout\"`) {
			t.Errorf("%d %s", r.status, r.body)
		}
		if r.status == 200 {
			body = other
		}
		return r.status
	}
	if status := changed(); status != http.StatusConflict {
		t.Errorf("whom a running experiment asks was changed: %d", status)
	}
	c.must(200, "POST", experiment+"/stop", nil)
	const offers = "/data/tributary/offers"
	wrap := c.must(201, "POST", offers, map[string]any{
		"key": "wrap", "name": "Wrapping", "active": true, "items": []any{map[string]any{"item": "wrap", "amount": 1, "currency": "usd"}},
		"conditions": map[string]any{"audience": id},
	}).json(t)["id"].(string)
	if r := c.do("DELETE", path, nil); r.status != http.StatusConflict || !strings.Contains(string(r.body), `the offer \"Wrapping\"`) {
		t.Errorf("an offer is for it: %d %s", r.status, r.body)
	}
	if status := changed(); status != 200 {
		t.Errorf("whom no running experiment asks was not changed: %d", status)
	}
	trial["variants"].([]any)[1] = map[string]any{"key": "b", "weight": 5000, "value": map[string]any{}, "offer": wrap}
	c.must(200, "PATCH", experiment, map[string]any{"audience": "", "variants": trial["variants"]})
	c.must(200, "POST", experiment+"/start", nil)
	if status := changed(); status != http.StatusConflict {
		t.Errorf("to whom a running experiment gives an offer was changed: %d", status)
	}
	c.must(200, "POST", experiment+"/stop", nil)
	c.must(204, "DELETE", offers+"/"+wrap, nil)
	c.must(204, "DELETE", path, nil)
	c.must(404, "GET", path, nil)
	if _, err := os.Stat(filepath.Join(dir, audience.Folder, id)); !os.IsNotExist(err) {
		t.Errorf("the members are still there: %v", err)
	}
	if n := len(c.must(200, "GET", "/data/foundation/catalog/dataSets", nil).json(t)); n != 6 {
		t.Errorf("%d datasets", n)
	}
}

// tableOf returns the table with the members of an audience.
func tableOf(t *testing.T, p *plane, c access.Caller, id string) string {
	t.Helper()
	a, err := p.Audience.Audience(t.Context(), c, id)
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.Catalog.Dataset(t.Context(), c, a.State.Dataset)
	if err != nil {
		t.Fatal(err)
	}
	return d.Table
}

// withText returns the files below a folder that have a text; of Parquet, a row.
func withText(t *testing.T, folder, text string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found := strings.Contains(string(b), text)
		if strings.HasSuffix(path, ".parquet") {
			for row, err := range lake.ReadParquet(t.Context(), path) {
				if err != nil {
					return err
				}
				found = found || strings.Contains(string(row), text)
			}
		}
		if found {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
