package intake_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/intake"
	"github.com/tributary-data/tributary/internal/leaktest"
	"github.com/tributary-data/tributary/internal/problem"
)

// Of uploads and diagnostics nothing stays that names a customer: JSON or Parquet,
// whole or in pieces; what does not name him stays as it is.
func TestForgetRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	row := func(id string) string { return `{"_acme":{"id":"` + id + `","amount":7}}` }
	gone := func(text string) bool { return strings.Contains(text, "cus_gone") }
	create := func(format string) string {
		b, err := w.Create(ctx, admin(), intake.Request{DatasetID: w.dataset.ID, Format: catalog.InputFormat{Format: format}})
		check(t, err)
		return b.ID
	}
	put := func(batch, path, text string) {
		_, _, err := w.Put(ctx, admin(), batch, w.dataset.ID, path, strings.NewReader(text))
		check(t, err)
	}
	// A Parquet file whose values are compressed.
	first := w.push(t, intake.Request{}, strings.Split(strings.Repeat(row("cus_gone")+"\n", 500)+row("cus_gone"), "\n")...)
	w.until(ctx, t, first.ID)
	files, err := w.tables.Files(ctx, w.dataset.Table, first.ID)
	check(t, err)
	f, err := w.tables.Open(ctx, w.dataset.Table, files[0].Path)
	check(t, err)
	parquet, err := io.ReadAll(f)
	check(t, err)
	check(t, f.Close())
	_, err = w.tables.Revert(ctx, w.dataset.Table, first.ID)
	check(t, err)

	failed := w.push(t, intake.Request{PartialPercent: new(100)}, `{"_acme":{"id":"cus_gone","amount":"x"}}`, "broken cus_gone", `{"_acme":{"id":"cus_stays","amount":"x"}}`)
	w.until(ctx, t, failed.ID)
	batches := map[string]string{"json": create("json"), "parquet": create("parquet"), "name": create("json"), "stays": create("json"), "no parquet": create("parquet")}
	put(batches["json"], "a.json", strings.Repeat(row("cus_stays")+"\n", 20_000)+row("cus_gone"))
	put(batches["parquet"], "a.parquet", string(parquet))
	put(batches["name"], "of-cus_gone.json", row("cus_stays"))
	put(batches["stays"], "a.json", row("cus_stays"))
	put(batches["no parquet"], "a.parquet", "PAR1 cus_gone")
	in := func(needle string) (all []string) {
		return leaktest.In(leaktest.Scan(t, leaktest.Places{Dir: w.Dir}, needle))
	}
	staged := 0
	for _, place := range in("cus_gone") {
		if strings.HasPrefix(place, "staging/") || strings.HasPrefix(place, "diagnostics/") {
			staged++
		}
	}
	if staged < 5 {
		t.Errorf("the search finds little before: %v", in("cus_gone"))
	}
	dirs, err := filepath.Glob(filepath.Join(w.Dir, "diagnostics", "*"))
	check(t, err)
	age := func() int64 {
		info, err := os.Stat(dirs[0])
		check(t, err)
		return info.ModTime().UnixNano()
	}
	old := age()

	done, err := w.ForgetRows(ctx, admin(), gone)
	if err != nil || done.Batches != 4 || done.Rows == 0 {
		t.Errorf("%+v, %v", done, err)
	}
	for name, id := range batches {
		b, err := w.catalog.Batch(ctx, admin(), id)
		check(t, err)
		want := catalog.Failed
		if name == "stays" {
			want = catalog.Loading
		} else if len(b.Errors) != 1 || !strings.Contains(b.Errors[0].Description, "to be forgotten") {
			t.Errorf("%s: %+v", name, b.Errors)
		}
		if b.Status != want {
			t.Errorf("%s: %s", name, b.Status)
		}
	}
	for _, place := range in("cus_gone") {
		if strings.HasPrefix(place, "staging/") || strings.HasPrefix(place, "diagnostics/") {
			t.Errorf("%s names the customer", place)
		}
	}
	stays := strings.Join(in("cus_stays"), " ")
	if !strings.Contains(stays, "staging/") || !strings.Contains(stays, "diagnostics/") {
		t.Errorf("what names others is found in %s", stays)
	}
	if age() != old {
		t.Error("the diagnostics are kept longer")
	}
	if again, err := w.ForgetRows(ctx, admin(), gone); err != nil || again != (intake.Removed{}) {
		t.Errorf("a second time: %+v, %v", again, err)
	}

	// Pieces of a Parquet file can't be read: it is waited for.
	pieces := create("parquet")
	_, err = w.Initialize(ctx, admin(), pieces, w.dataset.ID, "large")
	check(t, err)
	if _, err := w.ForgetRows(ctx, admin(), gone); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("pieces of a Parquet file: %v", err)
	}
}
