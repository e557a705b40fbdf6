package exposure

import (
	"hash/maphash"
	"sync"
)

// An index knows where the exposures stand that there are. A slot has a hash of
// the key and the place of its record, 16 bytes; a hash that fits is believed only
// after the record was read. It grows by parts, so that no call waits for all of it.
type index struct {
	seed  maphash.Seed
	read  func(place uint64) (Exposure, error)
	parts [1 << partBits]part
}

const partBits = 8

type part struct {
	mu    sync.RWMutex
	slots []slot // their number is a power of 2
	used  int
}

// A slot is free where place is 0: records begin behind a header.
type slot struct{ hash, place uint64 }

func newIndex(read func(place uint64) (Exposure, error)) *index {
	return &index{seed: maphash.MakeSeed(), read: read}
}

func (x *index) hash(k key) uint64 { return maphash.Comparable(x.seed, k) }

// has says whether there is an exposure of the key.
func (x *index) has(k key) (bool, error) {
	h := x.hash(k)
	for skip := 0; ; skip++ {
		place, ok := x.candidate(h, skip)
		if !ok {
			return false, nil
		}
		e, err := x.read(place)
		if err != nil {
			return false, err
		}
		if e.key() == k {
			return true, nil
		}
	}
}

// candidate returns the place of a record with the hash, after skip others.
func (x *index) candidate(h uint64, skip int) (uint64, bool) {
	p := &x.parts[h>>(64-partBits)]
	p.mu.RLock()
	defer p.mu.RUnlock()
	if len(p.slots) == 0 {
		return 0, false
	}
	for i := h; ; i++ {
		s := p.slots[i&uint64(len(p.slots)-1)]
		if s.place == 0 {
			return 0, false
		}
		if s.hash != h {
			continue
		}
		if skip == 0 {
			return s.place, true
		}
		skip--
	}
}

// add notes where an exposure stands that was not known.
func (x *index) add(k key, place uint64) {
	h := x.hash(k)
	p := &x.parts[h>>(64-partBits)]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used*4 >= len(p.slots)*3 {
		old := p.slots
		p.slots = make([]slot, max(16, 2*len(old)))
		for _, s := range old {
			if s.place != 0 {
				p.put(s)
			}
		}
	}
	p.put(slot{h, place})
	p.used++
}

func (p *part) put(s slot) {
	for i := s.hash; ; i++ {
		if at := &p.slots[i&uint64(len(p.slots)-1)]; at.place == 0 {
			*at = s
			return
		}
	}
}

// A place is a segment's number and an offset in it. The offset is not 0.
const offsetBits = 40

func placeOf(segment int, offset int64) uint64 { return uint64(segment)<<offsetBits | uint64(offset) } //nolint:gosec // both are small

func (x *index) len() (n int) {
	for i := range x.parts {
		p := &x.parts[i]
		p.mu.RLock()
		n += p.used
		p.mu.RUnlock()
	}
	return n
}
