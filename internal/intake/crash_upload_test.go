package intake_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/childtest"
	"github.com/tributary-data/tributary/internal/intake"
	"github.com/tributary-data/tributary/internal/problem"
)

const manyRows = 2500

// many are rows of more than a megabyte, which is several times what is
// written at once.
func many() string {
	var b strings.Builder
	for i := range manyRows {
		b.WriteString(order(i) + strings.Repeat(" ", 400) + "\n")
	}
	return b.String()
}

// A cut body ends the process when half of it was read.
type cut struct{ rest io.Reader }

func halved(text string) io.Reader {
	return &cut{io.MultiReader(strings.NewReader(text[:len(text)/2]))}
}

func (c *cut) Read(p []byte) (int, error) {
	n, err := c.rest.Read(p[:min(len(p), 32<<10)])
	if err == io.EOF {
		childtest.Die()
	}
	return n, err
}

const pushed = "folder/orders.json"

// upload is what the process does that is killed: amid a body, between two
// pieces, or at a point.
func (l life) upload(ctx context.Context, w *world) {
	text := many()
	piece := func(from, to int, body io.Reader) {
		_, err := w.Patch(ctx, admin(), l.Batch, w.dataset.ID, pushed, intake.Range{From: int64(from), To: int64(to), Total: int64(len(text))}, body)
		check(loud{}, err)
	}
	third := len(text) / 3
	switch l.Upload {
	case "file":
		_, _, err := w.Put(ctx, admin(), l.Batch, w.dataset.ID, pushed, strings.NewReader(text))
		check(loud{}, err)
	case "half a file":
		_, _, err := w.Put(ctx, admin(), l.Batch, w.dataset.ID, pushed, halved(text))
		check(loud{}, err)
	default:
		if l.Upload == "the second beginning" {
			_, err := w.Initialize(ctx, admin(), l.Batch, w.dataset.ID, pushed)
			check(loud{}, err)
			piece(0, third, strings.NewReader(text[:third]))
		}
		_, err := w.Initialize(ctx, admin(), l.Batch, w.dataset.ID, pushed)
		check(loud{}, err)
		piece(0, third, strings.NewReader(text[:third]))
		if l.Upload == "half a piece" {
			piece(2*third, len(text), halved(text[2*third:]))
		}
	}
	childtest.Die()
}

// staged are the files in the staging directory.
func staged(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "staging", "*", "*"))
	check(t, err)
	return found
}

// Killed amid an upload, the batch has no file that counts as whole but is not; the
// client uploads again, what was not finished leaves nothing behind, and the
// rows are those that were sent, once.
func TestKilledInUpload(t *testing.T) {
	t.Parallel()
	text := many()
	third := int64(len(text) / 3)
	for name, c := range map[string]struct {
		upload string
		end    intake.Point
		before bool // a whole file was there
		strays int  // files that nobody knows of
		whole  bool // what is there counts
		parts  [][2]int64
	}{
		"amid a file":                       {upload: "half a file", strays: 1},
		"amid a file that replaces another": {upload: "half a file", before: true, strays: 1, whole: true},
		"before a file is known":            {upload: "file", end: intake.AtStored, strays: 1},
		"before the old file is removed":    {upload: "file", end: intake.AtReplaced, before: true, strays: 1, whole: true},
		"after a file":                      {upload: "file", whole: true},
		"before the first piece":            {upload: "pieces", end: intake.AtStored, strays: 1},
		"before a piece is known":           {upload: "pieces", end: intake.AtPiece},
		"amid a piece":                      {upload: "half a piece", parts: [][2]int64{{0, third}}},
		"between two pieces":                {upload: "pieces", parts: [][2]int64{{0, third}}},
		"begun anew":                        {upload: "the second beginning", end: intake.AtReplaced, strays: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w := open(t.Context(), t, dir, t.Output())
			b, err := w.Create(t.Context(), admin(), intake.Request{DatasetID: w.dataset.ID, Format: catalog.InputFormat{Format: "json"}})
			check(t, err)
			if c.before {
				_, _, err := w.Put(t.Context(), admin(), b.ID, w.dataset.ID, pushed, strings.NewReader(order(7)))
				check(t, err)
			}
			w.close(t)
			l := life{Dir: dir, Batch: b.ID, Upload: c.upload, End: c.end}
			if !l.run(t) {
				t.Fatal("it was not killed")
			}

			w = open(t.Context(), t, dir, t.Output())
			defer w.close(t)
			f, err := w.Head(t.Context(), admin(), b.ID, w.dataset.ID, pushed)
			known := 1
			switch {
			case problem.KindOf(err) == problem.NotFound:
				known = 0
			case err != nil:
				t.Fatal(err)
			case f.Open == c.whole:
				t.Errorf("%+v counts as whole: %t, want %t", f, !f.Open, c.whole)
			case f.Open && !slices.Equal(f.Parts, c.parts):
				t.Errorf("pieces %v, want %v", f.Parts, c.parts)
			}
			if c.whole && known == 0 {
				t.Error("a whole file is gone")
			}
			if n := len(staged(t, dir)); n != known+c.strays {
				t.Errorf("%d files are staged, want %d and %d that nobody knows", n, known, c.strays)
			}
			if known == 1 && f.Open {
				if _, err := w.CompleteFile(t.Context(), admin(), b.ID, w.dataset.ID, pushed); err == nil {
					t.Error("a file without its pieces can be completed")
				}
			}
			check(t, w.Sweep(t.Context()))
			if n := len(staged(t, dir)); n != known {
				t.Errorf("%d files are staged after the sweep, want %d", n, known)
			}

			w.again(t, b.ID, text, f)
			w.start(t.Context())
			_, err = w.Signal(t.Context(), admin(), b.ID, "COMPLETE")
			check(t, err)
			if got := w.until(t.Context(), t, b.ID); got.Status != catalog.Success || got.Metrics.OutputRecordCount != manyRows {
				t.Fatalf("%s %+v %v", got.Status, got.Metrics, got.Errors)
			}
			want := make([]string, manyRows)
			for i := range want {
				want[i] = fmt.Sprintf(`{"_acme":{"amount":%d,"id":"o%d"}}`, i, i)
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, w.rows(t)); diff != "" {
				t.Error(diff)
			}
			w.stop()
			if left := staged(t, dir); len(left) > 0 {
				t.Errorf("staged files are left: %v", left)
			}
		})
	}
}

// again uploads what is missing: in pieces where a file is open, else whole.
func (w *world) again(t *testing.T, batch, text string, f intake.File) {
	t.Helper()
	if !f.Open || len(f.Parts) == 0 {
		_, _, err := w.Put(t.Context(), admin(), batch, w.dataset.ID, pushed, strings.NewReader(text))
		check(t, err)
		return
	}
	from := f.Parts[0][1]
	half := (from + int64(len(text))) / 2
	for _, r := range []intake.Range{{From: half, To: int64(len(text))}, {From: from, To: half}} {
		if _, err := w.CompleteFile(t.Context(), admin(), batch, w.dataset.ID, pushed); err == nil && r.From != half {
			t.Error("a file without a piece in its middle can be completed")
		}
		_, err := w.Patch(t.Context(), admin(), batch, w.dataset.ID, pushed, r, bytes.NewReader([]byte(text)[r.From:r.To]))
		check(t, err)
	}
	_, err := w.CompleteFile(t.Context(), admin(), batch, w.dataset.ID, pushed)
	check(t, err)
}
