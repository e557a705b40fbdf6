package exposure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/atomicfile"
)

// forget rewrites the segments that have one of the units.
func (s *store) forget(ctx context.Context, units map[string]bool) (removed int, err error) {
	s.commit.Lock()
	defer s.commit.Unlock()
	err = s.lock.with(syscall.LOCK_EX, func() error {
		if err := s.clean(); err != nil {
			return err
		}
		segments, err := openSegments(s.dir, nil)
		if err != nil {
			return err
		}
		defer func() {
			for _, f := range segments {
				f.close()
			}
		}()
		for _, f := range segments {
			n, err := f.count(units)
			if err != nil {
				return fmt.Errorf("forget units: %w", err)
			}
			removed += n
		}
		if removed == 0 {
			return nil
		}
		// Others see by it that the folder's files are no more those that they have
		// open. It comes first: they look once they have the lock, also after a
		// kill in the midst of this, and must never append to a file that is replaced.
		if err := atomicfile.Write(filepath.Join(s.dir, "generation"), []byte(uuid.NewString())); err != nil {
			return err
		}
		for _, f := range segments {
			if err := f.without(units); err != nil {
				return fmt.Errorf("forget units: %w", err)
			}
		}
		return s.load(ctx)
	})
	return removed, err
}

// clean removes what a rewrite left that was cut short.
func (s *store) clean() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), rewritten) {
			if err := os.Remove(filepath.Join(s.dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

const rewritten = ".rewritten"

// count returns how many records of the units there are.
func (s *segment) count(units map[string]bool) (n int, err error) {
	err = s.each(func(e Exposure, _ int64) bool {
		if units[e.Unit] {
			n++
		}
		return true
	})
	return n, err
}

// without puts in the place of a segment one that lacks the units, if there is
// anything of them.
func (s *segment) without(units map[string]bool) error {
	n, err := s.count(units)
	if err != nil || n == 0 {
		return err
	}
	f, err := os.OpenFile(s.f.Name()+rewritten, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = s.copyWithout(f, units)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), s.f.Name())
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(s.f.Name()))
}

func (s *segment) copyWithout(f *os.File, units map[string]bool) error {
	if _, err := f.WriteString(header); err != nil {
		return err
	}
	frame := make([]byte, frameHead)
	var failed error
	flush := func() bool {
		if len(frame) > frameHead {
			sealFrame(frame)
			_, failed = f.Write(frame)
		}
		frame = append(frame[:0], make([]byte, frameHead)...)
		return failed == nil
	}
	err := s.each(func(e Exposure, _ int64) bool {
		if !units[e.Unit] {
			frame = appendRecord(frame, e)
		}
		return len(frame) < maxFrame/2 || flush()
	})
	if failed == nil && err == nil {
		flush()
	}
	return errors.Join(err, failed)
}

// drop removes the folder.
func (s *store) drop() error {
	s.commit.Lock()
	err := s.lock.with(syscall.LOCK_EX, func() error { return os.RemoveAll(s.dir) })
	s.commit.Unlock()
	s.close()
	return err
}
