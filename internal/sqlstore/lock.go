//go:build unix

package sqlstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/tributary-data/tributary/internal/problem"
)

// Locked says that another writer has the directory.
type Locked struct{ err *problem.Error }

func (l *Locked) Error() string { return l.err.Error() }

// Unwrap returns the same in the form of all that users read.
func (l *Locked) Unwrap() error { return l.err }

// AcquireLock makes this process the one writer of dir until release is
// called or the process ends, however it ends. Another writer is a
// problem.Conflict, and Locked.
func AcquireLock(dir string) (release func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		who := "another tributary process"
		if pid, err := os.ReadFile(f.Name()); err == nil && len(pid) > 0 {
			who += " (pid " + strings.TrimSpace(string(pid)) + ")"
		}
		return nil, &Locked{&problem.Error{
			Kind: problem.Conflict, Detail: fmt.Sprintf("%s is writing to %s", who, dir), Advice: "Wait until it has ended",
		}}
	}
	// The number helps a reader of the message; the lock is the kernel's.
	if err := f.Truncate(0); err == nil {
		fmt.Fprintln(f, os.Getpid())
	}
	return func() {
		// Closing alone would leave the lock to a process that is being started
		// just now and has our files until it becomes another program.
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
		_ = f.Close()
	}, nil
}
