//go:build unix

package lake

import (
	"errors"
	"os"
	"syscall"
)

// A claim says, to every process, that a file is in use by this one: it is a
// shared lock of the kernel's, and ends with the process, however that ends.
type claim struct{ f *os.File }

// claimFile claims a file that was just made. On a file system without locks
// there is no claim, and the file's age alone protects it.
func claimFile(path string) claim {
	f, err := os.Open(path)
	if err != nil {
		return claim{}
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return claim{}
	}
	return claim{f}
}

func (c claim) end() {
	if c.f != nil {
		_ = c.f.Close()
	}
}

// claimed reports whether any process claims the file.
func claimed(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
