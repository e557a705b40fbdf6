package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// The loop that a user goes when Stripe sends something new: a pass says so,
// drift names it, its suggestion extends the schema, a replay fills the column.
func TestDriftLoop(t *testing.T) {
	t.Parallel()
	long(t)
	cfg := stripesim.Config{Seed: 9, Novelty: true, Counts: stripesim.Counts{Charges: 1200, Customers: 10, Subscriptions: 5, Prices: 5}}
	s := openShop(t, cfg, nil)
	dir := filepath.Join(t.TempDir(), "copy")
	on := func(stdin string, args ...string) outcome {
		t.Helper()
		return command{args: append(args, "--dir", dir), stdin: stdin}.run(t)
	}
	on("", "replay").sentence(t, app.ExitFailed, "there is no copy in", "tributary sync")
	on("", "drift").sentence(t, app.ExitFailed, "there is no copy in")
	on("{}", "schema", "extend", "-").sentence(t, app.ExitFailed, "there is no copy in")

	first := s.sync(dir).run(t)
	if first.status != 0 || !strings.Contains(first.stdout, "Stripe sent what the schemas do not know, ") || !strings.Contains(first.stdout, " new values: tributary drift\n") {
		t.Fatalf("sync: %s", first)
	}
	drift := on("", "drift")
	for _, words := range []string{"field  ", "sustainability", "value  ", "partially_settled", "  settlement_speed  ", "ch_"} {
		if drift.status != 0 || !strings.Contains(drift.stdout, words) {
			t.Errorf("drift lacks %q: %s", words, drift)
		}
	}
	var list []app.Drift
	if err := json.Unmarshal([]byte(on("", "drift", "--format", "json").stdout), &list); err != nil || len(list) < 5 {
		t.Errorf("drift as JSON: %v, %d", err, len(list))
	}

	group := on("", "drift", "--suggest", "charges")
	if extended := on(group.stdout, "schema", "extend", "-"); extended.status != 0 || !strings.Contains(extended.stdout, "settlement_speed, status = partially_settled, sustainability.") {
		t.Errorf("extend: %s", extended)
	}
	if again := on(group.stdout, "schema", "extend", "-"); again.status != 0 || !strings.Contains(again.stdout, "has all of") {
		t.Errorf("extended again: %s", again)
	}
	on("", "drift", "--suggest", "charges").sentence(t, app.ExitFailed, "nothing new in charges")
	on("", "drift", "--suggest", "payouts").sentence(t, app.ExitUsage, "there is no resource")
	on("{", "schema", "extend", "-").sentence(t, app.ExitUsage, "the field group can't be used")
	if show := on("", "schema", "show", "charges"); !strings.Contains(show.stdout, "sustainability") || !strings.Contains(show.stdout, "payment_method_details.card.last4") {
		t.Errorf("schema show: %s", show)
	}

	replayed := on("", "replay", "--resources", "charges")
	if replayed.status != 0 || !strings.Contains(replayed.stdout, "1,200") {
		t.Errorf("replay: %s", replayed)
	}
	var done []app.Replayed
	if err := json.Unmarshal([]byte(on("", "replay", "--format", "json", "--quarantine").stdout), &done); err != nil || len(done) != 6 || done[0].Rebuilt {
		t.Errorf("replay as JSON: %v, %+v", err, done)
	}
	rows := on("", "query", "--format", "csv", "select count(*) from xdm.charges where _tributary.charges_data.sustainability is not null")
	if f := strings.Fields(rows.stdout); len(f) != 2 || f[1] == "0" {
		t.Errorf("the column is not filled: %s", rows)
	}
}
