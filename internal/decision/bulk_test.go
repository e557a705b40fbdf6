package decision_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/trial"
)

// All flags at once: whoever is told is exposed, and nobody else.
func TestBulk(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	b, a := p.run(cart("b")), p.run(cart("a"))
	p.create(cart("draft"))
	keys := func(r reply) (all []string) {
		t.Helper()
		var v struct{ Flags []decided }
		if err := json.Unmarshal([]byte(r.body), &v); err != nil || r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
		for _, f := range v.Flags {
			all = append(all, f.Key+":"+f.Variant)
		}
		return all
	}
	one := p.ask(key, "?expose=b,nothing", unit("cus_1"))
	if got := keys(one); len(got) != 1 || len(p.exposed(b)) != 1 || len(p.exposed(a)) != 0 || got[0] != "b:"+p.exposed(b)["cus_1"] {
		t.Errorf("of one: %v", got)
	}
	all := p.ask(key, "", unit("cus_1"))
	if diff := cmp.Diff([]string{"a:" + p.exposed(a)["cus_1"], "b:" + p.exposed(b)["cus_1"], "draft:"}, keys(all)); diff != "" {
		t.Error(diff)
	}
	tag := all.header.Get("Etag")
	if same := p.ask(key, "", unit("cus_1"), "If-None-Match", `"x", `+tag); same.status != 304 || same.body != "" || same.header.Get("Etag") != tag {
		t.Errorf("the same: %d %s", same.status, same.body)
	}
	p.done(p.Trials.Kill(t.Context(), shop, a, whatever, true))
	if other := p.ask(key, "", unit("cus_1"), "If-None-Match", tag); other.status != 200 || other.header.Get("Etag") == tag {
		t.Errorf("after a change: %d", other.status)
	}
	if r := p.ask(key, "?expose=a&expose="+strings.Repeat("b,", 100), unit("cus_8")); r.status != 400 || len(p.exposed(a)) != 1 {
		t.Errorf("of a hundred and two: %d", r.status)
	}
	if got := p.ask(key, "?expose=", unit("cus_9")).body; got != `{"flags":[]}` {
		t.Errorf("of none: %s", got)
	}
}

// One flag that can't be decided keeps nobody from the others, and exposes nobody.
func TestPart(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	key := p.key()
	fine, broken := p.run(cart("fine")), p.run(cart("broken", func(e *experiment.Experiment) { e.Audience = "loyal" }))
	p.Audience = func(_ context.Context, _, _, customer string) (bool, error) {
		return false, fmt.Errorf("nobody knows who %s is", customer)
	}
	r := p.ask(key, "", unit("cus_planted"))
	if r.status != 200 || !strings.Contains(r.body, `{"key":"broken","errorCode":"GENERAL","errorDetails":`) || !strings.Contains(r.body, `{"key":"fine",`) {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := p.ask(key, "/broken", unit("cus_planted")); r.status != 500 {
		t.Errorf("alone: %d %s", r.status, r.body)
	}
	if len(p.exposed(fine)) != 1 || len(p.exposed(broken)) != 0 {
		t.Errorf("exposures: %v, and of what failed %v", p.exposed(fine), p.exposed(broken))
	}
	if log := p.log.String(); !strings.Contains(log, "nobody knows who") || strings.Contains(log, "cus_planted") {
		t.Errorf("the log: %s", log)
	}
}

// A key decides on the experiments that it names, and on no others.
func TestNamed(t *testing.T) {
	t.Parallel()
	p := begin(t, t.TempDir(), "")
	mine, others := p.run(cart("mine")), p.run(cart("others"))
	all, some := p.key(), p.keyOf(trial.Key{Experiments: []string{"mine"}})
	for _, path := range []string{"", "?expose=mine,others", "/mine"} {
		if r := p.ask(some, path, unit("cus_1")); r.status != 200 || !strings.Contains(r.body, `"mine"`) || strings.Contains(r.body, `"others"`) {
			t.Errorf("%q: %d %s", path, r.status, r.body)
		}
	}
	if r := p.ask(some, "/others", unit("cus_1")); r.status != 404 || !strings.Contains(r.body, "FLAG_NOT_FOUND") {
		t.Errorf("another: %d %s", r.status, r.body)
	}
	if len(p.exposed(mine)) != 1 || len(p.exposed(others)) != 0 {
		t.Errorf("exposures: %v, and of another %v", p.exposed(mine), p.exposed(others))
	}
	if r := p.ask(all, "/others", unit("cus_1")); r.status != 200 {
		t.Errorf("by a key for all: %d %s", r.status, r.body)
	}
}
