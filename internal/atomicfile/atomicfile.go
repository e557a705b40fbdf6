// Package atomicfile replaces small files, such as those with secrets, so that
// a crash leaves the old text or the new one.
package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Write puts a file in the place of what is at path, whole or not at all, and
// returns once text and name are on the disk. Only the owner may read the file.
func Write(path string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what failed first is the reason
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Locked runs do while no other call, of any process, runs for the directory.
// It waits for those; do must not call it for the same directory.
func Locked(dir string, do func() error) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil { // given back by Close
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	return do()
}
