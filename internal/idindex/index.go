// Package idindex answers, without scanning a table, which version of an
// object is stored: id → content hash, created, seq. It is a rebuildable
// shortcut beside the lake and never the truth: everything in it can be
// derived from the history tables, so it trades durability for speed. Nothing
// is synced to disk at once, and a damaged index is emptied on the next Open.
package idindex

import (
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// An Entry is what is known of the newest stored version of one object.
type Entry struct {
	Hash    [16]byte // content hash of the canonical form
	Created int64    // the object's created, unix seconds
	Seq     int64    // its row in the resource's history
	ReadAt  int64    // start of the request that read this version, unix milliseconds
	Deleted bool     // the version is a tombstone
}

// A Put is one entry to write.
type Put struct {
	ID    []byte
	Entry Entry
}

// entrySize is the length of a stored entry: hash, three big-endian 64-bit
// integers (created, seq, read-at) and one byte that is 1 for a tombstone.
const entrySize = 16 + 3*8 + 1

func (e *Entry) appendTo(b []byte) []byte {
	b = append(b, e.Hash[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Created))
	b = binary.BigEndian.AppendUint64(b, uint64(e.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(e.ReadAt))
	if e.Deleted {
		return append(b, 1)
	}
	return append(b, 0)
}

func parseEntry(b []byte) (Entry, error) {
	if len(b) != entrySize {
		return Entry{}, fmt.Errorf("entry of %d bytes, want %d", len(b), entrySize)
	}
	e := Entry{
		Created: int64(binary.BigEndian.Uint64(b[16:])),
		Seq:     int64(binary.BigEndian.Uint64(b[24:])),
		ReadAt:  int64(binary.BigEndian.Uint64(b[32:])),
		Deleted: b[40] != 0,
	}
	copy(e.Hash[:], b)
	return e, nil
}

// Keys: resource + 0x00 + id for entries, 0x00 + resource for the resource's
// seq, and formatKey. A resource's name holds no NUL, so its entries are the
// range [name 0x00, name 0x01).
const separator = 0x00

func seqKey(name string) []byte { return append([]byte{separator}, name...) }

// A Resource is the part of the index that belongs to one history table. Get
// may be called from any goroutine; Apply and Reset from one at a time.
type Resource struct {
	x      *Index
	name   string
	prefix []byte
	seq    atomic.Int64

	mu     sync.RWMutex
	filter *filter // of all ids; nil when there are too many or it is not built
	full   bool    // too many ids for a filter
	misses atomic.Int64
}

// Resource returns the named part of the index; the name is not empty and
// holds no NUL byte.
func (x *Index) Resource(name string) *Resource {
	if name == "" || strings.IndexByte(name, separator) >= 0 {
		panic(fmt.Sprintf("idindex: resource name %q", name))
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	r := x.resources[name]
	if r == nil {
		r = &Resource{x: x, name: name, prefix: append([]byte(name), separator), filter: &filter{}}
		x.resources[name] = r
	}
	return r
}

func (r *Resource) end() []byte { return append([]byte(r.name), separator+1) }

// Get returns the entry of id and whether there is one.
func (r *Resource) Get(id []byte) (Entry, bool, error) {
	x := r.x
	if r.surelyAbsent(id) {
		return Entry{}, false, x.failed()
	}
	rd, err := x.takeReader()
	if err != nil {
		return Entry{}, false, err
	}
	defer x.returnReader(rd)
	rd.key = append(append(rd.key[:0], r.prefix...), id...)
	if !rd.it.SeekPrefixGE(rd.key) {
		if err := rd.it.Error(); err != nil {
			return Entry{}, false, x.fail(err)
		}
		if r.misses.Add(1) == buildAfter {
			return Entry{}, false, r.buildFilter()
		}
		return Entry{}, false, x.failed()
	}
	e, err := parseEntry(rd.it.Value())
	if err != nil {
		return Entry{}, false, x.damaged(err)
	}
	return e, true, x.failed()
}

// Seq returns the highest seq that Apply has been given, 0 when there is none.
// After a crash it may be lower than it was: the entries then stop at exactly
// that seq, and the owner applies the rest of its history again.
func (r *Resource) Seq() int64 { return r.seq.Load() }

// Apply writes the entries and the resource's new seq, all or nothing. Of two
// puts of one id the later wins. A seq below Seq() is refused: the index
// would claim less than it holds.
func (r *Resource) Apply(seq int64, puts []Put) error {
	x := r.x
	if have := r.Seq(); seq < have {
		return fmt.Errorf("id index %s: seq %d after %d", r.name, seq, have)
	}
	if err := x.failed(); err != nil {
		return err
	}
	b := x.db.NewBatchWithSize(len(puts)*(entrySize+len(r.prefix)+40) + 64)
	defer func() { _ = b.Close() }()
	var val [entrySize]byte
	var key []byte
	for i := range puts {
		key = append(append(key[:0], r.prefix...), puts[i].ID...)
		if err := b.Set(key, puts[i].Entry.appendTo(val[:0]), nil); err != nil {
			return fmt.Errorf("id index %s: %w", r.name, err)
		}
	}
	if err := b.Set(seqKey(r.name), binary.BigEndian.AppendUint64(nil, uint64(seq)), nil); err != nil {
		return fmt.Errorf("id index %s: %w", r.name, err)
	}
	if err := x.commit(b); err != nil {
		return err
	}
	r.filterAll(puts)
	r.seq.Store(seq)
	return nil
}

// Reset removes the resource's entries and sets its seq to 0.
func (r *Resource) Reset() error {
	x := r.x
	if err := x.failed(); err != nil {
		return err
	}
	b := x.db.NewBatch()
	defer func() { _ = b.Close() }()
	if err := b.DeleteRange(r.prefix, r.end(), nil); err != nil {
		return fmt.Errorf("id index %s: %w", r.name, err)
	}
	if err := b.Delete(seqKey(r.name), nil); err != nil {
		return fmt.Errorf("id index %s: %w", r.name, err)
	}
	if err := x.commit(b); err != nil {
		return err
	}
	r.mu.Lock()
	r.filter, r.full = &filter{}, false
	r.mu.Unlock()
	r.seq.Store(0)
	return nil
}

// Each calls fn for every entry in the order of the ids, as they were when
// Each began, and stops at the first error, which it returns. The id is valid
// during the call only.
func (r *Resource) Each(fn func(id []byte, e Entry) error) error {
	it, err := r.x.db.NewIter(&pebble.IterOptions{LowerBound: r.prefix, UpperBound: r.end()})
	if err != nil {
		return r.x.fail(err)
	}
	defer func() { _ = it.Close() }()
	for ok := it.First(); ok; ok = it.Next() {
		e, err := parseEntry(it.Value())
		if err != nil {
			return r.x.damaged(err)
		}
		if err := fn(it.Key()[len(r.prefix):], e); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return r.x.fail(err)
	}
	return r.x.failed()
}
