package lake

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/xdm"
)

var mail = &xdm.Field{Name: "mail", Kind: xdm.String}

// unmail takes what is behind the @ out of the text of a version.
func (d *depot) unmail(row *HistoryRow, rec *dataset.Record) error {
	raw := strings.ReplaceAll(row.Raw, "@example.com", "")
	if bad := d.plan.Scan([]byte(raw), rec); bad != nil {
		return errors.New(bad.Reason)
	}
	return nil
}

// histories returns the versions as "seq op raw".
func (d *depot) versions() []string {
	d.Helper()
	var out []string
	for _, r := range collect(d.T, d.lane.history.ReadHistory(d.Context(), 0)) {
		out = append(out, strings.Join([]string{r.ID, r.Op, r.Hash[:4], r.Raw[strings.LastIndex(r.Raw, ",")+1:]}, " "))
	}
	return out
}

// hash returns the beginning of the hash of an object.
func (d *depot) hash(raw string) string {
	d.Helper()
	var rec dataset.Record
	if bad := d.plan.Scan([]byte(raw), &rec); bad != nil {
		d.Fatal(bad.Reason)
	}
	return string(appendHex(nil, rec.Hash))[:4]
}

func mailed(t *testing.T, dir string) *depot {
	t.Helper()
	d := openDepot(t, dir, mail)
	d.land("a", dataset.OpUpsert, `,"mail":"x@example.com"`)
	d.land("b", dataset.OpUpsert, `,"mail":"y@example.com"`)
	d.land("a", dataset.OpSeen, `,"mail":"s@example.com"`)
	d.land("a", dataset.OpUpsert, `,"mail":"z@example.com"`)
	d.land("b", dataset.OpDelete, `,"mail":"y@example.com"`)
	return d
}

func TestRewriteLeavesNothingOfBefore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := mailed(t, dir)
	d.lane.Rules = "3"
	n, err := d.lane.RewriteHistory(t.Context(), d.unmail)
	if err != nil || n != 5 {
		t.Fatalf("%d versions, %v", n, err)
	}
	if d.lane.history.Privacy() != "3" || d.lane.data.Privacy() != "" {
		t.Errorf("history says %q and dataset %q", d.lane.history.Privacy(), d.lane.data.Privacy())
	}
	d.rebuild()
	if d.lane.data.Privacy() != "3" || d.lane.Checkpoint() != "c" || d.lane.Seq() != 5 {
		t.Errorf("dataset says %q, checkpoint %q, seq %d", d.lane.data.Privacy(), d.lane.Checkpoint(), d.lane.Seq())
	}
	// What a crash left, and a file from the future.
	litter := write(t, d.lane.data, row{"_id": "q", "_seq": 9, "_hash": "h", "_deleted": false, "_acme": row{"boxes_data": row{"mail": "q@example.com"}}})
	d.lake.cat.disk.release(litter)
	late := time.Now().Add(time.Hour)
	if err := os.Chtimes(localPath(litter.data[0].FilePath()), late, late); err != nil {
		t.Fatal(err)
	}
	if err := d.lane.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a upsert " + d.hash(`{"id":"a","object":"box","created":7,"mail":"x"}`) + ` "mail":"x"}`,
		"b upsert " + d.hash(`{"id":"b","object":"box","created":7,"mail":"y"}`) + ` "mail":"y"}`,
		"a seen " + d.hash(`{"id":"a","object":"box","created":7,"mail":"s"}`) + ` "mail":"s"}`,
		"a upsert " + d.hash(`{"id":"a","object":"box","created":7,"mail":"z"}`) + ` "mail":"z"}`,
		"b delete " + d.hash(`{"id":"b","object":"box","created":7,"mail":"y"}`) + ` "mail":"y"}`,
	}
	if diff := cmp.Diff(want, d.versions()); diff != "" {
		t.Error(diff)
	}
	rows := []string{`a seq=4 mail="z"`, `b seq=5 deleted mail="y"`}
	if diff := cmp.Diff(rows, d.rows("mail")); diff != "" {
		t.Error(diff)
	}
	for _, tbl := range []*Table{d.lane.history, d.lane.data} {
		var live []string
		for e, err := range tbl.entries(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			live = append(live, localPath(e.DataFile().FilePath()))
		}
		got := onDisk(t, localPath(tbl.Location()), ".parquet")
		slices.Sort(live)
		slices.Sort(got)
		if diff := cmp.Diff(live, got); diff != "" {
			t.Errorf("files of %s, live and there:\n%s", tbl.Name(), diff)
		}
		if n := len(tbl.tbl.Metadata().Snapshots()); n != 1 {
			t.Errorf("%s has %d snapshots", tbl.Name(), n)
		}
	}

	// The lane goes on, and every commit says what its rows went through.
	d = openDepot(t, dir, mail)
	d.lane.Rules = "4"
	d.land("a", dataset.OpUpsert, `,"mail":"w"`)
	if d.lane.history.Privacy() != "4" || d.lane.data.Privacy() != "4" {
		t.Errorf("history says %q and dataset %q", d.lane.history.Privacy(), d.lane.data.Privacy())
	}
	rows[0] = `a seq=6 mail="w"`
	if diff := cmp.Diff(rows, d.rows("mail")); diff != "" {
		t.Error(diff)
	}
}

func TestRewriteFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := mailed(t, dir)
	before, files := d.versions(), onDisk(t, dir, ".parquet")
	d.lane.Rules = "3"
	broken := errors.New("broken")
	_, err := d.lane.RewriteHistory(t.Context(), func(row *HistoryRow, rec *dataset.Record) error {
		if row.Seq == 4 {
			return broken
		}
		return d.unmail(row, rec)
	})
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "seq 4") {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(files, onDisk(t, dir, ".parquet")); diff != "" {
		t.Error(diff)
	}
	d = openDepot(t, dir, mail)
	if diff := cmp.Diff(before, d.versions()); diff != "" || d.lane.history.Privacy() != "" {
		t.Error(diff, d.lane.history.Privacy())
	}
}

func TestRewriteOfNothing(t *testing.T) {
	t.Parallel()
	d := openDepot(t, t.TempDir(), mail)
	d.lane.Rules = "1"
	if n, err := d.lane.RewriteHistory(t.Context(), d.unmail); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	if err := d.lane.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.lane.history.Privacy() != "1" {
		t.Errorf("the history says %q", d.lane.history.Privacy())
	}
	d.land("a", dataset.OpUpsert, "")
	if !bytes.Contains([]byte(d.versions()[0]), []byte("a upsert")) {
		t.Error(d.versions())
	}
}
