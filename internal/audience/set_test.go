package audience

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func setOf(t interface{ Fatal(...any) }, old *Set, now uint32, ids ...string) *Set {
	s := &Set{Made: Made{Sandbox: "prod", Version: 1}}
	a := &after{set: s, old: old, now: now}
	for _, id := range ids {
		if err := a.add(id); err != nil {
			t.Fatal(err)
		}
	}
	a.end()
	return s
}

type row struct {
	ID     string
	Joined int64
}

func rowsOf(s *Set) []row {
	out := []row{}
	for n := range s.Len() {
		out = append(out, row{string(s.ID(n)), s.Joined(n).Unix()})
	}
	return out
}

// A set and the one after it know who they have, since when, who came and who
// went; and a file brings all of that back.
func TestSet(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		draw := func(name string) []string {
			ids := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "ab", "b", "cus_1", "cus_2", "cus_20", "z", "é", "\x01"}), rapid.ID[string]).Draw(r, name)
			slices.Sort(ids)
			return ids
		}
		was, is := draw("was"), draw("is")
		old := setOf(r, nil, 100, was...)
		set := setOf(r, old, 200, is...)
		want, came := []row{}, 0
		for _, id := range is {
			since := int64(200)
			if slices.Contains(was, id) {
				since = 100
			} else {
				came++
			}
			want = append(want, row{id, since})
		}
		path := filepath.Join(dir, "members")
		if err := writeSet(path, set); err != nil {
			r.Fatal(err)
		}
		back, err := readSet(path)
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(want, rowsOf(back)); diff != "" {
			r.Fatal(diff)
		}
		if diff := cmp.Diff(set.Made, back.Made); diff != "" || back.Made.Joined != came || back.Left != len(was)-(len(is)-came) {
			r.Fatalf("%s: %d came of %d, %d left", diff, back.Made.Joined, came, back.Left)
		}
		for _, id := range []string{"a", "ab", "b", "cus_1", "cus_2", "cus_20", "cus_", "cus_200", "z", "zz", "é", "\x01", ""} {
			if back.Has(id) != slices.Contains(is, id) {
				r.Fatalf("%q: %v", id, back.Has(id))
			}
		}
		if len(is) > 0 {
			less, err := back.without(is[0])
			if err != nil || less.Has(is[0]) || less.Len() != len(is)-1 {
				r.Fatal(less, err)
			}
		}
	})
	s := setOf(t, nil, 1, "b")
	for _, id := range []string{"", "a", "b"} {
		if err := s.add(id, 1); !errors.Is(err, errOrder) {
			t.Errorf("%q behind b: %v", id, err)
		}
	}
}

// What was changed by something else is an error, and never other members.
func FuzzDecodeSet(f *testing.F) {
	path := filepath.Join(f.TempDir(), "members")
	if err := writeSet(path, setOf(f, nil, 1, "cus_1", "cus_2")); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	for i := 0; i < len(good); i += 7 {
		bad := slices.Clone(good)
		bad[i] ^= 1
		f.Add(bad)
		f.Add(good[:i])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := decodeSet(text)
		if err != nil {
			return
		}
		for n := range s.Len() {
			_ = s.ID(n)
		}
	})
	if _, err := decodeSet(good[:len(good)-1]); err == nil {
		f.Error("a file that is cut short is taken")
	}
}

// A million members take less than 40 MB, and many may ask at once while they are
// made anew.
func TestMillion(t *testing.T) { // alone: it measures memory
	if testing.Short() {
		t.Skip("takes long")
	}
	now := time.Unix(1_790_000_000, 0)
	var mu sync.Mutex
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	dir, id := t.TempDir(), uuid.NewString()
	s := New(&Service{Dir: dir, Now: clock})
	name := func(n int) string { return fmt.Sprintf("cus_%014d", n) }
	fill := func(from int) {
		set := &Set{Made: Made{Sandbox: "prod"}}
		for n := range 1_000_000 {
			if err := set.add(name(from+n), 1); err != nil {
				t.Fatal(err)
			}
		}
		set.Count = set.Len()
		if err := New(&Service{Dir: dir, Now: clock}).sets.keep(id, set); err != nil {
			t.Fatal(err)
		}
	}
	fill(0)
	used := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	if ok, err := s.Has(t.Context(), "prod", id, name(999_999)); err != nil || !ok {
		t.Fatal(ok, err)
	}
	if now := used(); now > before+40_000_000 {
		t.Errorf("%d bytes", now-before)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				// 500,000 and up are members before and after.
				if ok, err := s.Has(t.Context(), "prod", id, name(500_000+n%500_000)); err != nil || !ok {
					t.Error(n, ok, err)
					return
				}
			}
		})
	}
	fill(500_000)
	mu.Lock()
	now = now.Add(time.Second)
	mu.Unlock()
	for {
		ok, err := s.Has(t.Context(), "prod", id, name(1_499_999))
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			break
		}
		runtime.Gosched() // another one is reading the file
	}
	if ok, _ := s.Has(t.Context(), "prod", id, name(0)); ok {
		t.Error("who left is still there")
	}
	close(stop)
	wg.Wait()
}

// Nobody is a member of what is not there.
func TestHasNothing(t *testing.T) {
	t.Parallel()
	s := New(&Service{Dir: t.TempDir(), Now: time.Now})
	for _, id := range []string{"", "../x", "nothing", uuid.NewString()} {
		if ok, err := s.Has(t.Context(), "prod", id, "cus_1"); ok || err != nil {
			t.Errorf("%q: %v %v", id, ok, err)
		}
	}
}
