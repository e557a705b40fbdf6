package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/tributary-data/tributary/internal/atomicfile"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Place is where an installation's keys are: in Text, if it is set, else in
// File, else in the file seal.key of Dir.
type Place struct {
	Text string // the keys themselves, as a deployment hands them over
	File string // a file that the deployment mounts
	Dir  string // of the copy
}

// FileName is the file of a directory that holds the keys.
const FileName = "seal.key"

func (p Place) path() string {
	switch {
	case p.Text != "":
		return ""
	case p.File != "":
		return p.File
	}
	return filepath.Join(p.Dir, FileName)
}

func (p Place) String() string {
	if path := p.path(); path != "" {
		return path
	}
	return "the environment"
}

// A set is what one state of the keys says.
type set struct {
	handle  *keyset.Handle
	aead    tink.AEAD
	primary uint32
	ids     []uint32
	retired map[uint32]time.Time // when a key ceased to be the primary
}

// stored is the form of the keys: Tink's keyset as JSON, and since when keys
// seal no more.
//
//	{"version":1,"keyset":{"primaryKeyId":2,"key":[…]},"retired":{"1":"2026-01-31T12:00:00Z"}}
type stored struct {
	Version int                  `json:"version"`
	Keyset  json.RawMessage      `json:"keyset"`
	Retired map[string]time.Time `json:"retired,omitempty"`
}

const storedVersion = 1

// Load returns the keys of a place; problem.NotFound if there are none.
func Load(p Place) (*Keys, error) {
	k := &Keys{place: p}
	if p.Text != "" {
		var err error
		k.set, err = parse([]byte(p.Text), p.String())
		return k, err
	}
	if _, err := k.current(); err != nil {
		return nil, err
	}
	return k, nil
}

// Ensure returns the keys of a place, and makes new ones in a directory that
// has none. In use says whether anything is sealed already: then lost keys are
// told, and not replaced by others that open nothing.
func Ensure(p Place, inUse func() (bool, error)) (*Keys, error) {
	k, err := Load(p)
	if problem.KindOf(err) != problem.NotFound || p.File != "" {
		return k, err
	}
	used, e := inUse()
	if e != nil {
		return nil, e
	}
	if used {
		return nil, err
	}
	if err := Create(p.path()); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return Load(p)
}

// Create writes a file with one new key; fs.ErrExist if the file is there.
func Create(path string) error {
	return atomicfile.Locked(filepath.Dir(path), func() error {
		if _, err := os.Lstat(path); err == nil {
			return &problem.Error{Kind: problem.Conflict, Detail: path + " is there already", Err: fs.ErrExist}
		}
		handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
		if err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
		return write(path, handle, nil)
	})
}

// current returns the keys as they are now. When the file can't be read any
// more it returns what was read last, too.
func (k *Keys) current() (*set, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	path := k.place.path()
	if path == "" {
		return k.set, nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return k.set, &problem.Error{
			Kind: problem.NotFound, Detail: path + ", which holds the keys of sealed credentials, is not there",
			Advice: "Restore it from a backup; without it the credentials have to be entered again",
		}
	}
	if err != nil {
		return k.set, err
	}
	if k.seen != nil && os.SameFile(info, k.seen) && info.ModTime().Equal(k.seen.ModTime()) && info.Size() == k.seen.Size() {
		return k.set, nil
	}
	if k.place.File == "" && info.Mode().Perm()&0o077 != 0 {
		return k.set, &problem.Error{
			Kind: problem.Conflict, Detail: fmt.Sprintf("%s can be read by others: its mode is %04o", path, info.Mode().Perm()),
			Advice: "Run `chmod 600 " + path + "`",
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return k.set, err
	}
	set, err := parse(text, path)
	if err != nil {
		return k.set, err
	}
	k.set, k.seen = set, info
	return set, nil
}

// parse reads the stored form. Its errors repeat nothing of the text.
func parse(text []byte, from string) (*set, error) {
	bad := func(what string) (*set, error) {
		return nil, &problem.Error{Kind: problem.Invalid, Detail: from + " does not hold keys that tributary wrote: " + what, Advice: "Restore it from a backup"}
	}
	var s stored
	if json.Unmarshal(text, &s) != nil {
		return bad("it is not JSON")
	}
	if s.Version > storedVersion {
		return bad(fmt.Sprintf("it has version %d; use a newer tributary", s.Version))
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(s.Keyset)))
	if err != nil {
		return bad("it holds no keyset")
	}
	info := handle.KeysetInfo()
	out := &set{handle: handle, primary: info.GetPrimaryKeyId(), retired: make(map[uint32]time.Time)}
	for _, one := range info.GetKeyInfo() {
		if one.GetOutputPrefixType() != tinkpb.OutputPrefixType_TINK {
			return bad(fmt.Sprintf("key %d does not put its number before what it seals", one.GetKeyId()))
		}
		out.ids = append(out.ids, one.GetKeyId())
	}
	for name, at := range s.Retired {
		id, err := strconv.ParseUint(name, 10, 32)
		if err != nil {
			return bad("a key's number is none")
		}
		out.retired[uint32(id)] = at
	}
	if out.aead, err = aead.New(handle); err != nil {
		return bad("its keys do not seal")
	}
	return out, nil
}

// Linger is how long a key stays after it has ceased to be the primary: a
// call that began before may still seal with it.
const Linger = time.Hour

// Rotate adds a key, which seals from now on, and returns its number. The old
// ones still open what they sealed.
func (k *Keys) Rotate(now time.Time) (uint32, error) {
	var added uint32
	err := k.change(func(s *set) (*keyset.Handle, error) {
		m := keyset.NewManagerFromHandle(s.handle)
		id, err := m.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		if err := m.SetPrimary(id); err != nil {
			return nil, err
		}
		s.retired[s.primary] = now.UTC().Truncate(time.Second)
		added = id
		return m.Handle()
	})
	return added, err
}

// Prune drops the keys that are not the primary, are not in use, and have
// lingered long enough. It returns how many it dropped, and when the next may
// be dropped: the zero time if there is none that only has to linger.
func (k *Keys) Prune(now time.Time, inUse []uint32) (dropped int, next time.Time, err error) {
	err = k.change(func(s *set) (*keyset.Handle, error) {
		m := keyset.NewManagerFromHandle(s.handle)
		dropped, next = 0, time.Time{}
		for _, id := range s.ids {
			free := s.retired[id].Add(Linger)
			switch {
			case id == s.primary || slices.Contains(inUse, id):
			case now.Before(free):
				if next.IsZero() || free.Before(next) {
					next = free
				}
			default:
				if err := m.Delete(id); err != nil {
					return nil, err
				}
				delete(s.retired, id)
				dropped++
			}
		}
		if dropped == 0 {
			return nil, nil
		}
		return m.Handle()
	})
	return dropped, next, err
}

// change replaces the file by what fn makes of the keys; nil leaves it.
func (k *Keys) change(fn func(*set) (*keyset.Handle, error)) error {
	path := k.place.path()
	if path == "" {
		return &problem.Error{
			Kind: problem.Invalid, Detail: "the keys are in the environment, which can't be changed from here",
			Advice: "Put them into a file and name it with --seal-key-file; afterwards hand the changed text over to the servers",
		}
	}
	return atomicfile.Locked(filepath.Dir(path), func() error {
		set, err := k.current()
		if err != nil {
			return err
		}
		changed := *set
		changed.retired = maps.Clone(set.retired)
		handle, err := fn(&changed)
		if handle == nil || err != nil {
			return err
		}
		return write(path, handle, changed.retired)
	})
}

// write puts a file in the place of the old one.
func write(path string, handle *keyset.Handle, retired map[uint32]time.Time) error {
	var keys bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&keys)); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	s := stored{Version: storedVersion, Keyset: keys.Bytes(), Retired: make(map[string]time.Time)}
	for id, at := range retired {
		s.Retired[strconv.FormatUint(uint64(id), 10)] = at
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return atomicfile.Write(path, append(text, '\n'))
}
