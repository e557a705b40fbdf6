package lake

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// landed returns a row of history as JSON and as it is read.
func landed(seq int64, size int) (row, HistoryRow) {
	at := time.UnixMicro(1_700_000_000_000_000 + seq).UTC()
	h := HistoryRow{
		ID: fmt.Sprint("or_", seq%7), Seq: seq, Op: "upsert", SeenAt: at, Source: "backfill", RunID: "r", Account: "acct_1",
		Livemode: seq%2 == 0, APIVersion: "2025-02-24.acacia", Hash: fmt.Sprintf("%032d", seq), Created: seq,
		Raw: strings.Repeat("x", size),
	}
	return row{
		"id": h.ID, "seq": h.Seq, "op": h.Op, "seen_at": at.Format("2006-01-02T15:04:05.999999Z"), "source": h.Source, "run_id": h.RunID,
		"account": h.Account, "livemode": h.Livemode, "api_version": h.APIVersion, "hash": h.Hash, "created": h.Created, "raw": h.Raw,
	}, h
}

// openHistory returns a history of files with the given numbers of rows.
func openHistory(t *testing.T, dir string, sizes ...int) (*Table, []HistoryRow) {
	t.Helper()
	tbl, err := openLake(t, dir).History(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	var want []HistoryRow
	for _, n := range sizes {
		var rows []row
		for range n {
			r, h := landed(int64(len(want))+1, 10)
			rows, want = append(rows, r), append(want, h)
		}
		commit(t, tbl, Commit{Files: write(t, tbl, rows...)})
	}
	return tbl, want
}

func collect(t *testing.T, rows iter.Seq2[HistoryRow, error]) []HistoryRow {
	t.Helper()
	var all []HistoryRow
	for r, err := range rows {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func TestReadHistory(t *testing.T) {
	t.Parallel()
	// The large files are left alone by Maintain, the small ones between them
	// are merged.
	tbl, want := openHistory(t, t.TempDir(), 1, 2, 3, 1, 2, 3000, 5, 1, 1, 1, 1, 1, 3000, 4)
	check := func() {
		t.Helper()
		for _, after := range []int64{0, 1, 5, 9, 2000, 3012, 6019, 6023, 9999} {
			rest := want[min(after, int64(len(want))):]
			if diff := cmp.Diff(slices.Clip(rest), append([]HistoryRow{}, collect(t, tbl.ReadHistory(t.Context(), after))...)); diff != "" {
				t.Errorf("after %d: %s", after, diff)
			}
			keys := collect(t, tbl.ReadKeys(t.Context(), after))
			for i, k := range keys {
				w := rest[i]
				w.Source, w.RunID, w.Account, w.APIVersion, w.Raw, w.Livemode = "", "", "", "", "", false
				if k != w {
					t.Fatalf("after %d: key %+v, want %+v", after, k, w)
				}
			}
			if len(keys) != len(rest) {
				t.Errorf("after %d: %d keys, want %d", after, len(keys), len(rest))
			}
		}
	}
	check()
	p, err := tbl.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	large := slices.MaxFunc(p.Files, func(a, b File) int { return int(a.Bytes - b.Bytes) }).Bytes
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1, TargetBytes: large}); err != nil {
		t.Fatal(err)
	}
	if n := tbl.DataFiles(); n >= 14 || n < 5 {
		t.Errorf("%d data files after Maintain; the test wants some merged and some not", n)
	}
	check()
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1}); err != nil {
		t.Fatal(err)
	}
	if n := tbl.DataFiles(); n != 1 {
		t.Errorf("%d data files after Maintain, want 1", n)
	}
	check()

	for range tbl.ReadHistory(t.Context(), 0) {
		break
	}
}

// Files with older versions only are not opened.
func TestReadHistoryPrunes(t *testing.T) {
	t.Parallel()
	tbl, want := openHistory(t, t.TempDir(), 10, 10)
	files, err := tbl.historyFiles(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(localPath(files[0].FilePath())); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want[12:], collect(t, tbl.ReadHistory(t.Context(), 12))); diff != "" {
		t.Error(diff)
	}
	for _, err := range tbl.ReadHistory(t.Context(), 9) {
		if err == nil || !strings.Contains(err.Error(), "read orders_history") {
			t.Errorf("reading a file that is gone: %v", err)
		}
	}
}

func TestReadHistoryStops(t *testing.T) {
	t.Parallel()
	tbl, _ := openHistory(t, t.TempDir(), 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n := 0
	for _, err := range tbl.ReadHistory(ctx, 0) {
		n++
		if err == nil {
			t.Error("a row after the context's end")
		}
	}
	if n != 1 {
		t.Errorf("%d steps, want one error", n)
	}
}

// Versions are found by seq wherever they lie, and one that is not there is told.
func TestLast(t *testing.T) {
	t.Parallel()
	tbl, want := openHistory(t, t.TempDir(), 1, 2, 3000, 5, 1, 1, 1, 1, 3000, 4)
	lane := &Lane{history: tbl}
	ask := func(seqs ...int64) (got []string, err error) {
		err = lane.Last(t.Context(), seqs, func(seq int64, raw []byte) error {
			got = append(got, fmt.Sprint(seq, " ", string(raw)))
			return nil
		})
		return got, err
	}
	check := func() {
		t.Helper()
		for _, seqs := range [][]int64{{}, {1}, {6016}, {2500}, {1, 2, 3}, {6016, 1, 3003, 3010, 2048, 2049}} {
			got, err := ask(seqs...)
			if err != nil {
				t.Fatal(err)
			}
			var expected []string
			for _, seq := range slices.Sorted(slices.Values(seqs)) {
				expected = append(expected, fmt.Sprint(seq, " ", want[seq-1].Raw))
			}
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Errorf("%v: %s", seqs, diff)
			}
		}
		for _, seqs := range [][]int64{{0}, {6017}, {0, 5}, {5, 6017}} {
			if got, err := ask(seqs...); err == nil || !strings.Contains(err.Error(), "has no version") {
				t.Errorf("%v: %q, %v", seqs, got, err)
			}
		}
	}
	check()
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1}); err != nil {
		t.Fatal(err)
	}
	check()
}
