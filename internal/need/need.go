// Package need hands to tests the programs outside Go that they run against.
//
// scripts/test installs those programs and names them in the environment. There
// a test that doesn't find its program fails: nothing may be left out unnoticed.
// A plain `go test` without them skips such tests and says why.
package need

import (
	"errors"
	"os"
	"testing"
)

// strict is the variable that scripts/test sets to 1: without its program a test
// fails instead of being skipped.
const strict = "TRIBUTARY_TEST"

// Binary returns the path of the executable file that the environment variable names.
func Binary(t testing.TB, variable string) string {
	t.Helper()
	return path(t, variable, func(info os.FileInfo) error {
		if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			return errors.New("not an executable file")
		}
		return nil
	})
}

// Dir returns the path of the folder that the environment variable names.
func Dir(t testing.TB, variable string) string {
	t.Helper()
	return path(t, variable, func(info os.FileInfo) error {
		if !info.IsDir() {
			return errors.New("not a folder")
		}
		return nil
	})
}

// URL returns the address of a server that the environment variable holds.
func URL(t testing.TB, variable string) string {
	t.Helper()
	return value(t, variable)
}

func value(t testing.TB, variable string) string {
	t.Helper()
	v := os.Getenv(variable)
	if v == "" {
		if os.Getenv(strict) == "1" {
			t.Fatalf("%s is not set", variable)
		}
		t.Skipf("%s is not set: scripts/test installs what this test runs against", variable)
	}
	return v
}

func path(t testing.TB, variable string, check func(os.FileInfo) error) string {
	t.Helper()
	name := value(t, variable)
	info, err := os.Stat(name)
	if err == nil {
		err = check(info)
	}
	if err != nil {
		t.Fatalf("%s=%s: %v", variable, name, err)
	}
	return name
}
