// Package childtest runs a part of a test in a process of its own, which can be
// killed anywhere.
package childtest

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// Variable is where a child's environment holds its work, as JSON.
const Variable = "TRIBUTARY_TEST_CHILD"

// Main is what TestMain does: it runs do with the work of the child that this
// process is, or else the tests.
func Main[Work any](m *testing.M, do func(Work)) {
	text := os.Getenv(Variable)
	if text == "" {
		os.Exit(m.Run())
	}
	var work Work
	if err := json.Unmarshal([]byte(text), &work); err != nil {
		panic(err)
	}
	do(work)
}

// Command returns a process that does the work, to be started.
func Command(t testing.TB, work any) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(work)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), Variable+"="+string(text))
	return cmd
}

// Die ends this process the way that kill -9 does.
func Die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// Killed says whether a process ended because it was killed, by the error of its
// Run or Wait.
func Killed(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
}
