package flow_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
)

func TestListQueries(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.svc.VerifyOnCreate = false
	for i, name := range []string{"Alpha", "beta", "Gamma"} {
		r.made("/connections", with(t, connectionWith(goodKey), "name", fmt.Sprintf("%q", name), "auth.params.shop", fmt.Sprint(i)))
	}
	r.made("/connections?mode=draft", `{"name": "delta"}`)
	for query, want := range map[string]string{
		"":                                     "delta Gamma beta Alpha",
		"orderby=name":                         "Alpha beta delta Gamma",
		"orderby=%2Bname":                      "Alpha beta delta Gamma",
		"orderby=+name":                        "Alpha beta delta Gamma", // a blank
		"orderby=-name":                        "Gamma delta beta Alpha",
		"orderby=state,-name":                  "delta Gamma beta Alpha",
		"orderby=-createdAt":                   "delta Gamma beta Alpha",
		"orderby=auth,name":                    "Alpha beta delta Gamma",
		"property=state==draft":                "delta",
		"property=state==draft,enabled":        "delta Gamma beta Alpha",
		"property=state!=draft":                "Gamma beta Alpha",
		"property=state=DRAFT":                 "delta",
		"property=name==%22beta%22":            "beta",
		"property=auth.params.shop>=1":         "Gamma beta",
		"property=auth.params.shop<1":          "Alpha",
		"property=createdAt>0&property=name>b": "delta Gamma beta",
		"property=name==nobody":                "",
		"property=connectionSpec.id==x":        "",
	} {
		var names []string
		for _, item := range r.do(200, "GET /connections?"+query, nil).JSON(t).(map[string]any)["items"].([]any) {
			names = append(names, fmt.Sprint(at(item, "name")))
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s; want %s", query, got, want)
		}
	}
	for query, code := range map[string]string{
		"limit=0": "FLOW-1451-400", "limit=101": "FLOW-1451-400", "limit=x": "FLOW-1451-400", "count=maybe": "FLOW-1451-400", "limit=5&count=true": "FLOW-1401-400",
		"continuationToken=x": "FLOW-1451-400", "continuationToken=e30": "FLOW-1451-400", "orderby=*name": "FLOW-1432-400", "orderby=%2B-name": "FLOW-1432-400", "orderby=nothing": "FLOW-1433-400",
		"orderby=name,": "FLOW-1433-400", "property=nothing==1": "FLOW-1449-400", "property=nothing": "FLOW-1449-400", "property=": "FLOW-1449-400", "property=!name": "FLOW-1450-400", "property=name~a": "FLOW-1440-400",
		"property=createdAt>1,2": "FLOW-1443-400", "property===": "FLOW-1453-400", "property=createdAt==yesterday": "FLOW-1452-400",
		strings.Repeat("property=name==x&", 51): "FLOW-1451-400",
	} {
		r.failed(code, "GET /connections?"+query, nil)
	}
	if got := string(r.do(200, "GET /connections?count=true&property=state==enabled", nil).Body); got != "{\"count\":3}\n" {
		t.Errorf("%s", got)
	}
	if got := r.do(200, "GET /connections?property=name,state&property=name==delta", nil).JSON(t).(map[string]any)["items"].([]any)[0]; fmt.Sprint(sortedKeys(got.(map[string]any))) != "[id name state]" {
		t.Errorf("%v", got)
	}
	search := func(body string) map[string]any {
		t.Helper()
		return r.do(200, "POST /connections/search", body).JSON(t).(map[string]any)
	}
	if got := search(`{"queryString": "property=state==enabled&name!=beta", "orderby": "name", "projectionFields": "name", "limit": "1000"}`)["items"]; len(got.([]any)) != 2 || fmt.Sprint(got.([]any)[0]) != "map[id:"+fmt.Sprint(at(got.([]any)[0], "id"))+" name:Alpha]" {
		t.Errorf("%v", got)
	}
	if got := search(`{"count": true}`); fmt.Sprint(got) != "map[count:4]" {
		t.Errorf("%v", got)
	}
	if got := search(`{}`)["items"]; len(got.([]any)) != 4 {
		t.Errorf("%v", got)
	}
	for body, code := range map[string]string{"": "FLOW-1405-400", "[": "FLOW-1455-400", `{"limit": 1001}`: "FLOW-1451-400", `{"queryString": "nothing==1"}`: "FLOW-1449-400", `{"continuationToken": "x"}`: "FLOW-1451-400"} {
		r.failed(code, "POST /connections/search", body)
	}
	// The next page of a search is asked for with the same body.
	body := `{"limit": 3, "orderby": "-name"}`
	href := at(search(body), "_links", "next", "href").(string)
	if !strings.HasPrefix(href, "/connections/search?continuationToken=") {
		t.Error(href)
	}
	if got := r.do(200, "POST "+href, body).JSON(t).(map[string]any)["items"].([]any); len(got) != 1 || at(got[0], "name") != "Alpha" {
		t.Errorf("%v", got)
	}
	// A token belongs to its order.
	r.failed("FLOW-1451-400", "POST "+href, `{"limit": 3}`)
}

// Pages of any size in any order hold each object once, in that order, also
// while others come and go.
func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.svc.VerifyOnCreate = false
	now := time.UnixMilli(1_700_000_000_000)
	r.svc.Now = func() time.Time { return now }
	type object struct{ id, name, state string }
	var all []object
	for i := range 36 {
		if i%7 == 0 {
			now = now.Add(time.Millisecond) // many of the same moment
		}
		o := object{name: []string{"a", "B", "b", "c", ""}[i%5] + fmt.Sprint(i%3), state: "enabled"}
		body, path := with(t, connectionWith(goodKey), "name", fmt.Sprintf("%q", o.name)), "/connections"
		if i%4 == 0 {
			path, o.state = path+"?mode=draft", "draft"
		}
		o.id, _ = r.made(path, body)
		all = append(all, o)
	}
	rapid.Check(t, func(rt *rapid.T) {
		order := rapid.SampledFrom([]string{"", "name", "-name", "state,name", "-createdAt", "createdAt", "auth", "description,-state"}).Draw(rt, "order")
		filter := rapid.SampledFrom([]string{"", "state==draft", "state==enabled", "name>=b", "name==B0,c1"}).Draw(rt, "filter")
		limit := rapid.IntRange(3, 40).Draw(rt, "limit")
		var want []string
		for _, o := range all {
			low := strings.ToLower(o.name)
			if filter == "" || filter == "state=="+o.state || filter == "name>=b" && low >= "b" || filter == "name==B0,c1" && (low == "b0" || low == "c1") {
				want = append(want, o.id)
			}
		}
		values := url.Values{"limit": {fmt.Sprint(limit)}}
		if order != "" {
			values.Set("orderby", order)
		}
		if filter != "" {
			values.Set("property", filter)
		}
		s := r.With(t)
		var got []map[string]any
		for path := "/connections?" + values.Encode(); path != ""; {
			reply := s.Do("GET", root+path, nil)
			var page struct {
				Items []map[string]any `json:"items"`
				Links struct {
					Next struct {
						Href string `json:"href"`
					} `json:"next"`
				} `json:"_links"`
			}
			if err := json.Unmarshal(reply.Body, &page); err != nil || reply.Status != 200 || len(page.Items) > limit {
				rt.Fatalf("%d %s", reply.Status, reply.Body)
			}
			got = append(got, page.Items...)
			path = page.Links.Next.Href
			if path != "" && len(page.Items) == 0 || len(got) > len(want) {
				rt.Fatalf("%d items of %d, and more at %s", len(got), len(want), path)
			}
		}
		var ids []string
		for _, g := range got {
			ids = append(ids, g["id"].(string))
		}
		slices.Sort(ids)
		slices.Sort(want)
		if !slices.Equal(ids, want) {
			rt.Fatalf("%d of %d", len(ids), len(want))
		}
		for i := 1; i < len(got); i++ {
			if c := compareBy(order, got[i-1], got[i]); c > 0 {
				rt.Fatalf("%s: %v before %v", order, got[i-1], got[i])
			}
		}
	})
}

// compareBy says in what order two items should be.
func compareBy(order string, a, b map[string]any) int {
	if order == "" {
		order = "-createdAt"
	}
	for field := range strings.SplitSeq(order, ",") {
		name := strings.TrimPrefix(field, "-")
		if name == "auth" {
			continue
		}
		c := 0
		if x, ok := a[name].(float64); ok {
			c = cmp.Compare(x, b[name].(float64))
		} else {
			x, _ := a[name].(string)
			y, _ := b[name].(string)
			c = strings.Compare(strings.ToLower(x), strings.ToLower(y))
		}
		if name != field {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// Whatever is asked of a list, the answer is JSON and no internal error.
func FuzzListQuery(f *testing.F) {
	for _, seed := range [][3]string{
		{"state==enabled", "-name", "x"},
		{"auth.params[].a>=1", "+createdAt", "eyJpIjoiYSJ9"},
		{"name", "name,state", "eyJjIjoxLCJpIjoieCIsInYiOlsiYSJdLCJmIjoibmFtZSwifQ"},
		{"createdAt>1,2", " name", ""},
		{`id=="a,b",c`, ",", "eyJpIjoiXHUwMDAwIn0"},
		{"labels[]~(", "-", "eyJpIjoiYSIsInYiOlt7fV0sImYiOiJhdXRoLCJ9"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	shared := newRig(f)
	shared.svc.VerifyOnCreate = false
	for range 3 {
		shared.made("/connections", connectionWith(goodKey, `"shop": [1, {"a": "x"}]`))
	}
	f.Fuzz(func(t *testing.T, property, order, token string) {
		s := shared.With(t)
		values := url.Values{"limit": {"2"}}
		for name, v := range map[string]string{"property": property, "orderby": order, "continuationToken": token} {
			if v != "" {
				values.Set(name, v)
			}
		}
		sane(t, s.Do("GET", root+"/connections?"+values.Encode(), nil), 200)
		sane(t, s.Do("GET", root+"/flowSpecs?"+values.Encode(), nil), 200)
		body, err := json.Marshal(map[string]any{"queryString": property, "orderby": order, "continuationToken": token, "projectionFields": property})
		if err != nil {
			t.Fatal(err)
		}
		sane(t, s.Do("POST", root+"/connections/search", body), 200)
	})
}

// sane fails a test unless the answer is that of a good call, or a refusal with
// words and a code of the service. It returns whether it was good.
func sane(t *testing.T, r gatewaytest.Reply, good int) bool {
	t.Helper()
	if r.Status == good {
		return true
	}
	answer, _ := r.JSON(t).(map[string]any)
	if r.Status >= 500 || r.Status < 400 || answer["errorMessage"] == "" || !strings.Contains(fmt.Sprint(answer["type"]), "/errors/") {
		t.Fatalf("%d %s", r.Status, r.Body)
	}
	return false
}
