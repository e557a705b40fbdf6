package need

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// verdict records how a test that asked for a program ended.
type verdict struct {
	testing.TB
	ended string
}

func (v *verdict) Helper() {}

func (v *verdict) Fatalf(format string, args ...any) { v.end("fatal: " + fmt.Sprintf(format, args...)) }

func (v *verdict) Skipf(format string, args ...any) { v.end("skip: " + fmt.Sprintf(format, args...)) }

// end leaves the function under test, as the real methods do.
func (v *verdict) end(how string) {
	v.ended = how
	panic(v)
}

func TestNeed(t *testing.T) {
	const variable = "TRIBUTARY_TEST_SOMETHING"
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	document := filepath.Join(dir, "document")
	if err := os.WriteFile(program, nil, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(document, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "missing")

	tests := []struct {
		name   string
		ask    func(testing.TB, string) string
		strict string
		value  string
		want   string // the path, or how the test ended
	}{
		{"binary", Binary, "1", program, program},
		{"binary of a developer", Binary, "", program, program},
		{"folder", Dir, "1", dir, dir},
		{"unset", Binary, "", "", "skip: " + variable + " is not set: scripts/test installs what this test runs against"},
		{"unset under scripts/test", Binary, "1", "", "fatal: " + variable + " is not set"},
		{"folder unset under scripts/test", Dir, "1", "", "fatal: " + variable + " is not set"},
		{"missing", Binary, "", missing, "fatal: " + variable + "=" + missing + ": stat " + missing + ": no such file or directory"},
		{"document as binary", Binary, "", document, "fatal: " + variable + "=" + document + ": not an executable file"},
		{"folder as binary", Binary, "", dir, "fatal: " + variable + "=" + dir + ": not an executable file"},
		{"program", func(t testing.TB, _ string) string { return Program(t, program) }, "1", "", program},
		{"program missing", func(t testing.TB, _ string) string { return Program(t, missing) }, "", "", "skip: " + missing + " is not installed"},
		{"program missing under scripts/test", func(t testing.TB, _ string) string { return Program(t, missing) }, "1", "", "fatal: " + missing + " is not installed"},
		{"document as folder", Dir, "", document, "fatal: " + variable + "=" + document + ": not a folder"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(strict, tt.strict)
			t.Setenv(variable, tt.value)
			if got := outcome(t, tt.ask, variable); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func outcome(t *testing.T, ask func(testing.TB, string) string, variable string) (got string) {
	v := &verdict{TB: t}
	defer func() {
		if p := recover(); p != nil {
			if p != any(v) {
				panic(p)
			}
			got = v.ended
		}
	}()
	return ask(v, variable)
}
