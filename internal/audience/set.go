package audience

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// # The file of members
//
// A line that names the format, a line of JSON (Made), and then, all numbers
// big-endian: the ids one behind the other in the order of their bytes; for each id
// where it ends (4 bytes), counted from the first; for each when it joined (4 bytes,
// seconds of Unix time); CRC-32C of all that follows the second line (4 bytes). It is
// replaced as a whole or not at all.
const setHeader = "tributary audience 1\n"

// Made says how the members of a file were made.
type Made struct {
	Audience   string    `json:"audience"` // id
	Sandbox    string    `json:"sandbox"`  // id
	Version    int       `json:"version"`
	Generation string    `json:"generation"` // another one each time the file is written
	At         time.Time `json:"at"`         // the moment that days were counted back from
	// Seq is how far the copy had come: the highest seq of each resource.
	Seq       map[string]int64 `json:"seq"`
	Count     int              `json:"count"`
	Customers int64            `json:"customers"` // of the copy
	Joined    int              `json:"joined"`    // who were not members before
	Left      int              `json:"left"`      // who are no more
}

// A Set is the members of an audience in memory, 26 bytes and a few more for each
// customer of Stripe's. It never changes.
type Set struct {
	Made
	ids    []byte
	ends   []uint32
	joined []uint32
}

// Len returns how many members there are.
func (s *Set) Len() int { return len(s.ends) }

// ID returns the n-th member. The bytes are the set's.
func (s *Set) ID(n int) []byte {
	from := uint32(0)
	if n > 0 {
		from = s.ends[n-1]
	}
	return s.ids[from:s.ends[n]]
}

// Joined returns since when the n-th is a member, by all the times that members
// were worked out.
func (s *Set) Joined(n int) time.Time { return time.Unix(int64(s.joined[n]), 0).UTC() }

// Digest returns a text that is another one with other members, versions or names.
func (s *Set) Digest(name string) string {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "%d %q\n", s.Version, name)
	_, _ = sum.Write(s.ids)
	for _, list := range [][]uint32{s.ends, s.joined} {
		_ = binary.Write(sum, binary.BigEndian, list) // a hash takes all
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// find returns the place of an id, or where it would be.
func (s *Set) find(id string) (int, bool) {
	n := sort.Search(len(s.ends), func(i int) bool { return string(s.ID(i)) >= id })
	return n, n < len(s.ends) && string(s.ID(n)) == id
}

// Has says whether an id is a member.
func (s *Set) Has(id string) bool {
	_, ok := s.find(id)
	return ok
}

var errOrder = errors.New("the members don't come in the order of their ids, each once")

// add puts a member behind the others.
func (s *Set) add(id string, joined uint32) error {
	if n := len(s.ends); id == "" || n > 0 && string(s.ID(n-1)) >= id {
		return errOrder
	}
	if len(s.ids)+len(id) > math.MaxUint32 {
		return fmt.Errorf("an audience can't have more than %d members", s.Len())
	}
	s.ids = append(s.ids, id...)
	s.ends = append(s.ends, uint32(len(s.ids))) //nolint:gosec // bounded above
	s.joined = append(s.joined, joined)
	return nil
}

// after makes the members of a set that follows another one, which may be nil:
// who stays keeps the time of joining, who comes has this one's.
type after struct {
	set  *Set
	old  *Set
	next int // of old, the first that did not come by
	now  uint32
}

func (a *after) add(id string) error {
	joined, stayed := a.now, false
	for a.old != nil && a.next < a.old.Len() && string(a.old.ID(a.next)) <= id {
		if stayed = string(a.old.ID(a.next)) == id; stayed {
			joined = a.old.joined[a.next]
		}
		a.next++
	}
	if !stayed {
		a.set.Made.Joined++
	}
	return a.set.add(id, joined)
}

// end counts who is there and who left.
func (a *after) end() {
	a.set.Count = a.set.Len()
	if a.old != nil {
		a.set.Left = a.old.Len() - (a.set.Len() - a.set.Made.Joined)
	}
}

// without returns a set that lacks an id. It has no generation yet.
func (s *Set) without(id string) (*Set, error) {
	out := &Set{Made: s.Made}
	for n := range s.Len() {
		if string(s.ID(n)) == id {
			continue
		}
		if err := out.add(string(s.ID(n)), s.joined[n]); err != nil {
			return nil, err
		}
	}
	out.Count = out.Len()
	return out, nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writeSet replaces the file at path.
func writeSet(path string, s *Set) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "members.*.new") // with mode 0600
	if err != nil {
		return err
	}
	err = s.encode(f)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s *Set) encode(w io.Writer) error {
	made, err := json.Marshal(s.Made)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 256<<10)
	_, _ = out.WriteString(setHeader)
	_, _ = out.Write(append(made, '\n'))
	sum := crc32.New(castagnoli)
	body := io.MultiWriter(out, sum)
	_, _ = body.Write(s.ids)
	for _, list := range [][]uint32{s.ends, s.joined} {
		if err := binary.Write(body, binary.BigEndian, list); err != nil {
			return err
		}
	}
	_, _ = out.Write(binary.BigEndian.AppendUint32(nil, sum.Sum32()))
	return out.Flush()
}

func decodeMade(in *bufio.Reader) (m Made, n int, err error) {
	head := make([]byte, len(setHeader))
	if _, err := io.ReadFull(in, head); err != nil || string(head) != setHeader {
		return m, 0, errors.New("it is no file of members")
	}
	line, err := in.ReadBytes('\n')
	if err != nil {
		return m, 0, errors.New("it is no file of members")
	}
	return m, len(head) + len(line), json.Unmarshal(line, &m)
}

// readSet reads the file at path; os.ErrNotExist.
func readSet(path string) (*Set, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := decodeSet(text)
	if err != nil {
		return nil, fmt.Errorf("the members in %s: %w", path, err)
	}
	return s, nil
}

var errDamaged = errors.New("the file is damaged")

func decodeSet(text []byte) (*Set, error) {
	made, head, err := decodeMade(bufio.NewReaderSize(bytes.NewReader(text), 64<<10))
	if err != nil {
		return nil, err
	}
	body := text[head:]
	n := made.Count
	size := len(body) - 4 - 8*n
	if n < 0 || n > len(body)/8 || size < 0 {
		return nil, errDamaged
	}
	body, sum := body[:len(body)-4], binary.BigEndian.Uint32(body[len(body)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, errDamaged
	}
	s := &Set{Made: made, ids: body[:size:size], ends: make([]uint32, n), joined: make([]uint32, n)}
	for i := range n {
		s.ends[i] = binary.BigEndian.Uint32(body[size+4*i:])
		s.joined[i] = binary.BigEndian.Uint32(body[size+4*n+4*i:])
		if int(s.ends[i]) > size || i > 0 && s.ends[i] < s.ends[i-1] {
			return nil, errDamaged
		}
	}
	s.ids = append(make([]byte, 0, size), s.ids...) // not the rest of the file as well
	return s, nil
}
