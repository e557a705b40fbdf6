//go:build unix

package sqlstore

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/problem"
)

// TestMain makes the test binary a second process that holds the lock of the
// directory named by LOCK_DIR until its standard input ends.
func TestMain(m *testing.M) {
	dir := os.Getenv("LOCK_DIR")
	if dir == "" {
		os.Exit(m.Run())
	}
	release, err := AcquireLock(dir)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("locked")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	release()
}

// holder starts a process that holds the lock of dir.
func holder(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0])
	c.Env = append(os.Environ(), "LOCK_DIR="+dir)
	in, err := c.StdinPipe()
	must(t, err)
	out, err := c.StdoutPipe()
	must(t, err)
	must(t, c.Start())
	t.Cleanup(func() { _ = in.Close() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other process: %q, %v", line, err)
	}
	return c
}

func TestLockAcrossProcesses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Two rounds: the second finds a lock file left by a killed process.
	for range 2 {
		other := holder(t, dir)
		_, err := AcquireLock(dir)
		want := fmt.Sprintf("another tributary process (pid %d) is writing to %s", other.Process.Pid, dir)
		if problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want a conflict that says %q", err, want)
		}
		must(t, other.Process.Kill()) // SIGKILL: it cannot clean up
		_ = other.Wait()
		release, err := AcquireLock(dir)
		if err != nil {
			t.Fatalf("after kill -9 of the holder: %v", err)
		}
		release()
	}
}

func TestLockWithinProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	release, err := AcquireLock(dir)
	must(t, err)
	if _, err := AcquireLock(dir); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) {
		t.Errorf("%v, want a conflict that names this process", err)
	}
	release()
	release, err = AcquireLock(dir)
	must(t, err)
	release()
}

// A process may die between taking the lock and writing its number.
func TestLockWithoutNumber(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	release, err := AcquireLock(dir)
	must(t, err)
	defer release()
	must(t, os.Truncate(filepath.Join(dir, "lock"), 0))
	if _, err := AcquireLock(dir); err == nil || !strings.Contains(err.Error(), "another tributary process is writing to "+dir) {
		t.Errorf("%v", err)
	}
}

func TestLockUnwritable(t *testing.T) {
	t.Parallel()
	if _, err := AcquireLock(filepath.Join(t.TempDir(), "missing")); err == nil || problem.KindOf(err) == problem.Conflict {
		t.Errorf("%v, want an error that is no conflict", err)
	}
}

// A lock that was released is free, although programs are started meanwhile:
// until they run, they are this process with its files.
func TestLockWhileProgramsStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	started := make(chan struct{})
	go func() {
		defer close(started)
		for range 100 {
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
			if err := c.Start(); err != nil {
				t.Error(err)
				return
			}
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}()
	for {
		release, err := AcquireLock(dir)
		if err != nil {
			t.Error(err)
			<-started
			return
		}
		release()
		select {
		case <-started:
			return
		default:
		}
	}
}
