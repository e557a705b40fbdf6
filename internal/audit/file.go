package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// Blot writes asterisks over a text wherever it stands in the file, and returns how
// often that was: an entry stays, and does not name what it was about. It is done in place,
// letter by letter, as other processes add lines meanwhile. Of a file that was
// renamed it knows nothing.
func (f *File) Blot(text string) (n int64, err error) {
	quoted, err := json.Marshal(text)
	if err != nil || len(text) == 0 {
		return 0, err
	}
	word := quoted[1 : len(quoted)-1]
	file, err := os.OpenFile(f.path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	over := bytes.Repeat([]byte{'*'}, len(word))
	part := make([]byte, 256<<10+len(word))
	for at := int64(0); ; at += int64(len(part) - len(word)) {
		read, err := file.ReadAt(part, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		for from := 0; ; from += len(word) {
			i := bytes.Index(part[from:read], word)
			if i < 0 {
				break
			}
			from += i
			if _, err := file.WriteAt(over, at+int64(from)); err != nil {
				return n, err
			}
			copy(part[from:], over)
			n++
		}
		if err != nil {
			break
		}
	}
	if n == 0 {
		return 0, nil
	}
	return n, file.Sync()
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
