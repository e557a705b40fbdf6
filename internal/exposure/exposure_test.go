package exposure_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/childtest"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/leaktest"
	"github.com/tributary-data/tributary/internal/logtest"
)

const sandbox = "11111111-1111-4111-8111-111111111111"

var experiment = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")

// A work is what a child does: it puts units without end and prints each one that
// it was told is durable.
type work struct {
	Dir, Name string
	Shared    bool // whether units are those of other children, too
}

func TestMain(m *testing.M) {
	childtest.Main(m, func(w work) {
		l := &exposure.Log{Dir: w.Dir, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					unit := fmt.Sprintf("%s-%d-%d", w.Name, g, i)
					if w.Shared {
						unit = fmt.Sprintf("shared-%d-%d", g, i)
					}
					if err := l.Put(context.Background(), sandbox, exposure.Exposure{Experiment: experiment, Phase: 1, Variant: "a", Unit: unit}); err != nil {
						panic(err)
					}
					mu.Lock()
					fmt.Println(unit)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
	})
}

func open(t *testing.T, dir string) *exposure.Log {
	t.Helper()
	l := &exposure.Log{Dir: dir, Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func put(t *testing.T, l *exposure.Log, phase uint32, variant, unit string) {
	t.Helper()
	if err := l.Put(t.Context(), sandbox, exposure.Exposure{Experiment: experiment, Phase: phase, Variant: variant, Unit: unit}); err != nil {
		t.Fatal(err)
	}
}

// read returns what there is, as phase, variant and unit.
func read(t *testing.T, dir string) (all []string) {
	t.Helper()
	var last time.Time
	for e, err := range exposure.All(t.Context(), dir, sandbox) {
		if err != nil {
			t.Fatal(err)
		}
		if e.At.Before(last) {
			t.Fatalf("%v comes after %v", e.At, last)
		}
		last = e.At
		all = append(all, fmt.Sprintf("%d %s %s", e.Phase, e.Variant, e.Unit))
	}
	return all
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, sandbox, "*.exposures"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func size(t *testing.T, dir string) (n int64) {
	t.Helper()
	for _, name := range segments(t, dir) {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

func TestOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	put(t, l, 1, "a", "cus_1")
	put(t, l, 1, "b", "cus_1") // the first one counts
	put(t, l, 2, "b", "cus_1")
	put(t, l, 1, "b", "cus_2")
	before := size(t, dir)
	want := []string{"1 a cus_1", "2 b cus_1", "1 b cus_2"}
	if d := cmp.Diff(want, read(t, dir)); d != "" {
		t.Error(d)
	}
	again := open(t, dir) // another process, which reads what is there
	put(t, again, 1, "b", "cus_1")
	put(t, l, 2, "a", "cus_1")
	if d := cmp.Diff(want, read(t, dir)); d != "" {
		t.Error(d)
	}
	if after := size(t, dir); after != before {
		t.Errorf("what is known was written again: %d bytes, %d before", after, before)
	}
	for _, bad := range []exposure.Exposure{{Variant: "a"}, {Unit: "u"}, {Variant: "a", Unit: strings.Repeat("u", 257)}, {Variant: "a", Unit: "a\x00b"}} {
		if err := l.Put(t.Context(), sandbox, bad); err == nil {
			t.Errorf("%v was taken", bad)
		}
	}
	if err := l.Put(t.Context(), "../x", exposure.Exposure{Variant: "a", Unit: "u"}); err == nil {
		t.Error("a sandbox may be a path")
	}
}

// Many calls at once for few units write each unit once, also where memory has no
// room to know them all and they are dropped when read.
func TestTogether(t *testing.T) {
	t.Parallel()
	for _, most := range []int{0, 20} {
		t.Run(fmt.Sprint(most), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l := open(t, dir)
			l.MaxIndexed = most
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					for i := range 100 {
						if err := l.Put(t.Context(), sandbox, exposure.Exposure{Experiment: experiment, Variant: "a", Unit: fmt.Sprint("cus_", i)}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if got := read(t, dir); len(got) != 100 {
				t.Errorf("%d exposures", len(got))
			}
			records := 0
			for _, name := range segments(t, dir) {
				text, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				records += strings.Count(string(text), "acus_")
			}
			if most == 0 && records != 100 {
				t.Errorf("%d were written", records)
			}
			if most > 0 && records <= 100 {
				t.Errorf("the bound of %d is none: %d were written", most, records)
			}
		})
	}
}

// What a child was told is durable is there after kill -9, several of them at
// once, each unit once; and those who come later go on.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	told := map[string]bool{}
	for round := range 3 {
		var wg sync.WaitGroup
		var mu sync.Mutex
		for child := range 2 {
			cmd := childtest.Command(t, work{Dir: dir, Name: fmt.Sprintf("%d-%d", round, child), Shared: round == 1})
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				lines := bufio.NewReader(out)
				for n := 0; ; n++ {
					line, err := lines.ReadString('\n')
					if err != nil { // half a line, too, was not said
						break
					}
					mu.Lock()
					told["1 a "+strings.TrimSpace(line)] = true
					mu.Unlock()
					if n == 200+100*child {
						_ = cmd.Process.Kill()
					}
				}
				if err := cmd.Wait(); !childtest.Killed(err) {
					t.Errorf("it ended otherwise: %v", err)
				}
			})
		}
		wg.Wait()
	}
	put(t, open(t, dir), 1, "a", "after")
	told["1 a after"] = true
	seen := map[string]bool{}
	for _, e := range read(t, dir) {
		if seen[e] {
			t.Errorf("%s is there twice", e)
		}
		seen[e] = true
	}
	for e := range told {
		if !seen[e] {
			t.Errorf("%s is lost", e)
		}
	}
}

// A segment may end anywhere, as a kill leaves it; what was changed by something
// else is told.
func TestTail(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	put(t, l, 1, "a", "cus_1")
	whole := size(t, dir)
	put(t, l, 1, "a", "cus_2")
	name := segments(t, dir)[0]
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for n := range text {
		write(text[:n])
		want := 0
		if int64(n) >= whole {
			want = 1
		}
		if got := read(t, dir); len(got) != want {
			t.Fatalf("cut to %d bytes: %v", n, got)
		}
	}
	write(append(text[:whole:whole], make([]byte, 300)...))
	if got := read(t, dir); len(got) != 1 {
		t.Fatalf("a tail of zeros: %v", got)
	}
	// Of a last write that was not flushed, a lost page may be any of it.
	for n := whole; n < int64(len(text)); n += 8 {
		lost := append([]byte{}, text...)
		clear(lost[n:min(n+8, int64(len(text)))])
		write(lost)
		if got := read(t, dir); len(got) != 1 {
			t.Fatalf("without the bytes from %d on: %v", n, got)
		}
	}
	for n := range whole {
		changed := append([]byte{}, text...)
		changed[n] ^= 1
		write(changed)
		var damaged *exposure.Damaged
		for _, err := range exposure.All(t.Context(), dir, sandbox) {
			if errors.As(err, &damaged) {
				break
			}
		}
		if damaged == nil {
			t.Errorf("a change of byte %d is not told", n)
		}
	}
	// A process that begins goes on beside what a kill left.
	write(text[:len(text)-3])
	next := open(t, dir)
	put(t, next, 1, "b", "cus_2")
	all := read(t, dir)
	slices.Sort(all)
	if d := cmp.Diff([]string{"1 a cus_1", "1 b cus_2"}, all); d != "" {
		t.Error(d)
	}
}

// Who waits for one sandbox, as another process rewrites it, holds up no other.
func TestApart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, sandbox), 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := os.Create(filepath.Join(dir, sandbox, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	e := exposure.Exposure{Experiment: experiment, Phase: 1, Variant: "a", Unit: "cus_1"}
	waits, others := make(chan error, 1), make(chan error, 1)
	go func() { waits <- l.Put(context.Background(), sandbox, e) }()
	go func() {
		for range 20 { // while the first one comes to its lock
			if err := l.Put(context.Background(), uuid.NewString(), e); err != nil {
				others <- err
				return
			}
		}
		others <- nil
	}()
	select {
	case err := <-others:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(time.Minute):
		t.Error("the others wait")
	}
	if err := held.Close(); err != nil { // and with it the lock
		t.Fatal(err)
	}
	if err := <-waits; err != nil {
		t.Error(err)
	}
	if got := read(t, dir); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

// A unit that is forgotten is nowhere; the others are, also those that another
// process puts that had the old files open. No log names a unit.
func TestForget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log logtest.Buffer
	a, b := open(t, dir), open(t, dir)
	a.Log = slog.New(slog.NewTextHandler(&log, nil))
	put(t, a, 1, "a", "cus_gone")
	put(t, b, 1, "b", "cus_stays")
	put(t, b, 2, "b", "cus_gone")
	n, err := a.Forget(t.Context(), sandbox, "cus_gone")
	if err != nil || n != 2 {
		t.Fatalf("forgotten: %d, %v", n, err)
	}
	if d := cmp.Diff([]string{"1 b cus_stays"}, read(t, dir)); d != "" {
		t.Error(d)
	}
	put(t, b, 1, "b", "cus_later")
	put(t, a, 1, "a", "cus_last")
	all := read(t, dir) // of one millisecond, perhaps, in files of any order
	slices.Sort(all)
	if d := cmp.Diff([]string{"1 a cus_last", "1 b cus_later", "1 b cus_stays"}, all); d != "" {
		t.Error(d)
	}
	finds := leaktest.Scan(t, leaktest.Places{Dir: dir, Texts: map[string]string{"log": log.String()}}, "cus_gone", "cus_stays")
	for _, f := range finds {
		if f.Needle == "cus_gone" || f.Place == "log" {
			t.Errorf("%v", f)
		}
	}
	if len(finds) == 0 {
		t.Error("the search finds nothing at all")
	}
	if n, err := a.Forget(t.Context(), sandbox, "cus_gone"); err != nil || n != 0 {
		t.Errorf("again: %d, %v", n, err)
	}
	if err := a.Drop(t.Context(), sandbox); err != nil {
		t.Fatal(err)
	}
	if got := read(t, dir); len(got) != 0 {
		t.Errorf("dropped: %v", got)
	}
}

// What a disk may hold instead of a segment ends in an error or in nothing, never
// in a panic or in exposures without end.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	l := &exposure.Log{Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	for i := range 3 {
		if err := l.Put(f.Context(), sandbox, exposure.Exposure{Experiment: experiment, Variant: "a", Unit: fmt.Sprint("cus_", i)}); err != nil {
			f.Fatal(err)
		}
	}
	names, err := filepath.Glob(filepath.Join(dir, sandbox, "*.exposures"))
	if err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(names[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(text[:len(text)-5])
	f.Add([]byte("tributary exposures 1\n\x00\x00\x00\x01aaaab"))
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, sandbox), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{"lock": nil, "1.exposures": b} {
			if err := os.WriteFile(filepath.Join(dir, sandbox, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, err := range exposure.All(t.Context(), dir, sandbox) {
			if err != nil {
				break
			}
			if n++; n > len(b) {
				t.Fatal("more exposures than bytes")
			}
		}
		l := &exposure.Log{Dir: dir, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
		if err := l.Put(t.Context(), sandbox, exposure.Exposure{Experiment: experiment, Variant: "a", Unit: "cus_new"}); err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
	})
}
