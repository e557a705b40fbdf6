package exposure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/google/uuid"
)

// rotateAt is how large a segment may become.
const rotateAt = 64 << 20

// A store is a sandbox's folder.
type store struct {
	dir  string
	log  *Log
	most int

	mu    sync.Mutex // of the next two
	batch *batch     // that takes exposures; nil for none

	// state is replaced as a whole when the segments were rewritten: who looks
	// something up goes on with the files that he began with.
	state atomic.Pointer[state]

	commit sync.Mutex // one write, or rewrite, at a time; guards what follows, and lock
	lock   lock
	active *segment // that this process appends to; nil for none yet
	number int      // of active, in state
	last   time.Time
	frame  []byte
}

// A state is what is known of the segments.
type state struct {
	generation string
	index      *index
	mu         sync.RWMutex
	segments   []*segment
}

func (s *state) read(place uint64) (Exposure, error) {
	s.mu.RLock()
	f := s.segments[place>>offsetBits]
	s.mu.RUnlock()
	return f.at(int64(place & (1<<offsetBits - 1))) //nolint:gosec // 40 bits
}

// A batch is what is written together.
type batch struct {
	entries []Exposure
	bytes   int
	done    chan struct{}
	err     error // once done is closed
}

func openStore(ctx context.Context, dir string, l *Log, most int) (*store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	held, err := openLock(dir)
	if err != nil {
		return nil, err
	}
	s := &store{dir: dir, log: l, most: most, lock: held}
	if err := s.lock.with(syscall.LOCK_SH, func() error { return s.load(ctx) }); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *store) close() {
	s.commit.Lock()
	defer s.commit.Unlock()
	if st := s.state.Load(); st != nil {
		for _, f := range st.segments {
			f.close()
		}
	}
	_ = s.lock.f.Close()
}

func (s *store) generation() (string, error) {
	return generation(s.dir)
}

// load reads what the segments have. The caller has the lock.
func (s *store) load(ctx context.Context) error {
	generation, err := s.generation()
	if err != nil {
		return err
	}
	segments, err := openSegments(s.dir, nil)
	if err != nil {
		return err
	}
	st := &state{generation: generation, segments: segments}
	st.index = newIndex(st.read)
	for i := range segments {
		s.learn(ctx, st, i)
	}
	s.active = nil
	s.state.Store(st) // the old one's files are closed once nobody reads them: by the collector
	return nil
}

// learn puts the records of a segment into the index that are not in it yet.
func (s *store) learn(ctx context.Context, st *state, number int) {
	f := st.segments[number]
	room := s.most - st.index.len()
	var failed error
	end, err := f.from(f.known, func(e Exposure, offset int64) bool {
		if room--; room < 0 {
			return false
		}
		var known bool
		if known, failed = st.index.has(e.key()); failed == nil && !known {
			st.index.add(e.key(), placeOf(number, offset))
		}
		return failed == nil
	})
	if f.known = end; room < 0 {
		f.known = everything
	}
	if err = errors.Join(err, failed); err != nil {
		// A new exposure of what stands behind the damage is better than none.
		s.log.Log.ErrorContext(ctx, "exposures can't be read", "error", err)
		f.known = everything
	}
}

// current loads the segments anew if another process, or forget, has rewritten
// them. The caller has the lock.
func (s *store) current(ctx context.Context) (*state, error) {
	generation, err := s.generation()
	if err != nil {
		return nil, err
	}
	if st := s.state.Load(); st.generation == generation {
		return st, nil
	}
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return s.state.Load(), nil
}

func (s *store) refresh(ctx context.Context) error {
	s.commit.Lock()
	defer s.commit.Unlock()
	return s.lock.with(syscall.LOCK_SH, func() error {
		_, err := s.current(ctx)
		return err
	})
}

func (s *store) put(ctx context.Context, all []Exposure) error {
	var fresh []Exposure
	index := s.state.Load().index
	for _, e := range all {
		known, err := index.has(e.key())
		if err != nil {
			return err
		}
		if !known {
			fresh = append(fresh, e)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	s.mu.Lock()
	b := s.batch
	leads := b == nil || b.bytes > maxFrame/2
	if leads {
		b = &batch{done: make(chan struct{})}
		s.batch = b
	}
	b.entries = append(b.entries, fresh...)
	b.bytes += len(fresh) * maxRecord
	s.mu.Unlock()
	if !leads {
		<-b.done
		return b.err
	}
	// While the write before this one is under way, others come along.
	s.commit.Lock()
	s.mu.Lock()
	if s.batch == b {
		s.batch = nil
	}
	s.mu.Unlock()
	b.err = s.lock.with(syscall.LOCK_SH, func() error { return s.write(ctx, b.entries) })
	s.commit.Unlock()
	close(b.done)
	return b.err
}

// write appends what is not known yet, and returns when it is on the disk.
func (s *store) write(ctx context.Context, entries []Exposure) error {
	st, err := s.current(context.WithoutCancel(ctx)) // it is done for others, too
	if err != nil {
		return err
	}
	now := s.log.Now().UTC().Truncate(time.Millisecond)
	if now.Before(s.last) { // so that a segment is in the order of its times
		now = s.last
	}
	s.last = now
	frame := append(s.frame[:0], make([]byte, frameHead)...)
	var fresh []int // places in the frame
	written := entries[:0:0]
	seen := map[key]bool{}
	for _, e := range entries {
		known, err := st.index.has(e.key())
		if err != nil {
			return err
		}
		if known || seen[e.key()] {
			continue
		}
		seen[e.key()] = true
		e.At = now
		fresh, written = append(fresh, len(frame)), append(written, e)
		frame = appendRecord(frame, e)
	}
	if s.frame = frame; cap(frame) > 1<<20 {
		s.frame = nil
	}
	if len(written) == 0 {
		return nil
	}
	sealFrame(frame)
	if s.active == nil || s.active.size+int64(len(frame)) > rotateAt {
		if err := s.begin(st); err != nil {
			return err
		}
	}
	from := s.active.size
	_, err = s.active.f.WriteAt(frame, from)
	if err == nil {
		err = s.active.f.Sync()
	}
	if err != nil {
		// What stands behind from is unknown; nothing may be written after it.
		s.active = nil
		return fmt.Errorf("write exposures: %w", err)
	}
	s.active.size += int64(len(frame))
	if room := s.most - st.index.len(); room < len(written) {
		written = written[:max(0, room)]
	}
	for i, e := range written {
		st.index.add(e.key(), placeOf(s.number, from+int64(fresh[i])))
	}
	return nil
}

// begin makes a new segment.
func (s *store) begin(st *state) error {
	name := fmt.Sprintf("%013d-%s%s", s.log.Now().UnixMilli(), uuid.NewString(), extension)
	f, err := os.OpenFile(filepath.Join(s.dir, name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(header)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(s.dir)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(f.Name()))
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	s.active, s.number = &segment{f: f, size: int64(len(header)), known: everything}, len(st.segments)
	st.segments = append(st.segments, s.active)
	return nil
}
