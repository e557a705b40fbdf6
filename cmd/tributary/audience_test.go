package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
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
}
