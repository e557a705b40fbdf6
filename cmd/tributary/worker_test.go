package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/app"
)

// A worker is for an installation that is there, works beside serve, and stops
// when it is told to.
func TestWorker(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "copy")
	command{args: []string{"worker", "--dir", dir}}.run(t).sentence(t, app.ExitFailed, "there is no installation in "+dir, "tributary serve")
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("it made a directory: %v", err)
	}
	for _, args := range [][]string{{"worker", "--workers", "0"}, {"serve", "--workers", "-1"}} {
		if o := (command{args: append(args, "--dir", dir)}).run(t); o.status != app.ExitUsage || !strings.Contains(o.stderr, "--workers") {
			t.Errorf("%v: %s", args, o)
		}
	}
	alone(t, dir, "--workers", "0")
	for range 2 { // beside each other; they are stopped at the end
		lasting(t, "worker", "--dir", dir, "--workers", "2").says(t, "(msg=working)")
	}
}
