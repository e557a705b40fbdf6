package lake

import (
	"math/bits"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// A recycler is an Arrow allocator that hands out again what was given back.
// One batch is like the one before, and columns grow step by step: left to the
// collector, that is most of the garbage of a backfill. The zero value is ready,
// and safe for concurrent use.
type recycler struct {
	mu   sync.Mutex
	free [recycledDoublings * recycledSteps][][]byte // by class
	idle int                                         // bytes in free
}

// Blocks of a class have room for 1 KiB times a power of two and up to three
// quarters more, less padding.
const (
	recycledLeast     = 1 << 10 // bytes; what is smaller is left to the collector, as is what is larger than all classes
	recycledDoublings = 14
	recycledSteps     = 4
	// padding is what the allocator below adds to a block so that it can align it.
	padding = 64
	// maxIdle bounds what waits to be handed out again.
	maxIdle = 16 << 20
)

// class returns the smallest class whose blocks have room for size bytes, and
// their room; ok is false for sizes that are not recycled.
func class(size int) (c, room int, ok bool) {
	n := size + padding
	if n <= recycledLeast {
		return 0, 0, false
	}
	doubling := bits.Len(uint(n-1)) - 1 // n is above 1<<doubling and at most twice that
	step := 1 << doubling / recycledSteps
	steps := (n - 1<<doubling + step - 1) / step
	c = (doubling-bits.Len(recycledLeast)+1)*recycledSteps + steps - 1
	return c, 1<<doubling + steps*step - padding, c < recycledDoublings*recycledSteps
}

// Allocate implements memory.Allocator. The block is zero, as the library's own
// allocator makes them.
func (r *recycler) Allocate(size int) []byte {
	c, room, ok := class(size)
	if !ok {
		return memory.DefaultAllocator.Allocate(size)
	}
	b := r.take(c)
	if b == nil {
		return memory.DefaultAllocator.Allocate(room)[:size]
	}
	b = b[:size]
	clear(b)
	return b
}

// take returns an idle block of class c, nil if there is none.
func (r *recycler) take(c int) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.free[c]) - 1
	if last < 0 {
		return nil
	}
	b := r.free[c][last]
	r.free[c][last] = nil
	r.free[c] = r.free[c][:last]
	r.idle -= cap(b)
	return b
}

// Reallocate implements memory.Allocator. The old block must not be used
// afterwards.
func (r *recycler) Reallocate(size int, old []byte) []byte {
	if size <= cap(old) {
		b := old[:size]
		if size > len(old) {
			clear(b[len(old):])
		}
		return b
	}
	b := r.Allocate(size)
	copy(b, old)
	r.Free(old)
	return b
}

// Free implements memory.Allocator.
func (r *recycler) Free(b []byte) {
	c, room, ok := class(cap(b))
	if !ok || room != cap(b) {
		return // none of ours
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.idle+room > maxIdle {
		return
	}
	r.free[c] = append(r.free[c], b[:0])
	r.idle += room
}

// drop leaves what waits to be handed out to the collector.
func (r *recycler) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.free, r.idle = [len(r.free)][][]byte{}, 0
}
