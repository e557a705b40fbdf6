package idindex

import "github.com/cockroachdb/pebble/v2"

// A reader is an iterator kept for point lookups. Pebble's own Get does not
// consult the bloom filters of the lowest level, where most entries are, and
// most lookups are of ids that are not there. Lookups come by the thousand
// between two commits, so an iterator is reused until the next commit.
type reader struct {
	it         *pebble.Iterator
	generation uint64
	uses       int
	key        []byte
}

// maxUses ends the life of a reader that holds on to files which compaction
// has replaced by faster ones.
const maxUses = 4096

// takeReader returns a reader that sees every commit that returned before.
func (x *Index) takeReader() (*reader, error) {
	x.readers.Lock()
	generation := x.generation
	if n := len(x.idle); n > 0 {
		rd := x.idle[n-1]
		x.idle = x.idle[:n-1]
		x.readers.Unlock()
		return rd, nil
	}
	x.readers.Unlock()
	it, err := x.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return nil, x.fail(err)
	}
	return &reader{it: it, generation: generation}, nil
}

func (x *Index) returnReader(rd *reader) {
	x.readers.Lock()
	rd.uses++
	keep := rd.generation == x.generation && rd.uses < maxUses
	if keep {
		x.idle = append(x.idle, rd)
	}
	x.readers.Unlock()
	if !keep {
		_ = rd.it.Close() // its errors were reported by the seek
	}
}

// dropReaders ends the reuse of the readers that exist.
func (x *Index) dropReaders() {
	x.readers.Lock()
	idle := x.idle
	x.idle = nil
	x.generation++
	x.readers.Unlock()
	for _, rd := range idle {
		_ = rd.it.Close()
	}
}
