package lake

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/problem"
)

// The months are those of Iceberg's own transform.
func TestMonth(t *testing.T) {
	t.Parallel()
	transform, err := iceberg.MonthTransform{}.Transformer(typeTimestamp)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		unix := rapid.Int64Range(-1<<33, 1<<36).Draw(rt, "unix")
		if want := transform(iceberg.Timestamp(unix * 1e6)).Val; month(unix) != want {
			rt.Errorf("month(%d) = %d, want %d", unix, month(unix), want)
		}
	})
}

// Rows of many months in one batch, and deletes, go to the files of their
// months, however little of them is in memory.
func TestFanout(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{1, heldBytes} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			tbl := openOrders(t, openLake(t, t.TempDir()))
			maintain(t, tbl, PartitionMonth)
			enc, err := newEncoding(tbl.cat.mem, tbl.tbl.Schema(), false)
			if err != nil {
				t.Fatal(err)
			}
			f := newFanout(sink{tbl: tbl.tbl, out: tbl.cat.disk, enc: enc, target: targetBytes})
			f.limit = limit
			var all []row
			for b := range 3 {
				var rows []row
				for i := range 20 {
					rows = append(rows, order(fmt.Sprintf("or_%d%02d", b, i), int64(20*b+i), i))
				}
				all = append(all, rows...)
				if err := f.write(t.Context(), rowsBatch(t, tbl, rows...)); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.roll(t.Context()); err != nil {
				t.Fatal(err)
			}
			commit(t, tbl, Commit{Files: Files{data: f.done, key: "all"}})
			same(t, contents(t, tbl), all...)
			m := &machine{T: t, tbl: tbl}
			m.partitioned(PartitionMonth)
			if n := tbl.DataFiles(); limit > 1 && n != 5 {
				t.Errorf("%d files for 5 months", n)
			}

			var gone []Gone
			for _, r := range all[:25] {
				gone = append(gone, Gone{r["_id"].(string), born(r["_id"].(string))})
			}
			commit(t, tbl, Commit{Gone: gone})
			same(t, contents(t, tbl), all[25:]...)
			if n := tbl.DeleteFiles(); n != 5 {
				t.Errorf("%d delete files for 5 months", n)
			}
			m.partitioned(PartitionMonth)
			commit(t, tbl, Commit{Gone: []Gone{{"or_200", born("or_200") + 31*86400}}})
			same(t, contents(t, tbl), all[25:]...)
			commit(t, tbl, Commit{DeleteIDs: []string{"or_219"}})
			same(t, contents(t, tbl), all[25:len(all)-1]...)
			maintain(t, tbl, "")
			same(t, contents(t, tbl), all[25:len(all)-1]...)
		})
	}
}

func TestRowsWithoutMonth(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openOrders(t, openLake(t, dir))
	maintain(t, tbl, PartitionMonth)
	timeless := order("or_1", 1, 1)
	delete(timeless, "_created")
	w := tbl.NewWriter(t.Context())
	err := w.Write(rowsBatch(t, tbl, timeless))
	if _, closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err == nil || !strings.Contains(err.Error(), "_created") {
		t.Errorf("error %v", err)
	}
	if files := onDisk(t, dir, ".parquet"); len(files) != 0 {
		t.Errorf("files are left: %v", files)
	}
}

// partly fills a table with rows of five months, some of them deleted, and
// returns what is left.
func partly(t *testing.T, tbl *Table) []row {
	t.Helper()
	var want []row
	for b := range 3 {
		var rows []row
		for i := range 100 {
			rows = append(rows, order(fmt.Sprint("or_", b, "_", i), int64(100*b+i), i))
		}
		commit(t, tbl, Commit{Files: write(t, tbl, rows...)})
		want = append(want, rows[b:]...)
		for i := range b {
			id := rows[i]["_id"].(string)
			commit(t, tbl, Commit{Gone: []Gone{{id, born(id)}}})
		}
	}
	return want
}

// The files of many months are exchanged in one commit.
func TestMonthsInOneCommit(t *testing.T) {
	t.Parallel()
	tbl := openOrders(t, openLake(t, t.TempDir()))
	want := partly(t, tbl)
	maintain(t, tbl, PartitionMonth)
	var gone []Gone
	for _, r := range want[:60] {
		id := r["_id"].(string)
		gone = append(gone, Gone{id, born(id)})
	}
	commit(t, tbl, Commit{Gone: gone})
	if n := tbl.DeleteFiles(); n < 3 {
		t.Fatalf("%d delete files; the test wants some months", n)
	}
	before := len(tbl.tbl.Metadata().Snapshots())
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{}); err != nil {
		t.Fatal(err)
	}
	// One that rewrites, one that drops the delete files, one of the manifests.
	if n := len(tbl.tbl.Metadata().Snapshots()) - before; n > 3 {
		t.Errorf("%d commits", n)
	}
	same(t, contents(t, tbl), want[60:]...)
}

func maintain(t *testing.T, tbl *Table, p Partitioning) MaintainReport {
	t.Helper()
	report, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1, Partition: p})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestRepartition(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openOrders(t, openLake(t, dir))
	want := partly(t, tbl)
	m := &machine{T: t, dir: dir, tbl: tbl}
	for _, to := range []Partitioning{PartitionMonth, PartitionNone, PartitionMonth} {
		report := maintain(t, tbl, to)
		if report.Partition != to {
			t.Errorf("report %+v, want the partition %s", report, to)
		}
		files := map[Partitioning]int64{PartitionMonth: 5, PartitionNone: 1}[to]
		if tbl.Partition() != to || tbl.DataFiles() != files || tbl.DeleteFiles() != 0 || tbl.Rows() != int64(len(want)) {
			t.Errorf("by %s: %d data files, %d delete files, %d rows", tbl.Partition(), tbl.DataFiles(), tbl.DeleteFiles(), tbl.Rows())
		}
		same(t, contents(t, tbl), want...)
		m.noLitter()
		if p := tbl.Property("schema.name-mapping.default"); p != "" {
			t.Errorf("a name mapping was added: %s", p)
		}
	}
	m.partitioned(PartitionMonth)
	if n := len(tbl.tbl.Metadata().PartitionSpecs()); n != 2 {
		t.Errorf("%d partition specs, want the two to be used again", n)
	}
	if report := maintain(t, tbl, PartitionMonth); report.Partition != "" {
		t.Errorf("rewritten to what it was: %+v", report)
	}
}

func TestRepartitionAuto(t *testing.T) {
	t.Parallel()
	l := openLake(t, t.TempDir())
	tbl := openOrders(t, l)
	n := int64(len(partly(t, tbl)))
	for _, tt := range []struct {
		above int64
		want  Partitioning
	}{{0, PartitionNone}, {n, PartitionNone}, {n - 1, PartitionMonth}, {n, PartitionMonth}} {
		if _, err := tbl.Maintain(t.Context(), MaintainOptions{Partition: PartitionAuto, MonthRows: tt.above}); err != nil {
			t.Fatal(err)
		}
		if got := tbl.Partition(); got != tt.want {
			t.Errorf("partitioned by %s above %d of %d rows, want %s", got, tt.above, n, tt.want)
		}
	}
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{Partition: "week"}); err == nil {
		t.Error("there is no partitioning by week")
	}
	history, err := l.History(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	if report := maintain(t, history, PartitionMonth); report.Partition != "" || history.Partition() != PartitionNone {
		t.Errorf("a history was partitioned: %+v", report)
	}
}

// Rows that were written for the partitions before are not added to those after.
func TestCommitAfterRepartition(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tbl := openOrders(t, openLake(t, dir))
	a := order("or_1", 1, 1)
	commit(t, tbl, Commit{Files: write(t, tbl, a)})
	late := Commit{Files: write(t, tbl, order("or_1", 2, 2)), Gone: []Gone{{"or_1", born("or_1")}}}
	other := openOrders(t, openLake(t, dir))
	if _, err := other.Maintain(t.Context(), MaintainOptions{Partition: PartitionMonth}); err != nil {
		t.Fatal(err)
	}
	if err := tbl.Commit(t.Context(), late); problem.KindOf(err) != problem.Stale {
		t.Errorf("error %v, want a stale one", err)
	}
	same(t, contents(t, openOrders(t, openLake(t, dir))), a)
}

// A rewrite that ends early, before or in its commit, leaves the table as
// before or as after, and nothing else for long.
func TestRepartitionCutOff(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	type exec = func(context.Context, string, ...any) (sql.Result, error)
	swap := func(before, after error) func(next exec) exec {
		return func(next exec) exec {
			return func(ctx context.Context, q string, args ...any) (sql.Result, error) {
				if before != nil {
					return nil, before
				}
				_, err := next(ctx, q, args...)
				return nil, errors.Join(after, err)
			}
		}
	}
	tests := []struct {
		name   string
		before func() error
		wrap   func(next exec) exec
		want   Partitioning
		tidy   bool // files are not left for a later call
	}{
		{"killed before the commit", func() error { panic(broken) }, nil, PartitionNone, false},
		{"failed before the commit", func() error { return broken }, nil, PartitionNone, true},
		{"failed in the commit", nil, swap(broken, nil), PartitionNone, true},
		{"failed after the commit", nil, swap(nil, broken), PartitionMonth, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := openLake(t, dir)
			tbl := openOrders(t, l)
			want := partly(t, tbl)
			before := len(onDisk(t, dir, ".parquet"))
			if tt.wrap != nil {
				l.cat.exec = tt.wrap(l.cat.exec)
			}
			run := maintenance{
				t: tbl, opts: MaintainOptions{Partition: PartitionMonth}, target: 10_000, ids: markIDs, spill: 10_000, beforeCommit: tt.before,
			}
			func() {
				defer func() {
					if p := recover(); p != nil && p != any(broken) {
						panic(p)
					}
				}()
				if err := run.run(t.Context(), 0); err == nil && tt.want == PartitionNone {
					t.Error("no error")
				}
			}()
			if after := len(onDisk(t, dir, ".parquet")); tt.tidy && after != before {
				t.Errorf("%d Parquet files on disk, want the %d before", after, before)
			}
			if spilt := onDisk(t, dir, ".arrow"); len(spilt) > 0 {
				t.Errorf("files are left: %v", spilt)
			}

			l = openLake(t, dir)
			tbl = openOrders(t, l)
			m := &machine{T: t, dir: dir, lake: l, tbl: tbl}
			if tbl.Partition() != tt.want {
				t.Errorf("partitioned by %s, want %s", tbl.Partition(), tt.want)
			}
			m.partitioned(tt.want)
			same(t, contents(t, tbl), want...)
			same(t, planned(t, tbl), want...)
			maintain(t, tbl, PartitionMonth)
			m.partitioned(PartitionMonth)
			same(t, contents(t, tbl), want...)
			m.noLitter()
		})
	}
}
