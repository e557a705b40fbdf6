package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// FileName is the file of a directory that holds the entries as lines of JSON.
const FileName = "audit.log"

// A File is a file to which lines are added, readable by its owner alone. When
// it was renamed or removed, the next line begins a new one, so that whatever
// rotates logs need tell nobody.
type File struct {
	path string

	mu sync.Mutex
	f  *os.File
}

// OpenFile opens a file, and makes it if need be.
func OpenFile(path string) (*File, error) {
	f := &File{path: path}
	if err := f.open(); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := complete(file); err != nil {
		_ = file.Close()
		return err
	}
	if f.f != nil {
		_ = f.f.Close() // each line was written whole
	}
	f.f = file
	return nil
}

// complete ends a line that a full disk or a crash has cut short.
func complete(file *os.File) error {
	info, err := file.Stat()
	if err != nil || info.Size() == 0 || !info.Mode().IsRegular() {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if last[0] == '\n' {
		return nil
	}
	_, err = file.WriteString("\n")
	return err
}

// Write adds an entry.
func (f *File) Write(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("write an entry: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.moved() {
		if err := f.open(); err != nil {
			return err
		}
	}
	_, err = f.f.Write(append(line, '\n')) // at once: lines of several processes do not mix
	return err
}

func (f *File) moved() bool {
	there, err := os.Stat(f.path)
	if err != nil {
		return true
	}
	mine, err := f.f.Stat()
	return err != nil || !os.SameFile(there, mine)
}

// Close closes the file.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.f.Close()
}
