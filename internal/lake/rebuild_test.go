package lake

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A depot is a lane with what a rebuild of it needs.
type depot struct {
	*testing.T
	lake   *Lake
	lane   *Lane
	plan   *mapping.Plan
	latest map[string]int64
}

func openDepot(t *testing.T, dir string, more ...*xdm.Field) *depot {
	t.Helper()
	schema := &xdm.Schema{Title: "Boxes", Resource: "boxes", Tenant: "acme", Group: "boxes_data", Fields: append([]*xdm.Field{
		{Name: "id", Kind: xdm.String}, {Name: "object", Kind: xdm.String}, {Name: "created", Kind: xdm.Long},
	}, more...)}
	plan, err := mapping.Compile(mapping.Default(schema), schema, "box")
	if err != nil {
		t.Fatal(err)
	}
	d := &depot{T: t, lake: openLake(t, dir), plan: plan, latest: map[string]int64{}}
	if d.lane, err = d.lake.Lane(t.Context(), schema, plan.Layout(), true); err != nil {
		t.Fatal(err)
	}
	for k, err := range d.lane.Keys(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		d.latest[strings.Clone(k.ID)] = k.Seq
	}
	return d
}

// land commits one version.
func (d *depot) land(id, op, more string) {
	d.Helper()
	var rec dataset.Record
	raw := fmt.Sprintf(`{"id":%q,"object":"box","created":7%s}`, id, more)
	if bad := d.plan.Scan([]byte(raw), &rec); bad != nil {
		d.Fatal(bad.Path, bad.Reason)
	}
	_, known := d.latest[id]
	v := dataset.Version{Op: op, SeenAt: time.Unix(9, 0).UTC(), RunID: "run_1"}
	if err := d.lane.Append(&rec, &v, known); err != nil {
		d.Fatal(err)
	}
	if err := d.lane.Commit(d.Context(), "c"); err != nil {
		d.Fatal(err)
	}
	if op != dataset.OpSeen {
		d.latest[id] = v.Seq
	}
}

func (d *depot) how() Rebuild {
	return Rebuild{
		Latest: func(id string) (int64, bool, error) {
			seq, ok := d.latest[id]
			return seq, ok, nil
		},
		Scan: d.plan.Scan, Made: "test",
		Reject: func(context.Context, []dataset.Rejected) error {
			d.Error("an object is rejected")
			return nil
		},
	}
}

func (d *depot) rebuild() Rebuilt {
	d.Helper()
	done, err := d.lane.Rebuild(d.Context(), d.how())
	if err != nil {
		d.Fatal(err)
	}
	return done
}

// rows returns the field of each row as "id seq=1 deleted field=JSON".
func (d *depot) rows(field string) []string {
	d.Helper()
	byID := byID(d.T, contents(d.T, d.lane.data))
	out := []string{}
	for _, id := range []string{"a", "b", "c", "d"} {
		r, ok := byID[id]
		if !ok {
			continue
		}
		value, err := json.Marshal(r["_acme"].(row)["boxes_data"].(row)[field])
		if err != nil {
			d.Fatal(err)
		}
		text := fmt.Sprint(id, " seq=", r["_seq"])
		if r["_deleted"] == true {
			text += " deleted"
		}
		out = append(out, fmt.Sprint(text, " ", field, "=", string(value)))
	}
	return out
}

// A field that the schema has grown by is filled for rows that were there
// before, from what the history kept of them.
func TestRebuildFillsNewColumn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDepot(t, dir)
	d.land("a", dataset.OpUpsert, `,"note":"old"`)
	d.land("b", dataset.OpUpsert, `,"note":"bee"`)
	d.land("a", dataset.OpUpsert, `,"note":"new"`)
	d.land("a", dataset.OpSeen, `,"note":"told"`)
	d.land("c", dataset.OpUpsert, `,"note":"gone"`)
	d.land("c", dataset.OpDelete, `,"note":"gone"`)

	d = openDepot(t, dir, &xdm.Field{Name: "note", Kind: xdm.String})
	before := []string{"a seq=3 note=null", "b seq=2 note=null", "c seq=6 deleted note=null"}
	if diff := cmp.Diff(before, d.rows("note")); diff != "" {
		t.Fatal(diff)
	}
	planned, err := d.lane.data.Scan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Rebuilt{Before: 3, After: 3}, d.rebuild()); diff != "" {
		t.Error(diff)
	}
	want := []string{`a seq=3 note="new"`, `b seq=2 note="bee"`, `c seq=6 deleted note="gone"`}
	if diff := cmp.Diff(want, d.rows("note")); diff != "" {
		t.Error(diff)
	}
	if n := d.lane.data.DeleteFiles(); n != 0 || d.lane.data.DataFiles() != 1 {
		t.Errorf("%d data files and %d delete files, want one and none", d.lane.data.DataFiles(), n)
	}
	snap := d.lane.data.tbl.CurrentSnapshot()
	if snap.Summary.Operation != "overwrite" {
		t.Errorf("the snapshot says %q: who follows the table's changes must see one", snap.Summary.Operation)
	}

	// Readers that planned before still find their files.
	if _, err := d.lane.data.Maintain(t.Context(), MaintainOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, f := range planned.Files {
		if _, err := os.Stat(f.Path); err != nil {
			t.Error(err)
		}
	}

	// The lane goes on as before.
	d.land("b", dataset.OpUpsert, `,"note":"later"`)
	want[1] = `b seq=7 note="later"`
	if diff := cmp.Diff(want, d.rows("note")); diff != "" {
		t.Error(diff)
	}
	d = openDepot(t, dir, &xdm.Field{Name: "note", Kind: xdm.String})
	if err := d.lane.Recover(t.Context(), nil); err != nil {
		t.Errorf("there is something to recover: %v", err)
	}
}

// A rebuild that does not come to its commit changes nothing, and its files go.
func TestRebuildFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		spoil func(d *depot, how *Rebuild)
	}{
		{"commit", func(d *depot, _ *Rebuild) {
			d.lake.cat.exec = func(context.Context, string, ...any) (sql.Result, error) { return nil, broken }
		}},
		{"index", func(_ *depot, how *Rebuild) {
			how.Latest = func(id string) (int64, bool, error) { return 0, false, broken }
		}},
		{"quarantine", func(_ *depot, how *Rebuild) {
			how.Scan = func([]byte, *dataset.Record) *dataset.Rejected { return &dataset.Rejected{} }
			how.Reject = func(context.Context, []dataset.Rejected) error { return broken }
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			d := openDepot(t, dir)
			d.land("a", dataset.OpUpsert, "")
			d.land("b", dataset.OpUpsert, "")
			d.land("a", dataset.OpUpsert, `,"x":1`)
			files := len(onDisk(t, dir, ".parquet"))
			how := d.how()
			tt.spoil(d, &how)
			if _, err := d.lane.Rebuild(t.Context(), how); !errors.Is(err, broken) {
				t.Fatalf("got %v", err)
			}
			if n := len(onDisk(t, dir, ".parquet")); n != files {
				t.Errorf("%d Parquet files, %d before", n, files)
			}
			d = openDepot(t, dir)
			want := []string{`a seq=3 id="a"`, `b seq=2 id="b"`}
			if diff := cmp.Diff(want, d.rows("id")); diff != "" {
				t.Error(diff)
			}
			d.rebuild()
			if diff := cmp.Diff(want, d.rows("id")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Objects that the schema in force refuses leave the dataset and are handed
// over; another rebuild brings them back.
func TestRebuildRejects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := openDepot(t, dir)
	d.land("a", dataset.OpUpsert, `,"n":1`)
	d.land("b", dataset.OpUpsert, `,"n":2`)
	how := d.how()
	var got []dataset.Rejected
	how.Scan = func(raw []byte, rec *dataset.Record) *dataset.Rejected {
		if strings.Contains(string(raw), `"b"`) {
			return &dataset.Rejected{Path: "n", Reason: "is even"}
		}
		return d.plan.Scan(raw, rec)
	}
	how.Reject = func(_ context.Context, rejected []dataset.Rejected) error {
		got = append(got, rejected...)
		return nil
	}
	done, err := d.lane.Rebuild(t.Context(), how)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Rebuilt{Before: 2, After: 1, Rejected: 1}, done); diff != "" {
		t.Error(diff)
	}
	want := []dataset.Rejected{{
		Resource: "boxes", ID: "b", Path: "n", Reason: "is even", Raw: []byte(`{"id":"b","object":"box","created":7,"n":2}`),
		RunID: "run_1", SeenAt: time.Unix(9, 0).UTC(),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`a seq=1 id="a"`}, d.rows("id")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Rebuilt{Before: 1, After: 2}, d.rebuild()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{`a seq=1 id="a"`, `b seq=2 id="b"`}, d.rows("id")); diff != "" {
		t.Error(diff)
	}
}

// Where the history does not have every object, the dataset stays.
func TestRebuildRefusesToLose(t *testing.T) {
	t.Parallel()
	d := openDepot(t, t.TempDir())
	d.land("a", dataset.OpUpsert, "")
	d.land("b", dataset.OpUpsert, "")
	d.replaceHistory(func(h HistoryRow) (HistoryRow, bool) { return h, h.ID == "a" })
	_, err := d.lane.Rebuild(t.Context(), d.how())
	if problem.KindOf(err) != problem.Conflict {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{`a seq=1 id="a"`, `b seq=2 id="b"`}, d.rows("id")); diff != "" {
		t.Error(diff)
	}
}

// A history whose objects were rewritten gives a dataset of them.
func TestRebuildAfterHistoryWasReplaced(t *testing.T) {
	t.Parallel()
	d := openDepot(t, t.TempDir(), &xdm.Field{Name: "mail", Kind: xdm.String})
	d.land("a", dataset.OpUpsert, `,"mail":"x@example.com"`)
	d.land("b", dataset.OpUpsert, `,"mail":"y@example.com"`)
	d.land("b", dataset.OpDelete, `,"mail":"y@example.com"`)
	d.replaceHistory(func(h HistoryRow) (HistoryRow, bool) {
		h.Raw = strings.ReplaceAll(h.Raw, "@example.com", "")
		return h, true
	})
	d.rebuild()
	if diff := cmp.Diff([]string{`a seq=1 mail="x"`, `b seq=3 deleted mail="y"`}, d.rows("mail")); diff != "" {
		t.Error(diff)
	}
}

// replaceHistory rewrites the versions through another table than the lane's.
func (d *depot) replaceHistory(change func(HistoryRow) (HistoryRow, bool)) {
	d.Helper()
	h, err := d.lake.Load(d.Context(), "boxes_history")
	if err != nil {
		d.Fatal(err)
	}
	var rows []row
	for _, r := range collect(d.T, h.ReadHistory(d.Context(), 0)) {
		r, keep := change(r)
		if !keep {
			continue
		}
		rows = append(rows, row{
			"id": r.ID, "seq": r.Seq, "op": r.Op, "seen_at": r.SeenAt.Format(time.RFC3339Nano), "source": r.Source, "run_id": r.RunID,
			"account": r.Account, "livemode": r.Livemode, "api_version": r.APIVersion, "hash": r.Hash, "created": r.Created, "raw": r.Raw,
		})
	}
	if err := h.Replace(d.Context(), write(d.T, h, rows...), nil); err != nil {
		d.Fatal(err)
	}
}
