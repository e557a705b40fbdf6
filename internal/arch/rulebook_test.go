package arch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A rulebook says what may be imported. Packages are named by their folder in the
// module, libraries by the beginning of their import path.
type rulebook struct {
	// code has every package but those of testOnly, with the packages that it may import.
	code map[string][]string
	// tests adds what the tests of a package may import.
	tests map[string][]string
	// testOnly packages are imported by tests and each other, and by the tests of all.
	testOnly map[string][]string
	// libraries are imported by the packages named, also in tests.
	libraries map[string][]string
	// testLibraries are imported by tests and testOnly packages.
	testLibraries []string
}

// A listed package is what `go list -json` says of it.
type listed struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// violations lists what breaks the rules, in order.
func (r rulebook) violations(packages []listed) []string {
	var found []string
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }

	exist := map[string]bool{}
	for _, p := range packages {
		name := strings.TrimPrefix(p.ImportPath, module)
		exist[name] = true
		code, known := r.code[name]
		helps, helper := r.testOnly[name]
		if !known && !helper {
			say("%s is not in the table", name)
			continue
		}
		tests := slices.Concat(p.TestImports, p.XTestImports)
		for _, path := range unique(p.Imports) {
			if ours, ok := strings.CutPrefix(path, module); ok {
				if !slices.Contains(code, ours) && !slices.Contains(helps, ours) {
					say("%s imports %s", name, ours)
				}
			} else if !r.mayLink(name, path) || !helper && within(path, r.testLibraries...) {
				say("%s imports %s", name, path)
			}
		}
		for _, path := range unique(tests) {
			if ours, ok := strings.CutPrefix(path, module); ok {
				_, help := r.testOnly[ours]
				if ours != name && !help && !slices.Contains(code, ours) && !slices.Contains(r.tests[name], ours) {
					say("a test of %s imports %s", name, ours)
				}
			} else if !r.mayLink(name, path) {
				say("a test of %s imports %s", name, path)
			}
		}
	}
	for _, name := range unique(slices.Concat(slices.Collect(maps.Keys(r.code)), slices.Collect(maps.Keys(r.testOnly)))) {
		if !exist[name] {
			say("%s is in the table, but there is no such package", name)
		}
	}
	return found
}

// mayLink reports whether a package may import a library or one of Go's own packages.
func (r rulebook) mayLink(name, path string) bool {
	for library, importers := range r.libraries {
		if within(path, library) && !slices.Contains(importers, name) {
			return false
		}
	}
	return true
}

// within reports whether path is one of the roots or below it. A major version is
// below its module: "example.org/m/v2".
func within(path string, roots ...string) bool {
	return slices.ContainsFunc(roots, func(root string) bool {
		return path == root || strings.HasPrefix(path, root+"/")
	})
}

func unique(names []string) []string {
	names = slices.Sorted(slices.Values(names))
	return slices.Compact(names)
}

func TestViolations(t *testing.T) {
	t.Parallel()
	r := rulebook{
		code:          map[string][]string{"internal/lake": {"internal/xdm"}, "internal/xdm": {}},
		tests:         map[string][]string{"internal/xdm": {"internal/lake"}},
		testOnly:      map[string][]string{"internal/need": {}},
		libraries:     map[string][]string{"example.org/iceberg": {"internal/lake"}},
		testLibraries: []string{"testing", "example.org/rapid"},
	}
	// The packages of a clean tree; each case adds imports to one of them.
	clean := func() map[string]*listed {
		return map[string]*listed{
			"internal/lake": {
				Imports:      []string{"fmt", module + "internal/xdm", "example.org/iceberg/v2/table"},
				TestImports:  []string{"testing", module + "internal/need", "example.org/rapid"},
				XTestImports: []string{module + "internal/lake"},
			},
			"internal/xdm":  {Imports: []string{"example.org/icebergs"}, TestImports: []string{module + "internal/lake"}},
			"internal/need": {Imports: []string{"testing"}},
		}
	}
	tests := []struct {
		name   string
		change func(map[string]*listed)
		want   []string
	}{
		{"clean", func(map[string]*listed) {}, nil},
		{"an edge that is missing", func(m map[string]*listed) {
			m["internal/xdm"].Imports = append(m["internal/xdm"].Imports, module+"internal/lake")
		}, []string{"internal/xdm imports internal/lake"}},
		{"a test's edge that is missing", func(m map[string]*listed) {
			m["internal/need"].TestImports = []string{module + "internal/lake"}
		}, []string{"a test of internal/need imports internal/lake"}},
		{"an external test's edge that is missing", func(m map[string]*listed) {
			m["internal/need"].XTestImports = []string{module + "internal/xdm"}
		}, []string{"a test of internal/need imports internal/xdm"}},
		{"a package that is missing from the table", func(m map[string]*listed) {
			m["internal/util"] = &listed{}
		}, []string{"internal/util is not in the table"}},
		{"a package below one in the table", func(m map[string]*listed) {
			m["internal/lake/parquet"] = &listed{}
		}, []string{"internal/lake/parquet is not in the table"}},
		{"a package that is gone", func(m map[string]*listed) {
			delete(m, "internal/lake")
		}, []string{"internal/lake is in the table, but there is no such package"}},
		{"a library of another package", func(m map[string]*listed) {
			m["internal/xdm"].Imports = []string{"example.org/iceberg"}
		}, []string{"internal/xdm imports example.org/iceberg"}},
		{"a library of another package in a test", func(m map[string]*listed) {
			m["internal/xdm"].XTestImports = []string{"example.org/iceberg/v2"}
		}, []string{"a test of internal/xdm imports example.org/iceberg/v2"}},
		{"a test library in code", func(m map[string]*listed) {
			m["internal/lake"].Imports = append(m["internal/lake"].Imports, "example.org/rapid")
		}, []string{"internal/lake imports example.org/rapid"}},
		{"a test helper in code", func(m map[string]*listed) {
			m["internal/lake"].Imports = append(m["internal/lake"].Imports, module+"internal/need")
		}, []string{"internal/lake imports internal/need"}},
		{"a test helper that imports code", func(m map[string]*listed) {
			m["internal/need"].Imports = append(m["internal/need"].Imports, module+"internal/xdm")
		}, []string{"internal/need imports internal/xdm"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tree := clean()
			tt.change(tree)
			var packages []listed
			for _, name := range slices.Sorted(maps.Keys(tree)) {
				p := *tree[name]
				p.ImportPath = module + name
				packages = append(packages, p)
			}
			if diff := cmp.Diff(tt.want, r.violations(packages)); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
		})
	}
}
