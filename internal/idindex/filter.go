package idindex

import (
	"errors"

	"github.com/zeebo/xxh3"
)

// A filter says of an id that it is surely absent or perhaps present, from
// memory alone. Nearly every lookup of a backfill is of an absent id, and this
// is some twenty times cheaper than asking the store. It is a row of Bloom
// filters of growing size; beyond maxFiltered ids it gives up, so that memory
// stays bounded.
type filter struct {
	layers []layer
	n      int
}

const (
	firstLayer  = 64 << 10 // ids
	growth      = 4
	maxFiltered = firstLayer * (1 + growth + growth*growth + growth*growth*growth) // 5.6 million: 8.4 MB
	bitsPerID   = 12                                                               // one false "perhaps" in 150, per layer
)

// A layer is a split-block Bloom filter: an id sets one bit in each of the
// eight words of one block
// (https://parquet.apache.org/docs/file-format/bloomfilter/).
type layer struct {
	blocks [][8]uint32
	room   int // ids that may still be added
}

var salt = [8]uint32{
	0x47b6137b, 0x44974d91, 0x8824ad5b, 0xa2b7289d, 0x705495c7, 0x2df1424b, 0x9efc4947, 0x5c6bfb31,
}

// add reports false when the filter is full, after which it is of no use.
func (f *filter) add(id []byte) bool {
	if !f.absent(id) {
		return true
	}
	if len(f.layers) == 0 || f.layers[len(f.layers)-1].room == 0 {
		room := firstLayer
		for range f.layers {
			room *= growth
		}
		if f.n+room > maxFiltered {
			return false
		}
		f.layers = append(f.layers, layer{blocks: make([][8]uint32, room*bitsPerID/256), room: room})
	}
	l := &f.layers[len(f.layers)-1]
	h := xxh3.Hash(id)
	b := l.block(h)
	for i := range b {
		b[i] |= 1 << (uint32(h) * salt[i] >> 27)
	}
	l.room--
	f.n++
	return true
}

// absent reports that id was surely not added.
func (f *filter) absent(id []byte) bool {
	h := xxh3.Hash(id)
	for i := range f.layers {
		if f.layers[i].has(h) {
			return false
		}
	}
	return true
}

func (l *layer) block(h uint64) *[8]uint32 {
	return &l.blocks[(h>>32)*uint64(len(l.blocks))>>32]
}

func (l *layer) has(h uint64) bool {
	b := l.block(h)
	for i := range b {
		if b[i]&(1<<(uint32(h)*salt[i]>>27)) == 0 {
			return false
		}
	}
	return true
}

// buildAfter is the number of lookups in vain that make the filter of a store
// that was found with entries worth its scan.
const buildAfter = 20_000

func (r *Resource) surelyAbsent(id []byte) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.filter != nil && r.filter.absent(id)
}

func (r *Resource) filterAll(puts []Put) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range puts {
		if r.filter != nil && !r.filter.add(puts[i].ID) {
			r.filter, r.full = nil, true
		}
	}
}

// buildFilter scans the store. It holds the lock, so that an Apply meanwhile
// adds its ids to the new filter.
func (r *Resource) buildFilter() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.filter != nil || r.full {
		return nil
	}
	f := &filter{}
	err := r.Each(func(id []byte, _ Entry) error {
		if !f.add(id) {
			return errFull
		}
		return nil
	})
	if errors.Is(err, errFull) {
		r.full = true
		return nil
	}
	if err == nil {
		r.filter = f
	}
	return err
}

var errFull = errors.New("more ids than a filter holds")
