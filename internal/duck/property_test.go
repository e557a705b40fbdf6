//go:build cgo

package duck

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A tableModel writes a table the way the lake does, next to a map that says
// what it must read.
type tableModel struct {
	p     *parquet
	tick  int64 // sequence number of the last commit
	seq   int64 // of the last version
	table Table
	rows  map[string]modelRow
	raws  []string // of the history, as SQL rows
	// pending are versions not yet committed, by id; the last of an id wins.
	pending map[string]modelRow
}

type modelRow struct {
	Seq       int64
	Amount    int64
	Status    string
	Deleted   bool
	partition string
}

// An id has one partition for ever, as with month(created).
func (m *tableModel) partition(id string, partitions int) string {
	if partitions < 2 {
		return ""
	}
	return fmt.Sprint("p", int(id[0])%partitions)
}

// change makes a new version of id.
func (m *tableModel) change(t *rapid.T, id string, partitions int) {
	m.seq++
	row := modelRow{
		Seq: m.seq, Amount: rapid.Int64Range(-3, 3).Draw(t, "amount"), Status: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "status"),
		Deleted: rapid.Float64Range(0, 1).Draw(t, "deleted") < 0.2, partition: m.partition(id, partitions),
	}
	raw, _ := json.Marshal(map[string]any{"id": id, "amount": row.Amount, "status": row.Status, "tip": map[string]any{"seq": row.Seq}})
	m.raws = append(m.raws, fmt.Sprintf("(%s, %d, 'upsert', %s)", literal(id), row.Seq, literal(string(raw))))
	m.pending[id] = row
}

// commit writes the pending versions: deletes of the ids that exist, and rows.
func (m *tableModel) commit(t *rapid.T) {
	if len(m.pending) == 0 {
		return
	}
	m.tick++
	replaced := map[string][]string{}
	written := map[string]map[string]modelRow{}
	for _, id := range slices.Sorted(maps.Keys(m.pending)) {
		row := m.pending[id]
		// A delete of an id that is not there is allowed, too.
		if _, ok := m.rows[id]; ok || rapid.Bool().Draw(t, "blind delete") {
			replaced[row.partition] = append(replaced[row.partition], id)
		}
		if written[row.partition] == nil {
			written[row.partition] = map[string]modelRow{}
		}
		written[row.partition][id] = row
		m.rows[id] = row
	}
	for _, part := range slices.Sorted(maps.Keys(replaced)) {
		where := part
		if rapid.Float64Range(0, 1).Draw(t, "global") < 0.2 {
			where = "" // a delete file that concerns every partition
		}
		quoted := make([]string, len(replaced[part]))
		for i, id := range replaced[part] {
			quoted[i] = "(" + literal(id) + ")"
		}
		m.table.Deletes = append(m.table.Deletes, m.p.file(m.tick, where, ids, "SELECT _id FROM (VALUES "+strings.Join(quoted, ", ")+") t(_id)"))
	}
	for _, part := range slices.Sorted(maps.Keys(written)) {
		m.table.Files = append(m.table.Files, m.write(t, m.tick, part, written[part]))
	}
	clear(m.pending)
}

// write makes a data file in one of two generations of the schema.
func (m *tableModel) write(t *rapid.T, seq int64, part string, rows map[string]modelRow) File {
	grown := rapid.Bool().Draw(t, "grown")
	var values []string
	for _, id := range slices.Sorted(maps.Keys(rows)) {
		r := rows[id]
		status := "NULL::VARCHAR"
		if r.Status != "" {
			status, grown = literal(r.Status), true
		}
		values = append(values, fmt.Sprintf("(%s, %d::BIGINT, %v, %d::BIGINT, %s)", literal(id), r.Seq, r.Deleted, r.Amount, status))
	}
	body := "id: _id, amount: amount"
	if grown {
		body += ", status: status"
	}
	return m.p.file(seq, part, dataset, "SELECT _id, _seq, _deleted, NULL::TIMESTAMPTZ AS _read_at, {charges_data: {"+body+"}} AS _acme FROM (VALUES "+
		strings.Join(values, ", ")+") t(_id, _seq, _deleted, amount, status)")
}

// compact rewrites the live rows of one partition into one file under a new
// sequence number; the deletes stay, as some may still concern others.
func (m *tableModel) compact(t *rapid.T, part string) {
	m.tick++
	m.table.Files = slices.DeleteFunc(m.table.Files, func(f File) bool { return f.Partition == part })
	rows := map[string]modelRow{}
	for id, r := range m.rows {
		if r.partition == part {
			rows[id] = r
		}
	}
	if len(rows) > 0 {
		m.table.Files = append(m.table.Files, m.write(t, m.tick, part, rows))
	}
	if rapid.Bool().Draw(t, "drop deletes") {
		m.table.Deletes = slices.DeleteFunc(m.table.Deletes, func(f File) bool { return f.Partition == part && part != "" })
	}
}

// check reads the table through the views and compares.
func (m *tableModel) check(t *rapid.T) {
	// Readers may meet the files in any order.
	files := rapid.Permutation(m.table.Files).Draw(t, "files")
	deletes := rapid.Permutation(m.table.Deletes).Draw(t, "deletes")
	history := []File{}
	if len(m.raws) > 0 {
		history = append(history, m.p.history(m.raws...))
	}
	d, err := Open(m.p.tb.Context(), Catalog{Resources: []Resource{charges(files, deletes, history)}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	var stored, live, light []string
	for _, id := range slices.Sorted(maps.Keys(m.rows)) {
		r := m.rows[id]
		status := "null"
		if r.Status != "" {
			status = fmt.Sprintf("%q", r.Status)
		}
		stored = append(stored, fmt.Sprintf(`{"_id":%q,"_seq":%d,"_deleted":%v,"amount":%d,"status":%s}`, id, r.Seq, r.Deleted, r.Amount, status))
		if !r.Deleted {
			live = append(live, fmt.Sprintf(`{"id":%q,"amount":%d,"tip":{"seq":%d}}`, id, r.Amount, r.Seq))
			light = append(light, fmt.Sprintf(`{"id":%q,"amount":%d}`, id, r.Amount))
		}
	}
	for query, want := range map[string][]string{
		"SELECT _id, _seq, _deleted, _acme.charges_data.amount AS amount, _acme.charges_data.status AS status FROM xdm.charges ORDER BY _id": stored,
		"SELECT id, amount, tip FROM charges ORDER BY id": live,
		"SELECT id, amount FROM charges ORDER BY id":      light,
	} {
		got, err := answer(m.p.tb.Context(), d, query, "ndjson")
		if err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		if all := strings.Join(append(want, ""), "\n"); got != all {
			t.Fatalf("%s\ngot\n%swant\n%s", query, got, all)
		}
	}
	got, err := answer(m.p.tb.Context(), d, "SELECT count(*) AS n, count(DISTINCT seq) AS d FROM charges_history", "ndjson")
	if want := fmt.Sprintf("{\"n\":%d,\"d\":%d}\n", len(m.raws), len(m.raws)); got != want || err != nil {
		t.Fatalf("history: %s, %v, want %s", got, err, want)
	}
}

// TestReadModel: whatever was inserted, updated, deleted, inserted again and
// compacted, in whatever commits and partitions, the views show the newest
// version of every id, once.
func TestReadModel(t *testing.T) {
	t.Parallel()
	p := newParquet(t)
	rapid.Check(t, func(rt *rapid.T) {
		m := &tableModel{p: p, rows: map[string]modelRow{}, pending: map[string]modelRow{}}
		partitions := rapid.IntRange(1, 3).Draw(rt, "partitions")
		id := rapid.SampledFrom([]string{"a", "b", "c", "d", "it's", "\u00e9"})
		rt.Repeat(map[string]func(*rapid.T){
			"change": func(rt *rapid.T) { m.change(rt, id.Draw(rt, "id"), partitions) },
			"burst": func(rt *rapid.T) {
				for range rapid.IntRange(1, 5).Draw(rt, "n") {
					m.change(rt, id.Draw(rt, "id"), partitions)
				}
				m.commit(rt)
			},
			"commit": m.commit,
			"compact": func(rt *rapid.T) {
				m.compact(rt, m.partition(id.Draw(rt, "id"), partitions))
			},
		})
		m.commit(rt)
		m.check(rt)
	})
}
