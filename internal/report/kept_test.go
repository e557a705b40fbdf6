package report_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/shelf"
)

// A report is made once of a state of a copy, and anew of the next one; what it has
// is not worked out again for a section or a query.
func TestKeeps(t *testing.T) {
	little.Hold(t)
	t.Parallel()
	_, dir := little.Copy(t)
	source := copytest.Open(t, dir)
	opened, state := 0, map[string]string{"mine": "1", "theirs": "1"}
	s := report.New(report.Service{
		Open: func(context.Context, access.Caller, string) (report.Copy, error) {
			opened++
			return kept{source}, nil
		},
		Snapshot: func(_ context.Context, _ access.Caller, name string) (shelf.Snapshot, error) {
			if _, ok := state[name]; !ok {
				return shelf.Snapshot{}, problem.Errorf(problem.NotFound, "there is no copy %q", name)
			}
			return shelf.Snapshot{Copy: name, State: state[name]}, nil
		},
	})
	said := func(name string, p report.Params) string {
		t.Helper()
		r, err := s.BNPL(t.Context(), access.Caller{}, name, p)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := r.Write(&b, "json"); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	rates, err := report.ParseRates(bytes.NewBufferString("currency,rate\neur,1.1\n"), "usd")
	if err != nil {
		t.Fatal(err)
	}
	// A section alone is made much faster than all of them.
	one := func(p report.Params) report.Params {
		p.Section = "subscriptions"
		return p
	}
	usual := report.Params{}
	whole := said("mine", usual)
	exact, err := s.BNPL(t.Context(), access.Caller{}, "mine", usual)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := report.Run(t.Context(), source, one(usual))
	if err != nil {
		t.Fatal(err)
	}
	var section bytes.Buffer
	if err := fresh.Write(&section, "json"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		do     func()
		copy   string
		params report.Params
		opens  int
		want   string // "" for what differs in its parameters
	}{
		{"the same", nil, "mine", usual, 0, whole},
		{"what is usual by its names", nil, "mine", report.Params{Zone: "UTC", Period: report.Month}, 0, whole},
		{"the times that it has", nil, "mine", exact.Params, 0, whole},
		{"a section of it", nil, "mine", one(usual), 0, section.String()},
		{"in another zone", nil, "mine", one(report.Params{Zone: "Asia/Tokyo"}), 1, ""},
		{"in that zone again", nil, "mine", one(report.Params{Zone: "Asia/Tokyo"}), 0, ""},
		{"of a currency", nil, "mine", one(report.Params{Currency: "usd"}), 1, ""},
		{"up to another time", nil, "mine", one(report.Params{To: present}), 1, ""},
		{"with rates", nil, "mine", report.Params{Section: "converted", Rates: rates}, 1, ""},
		{"with rates again", nil, "mine", report.Params{Section: "converted", Rates: rates}, 1, ""},
		{"of another copy", nil, "theirs", one(usual), 1, section.String()},
		{"the first still", nil, "mine", usual, 0, whole},
		{"after a commit", func() { state["mine"] = "2" }, "mine", one(usual), 1, section.String()},
		{"after that", nil, "mine", one(usual), 0, section.String()},
		{"of the other copy", nil, "theirs", one(usual), 0, section.String()},
		{"as it was before", func() { state["mine"] = "1" }, "mine", one(usual), 1, section.String()},
		{"of a copy whose state nobody knows", func() { state["mine"] = "" }, "mine", one(usual), 1, section.String()},
		{"and again", nil, "mine", one(usual), 1, section.String()},
	} {
		if c.do != nil {
			c.do()
		}
		opened = 0
		got := said(c.copy, c.params)
		if opened != c.opens {
			t.Errorf("%s: opened %d times, want %d", c.name, opened, c.opens)
		}
		if c.want == "" {
			continue
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: what was kept (+) differs from what is (-):\n%s", c.name, diff)
		}
	}
	state["mine"] = "3"
	said("mine", usual)
	opened = 0
	for _, section := range []string{"", "mrr", "converted", "secrets"} {
		p := report.Params{Section: section}
		got, failed := s.Queries(t.Context(), access.Caller{}, "mine", p)
		want, err := report.Queries(t.Context(), source, p)
		if problem.KindOf(failed) != problem.KindOf(err) || len(got) != len(want) {
			t.Fatalf("queries of %q: %d, want %d; %v", section, len(got), len(want), failed)
		}
		for i := range want {
			if got[i].Name != want[i].Name || got[i].Query != want[i].Query {
				t.Errorf("the query of %s: %s", got[i].Name, got[i].Query)
			}
		}
	}
	if opened != 0 {
		t.Errorf("queries of what was made: opened %d times", opened)
	}
	if _, err := s.BNPL(t.Context(), access.Caller{}, "nobody's", usual); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a copy that is not there: %v", err)
	}
}
