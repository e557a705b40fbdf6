package extract

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPlan(t *testing.T) {
	t.Parallel()
	const now = 1_800_000_000
	tests := []struct {
		name     string
		before   Checkpoint
		since    int64
		variants int
		want     Checkpoint
	}{
		{
			name: "first", since: -1, variants: 2,
			want: Checkpoint{Upto: now - Lag, Events: now, Listed: now, Reconciled: now, Open: []Range{{From: 0, To: now + 1}, {Variant: 1, From: 0, To: now + 1}}},
		},
		{
			name: "first with a bound", since: 1_700_000_000, variants: 1,
			want: Checkpoint{Upto: now - Lag, Since: 1_700_000_000, Events: now, Listed: now, Reconciled: now, Open: []Range{{From: 1_700_000_000, To: now + 1}}},
		},
		{
			name: "next", before: Checkpoint{Upto: now - 5000, Events: 7}, since: -1, variants: 1,
			want: Checkpoint{Upto: now - Lag, Events: 7, Open: []Range{{From: now - 5000 - Overlap, To: now + 1}}},
		},
		{
			name: "next below the bound", before: Checkpoint{Upto: now - 5000, Since: now - 5100}, since: now - 9000, variants: 1,
			want: Checkpoint{Upto: now - Lag, Since: now - 9000, Open: []Range{{From: now - 9000, To: now + 1}}},
		},
		{
			name:     "resumed",
			before:   Checkpoint{Upto: now - 100, Open: []Range{{From: 0, To: now - 40, After: "x", AfterAt: 5}, {From: now - 900, To: now - 300}}},
			since:    -1,
			variants: 1,
			want:     Checkpoint{Upto: now - Lag, Open: []Range{{From: 0, To: now - 40, After: "x", AfterAt: 5}, {From: now - 900, To: now + 1}}},
		},
		{
			name: "a clock that went back", before: Checkpoint{Upto: now + 5000}, since: -1, variants: 1,
			want: Checkpoint{Upto: now + 5000},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tt.before
			c.Plan(now, tt.since, tt.variants)
			if d := cmp.Diff(tt.want, c); d != "" {
				t.Error(d)
			}
		})
	}
}

// A checkpoint stored by any version must load for ever.
func TestStoredCheckpoint(t *testing.T) {
	t.Parallel()
	const stored = `{"version":1,"upto":1767225600,"since":5,"events":1767225660,"open":[{"variant":1,"from":0,"to":1767225661,"after":"ch_9","afterAt":1767000000}]}`
	c, err := DecodeCheckpoint(stored)
	if err != nil {
		t.Fatal(err)
	}
	want := Checkpoint{Version: 1, Upto: 1767225600, Since: 5, Events: 1767225660, Open: []Range{{Variant: 1, To: 1767225661, After: "ch_9", AfterAt: 1767000000}}}
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
	if got := c.Encode(); got != stored {
		t.Errorf("stored again as %s", got)
	}
	if _, err := DecodeCheckpoint(`{"version":2}`); err == nil {
		t.Error("a newer version was accepted")
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	const now, day = 1_800_000_000, 24 * 3600
	for _, tt := range []struct {
		name     string
		in, want Checkpoint
		back     int64
		variants int
		due      bool
	}{
		{
			name: "nothing within a day", back: 2 * day, variants: 2,
			in:   Checkpoint{Upto: now - 900, Events: now - 900, Listed: now - 3600},
			want: Checkpoint{Upto: now - Lag, Events: now - 900, Listed: now - 3600},
		},
		{
			name: "once a day", back: 2 * day, variants: 1, due: true,
			in:   Checkpoint{Upto: now - 900, Events: now - 900, Listed: now - 25*3600},
			want: Checkpoint{Upto: now - Lag, Events: now - 900, Listed: now, Open: []Range{{From: now - 49*3600, To: now + 1}}},
		},
		{
			name: "each list, further back", back: 35 * day, variants: 2, due: true,
			in: Checkpoint{Upto: now - 60, Events: 1, Listed: now - day},
			want: Checkpoint{Upto: now - Lag, Events: 1, Listed: now, Open: []Range{
				{From: now - 60 - 35*day, To: now + 1}, {Variant: 1, From: now - 60 - 35*day, To: now + 1},
			}},
		},
		{
			name: "after a pause, from where the last pass stood", back: 2 * day, variants: 1, due: true,
			in:   Checkpoint{Upto: now - 9*day, Listed: now - 9*day - 3600},
			want: Checkpoint{Upto: now - Lag, Listed: now, Open: []Range{{From: now - 11*day, To: now + 1}}},
		},
		{
			name: "not before --since", back: 2 * day, variants: 1, due: true,
			in:   Checkpoint{Upto: now - 900, Listed: now - 2*day, Since: now - day},
			want: Checkpoint{Upto: now - Lag, Listed: now, Since: now - day, Open: []Range{{From: now - day, To: now + 1}}},
		},
		{
			name: "never before the backfill", back: 2 * day, variants: 1,
			want: Checkpoint{Upto: now - Lag},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tt.in
			if due := c.LookBack(now, tt.back, tt.variants); due != tt.due {
				t.Errorf("due: %v", due)
			}
			c.Follow(now)
			if d := cmp.Diff(tt.want, c); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRelist(t *testing.T) {
	t.Parallel()
	const now = 1_800_000_000
	lost := Checkpoint{Upto: now - 40*86400, Events: now - 40*86400, Since: 5}
	lost.Reconcile("a", "events were lost", now, 1)
	all := []Range{{From: 5, To: now + 1}}
	if d := cmp.Diff(all, lost.Open); d != "" {
		t.Errorf("everything again: %s", d)
	}
	began := *lost.Reconciling
	lost.Reconcile("b", "asked for", now+9, 1)
	if d := cmp.Diff(began, *lost.Reconciling); d != "" {
		t.Errorf("one at a time: %s", d)
	}
	lost.Open[0].After = "x"
	lost.Relist("a", now+9, 1)
	if d := cmp.Diff([]Range{{From: 5, To: now + 10}}, lost.Open); d != "" || lost.Reconciling.Reason != "events were lost" {
		t.Errorf("from the beginning: %+v %s", lost.Reconciling, d)
	}
	if lost.Compared(); lost.Reconciled != now+9 || lost.Reconciling != nil {
		t.Errorf("ended: %+v", lost)
	}
}
