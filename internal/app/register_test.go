package app

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/dataset"
)

// Registers are found whatever the directory is called.
func TestRemoveRegisters(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a[b]*?\\c")
	if err := removeRegisters(dir, "charges"); err != nil {
		t.Errorf("there is none: %v", err)
	}
	for _, resource := range []string{"charges", "refunds"} {
		for _, name := range []string{"1", "2"} {
			r, found, err := openRegister(dir, name, resource, &dataset.Layout{})
			if err != nil || found {
				t.Fatal(found, err)
			}
			if err := r.close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := removeRegisters(dir, "charges"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "reconcile"))
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{"refunds-1", "refunds-2"}, left); diff != "" {
		t.Error(diff)
	}
}
