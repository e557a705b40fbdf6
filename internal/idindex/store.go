package idindex

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// format is the version of the keys and values; a store of another version is
// emptied. It is kept under formatKey.
const format = "1"

var formatKey = []byte{separator, separator, 'f'}

// marker is an empty file in the directory that says: found damaged while in
// use, empty me on the next Open.
const marker = "damaged"

const (
	memTableSize = 4 << 20
	// cacheSize is what Pebble takes for blocks and memtables together: 12 MB
	// for three memtables, the rest for blocks.
	cacheSize = 20 << 20
	// maxUnflushed bounds the memory held by writes that are not yet in a file.
	maxUnflushed = 16 << 20
)

// An Index is an open index directory. One process may have it open.
type Index struct {
	db   *pebble.DB
	lock *pebble.Lock
	dir  string

	err  atomic.Pointer[error] // the first failure; nothing works after it
	dead chan struct{}         // closed when err is set
	once sync.Once

	mu        sync.Mutex
	resources map[string]*Resource
	unflushed int             // bytes committed since flushed was asked for
	flushed   <-chan struct{} // closed when an earlier flush is done; nil at first

	readers    sync.Mutex
	idle       []*reader
	generation uint64 // counts commits; a reader of an older one is not reused
}

// Open opens the index in dir, creating it when missing. A store that is
// damaged or of another version is emptied, which the owner sees by its Seq.
// Open fails when another process has the index open, and when the directory
// cannot be read or written.
func Open(dir string) (*Index, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("id index: %w", err)
	}
	lock, err := pebble.LockDirectory(dir, vfs.Default)
	if err != nil {
		return nil, fmt.Errorf("lock id index %s: %w", dir, err)
	}
	x, err := open(dir, lock)
	if err != nil && !machineFault(err) {
		if err = wipe(dir); err == nil {
			x, err = open(dir, lock)
		}
	}
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("id index %s: %w", dir, err)
	}
	return x, nil
}

// machineFault tells errors that emptying the directory would not cure.
func machineFault(err error) bool {
	var no syscall.Errno
	return errors.As(err, &no) && !errors.Is(err, fs.ErrNotExist)
}

func wipe(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name() == "LOCK" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
			return err
		}
	}
	return nil
}

var errUnusable = errors.New("damaged or of another version")

func open(dir string, lock *pebble.Lock) (*Index, error) {
	if _, err := os.Stat(filepath.Join(dir, marker)); err == nil {
		return nil, errUnusable
	}
	x := &Index{dir: dir, lock: lock, dead: make(chan struct{}), resources: map[string]*Resource{}}
	db, err := pebble.Open(dir, x.options())
	if err != nil {
		return nil, err
	}
	x.db = db
	if err := x.load(); err != nil {
		_ = db.Close()
		return nil, err
	}
	return x, nil
}

func (x *Index) options() *pebble.Options {
	o := &pebble.Options{
		Lock:               x.lock,
		Logger:             quiet{x},
		DisableWAL:         true,
		FormatMajorVersion: pebble.FormatNewest,
		CacheSize:          cacheSize,
		MaxOpenFiles:       64,
		MemTableSize:       memTableSize,
		// Random ids make each compaction rewrite the level below: do it
		// rarely, the filters make up for it. At 8 a tenth of a long backfill's
		// CPU time went into this, at 24 a twenty-fifth.
		L0CompactionThreshold: 24,
		// A failing disk must not leave a writer waiting for ever: commit does
		// its own waiting, which a failure ends.
		MemTableStopWritesThreshold: 1 << 20,
		L0StopWritesThreshold:       1 << 20,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) {
				if !errors.Is(err, pebble.ErrCancelledCompaction) {
					_ = x.fail(err)
				}
			},
			DataCorruption: func(info pebble.DataCorruptionInfo) { _ = x.damaged(info.Details) },
		},
	}
	o.TargetFileSizes[0] = 2 * memTableSize // one file per flush
	o.TargetFileSizes[1] = 2 * memTableSize
	// Hashes do not compress, and ids hardly.
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone })
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].IndexBlockSize = 256 << 10 // one level of index per file
	}
	return o
}

// load checks the version, writes it into a new store, and reads the seqs.
func (x *Index) load() error {
	it, err := x.db.NewIter(&pebble.IterOptions{})
	if err != nil {
		return err
	}
	known, empty := false, true
	for ok := it.First(); ok; ok = it.Next() {
		empty = false
		key := it.Key()
		if key[0] != separator {
			break // the rest are entries
		}
		switch {
		case string(key) == string(formatKey):
			known = string(it.Value()) == format
		case len(it.Value()) == 8:
			r := x.Resource(string(key[1:]))
			r.seq.Store(int64(binary.BigEndian.Uint64(it.Value())))
			r.filter = nil
		}
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return err
	}
	if known {
		return nil
	}
	if !empty {
		return errUnusable
	}
	if err := x.db.Set(formatKey, []byte(format), pebble.NoSync); err != nil {
		return err
	}
	return x.db.Flush()
}

// commit applies a batch. When more than maxUnflushed bytes are waiting for
// the disk it first waits for an earlier part of them.
func (x *Index) commit(b *pebble.Batch) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.unflushed += b.Len(); x.unflushed > maxUnflushed/2 {
		if x.flushed != nil {
			select {
			case <-x.flushed:
			case <-x.dead:
				return x.failed()
			}
		}
		done, err := x.db.AsyncFlush()
		if err != nil {
			return err
		}
		x.flushed, x.unflushed = done, b.Len()
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return x.fail(err)
	}
	x.dropReaders()
	return x.failed()
}

// Flush writes everything applied so far to disk.
func (x *Index) Flush() error {
	if err := x.failed(); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	done, err := x.db.AsyncFlush()
	if err != nil {
		return fmt.Errorf("flush id index: %w", err)
	}
	select {
	case <-done:
		x.flushed, x.unflushed = nil, 0
		return x.failed()
	case <-x.dead:
		return x.failed()
	}
}

// Close flushes and closes the index. It must not be used afterwards.
func (x *Index) Close() error {
	err := x.Flush()
	x.dropReaders()
	cerr := x.db.Close()
	lerr := x.lock.Close()
	if x.failed() != nil {
		return err // what Close says then follows from the first failure
	}
	return errors.Join(err, cerr, lerr)
}

// failed returns the first failure of the store, nil while it works.
func (x *Index) failed() error {
	if p := x.err.Load(); p != nil {
		return *p
	}
	return nil
}

// fail records an error of the store, after which it refuses everything;
// corruption also marks it. It returns the first failure.
func (x *Index) fail(err error) error {
	if pebble.IsCorruptionError(err) {
		return x.damaged(err)
	}
	return x.record(err)
}

// damaged records err and makes the next Open start empty.
func (x *Index) damaged(err error) error {
	if f, cerr := os.Create(filepath.Join(x.dir, marker)); cerr == nil {
		_ = f.Close()
	}
	return x.record(err)
}

func (x *Index) record(err error) error {
	x.once.Do(func() {
		err := fmt.Errorf("id index %s: %w", x.dir, err)
		x.err.Store(&err)
		close(x.dead)
	})
	return x.failed()
}

// quiet is Pebble's logger: silent, except that a failure Pebble calls fatal
// (it cannot write its manifest) ends the use of the index, not the process.
type quiet struct{ x *Index }

func (quiet) Infof(string, ...any)           {}
func (quiet) Errorf(string, ...any)          {}
func (q quiet) Fatalf(f string, args ...any) { _ = q.x.damaged(fmt.Errorf(f, args...)) }
