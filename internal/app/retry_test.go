package app_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripesim"
)

var describes = regexp.MustCompile(`"description": ("[^"]*"|null)`)

// hold puts texts into the quarantine of charges, as an earlier release could
// have done.
func hold(t *testing.T, dir string, rejected ...dataset.Rejected) {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), filepath.Join(dir, "tributary.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range rejected {
		rejected[i].Resource, rejected[i].Path, rejected[i].Reason = "charges", "x", "was refused"
	}
	if err := s.Quarantine(t.Context(), rejected); err != nil {
		t.Fatal(err)
	}
}

// unrow takes the row of a charge out of the dataset, and leaves the history and
// the index.
func unrow(t *testing.T, dir, id string) {
	t.Helper()
	l, err := lake.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data, err := l.Load(t.Context(), "charges")
	if err != nil {
		t.Fatal(err)
	}
	if err := data.Commit(t.Context(), lake.Commit{DeleteIDs: []string{id}}); err != nil {
		t.Fatal(err)
	}
}

// What stands in quarantine and can be mapped by now lands, never over a newer
// state, and what can't stays with the reason of now.
func TestReplayQuarantine(t *testing.T) {
	t.Parallel()
	long(t)
	for _, mode := range []struct {
		name      string
		replay    app.Replay
		noHistory bool
	}{
		{"quarantine alone", app.Replay{Quarantine: true}, false},
		{"with a rebuild", app.Replay{}, false},
		{"without history", app.Replay{}, true},
	} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, tiny(81), nil)
			s := c.pass(t)
			s.NoHistory = mode.noHistory
			complete(t, s)
			ids := present(c.sim)[stripesim.Charges]
			var texts []string
			read := map[string]time.Time{}
			for o := range c.sim.Oracle(stripesim.Charges) {
				for _, id := range ids[:4] {
					if o.ID == id {
						texts = append(texts, string(o.JSON))
					}
				}
			}
			for _, row := range selected(t, reader(t, c.dir), "select _id, _read_at from xdm.charges") {
				at, err := time.Parse("2006-01-02T15:04:05.999999Z", row["_read_at"].(string))
				if err != nil {
					t.Fatal(err)
				}
				read[row["_id"].(string)] = at
			}
			sample := func(n int, id, description string) dataset.Rejected {
				raw := strings.Replace(texts[n], ids[n], id, 1)
				if description != "" {
					raw = describes.ReplaceAllString(raw, `"description": `+description)
				}
				return dataset.Rejected{ID: id, Raw: []byte(raw), SeenAt: read[ids[n]]}
			}
			later := func(r dataset.Rejected, d time.Duration) dataset.Rejected {
				r.SeenAt = r.SeenAt.Add(d)
				return r
			}
			bad := func(r dataset.Rejected) dataset.Rejected {
				r.Raw = []byte(strings.Replace(string(r.Raw), `"amount":`, `"amount": "x", "was":`, 1))
				return r
			}
			nameless := sample(0, "ch_named", `"named"`)
			nameless.ID = ""
			hold(t, c.dir,
				sample(0, "ch_fresh", `"fresh"`),
				later(sample(0, ids[0], `"newer"`), time.Hour),
				later(sample(1, ids[1], `"older"`), -time.Hour),
				bad(sample(0, "ch_bad", `"bad"`)),
				sample(0, "ch_spoilt", `"before"`), later(bad(sample(0, "ch_spoilt", `"after"`)), time.Hour),
				bad(sample(0, "ch_mended", `"before"`)), later(sample(0, "ch_mended", `"after"`), time.Hour),
				sample(0, "ch_twice", `"one"`), later(sample(0, "ch_twice", `"two"`), time.Hour),
				sample(2, ids[2], ""), // held back by an earlier rebuild
				nameless,
			)
			said := map[string]any{}
			for _, row := range selected(t, reader(t, c.dir), "select _id id, _tributary.charges_data.description d from xdm.charges") {
				said[row["id"].(string)] = row["d"]
			}
			want := map[string]any{ids[0]: "newer", ids[1]: said[ids[1]], ids[2]: said[ids[2]], "ch_fresh": "fresh", "ch_mended": "after", "ch_twice": "two", "ch_named": "named"}
			unrow(t, c.dir, ids[2])
			again := mode.replay
			again.Dir = c.dir
			got := replay(t, again)["charges"]
			if got.Landed != 6 || got.Superseded != 1 || got.Refused != 2 || got.Held != 0 || got.Complete() {
				t.Errorf("%+v", got)
			}
			if (got.Note != "") != mode.noHistory || got.Rebuilt != (!mode.noHistory && !again.Quarantine) {
				t.Errorf("%+v", got)
			}
			clear(said)
			rows := selected(t, reader(t, c.dir), "select _id id, _tributary.charges_data.description d from xdm.charges")
			for _, row := range rows {
				said[row["id"].(string)] = row["d"]
			}
			for id, d := range want {
				if got, ok := said[id]; !ok || got != d {
					t.Errorf("%s is described %v, want %v", id, said[id], d)
				}
			}
			if len(rows) != len(said) || len(rows) != len(ids)+4 {
				t.Errorf("%d rows of %d objects, want %d", len(rows), len(said), len(ids)+4)
			}
			var left []string
			for _, row := range selected(t, reader(t, c.dir), "select id, path, reason from quarantine order by id, seen_at") {
				left = append(left, fmt.Sprint(row["id"], ": ", row["path"], " ", row["reason"]))
			}
			if diff := cmp.Diff([]string{"ch_bad: amount is a string, not an integer", "ch_spoilt: x was refused", "ch_spoilt: amount is a string, not an integer"}, left); diff != "" {
				t.Errorf("in quarantine: %s", diff)
			}
			if !mode.noHistory {
				versions := selected(t, reader(t, c.dir), "select id, description as d from charges_history where source = 'replay' and op = 'upsert' order by id, seq")
				landed := 0
				for _, v := range versions {
					if v["id"] == "ch_twice" || v["id"] == "ch_fresh" {
						landed++
					}
				}
				if landed != 3 {
					t.Errorf("%d versions of ch_twice and ch_fresh, want all three that were seen: %v", landed, versions)
				}
			}
			if again := replay(t, again)["charges"]; again.Landed != 0 || again.Refused != 2 {
				t.Errorf("a second time: %+v", again)
			}
		})
	}
}

// A deleted object does not come back from the quarantine.
func TestReplayQuarantineAfterDelete(t *testing.T) {
	t.Parallel()
	long(t)
	c := serve(t, tiny(82), nil)
	complete(t, c.pass(t))
	id := present(c.sim)[stripesim.Customers][0]
	row := selected(t, reader(t, c.dir), "select raw, seen_at from customers_history where id = '"+id+"'")[0]
	seen, err := time.Parse("2006-01-02T15:04:05.999999Z", row["seen_at"].(string))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.sim.Delete(stripesim.Customers, id); err != nil {
		t.Fatal(err)
	}
	c.sim.Advance(time.Minute)
	complete(t, c.pass(t))
	s, err := sqlstore.Open(t.Context(), filepath.Join(c.dir, "tributary.db"))
	if err != nil {
		t.Fatal(err)
	}
	err = s.Quarantine(t.Context(), []dataset.Rejected{{Resource: "customers", ID: id, Raw: []byte(row["raw"].(string)), SeenAt: seen}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := replay(t, app.Replay{Dir: c.dir})["customers"]; got.Superseded != 1 || got.Landed != 0 {
		t.Errorf("%+v", got)
	}
	deleted(t, c)
	report(t, differences(t.Context(), c.sim, c.dir))
}
