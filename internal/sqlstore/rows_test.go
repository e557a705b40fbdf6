package sqlstore

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/dataset"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func TestQuarantine(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	bad := []dataset.Rejected{
		{Resource: "charges", ID: "ch_1", Path: "amount", Reason: "is a string", Raw: []byte(`{"id":"ch_1","amount":"5"}`), RequestID: "req_1", RunID: "run_1", SeenAt: noon},
		{Resource: "charges", ID: "", Path: "id", Reason: "is null", Raw: []byte(`{"id":null}`), RequestID: "req_1", RunID: "run_1", SeenAt: noon.Add(time.Second)},
		{Resource: "charges", ID: "", Path: "id", Reason: "is null", Raw: []byte(`{"id":null,"x":"\ud800\u0000"}`), RequestID: "req_1", RunID: "run_1", SeenAt: noon.Add(2 * time.Second)},
		{Resource: "refunds", ID: "ch_1", Path: "", Reason: "is not an object", Raw: []byte("[\"\x00'\"]"), RequestID: "req_2", RunID: "run_1", SeenAt: noon.Add(3 * time.Second)},
	}
	must(t, s.Quarantine(ctx, nil))
	must(t, s.Quarantine(ctx, bad))
	got, err := quarantined(ctx, s)
	must(t, err)
	if diff := cmp.Diff(bad, got); diff != "" {
		t.Error(diff)
	}

	// Read again by a later run: no new row, but the run's.
	again := append([]dataset.Rejected(nil), bad...)
	for i := range again {
		again[i].RunID, again[i].SeenAt = "run_2", bad[i].SeenAt.Add(time.Hour)
	}
	must(t, s.Quarantine(ctx, again))
	got, err = quarantined(ctx, s)
	must(t, err)
	if diff := cmp.Diff(again, got); diff != "" {
		t.Error(diff)
	}

	// Another text of the same object stands beside it; settling takes both.
	other := bad[0]
	other.Raw = []byte(`{"id":"ch_1","amount":"6"}`)
	must(t, s.Quarantine(ctx, []dataset.Rejected{other}))
	counts, err := s.QuarantineCounts(ctx)
	must(t, err)
	if diff := cmp.Diff(map[string]int64{"charges": 3, "refunds": 1}, counts); diff != "" {
		t.Error(diff)
	}
	held, err := s.Held(ctx, "charges")
	must(t, err)
	if diff := cmp.Diff([]string{"ch_1"}, held); diff != "" {
		t.Error(diff)
	}
	must(t, s.Settle(ctx, "charges", []string{"ch_1", "ch_9"}))
	got, err = quarantined(ctx, s)
	must(t, err)
	if diff := cmp.Diff(again[1:], got); diff != "" {
		t.Error(diff)
	}
}

func TestQuarantineKeepsUTF8(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	must(t, s.Quarantine(t.Context(), []dataset.Rejected{{Resource: "charges", ID: "\xff", Path: "\xff", Reason: "\xff", Raw: []byte("\"\xff\""), SeenAt: noon}}))
	got, err := quarantined(t.Context(), s)
	must(t, err)
	want := []dataset.Rejected{{Resource: "charges", ID: "\ufffd", Path: "\ufffd", Reason: "\ufffd", Raw: []byte("\"\ufffd\""), SeenAt: noon}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWanted(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	must(t, s.Want(ctx, "prices", []string{"price_2", "price_1"}, "subscriptions"))
	must(t, s.Want(ctx, "prices", []string{"price_2", "price_3", "price_3"}, "subscriptions"))
	must(t, s.Want(ctx, "charges", []string{"price_1"}, "refunds"))
	must(t, s.Unwant(ctx, "prices", []string{"price_1", "price_9"}))
	for resource, want := range map[string][]string{"prices": {"price_2", "price_3"}, "charges": {"price_1"}, "refunds": nil} {
		got, err := s.Wanted(ctx, resource)
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", resource, diff)
		}
	}
}

func TestDrift(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	field := Drift{Resource: "charges", Path: "new_field", Kind: "unknown_field", Seen: "string", Count: 3, Example: "ch_1"}
	kind := Drift{Resource: "charges", Path: "amount", Kind: "unknown_type", Seen: "object", Count: 1}
	must(t, s.NoteDrift(ctx, []Drift{field, kind}, noon))
	later := field
	later.Example = "ch_2"
	must(t, s.NoteDrift(ctx, []Drift{later}, noon.Add(time.Hour)))
	got, err := s.Drifts(ctx)
	must(t, err)
	field.Count, field.FirstSeen, field.LastSeen = 6, noon, noon.Add(time.Hour)
	kind.FirstSeen, kind.LastSeen = noon, noon
	if diff := cmp.Diff([]Drift{field, kind}, got); diff != "" {
		t.Error(diff)
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	// The day is that of UTC, whatever the zone of the time given.
	late := Day(time.Date(2026, 1, 31, 23, 30, 0, 0, time.FixedZone("", -3600)))
	must(t, s.AddReads(ctx, []Read{{Day(noon), "/v1/charges", 10, 1}, {Day(noon), "/v1/prices", 2, 0}}))
	must(t, s.AddReads(ctx, []Read{{Day(noon), "/v1/charges", 5, 0}, {late, "/v1/prices", 100, 0}}))
	must(t, s.AddReads(ctx, nil))
	all := []Read{{"2026-01-31", "/v1/charges", 15, 1}, {"2026-01-31", "/v1/prices", 2, 0}, {"2026-02-01", "/v1/prices", 100, 0}}
	tests := []struct {
		since time.Time
		want  []Read
	}{
		{noon.AddDate(0, 0, -30), all},
		{noon, all},
		{noon.AddDate(0, 0, 1), all[2:]},
		{noon.AddDate(0, 0, 2), nil},
	}
	for _, tc := range tests {
		got, err := s.Reads(ctx, tc.since)
		must(t, err)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("since %v: %s", tc.since, diff)
		}
	}
}

func TestTraffic(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	must(t, s.SetTraffic(ctx, noon.AddDate(0, 0, -9), map[string]int64{Day(noon.AddDate(0, 0, -9)): 1, Day(noon): 10}))
	must(t, s.SetTraffic(ctx, noon.AddDate(0, 0, -2), map[string]int64{Day(noon.AddDate(0, 0, -1)): 100, Day(noon): 1000}))
	for days, want := range map[int]int64{-10: 1101, -9: 1100, -1: 1000, 0: 0} {
		if n, err := s.Traffic(ctx, noon.AddDate(0, 0, days)); n != want || err != nil {
			t.Errorf("after day %d: %d, %v, want %d", days, n, err, want)
		}
	}
}

func TestCosts(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	at := func(h int) time.Time { return noon.Add(time.Duration(h) * time.Hour) }
	costs := []Cost{{"run_1", at(-2), 9, 1, true}, {"run_2", at(-1), 3, 0, false}, {"run_3", at(0), 5, 2, false}}
	for _, c := range []Cost{costs[2], costs[0], costs[1], {"run_1", at(0), 7, 7, true}} {
		must(t, s.AddCost(ctx, c, at(-9)))
	}
	got, err := s.Costs(ctx, at(-5))
	must(t, err)
	if diff := cmp.Diff(costs, got); diff != "" {
		t.Error(diff)
	}
	must(t, s.AddCost(ctx, costs[2], at(-1)))
	got, err = s.Costs(ctx, at(-5))
	must(t, err)
	if diff := cmp.Diff(costs[1:], got); diff != "" {
		t.Errorf("old ones stay: %s", diff)
	}
}

func TestMark(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	if v, err := s.Mark(ctx, "a"); v != "" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	must(t, s.SetMark(ctx, "a", "1"))
	must(t, s.SetMark(ctx, "a", "2"))
	must(t, s.SetMark(ctx, "b", "3"))
	if v, err := s.Mark(ctx, "a"); v != "2" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
}

func TestPostpone(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	must(t, s.SetDue(ctx, "charges", []DueObject{{"a", 1, 100}, {"b", 2, 101}}))
	must(t, s.SetDue(ctx, "refunds", []DueObject{{"a", 1, 100}}))
	must(t, s.Postpone(ctx, "charges", 100, 200))
	for _, tc := range []struct {
		resource string
		now      int64
		want     []DueObject
	}{
		{"charges", 199, []DueObject{{"b", 2, 101}}},
		{"charges", 200, []DueObject{{"a", 1, 200}, {"b", 2, 101}}},
		{"refunds", 100, []DueObject{{"a", 1, 100}}},
	} {
		got, err := s.Due(ctx, tc.resource, time.Unix(tc.now, 0))
		must(t, err)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s at %d: %s", tc.resource, tc.now, diff)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	must(t, s.RecordRun(ctx, Run{ID: "run_1", Kind: "sync", Status: "failed", Started: noon, Finished: noon.Add(time.Second), Summary: "{}"}))
	must(t, s.RecordRun(ctx, Run{ID: "run_1", Kind: "sync", Status: "complete", Started: noon, Finished: noon.Add(time.Minute), Summary: `{"a":1}`}))
	var status, summary string
	var started, finished int64
	must(t, s.db.QueryRowContext(ctx, "select status, started_at, finished_at, summary from run").Scan(&status, &started, &finished, &summary))
	if status != "complete" || summary != `{"a":1}` || started != noon.UnixMilli() || finished != noon.Add(time.Minute).UnixMilli() {
		t.Errorf("%s %s %d %d", status, summary, started, finished)
	}
}
