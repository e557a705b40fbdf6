package exposure

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const extension = ".exposures"

// A segment is an open file of exposures.
type segment struct {
	f    *os.File
	size int64 // up to where it is read
	// known is up to where its records are in the store's index; everything of what is
	// not looked at again.
	known int64
}

const everything = math.MaxInt64

func (s *segment) close() { _ = s.f.Close() }

// at reads the record at an offset.
func (s *segment) at(offset int64) (Exposure, error) {
	var b [maxRecord]byte
	n, err := s.f.ReadAt(b[:], offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return Exposure{}, err
	}
	e, _, err := readRecord(b[:n])
	return e, err
}

// each hands the records of a segment to fn, with where each stands, until fn
// says no.
func (s *segment) each(fn func(e Exposure, offset int64) bool) error {
	_, err := s.from(0, fn)
	return err
}

// from is each, of what stands behind an offset that an earlier call has returned: where
// what was whole ended then.
func (s *segment) from(start int64, fn func(e Exposure, offset int64) bool) (end int64, err error) {
	end = start
	r := bufio.NewReaderSize(io.NewSectionReader(s.f, start, s.size-start), 64<<10)
	damaged := func() error { return &Damaged{s.f.Name(), end} }
	if start == 0 {
		first := make([]byte, len(header))
		if n, err := io.ReadFull(r, first); err != nil {
			if strings.HasPrefix(header, string(first[:n])) || zero(first[:n]) {
				return end, nil // it was just being made
			}
			return end, damaged()
		}
		if string(first) != header {
			return end, damaged()
		}
		end = int64(len(header))
	}
	var payload []byte
	for {
		var head [frameHead]byte
		n, err := io.ReadFull(r, head[:])
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return end, nil
		}
		if err != nil {
			return end, fmt.Errorf("read %s: %w", s.f.Name(), err)
		}
		length := int64(binary.BigEndian.Uint32(head[:]))
		next := end + int64(n) + length
		if length == 0 || length > maxFrame || next > s.size {
			return end, s.tail(end, damaged)
		}
		payload = slices.Grow(payload[:0], int(length))[:length]
		if _, err := io.ReadFull(r, payload); err != nil {
			return end, fmt.Errorf("read %s: %w", s.f.Name(), err)
		}
		if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
			return end, s.tail(end, damaged)
		}
		for at := 0; at < len(payload); {
			e, n, err := readRecord(payload[at:])
			if err != nil {
				return end, damaged()
			}
			if !fn(e, end+frameHead+int64(at)) {
				return end, nil
			}
			at += n
		}
		end = next
	}
}

// tail says whether what is not whole, from one offset on, may be the last
// write of a process that was killed, or of a machine that lost its power: it is no
// longer than a frame, and no whole frame follows. Of a write that was not flushed, any
// pages may be there and others not.
func (s *segment) tail(from int64, damaged func() error) error {
	if s.size-from > maxFrame+frameHead {
		return damaged()
	}
	b := make([]byte, s.size-from)
	if n, err := s.f.ReadAt(b, from); err != nil && !errors.Is(err, io.EOF) {
		return err
	} else if b = b[:n]; zero(b) {
		return nil
	}
	for at := 1; at+frameHead < len(b); at++ {
		if wholeFrame(b[at:]) {
			return damaged()
		}
	}
	return nil
}

// wholeFrame says whether b begins with a frame.
func wholeFrame(b []byte) bool {
	length := int(binary.BigEndian.Uint32(b))
	return length >= recordHead && length <= len(b)-frameHead && crc32.Checksum(b[frameHead:frameHead+length], castagnoli) == binary.BigEndian.Uint32(b[4:])
}

func zero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

// openSegments opens the segments of a folder, oldest first, without those whose paths
// are had. The caller has the folder's lock.
func openSegments(dir string, had map[string]bool) (all []*segment, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, s := range all {
				s.close()
			}
			all = nil
		}
	}()
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if !strings.HasSuffix(path, extension) || had[path] {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			return all, err
		}
		all = append(all, &segment{f: f})
		info, err := f.Stat()
		if err != nil {
			return all, err
		}
		all[len(all)-1].size = info.Size()
	}
	return all, nil
}

// A lock is that of a sandbox's folder.
type lock struct{ f *os.File }

func openLock(dir string) (lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	return lock{f}, err
}

// with runs do while this process has the lock. Calls by one lock must come one
// after the other.
func (l lock) with(how int, do func() error) (err error) {
	for {
		err = syscall.Flock(int(l.f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("lock %s: %w", l.f.Name(), err)
	}
	defer func() { err = errors.Join(err, syscall.Flock(int(l.f.Fd()), syscall.LOCK_UN)) }()
	return do()
}

// syncDir makes the names of a folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
