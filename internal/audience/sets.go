package audience

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// Sets are the members of audiences that somebody asked about, in memory. Who asks
// waits for nobody: another generation takes the place of the one before it.
type sets struct {
	dir string
	now func() time.Time

	known atomic.Pointer[map[string]held] // by audience; never changed, but replaced
	next  atomic.Int64                    // when to look at the files again, ms
	mu    sync.Mutex                      // to replace known
}

// held is a set and the file that it is of; both nil for no file.
type held struct {
	set  *Set
	file os.FileInfo
}

// look is how often files are looked at, at most.
const look = 500 * time.Millisecond

// Has says whether a unit is a member of an audience, in a sandbox by its id. Nobody is one of an audience that is not there, or whose members were never worked
// out. Members that were made anew, by whatever process, count within a second.
func (s *Service) Has(_ context.Context, sandbox, audience, unit string) (bool, error) {
	set, err := s.sets.get(audience)
	if err != nil || set == nil || set.Sandbox != sandbox {
		return false, err
	}
	return set.Has(unit), nil
}

// get returns the set of an audience, nil where there is none.
func (x *sets) get(id string) (*Set, error) {
	if now, next := x.now().UnixMilli(), x.next.Load(); now >= next && x.next.CompareAndSwap(next, now+look.Milliseconds()) {
		if err := x.refresh(); err != nil {
			return nil, err
		}
	}
	if known := x.known.Load(); known != nil {
		if h, ok := (*known)[id]; ok {
			return h.set, nil
		}
	}
	if _, err := uuid.Parse(id); err == nil && len(id) == 36 {
		return x.load(id)
	}
	return nil, nil // there is no such audience
}

func (x *sets) file(id string) string { return filepath.Join(x.dir, id, "members") }

// refresh reads those files anew that were replaced.
func (x *sets) refresh() error {
	known := x.known.Load()
	if known == nil {
		return nil
	}
	for id, h := range *known {
		file, err := os.Stat(x.file(id))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if h.file == nil && file == nil || h.file != nil && file != nil && os.SameFile(h.file, file) && h.file.ModTime().Equal(file.ModTime()) {
			continue
		}
		if _, err := x.load(id); err != nil {
			return err
		}
	}
	return nil
}

// load reads the file of an audience.
func (x *sets) load(id string) (*Set, error) {
	// The file first: if it is replaced in between, refresh sees that.
	file, err := os.Stat(x.file(id))
	var set *Set
	if err == nil {
		set, err = readSet(x.file(id))
	}
	if errors.Is(err, os.ErrNotExist) {
		file, set, err = nil, nil, nil
	}
	if err != nil {
		return nil, err
	}
	x.put(id, held{set, file})
	return set, nil
}

// put lets a set be what members are asked of.
func (x *sets) put(id string, h held) {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := map[string]held{}
	if known := x.known.Load(); known != nil {
		maps.Copy(all, *known)
	}
	all[id] = h
	x.known.Store(&all)
}

// peek returns the set of an audience, nil where there is none, and does not hold it
// for others.
func (x *sets) peek(id string) (*Set, error) {
	set, err := readSet(x.file(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return set, err
}

// keep writes a set, and lets it be what members are asked of where somebody does.
func (x *sets) keep(id string, s *Set) error {
	s.Generation = uuid.NewString()
	if err := os.MkdirAll(filepath.Dir(x.file(id)), 0o700); err != nil {
		return err
	}
	if err := x.clean(id); err != nil {
		return err
	}
	if err := writeSet(x.file(id), s); err != nil {
		return err
	}
	file, err := os.Stat(x.file(id))
	if err != nil {
		return err
	}
	if known := x.known.Load(); known != nil {
		if _, asked := (*known)[id]; asked {
			x.put(id, held{s, file})
		}
	}
	return nil
}

// clean removes what a process left that was killed while it wrote members.
func (x *sets) clean(id string) error {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(x.file(id)), "members.*.new"))
	for _, path := range left {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}

// remove removes the members of an audience.
func (x *sets) remove(id string) error {
	if err := os.RemoveAll(filepath.Dir(x.file(id))); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	all := map[string]held{}
	if known := x.known.Load(); known != nil {
		maps.Copy(all, *known)
	}
	delete(all, id)
	x.known.Store(&all)
	return nil
}
