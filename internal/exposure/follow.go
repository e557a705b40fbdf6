package exposure

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
)

// follow learns what other processes have written since.
func (s *store) follow(ctx context.Context) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	err := s.lock.with(syscall.LOCK_SH, func() error {
		st, err := s.current(ctx)
		if err != nil {
			return err
		}
		had := make(map[string]bool, len(st.segments))
		for _, f := range st.segments {
			had[f.f.Name()] = true
		}
		others, err := openSegments(s.dir, had)
		if err != nil {
			return err
		}
		for _, f := range others {
			f.size = 0
		}
		st.mu.Lock()
		st.segments = append(st.segments, others...)
		st.mu.Unlock()
		for i, f := range st.segments {
			if f.known == everything {
				continue
			}
			info, err := f.f.Stat()
			if err != nil {
				return err
			}
			if info.Size() == f.size {
				continue
			}
			// It may be written and not flushed yet. Who is known is not written again, and must
			// not get lost.
			if err := f.f.Sync(); err != nil {
				return err
			}
			f.size = info.Size()
			s.learn(ctx, st, i)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EBADF) {
		return nil // the sandbox has gone, or the log was closed
	}
	return err
}
