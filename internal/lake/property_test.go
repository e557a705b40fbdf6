package lake

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/xdm"
)

// Whatever is inserted, replaced, deleted, maintained, expired and reopened, in
// any order: the table reads like a map, by iceberg-go and by the plan.
func TestTableIsAMap(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	passed := 0
	rapid.Check(t, func(rt *rapid.T) {
		if testing.Short() && passed == 5 { // enough for the race detector
			return
		}
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			t.Fatal(err)
		}
		m := &machine{T: t, dir: dir, want: map[string]row{}}
		m.reopen(nil)
		rt.Repeat(map[string]func(*rapid.T){
			"check":    m.check,
			"insert":   m.insert,
			"upsert":   m.upsert,
			"delete":   m.remove,
			"maintain": m.maintain,
			"expire":   m.expire,
			"reopen":   m.reopen,
			"evolve":   m.evolve,
		})
		m.check(rt)
		if err := m.lake.Close(); err != nil {
			t.Error(err)
		}
		passed++
	})
}

type machine struct {
	*testing.T
	dir  string
	lake *Lake
	tbl  *Table
	more []*xdm.Field // what the schema has grown by
	want map[string]row
	seq  int64
}

func anyID() *rapid.Generator[string] { return rapid.StringMatching(`[a-h][0-9]`) }

// rows draws rows for distinct ids, which must be in the table or not.
func (m *machine) rows(rt *rapid.T, present func(bool) bool) []row {
	var rows []row
	for _, id := range rapid.SliceOfNDistinct(anyID(), 1, 30, rapid.ID[string]).Draw(rt, "ids") {
		if !present(m.want[id] != nil) {
			continue
		}
		m.seq++
		r := order(id, m.seq, rapid.IntRange(0, 60).Draw(rt, "n"))
		for _, f := range m.more {
			r["_acme"].(row)["orders_data"].(row)[f.Name] = fmt.Sprint(f.Name, m.seq)
		}
		rows = append(rows, r)
	}
	return rows
}

func (m *machine) commit(c Commit, rows ...row) {
	m.Helper()
	if len(rows) > 0 {
		c.Files = write(m.T, m.tbl, rows...)
	}
	c.Properties = map[string]string{"seq": fmt.Sprint(m.seq)}
	commit(m.T, m.tbl, c)
	for _, id := range c.DeleteIDs {
		delete(m.want, id)
	}
	for _, g := range c.Gone {
		delete(m.want, g.ID)
	}
	for _, r := range rows {
		m.want[r["_id"].(string)] = r
	}
}

func (m *machine) insert(rt *rapid.T) {
	m.commit(Commit{}, m.rows(rt, func(present bool) bool { return !present })...)
}

func (m *machine) upsert(rt *rapid.T) {
	var c Commit
	rows := m.rows(rt, func(bool) bool { return true })
	for _, r := range rows {
		switch id := r["_id"].(string); {
		case m.want[id] == nil:
		case rapid.Bool().Draw(rt, "by month"):
			c.Gone = append(c.Gone, Gone{id, born(id)})
		default:
			c.DeleteIDs = append(c.DeleteIDs, id)
		}
	}
	m.commit(c, rows...)
}

func (m *machine) remove(rt *rapid.T) {
	// Ids that are not there do no harm.
	m.commit(Commit{DeleteIDs: rapid.SliceOfN(anyID(), 1, 10).Draw(rt, "ids")})
}

func (m *machine) maintain(rt *rapid.T) {
	run := maintenance{
		t:      m.tbl,
		target: rapid.SampledFrom([]int64{1, 10_000, targetBytes}).Draw(rt, "target"),
		ids:    rapid.SampledFrom([]int64{2, markIDs}).Draw(rt, "ids"),
		spill:  rapid.SampledFrom([]int64{1, spillBytes}).Draw(rt, "spill"),
		opts:   MaintainOptions{Partition: rapid.SampledFrom([]Partitioning{"", PartitionNone, PartitionMonth, PartitionAuto}).Draw(rt, "partition")},
	}
	if run.opts.MonthRows = 20; run.opts.Partition == PartitionAuto && len(m.want) > 20 || run.opts.Partition == PartitionMonth {
		defer m.partitioned(PartitionMonth)
	}
	keep := rapid.SampledFrom([]time.Duration{0, time.Hour}).Draw(rt, "keep")
	if err := run.run(m.Context(), keep); err != nil {
		m.Fatal(err)
	}
	if n, rows := m.tbl.DeleteFiles(), m.tbl.Rows(); n != 0 || rows != int64(len(m.want)) {
		m.Fatalf("%d delete files and %d rows after Maintain, want 0 and %d", n, rows, len(m.want))
	}
	if keep == 0 {
		m.noLitter()
	}
}

// partitioned fails if the table is partitioned otherwise, or a file is.
func (m *machine) partitioned(want Partitioning) {
	m.Helper()
	if got := m.tbl.Partition(); got != want {
		m.Fatalf("partitioned by %s, want %s", got, want)
	}
	for e, err := range m.tbl.entries(m.Context()) {
		if err != nil {
			m.Fatal(err)
		}
		df := e.DataFile()
		if int(df.SpecID()) != m.tbl.tbl.Metadata().DefaultPartitionSpec() {
			m.Fatalf("a file of partition %q is live", partition(df))
		}
		rows := fileRows(m.T, m.tbl, storedFile(e))
		for _, r := range rows {
			if got := df.Partition()[1000]; want == PartitionMonth && got != month(born(r["_id"].(string))) {
				m.Fatalf("%s is in the partition %v, want %v", r["_id"], got, month(born(r["_id"].(string))))
			}
		}
	}
}

func (m *machine) expire(*rapid.T) {
	if m.tbl.SnapshotID() == 0 {
		return
	}
	if err := m.tbl.expire(m.Context(), 1, 0); err != nil {
		m.Fatal(err)
	}
	if _, err := m.tbl.sweep(m.Context(), "metadata", 0); err != nil {
		m.Fatal(err)
	}
}

func (m *machine) reopen(*rapid.T) {
	if m.lake != nil {
		if err := m.lake.Close(); err != nil {
			m.Fatal(err)
		}
	}
	var err error
	if m.lake, err = Open(m.Context(), m.dir); err != nil {
		m.Fatal(err)
	}
	m.tbl = openOrders(m.T, m.lake, m.more...)
}

func (m *machine) evolve(rt *rapid.T) {
	if len(m.more) == 3 {
		rt.Skip("grown enough")
	}
	m.more = append(m.more, &xdm.Field{Name: fmt.Sprint("more", len(m.more)), Kind: xdm.String})
	m.tbl = openOrders(m.T, m.lake, m.more...)
}

func (m *machine) check(*rapid.T) {
	want := slices.Collect(maps.Values(m.want))
	same(m.T, contents(m.T, m.tbl), want...)
	same(m.T, planned(m.T, m.tbl), want...)
	if got := m.tbl.Property("seq"); m.seq > 0 && got != fmt.Sprint(m.seq) {
		m.Fatalf("seq is %s, want %d", got, m.seq)
	}
	if m.Failed() {
		m.FailNow()
	}
}

// noLitter fails if the disk holds data files that the plan does not name.
func (m *machine) noLitter() {
	p, err := m.tbl.Scan(m.Context())
	if err != nil {
		m.Fatal(err)
	}
	var named []string
	for _, f := range p.Files {
		named = append(named, f.Path)
	}
	slices.Sort(named)
	files, err := filepath.Glob(filepath.Join(m.dir, "lake/stripe/orders/data/*"))
	if err != nil || !slices.Equal(files, named) {
		m.Fatalf("files on disk %v, in the plan %v, error %v", files, named, err)
	}
}

// planned reads the table as Plan tells readers to.
func planned(t *testing.T, tbl *Table) []row {
	t.Helper()
	p, err := tbl.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]stored{}
	for e, err := range tbl.entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		stored[localPath(e.DataFile().FilePath())] = storedFile(e)
	}
	type tomb struct{ part, id string }
	deleted := map[tomb]int64{}
	for _, d := range p.Deletes {
		for _, r := range fileRows(t, tbl, stored[d.Path]) {
			key := tomb{d.Partition, r["_id"].(string)}
			deleted[key] = max(deleted[key], d.Seq)
		}
	}
	rows := []row{}
	for _, f := range p.Files {
		for _, r := range fileRows(t, tbl, stored[f.Path]) {
			id := r["_id"].(string)
			if max(deleted[tomb{"", id}], deleted[tomb{f.Partition, id}]) <= f.Seq {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

func fileRows(t *testing.T, tbl *Table, f stored) []row {
	t.Helper()
	rows := []row{}
	for batch, err := range tbl.batches(t.Context(), f.DataFile, nil) {
		if err != nil {
			t.Fatal(err)
		}
		text, err := batch.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var part []row
		if err := json.Unmarshal(text, &part); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, part...)
	}
	return rows
}
