package app_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/childtest"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripesim"
)

var storyRuns = flag.Uint64("story.runs", 4, "how many accounts TestStories follows")

// A chronicle knows every state that the objects of an account went through,
// because whoever changes the account tells it.
type chronicle struct {
	sim    *stripesim.Sim
	states map[string][]string // by object
	read   map[string]int      // index of the state that the first pass read
}

const gone = "gone"

var chronicled = []stripesim.Resource{stripesim.Charges, stripesim.Customers, stripesim.Subscriptions, stripesim.Refunds}

// note takes down what has changed.
func (c *chronicle) note() {
	take := func(r stripesim.Resource, id, state string) {
		key := string(r) + " " + id
		if s := c.states[key]; len(s) == 0 || s[len(s)-1] != state {
			c.states[key] = append(s, state)
		}
	}
	for _, r := range chronicled {
		for o := range c.sim.Oracle(r) {
			take(r, o.ID, canonical(string(o.JSON)))
		}
		for o := range c.sim.Deleted(r) {
			if o.Listed {
				take(r, o.ID, gone)
			}
		}
	}
}

// begin says that all objects were read as they are.
func (c *chronicle) begin() {
	c.note()
	for key, s := range c.states {
		c.read[key] = len(s) - 1
	}
}

func canonical(text string) string {
	v, err := decode(text)
	if err != nil {
		return text
	}
	return marshal(v)
}

// change does one thing to one of a few objects, so that each changes often.
func (c *chronicle) change(t *testing.T, r *rand.Rand) {
	t.Helper()
	some := func(res stripesim.Resource) string {
		var ids []string
		for o := range c.sim.Oracle(res) {
			ids = append(ids, o.ID)
		}
		return ids[len(ids)-1-r.IntN(min(4, len(ids)))]
	}
	res := chronicled[r.IntN(3)]
	var err error
	switch what := r.IntN(12); {
	case what == 0:
		_, err = c.sim.Create(res, stripesim.Draft{Method: "card"})
	case what == 1:
		_, err = c.sim.Create(stripesim.Refunds, stripesim.Draft{Charge: some(stripesim.Charges), Amount: 1})
	case what == 2 && res == stripesim.Subscriptions:
		err = c.sim.CancelSubscription(some(res))
	case what == 2 && res == stripesim.Customers:
		err = c.sim.Delete(res, some(res))
	default: // to one of few values, so that states come back
		err = c.sim.Mutate(res, some(res), func(o map[string]any) { o["description"] = fmt.Sprint("state ", r.IntN(3)) })
	}
	if err != nil {
		t.Log(err)
	}
	c.note()
}

// A row of the history.
type told struct {
	op    string
	at    float64
	state string
}

// untrue compares the histories with what happened, object by object. sorted
// puts the rows in the order of the times that they speak of.
func (c *chronicle) untrue(t *testing.T, dir string, sorted bool) (said []string) {
	t.Helper()
	r := reader(t, dir)
	seen := 0
	for _, res := range chronicled {
		stories := map[string][]told{}
		for _, row := range selected(t, r, fmt.Sprintf("select id, op, epoch(seen_at) as at, raw::varchar as raw from %s_history order by seq", res)) {
			at, _ := row["at"].(json.Number).Float64()
			one := told{row["op"].(string), at, canonical(row["raw"].(string))}
			if one.op == "delete" {
				one.state = gone
			}
			if one.op == "seen" {
				seen++
			}
			key := string(res) + " " + row["id"].(string)
			stories[key] = append(stories[key], one)
		}
		for _, key := range slices.Sorted(maps.Keys(c.states)) {
			story, ok := stories[key]
			if !ok {
				if key[:len(res)] == string(res) && !slices.Contains(c.states[key], gone) {
					said = append(said, key+" has no history")
				}
				continue
			}
			if sorted {
				slices.SortStableFunc(story, func(a, b told) int { return int(a.at) - int(b.at) })
			}
			var states []string
			for _, row := range story {
				states = append(states, row.state)
			}
			want := c.states[key][c.read[key]:]
			if !slices.ContainsFunc(story, func(row told) bool { return row.op == "upsert" }) && slices.Contains(want, gone) {
				want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return s == gone }) // it was never read
			}
			if want, got := slices.Compact(slices.Clone(want)), slices.Compact(slices.Clone(states)); !slices.Equal(want, got) || !sorted && len(got) < len(states) {
				said = append(said, fmt.Sprintf("%s: what happened: %v; what its history says: %v", key, names(want, want), names(states, want)))
			}
		}
	}
	t.Logf("%d rows that only events told of", seen)
	if seen == 0 {
		said = append(said, "no event told of anything")
	}
	return said
}

// names gives short names to states: their index among those that happened.
func names(states, all []string) []int {
	var out []int
	for _, s := range states {
		out = append(out, slices.Index(all, s))
	}
	return out
}

// die runs a pass in a process that is killed, unless it is done before.
func die(t *testing.T, c *copied, end place, nth int, only string) {
	t.Helper()
	out, err := childtest.Command(t, life{URL: c.url, Key: c.sim.Key(), Dir: c.dir, End: end, Nth: nth, Only: only}).CombinedOutput()
	if !childtest.Killed(err) && !bytes.Contains(out, []byte(done)) {
		t.Fatalf("the process ended by itself: %v\n%s", err, out)
	}
}

// The history of every object tells each state that it went through since it
// was first read, in the order in which it did, whatever number of changes lies
// between two passes and wherever passes are killed.
func TestStories(t *testing.T) {
	t.Parallel()
	long(t)
	for seed := range *storyRuns {
		late := seed%4 == 3 // events show late, and passes read what they have yet to tell
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			cfg := tiny(seed + 50)
			if late {
				cfg.EventDelay = 30 * time.Second
			}
			c := serve(t, cfg, nil)
			complete(t, c.pass(t))
			lives := &chronicle{c.sim, map[string][]string{}, map[string]int{}}
			lives.begin()
			r := rand.New(rand.NewPCG(seed, 3))
			for range 8 {
				for range 1 + r.IntN(25) {
					lives.change(t, r)
					switch {
					case late:
						c.sim.Advance(time.Duration(6+r.IntN(20)) * time.Second)
					case r.IntN(2) == 0:
						c.sim.Advance(time.Duration(r.IntN(20)) * time.Second)
					}
				}
				switch r.IntN(4) {
				case 0:
					die(t, c, between, 1+r.IntN(2), string(chronicled[r.IntN(3)]))
				case 1:
					die(t, c, atCall, 2+r.IntN(12), "")
				default:
					complete(t, c.pass(t))
				}
				if late {
					c.sim.Advance(10 * time.Second)
				}
				if r.IntN(4) == 0 {
					c.sim.Advance(time.Duration(r.IntN(30)) * time.Hour)
				}
			}
			for range 2 {
				c.sim.Advance(2 * time.Minute)
				complete(t, c.pass(t))
			}
			report(t, lives.untrue(t, c.dir, late))
			report(t, differences(t.Context(), c.sim, c.dir))
			unchanged(t, c)
		})
	}
}

// rewriting changes the events on their way: each becomes those that rewrite
// returns.
func rewriting(rewrite func(event map[string]any) []any) func(*stripesim.Sim) http.Handler {
	return func(sim *stripesim.Sim) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v1/events" {
				sim.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			sim.ServeHTTP(answer, r)
			list, err := decode(answer.Body.String())
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			var data []any
			for _, e := range list.(map[string]any)["data"].([]any) {
				data = append(data, rewrite(e.(map[string]any))...)
			}
			list.(map[string]any)["data"] = data
			maps.Copy(w.Header(), answer.Header())
			w.Header().Del("Content-Length")
			_, _ = w.Write([]byte(marshal(list)))
		})
	}
}

// foreign renders what an event shows as another version of the API does.
func foreign(change func(object map[string]any)) func(map[string]any) []any {
	return func(e map[string]any) []any {
		e["api_version"] = "2018-02-28"
		change(e["data"].(map[string]any)["object"].(map[string]any))
		return []any{e}
	}
}

// What is odd about events does no harm: the copy is exact, and the history
// tells what they told, and tells it once.
func TestOddEvents(t *testing.T) {
	t.Parallel()
	long(t)
	for _, tt := range []struct {
		name    string
		rewrite func(map[string]any) []any
		want    string
	}{
		{"twins", func(e map[string]any) []any {
			twin := maps.Clone(e)
			twin["id"] = e["id"].(string) + "_twin"
			return []any{twin, e}
		}, "upsert first, seen one, seen two, upsert three"},
		{"other members", foreign(func(o map[string]any) {
			delete(o, "invoice_prefix")
			o["account_balance"] = 0
		}), "upsert first, seen one 2018-02-28, seen two 2018-02-28, upsert three"},
		{"what no record can be made of", foreign(func(o map[string]any) {
			o["created"] = "2018"
		}), "upsert first, seen one 2018-02-28, seen two 2018-02-28, seen three 2018-02-28, upsert three"},
		{"in no order", func(e map[string]any) []any {
			e["created"] = json.Number("1778072540") // one second for all
			return []any{e}
		}, "upsert first, seen one, seen two, upsert three"},
		{"what is not heard of", func(e map[string]any) []any {
			e["type"] = "moon.landed"
			return []any{e}
		}, "upsert first"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, tiny(36), rewriting(tt.rewrite))
			id := present(c.sim)[stripesim.Customers][0]
			say := func(word string) {
				err := c.sim.Mutate(stripesim.Customers, id, func(o map[string]any) { o["description"] = word })
				if err != nil {
					t.Fatal(err)
				}
				c.sim.Advance(10 * time.Second)
			}
			c.sim.Advance(100 * time.Second)
			say("first")
			c.sim.Advance(time.Hour)
			complete(t, c.pass(t))
			for _, word := range []string{"one", "two", "three"} {
				say(word)
			}
			got := complete(t, c.pass(t))
			story := ""
			for _, row := range selected(t, reader(t, c.dir), "select op, description, api_version, source, seen_at from customers_history where id = '"+id+"' order by seq") {
				if story != "" {
					story += ", "
				}
				story += fmt.Sprint(row["op"], " ", row["description"])
				if row["api_version"] == "2018-02-28" {
					story += " 2018-02-28"
				}
			}
			if story != tt.want {
				t.Errorf("the history says %q, want %q", story, tt.want)
			}
			for _, r := range got.Resources {
				if r.Resource == "customers" && r.Seen != int64(bytes.Count([]byte(tt.want), []byte("seen"))) {
					t.Errorf("%d rows that only events told of: %s", r.Seen, tt.want)
				}
			}
			if tt.name != "what is not heard of" {
				report(t, differences(t.Context(), c.sim, c.dir))
			}
			if n := waitingNotices(t, c.dir); n != 0 {
				t.Errorf("%d events are left in the inbox", n)
			}
			unchanged(t, c)
		})
	}
}

func waitingNotices(t *testing.T, dir string) int64 {
	t.Helper()
	s, err := sqlstore.OpenReadOnly(t.Context(), filepath.Join(dir, "tributary.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n, err := s.LastNotice(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A copy without history keeps no snapshot, and follows all the same.
func TestNoStories(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, tiny(37), nil)
	pass := func() *app.Report {
		s := c.pass(t)
		s.NoHistory = true
		return complete(t, s)
	}
	pass()
	id := present(c.sim)[stripesim.Customers][0]
	for n := range 3 {
		err := c.sim.Mutate(stripesim.Customers, id, func(o map[string]any) { o["description"] = fmt.Sprint("state ", n) })
		if err != nil {
			t.Fatal(err)
		}
	}
	c.sim.Advance(10 * time.Second)
	for _, r := range pass().Resources {
		if r.Seen != 0 {
			t.Errorf("%s: %d rows that only events told of", r.Resource, r.Seen)
		}
	}
	rows := selected(t, reader(t, c.dir), "select description from customers where id = '"+id+"'")
	if len(rows) != 1 || rows[0]["description"] != "state 2" {
		t.Errorf("it is %v", rows)
	}
}
