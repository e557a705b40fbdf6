package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/audience"
	"github.com/tributary-data/tributary/internal/exposure"
)

// Audiences are listed, tried and exported; and recommendations evaluated.
func TestAudienceCommands(t *testing.T) {
	t.Parallel()
	long(t)
	dir, open, by := trial(t)
	file := filepath.Join(t.TempDir(), "predicate.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	do := func(args ...string) outcome {
		return command{args: append([]string{"audience", args[0], "--dir", dir}, args[1:]...)}.run(t)
	}
	const twice = `{"charges": {"currency": "eur", "within": 36500, "count": {"atLeast": 2}, "average": {"above": 3000}}}`
	write(twice)
	o := do("preview", file, "--sample", "3")
	var seen audience.Preview
	if err := json.Unmarshal([]byte(o.stdout), &seen); err != nil || o.status != 0 || seen.Size < 5 || seen.Customers < 300 || len(seen.Sample) != 3 || seen.Sample[0].Facts[0].Count < 2 {
		t.Errorf("%v %s", err, o)
	}
	do("preview", file, "--dir", filepath.Join(dir, "other")).sentence(t, app.ExitFailed, "no copy")
	do("preview", file+"x").sentence(t, app.ExitUsage, "predicate")
	write(`{"charges": {"count": 2}}`)
	do("preview", file).sentence(t, app.ExitUsage, "count")
	if o := do("list"); o.status != 0 || o.stdout != "[]\n" {
		t.Error(o)
	}

	service := audience.New(&audience.Service{
		DB: open.DB, Dir: filepath.Join(dir, audience.Folder), Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Open: func(ctx context.Context, _ access.Caller, _ string) (audience.Copy, error) {
			return app.OpenReader(ctx, dir)
		},
		Version: func(ctx context.Context, _ access.Caller, _ string) (string, error) { return app.CopyVersion(ctx, dir) },
	})
	p, err := audience.Parse([]byte(twice))
	if err != nil {
		t.Fatal(err)
	}
	a, err := service.Create(t.Context(), by, audience.Draft{Name: "Regulars", Predicate: p})
	if err != nil {
		t.Fatal(err)
	}
	do("export", "Regulars").sentence(t, app.ExitFailed, `"Regulars"`, "not worked out yet", "serve")
	if a, err = service.Materialise(t.Context(), by, a.ID); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(strings.NewReader(do("export", "Regulars").stdout)).ReadAll()
	if err != nil || int64(len(lines)) != 1+seen.Size || !slices.Equal(lines[0], []string{"customer", "joined_at"}) || !strings.HasPrefix(lines[1][0], "cus_") {
		t.Errorf("%d lines, want %d: %v", len(lines), 1+seen.Size, err)
	}
	if o := do("export", a.ID, "--format", "parquet", "--sandbox", by.Sandbox.Name); !strings.HasPrefix(o.stdout, "PAR1") || !strings.HasSuffix(o.stdout, "PAR1") {
		t.Errorf("no Parquet: %.200s", o)
	}
	o = do("list")
	var list []audience.Shown
	if err := json.Unmarshal([]byte(o.stdout), &list); err != nil || len(list) != 1 || list[0].Name != "Regulars" || list[0].ID != a.ID {
		t.Errorf("%v %s", err, o)
	}
	do("export", "Strangers").sentence(t, app.ExitFailed, "Strangers")
	do("export", "Regulars", "--sandbox", "nowhere").sentence(t, app.ExitFailed, "nowhere")
	do("list", "--dir", filepath.Join(dir, "other")).sentence(t, app.ExitFailed, "there is no installation in")

	evaluate := func(args ...string) outcome {
		return command{args: append([]string{"recommend", "evaluate", "--dir", dir}, args...)}.run(t)
	}
	if o := evaluate("--key", "items"); o.status != 0 || !strings.Contains(o.stdout, "hit rate@3") || !strings.Contains(o.stdout, "more than the best sellers do") {
		t.Error(o)
	}
	evaluate().sentence(t, app.ExitUsage, "--key")
	evaluate("--key", "nothing").sentence(t, app.ExitUsage, "0 orders name items")
	evaluate("--key", "items", "--dir", filepath.Join(dir, "other")).sentence(t, app.ExitFailed, "no copy")

	// Who is removed by a command is removed from all of the installation, not from the
	// copy alone.
	want := []string{audience.Folder, exposure.Folder}
	var both []string
	for _, line := range lines[1:] {
		if slices.Equal(tellOf(t, dir, line[0]), want) {
			both = append(both, line[0])
		}
	}
	if len(both) < 2 {
		t.Fatalf("of %d members, %d were exposed", len(lines)-1, len(both))
	}
	remove := func(args ...string) outcome {
		return command{args: append([]string{"privacy", "delete", "--dir", dir}, args...)}.run(t)
	}
	remove("--customer", both[0], "--sandbox", "nowhere").sentence(t, app.ExitFailed, "nowhere")
	if o := remove("--customer", both[0]); o.status != 0 || !strings.Contains(o.stdout, "exposures: 1\n") || !strings.Contains(o.stdout, "audiences: 1\n") {
		t.Error(o)
	}
	if at := tellOf(t, dir, both[0]); len(at) > 0 {
		t.Errorf("the customer still stands in %v", at)
	}
	if at := tellOf(t, dir, both[1]); !slices.Equal(at, want) {
		t.Errorf("another customer stands in %v", at)
	}
	// Beside whoever has the directory, the request is put down.
	held, err := app.Hold(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if o := remove("--customer", both[1]); o.status != 0 || !strings.Contains(o.stdout, "is put down") {
		t.Error(o)
	}
}

// tellOf are the folders of files in which a customer's id stands as it is.
func tellOf(t *testing.T, dir, customer string) (folders []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if rel, _ := filepath.Rel(dir, path); bytes.Contains(text, []byte(customer)) {
			folder, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
			folders = append(folders, folder)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}
