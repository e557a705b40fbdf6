package app

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/rawjson"
)

// summed names the amounts that a reconcile adds up, by resource. They never
// change once an object exists, so that both sides can be compared while the
// shop goes on.
var summed = map[string][]string{
	"charges":              {"amount"},
	"refunds":              {"amount"},
	"balance_transactions": {"amount", "fee", "net"},
}

// A register is the file of what the lists of one resource showed during a
// reconcile. An entry stands there as often as it was listed; a register that
// a crash left is ahead of the checkpoint, never behind it.
type register struct {
	path    string
	file    *os.File
	out     *bufio.Writer
	dirty   bool
	amounts []*dataset.Node
	money   *dataset.Node // currency
}

// An entry is one object of a register: 8 bytes of the id's hash, 8 of the
// time it was created, 8 of the currency (or rejectedMark), 8 for each of three
// amounts.
type entry struct {
	id       uint64
	created  int64 // unix seconds, -1 if unknown
	currency [8]byte
	amounts  [3]int64
}

const entryBytes = 3*8 + 3*8

// rejectedMark stands in the place of the currency of an object that did not
// land.
var rejectedMark = [8]byte{'!'}

// passedMark stands there for an object that is not kept on purpose.
var passedMark = [8]byte{'-'}

// openRegister opens the register of that name, and reports whether it was
// there.
func openRegister(dir, name, resource string, layout *dataset.Layout) (r *register, found bool, err error) {
	dir = filepath.Join(dir, "reconcile")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, false, err
	}
	r = &register{path: filepath.Join(dir, resource+"-"+name)}
	_, err = os.Stat(r.path)
	found = err == nil
	if r.file, err = os.OpenFile(r.path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return nil, false, err
	}
	// A crash may have cut the last entry.
	if info, err := r.file.Stat(); err != nil {
		return nil, false, err
	} else if cut := info.Size() % entryBytes; cut != 0 {
		if err := r.file.Truncate(info.Size() - cut); err != nil {
			return nil, false, err
		}
	}
	r.out = bufio.NewWriterSize(r.file, 64<<10)
	for _, name := range summed[resource] {
		r.amounts = append(r.amounts, layout.Find(name))
	}
	r.money = layout.Find("currency")
	return r, found, nil
}

// Note implements ingest.Register.
func (r *register) Note(id []byte, created int64, rec *dataset.Record) error {
	e := entry{id: xxh3.Hash(id), created: created}
	switch {
	case rec == nil:
		e.currency = rejectedMark
	case len(r.amounts) > 0:
		copy(e.currency[:], textOf(rec, r.money))
		for i, n := range r.amounts {
			e.amounts[i] = intOf(rec, n)
		}
	}
	return r.put(&e)
}

// Pass implements ingest.Register.
func (r *register) Pass(name []byte, created int64) error {
	return r.put(&entry{id: xxh3.Hash(name), created: created, currency: passedMark})
}

func (r *register) put(e *entry) error {
	r.dirty = true
	var b [entryBytes]byte
	binary.LittleEndian.PutUint64(b[:], e.id)
	binary.LittleEndian.PutUint64(b[8:], uint64(e.created))
	copy(b[16:], e.currency[:])
	for i, a := range e.amounts {
		binary.LittleEndian.PutUint64(b[24+8*i:], uint64(a))
	}
	_, err := r.out.Write(b[:])
	return err
}

func textOf(rec *dataset.Record, n *dataset.Node) []byte {
	if n == nil || rec.Slots[n.Slot].Kind != dataset.String {
		return nil
	}
	return rec.Text(rec.Slots[n.Slot])
}

func intOf(rec *dataset.Record, n *dataset.Node) int64 {
	if n == nil || rec.Slots[n.Slot].Kind != dataset.Number {
		return 0
	}
	v, err := rawjson.Int(rec.Text(rec.Slots[n.Slot]))
	if err != nil {
		return 0
	}
	return v
}

// Sync implements ingest.Register.
func (r *register) Sync() error {
	if !r.dirty {
		return nil
	}
	r.dirty = false
	return errors.Join(r.out.Flush(), r.file.Sync())
}

// registerPart is how many entries are in memory at once; with more, the file
// is read several times.
const registerPart = 500_000

// parts returns in how many parts the register is read.
func (r *register) parts() (uint64, error) {
	if err := r.Sync(); err != nil {
		return 0, err
	}
	info, err := r.file.Stat()
	if err != nil {
		return 0, err
	}
	return uint64(info.Size()/entryBytes/registerPart) + 1, nil
}

// part reads one of n parts: each object once, as it was listed last, in the
// order of the hashes.
func (r *register) part(part, n uint64) (listing, error) {
	in := bufio.NewReaderSize(io.NewSectionReader(r.file, 0, 1<<62), 256<<10)
	var all listing
	for {
		var b [entryBytes]byte
		if _, err := io.ReadFull(in, b[:]); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		e := entry{id: binary.LittleEndian.Uint64(b[:])}
		if e.id%n != part {
			continue
		}
		e.created = int64(binary.LittleEndian.Uint64(b[8:]))
		copy(e.currency[:], b[16:])
		for i := range e.amounts {
			e.amounts[i] = int64(binary.LittleEndian.Uint64(b[24+8*i:]))
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b entry) int { return cmp.Compare(a.id, b.id) })
	once := all[:0]
	for i, e := range all {
		if i+1 == len(all) || all[i+1].id != e.id {
			once = append(once, e)
		}
	}
	return once, nil
}

// A listing is a part of a register in the order of the hashes.
type listing []entry

func (l listing) has(id uint64) bool {
	_, ok := slices.BinarySearchFunc(l, id, func(e entry, id uint64) int { return cmp.Compare(e.id, id) })
	return ok
}

func (r *register) close() error { return r.file.Close() }

// removeRegisters removes the registers of a resource, of which only the last is
// of use.
func removeRegisters(dir, resource string) error {
	dir = filepath.Join(dir, "reconcile")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), resource+"-") {
			err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return err
}
