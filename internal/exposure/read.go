package exposure

import (
	"container/heap"
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"syscall"
)

// All yields the exposures in a sandbox, those of the given folder that Log has
// as Dir, each once and the earliest first, until its first error. It shows what
// was there when it began, beside processes that put and forget.
func All(ctx context.Context, dir, sandbox string) iter.Seq2[Exposure, error] {
	return func(yield func(Exposure, error) bool) {
		if !sandboxID.MatchString(sandbox) {
			return
		}
		segments, err := opened(filepath.Join(dir, sandbox))
		defer func() {
			for _, s := range segments {
				s.close()
			}
		}()
		if err != nil {
			yield(Exposure{}, err)
			return
		}
		if err := merge(ctx, segments, yield); err != nil && !errors.Is(err, errEnough) {
			yield(Exposure{}, err)
		}
	}
}

// Size returns how large the files of a sandbox's exposures are together, in bytes.
func Size(dir, sandbox string) (size int64, err error) {
	if !sandboxID.MatchString(sandbox) {
		return 0, nil
	}
	entries, err := os.ReadDir(filepath.Join(dir, sandbox))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, e := range entries {
		if filepath.Ext(e.Name()) != extension {
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // it was put into another one meanwhile
		}
		size += max(0, info.Size()-int64(len(header)))
	}
	return size, err
}

// Sandboxes lists the ids of the sandboxes that have exposures.
func Sandboxes(dir string) (ids []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if sandboxID.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	return ids, err
}

// Generation returns a text that is another one after exposures of a sandbox were
// forgotten, "" before any was.
func Generation(dir, sandbox string) (string, error) {
	if !sandboxID.MatchString(sandbox) {
		return "", nil
	}
	return generation(filepath.Join(dir, sandbox))
}

func generation(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "generation"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

var errEnough = errors.New("the reader has enough")

// opened opens the segments as they are now; none where there is no folder.
func opened(dir string) (segments []*segment, err error) {
	f, err := os.Open(filepath.Join(dir, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	err = lock{f}.with(syscall.LOCK_SH, func() error {
		segments, err = openSegments(dir, nil)
		return err
	})
	return segments, err
}

// merge yields the records of all segments by their time. A segment is in that
// order by itself.
func merge(ctx context.Context, segments []*segment, yield func(Exposure, error) bool) error {
	st := &state{segments: segments}
	known := newIndex(st.read)
	var h heads
	defer func() {
		for _, x := range h {
			x.stop()
		}
	}()
	for i, s := range segments {
		var failed error
		next, stop := iter.Pull2(func(yield func(Exposure, int64) bool) { failed = s.each(yield) })
		x := &head{number: i, next: next, stop: stop, failed: &failed}
		if ok, err := x.advance(); err != nil {
			stop()
			return err
		} else if ok {
			h = append(h, x)
		}
	}
	heap.Init(&h)
	for h.Len() > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := h[0]
		has, err := known.has(x.e.key())
		if err != nil {
			return err
		}
		if !has {
			known.add(x.e.key(), placeOf(x.number, x.offset))
			if !yield(x.e, nil) {
				return errEnough
			}
		}
		ok, err := x.advance()
		if err != nil {
			return err
		}
		if ok {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	return nil
}

// A head is a segment's next record.
type head struct {
	number int
	next   func() (Exposure, int64, bool)
	stop   func()
	failed *error
	e      Exposure
	offset int64
}

func (x *head) advance() (ok bool, err error) {
	if x.e, x.offset, ok = x.next(); !ok {
		x.stop()
		return false, *x.failed
	}
	return true, nil
}

type heads []*head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	if c := h[i].e.At.Compare(h[j].e.At); c != 0 {
		return c < 0
	}
	return h[i].number < h[j].number
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *heads) Push(x any)   { *h = append(*h, x.(*head)) }

// Pop takes the last one.
func (h *heads) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
