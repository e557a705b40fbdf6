package idindex

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func openT(tb testing.TB, dir string) *Index {
	tb.Helper()
	x, err := Open(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return x
}

func entry(n int64) Entry {
	e := Entry{Created: 1767225600 + n, Seq: n, ReadAt: 1767225600000 + n, Deleted: n%7 == 0}
	binary.BigEndian.PutUint64(e.Hash[:], uint64(n))
	return e
}

// contents reads a resource back as a map.
func contents(tb testing.TB, r *Resource) map[string]Entry {
	tb.Helper()
	got := map[string]Entry{}
	last := ""
	err := r.Each(func(id []byte, e Entry) error {
		if string(id) <= last && len(got) > 0 {
			tb.Errorf("Each: %q after %q", id, last)
		}
		last = string(id)
		got[last] = e
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return got
}

func TestApplyGetReopen(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "index")
	x := openT(t, dir)
	charges, prices := x.Resource("charges"), x.Resource("prices")
	must(t, charges.Apply(2, []Put{{[]byte("ch_1"), entry(1)}, {[]byte("ch_2"), entry(2)}, {[]byte("ch_1"), entry(7)}}))
	must(t, prices.Apply(9, []Put{{[]byte("price_1"), entry(9)}}))
	if err := charges.Apply(1, nil); err == nil {
		t.Error("a seq below the last was accepted")
	}
	must(t, x.Close())

	x = openT(t, dir)
	defer func() { must(t, x.Close()) }()
	charges, prices = x.Resource("charges"), x.Resource("prices")
	if got := charges.Seq(); got != 2 {
		t.Errorf("Seq = %d, want 2", got)
	}
	want := map[string]Entry{"ch_1": entry(7), "ch_2": entry(2)}
	if diff := cmp.Diff(want, contents(t, charges)); diff != "" {
		t.Error(diff)
	}
	if _, ok, err := prices.Get([]byte("ch_1")); ok || err != nil {
		t.Errorf("another resource's id: %v, %v", ok, err)
	}
	must(t, charges.Reset())
	if n := len(contents(t, charges)); n != 0 || charges.Seq() != 0 {
		t.Errorf("after Reset: %d entries, seq %d", n, charges.Seq())
	}
	if e, ok, err := prices.Get([]byte("price_1")); !ok || err != nil || e != entry(9) {
		t.Errorf("the other resource after Reset: %v %v %v", e, ok, err)
	}
	stop := errors.New("stop")
	if err := prices.Each(func([]byte, Entry) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("Each returned %v, want the callback's error", err)
	}
}

// TestCrash copies the directory while the index is in use, as a kill -9 would
// leave it, and wants what the copy holds to be exactly what had been applied
// up to the seq that it reports.
func TestCrash(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "index")
	x := openT(t, dir)
	defer func() { must(t, x.Close()) }()
	r, other := x.Resource("charges"), x.Resource("refunds")
	state := map[int64]map[string]Entry{0: {}}
	model := map[string]Entry{}
	seen := map[int64]bool{}
	n := int64(0)
	for step := range 60 {
		puts := make([]Put, 0, 2000)
		for range 2000 {
			n++
			id := fmt.Sprintf("ch_%024d", n*7919%60000)
			puts = append(puts, Put{[]byte(id), entry(n)})
			model[id] = entry(n)
		}
		must(t, r.Apply(n, puts))
		must(t, other.Apply(n, []Put{{[]byte("re_1"), entry(n)}}))
		state[n] = maps.Clone(model)
		if step%10 != 9 {
			continue
		}
		cp := filepath.Join(t.TempDir(), "copy")
		copyDir(t, dir, cp)
		y := openT(t, cp)
		got := y.Resource("charges")
		want, ok := state[got.Seq()]
		if !ok {
			t.Fatalf("seq %d was never applied", got.Seq())
		}
		seen[got.Seq()] = true
		if has := contents(t, got); !maps.Equal(want, has) { // many; a difference costs more to find than to see
			t.Fatalf("at seq %d: %s", got.Seq(), cmp.Diff(want, has))
		}
		// refunds follows charges in time, so it is at the same step or one behind.
		if o := y.Resource("refunds").Seq(); o != got.Seq() && o != got.Seq()-2000 {
			t.Errorf("refunds at %d, charges at %d: not a prefix", o, got.Seq())
		}
		must(t, y.Close())
	}
	if len(seen) < 2 {
		t.Errorf("the crashes showed only the states %v: the test copies too early", seen)
	}
}

func copyDir(tb testing.TB, from, to string) {
	tb.Helper()
	must(tb, os.MkdirAll(to, 0o755))
	// The order matters: a file named by a later one must be there. CURRENT's
	// successors (marker.*) and the manifest therefore come first, and files
	// that vanish meanwhile were superseded.
	for _, glob := range []string{"marker.*", "MANIFEST-*", "OPTIONS-*", "*.sst"} {
		names, err := filepath.Glob(filepath.Join(from, glob))
		must(tb, err)
		for _, name := range names {
			in, err := os.Open(name)
			if errors.Is(err, os.ErrNotExist) {
				continue
			}
			must(tb, err)
			out, err := os.Create(filepath.Join(to, filepath.Base(name)))
			must(tb, err)
			_, err = io.Copy(out, in)
			must(tb, errors.Join(err, in.Close(), out.Close()))
		}
	}
}

func TestUnusableStoreStartsEmpty(t *testing.T) {
	t.Parallel()
	files := func(t *testing.T, dir, glob string) []string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(dir, glob))
		if err != nil || len(names) == 0 {
			t.Fatalf("no %s: %v", glob, err)
		}
		return names
	}
	overwrite := func(glob string, with []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			for _, f := range files(t, dir, glob) {
				must(t, os.WriteFile(f, with, 0o644))
			}
		}
	}
	tests := []struct {
		name   string
		damage func(*testing.T, string)
	}{
		{"manifest is garbage", overwrite("MANIFEST-*", []byte("not a manifest at all"))},
		{"manifest is empty", overwrite("MANIFEST-*", nil)},
		{"manifest is missing", func(t *testing.T, dir string) {
			t.Helper()
			for _, f := range files(t, dir, "MANIFEST-*") {
				must(t, os.Remove(f))
			}
		}},
		{"table is missing", func(t *testing.T, dir string) {
			t.Helper()
			for _, f := range files(t, dir, "*.sst") {
				must(t, os.Remove(f))
			}
		}},
		{"table is cut", func(t *testing.T, dir string) {
			t.Helper()
			for _, f := range files(t, dir, "*.sst") {
				must(t, os.Truncate(f, 100))
			}
		}},
		{"another version", func(t *testing.T, dir string) {
			t.Helper()
			x := openT(t, dir)
			must(t, x.db.Set(formatKey, []byte("0"), pebble.NoSync))
			must(t, x.Close())
		}},
		{"found damaged in use", func(t *testing.T, dir string) {
			t.Helper()
			x := openT(t, dir)
			must(t, x.db.Set(append([]byte("charges\x00"), "ch_1"...), []byte("short"), pebble.NoSync))
			_, _, err := x.Resource("charges").Get([]byte("ch_1"))
			if err == nil {
				t.Error("a damaged entry was read")
			}
			if _, _, again := x.Resource("charges").Get([]byte("ch_2")); again == nil {
				t.Error("the index went on after damage")
			}
			if x.Resource("charges").Apply(100, nil) == nil {
				t.Error("Apply went on after damage")
			}
			_ = x.Close()
		}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			x := openT(t, dir)
			must(t, x.Resource("charges").Apply(5, []Put{{[]byte("ch_1"), entry(5)}}))
			must(t, x.Close())
			tc.damage(t, dir)

			x = openT(t, dir)
			r := x.Resource("charges")
			if n := len(contents(t, r)); n != 0 || r.Seq() != 0 {
				t.Errorf("%d entries, seq %d, want none", n, r.Seq())
			}
			must(t, r.Apply(6, []Put{{[]byte("ch_2"), entry(6)}}))
			must(t, x.Close())
			x = openT(t, dir)
			if got := x.Resource("charges").Seq(); got != 6 {
				t.Errorf("seq after a fresh start = %d, want 6", got)
			}
			must(t, x.Close())
		})
	}
}

func TestOpenTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := openT(t, dir)
	must(t, x.Resource("charges").Apply(5, []Put{{[]byte("ch_1"), entry(5)}}))
	if _, err := Open(dir); err == nil {
		t.Fatal("a second Open succeeded")
	}
	must(t, x.Close())
	x = openT(t, dir)
	if got := x.Resource("charges").Seq(); got != 5 {
		t.Errorf("the refused Open changed the store: seq %d", got)
	}
	must(t, x.Close())
}

func TestOpenUnwritable(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(file, nil, 0o644))
	if _, err := Open(filepath.Join(file, "index")); err == nil {
		t.Error("opened below a file")
	}
}

// TestModel compares the index with a map through any sequence of operations.
func TestModel(t *testing.T) {
	t.Parallel()
	ids := []string{"", "a", "ab", "b", "\x00", "\x00x", "\x01", "a\x00", "\xff", "ch_1", "ch_10"}
	names := []string{"a", "ab", "charges", "charges_x"}
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "idindex")
		must(rt, err)
		defer func() { _ = os.RemoveAll(dir) }()
		x := openT(t, dir)
		defer func() { must(rt, x.Close()) }()
		model, seqs := map[string]map[string]Entry{}, map[string]int64{}
		for _, n := range names {
			model[n] = map[string]Entry{}
		}
		name := rapid.SampledFrom(names)
		rt.Repeat(map[string]func(*rapid.T){
			"apply": func(rt *rapid.T) {
				n := name.Draw(rt, "resource")
				seqs[n] += rapid.Int64Range(0, 1<<40).Draw(rt, "step")
				var puts []Put
				for range rapid.IntRange(0, 5).Draw(rt, "puts") {
					id := rapid.SampledFrom(ids).Draw(rt, "id")
					e := entry(rapid.Int64().Draw(rt, "entry"))
					puts = append(puts, Put{[]byte(id), e})
					model[n][id] = e
				}
				must(rt, x.Resource(n).Apply(seqs[n], puts))
			},
			"reset": func(rt *rapid.T) {
				n := name.Draw(rt, "resource")
				model[n], seqs[n] = map[string]Entry{}, 0
				must(rt, x.Resource(n).Reset())
			},
			"flush": func(rt *rapid.T) { must(rt, x.Flush()) },
			"reopen": func(rt *rapid.T) {
				must(rt, x.Close())
				x = openT(t, dir)
			},
			"": func(rt *rapid.T) {
				for _, n := range names {
					r := x.Resource(n)
					if has := contents(t, r); !maps.Equal(model[n], has) {
						rt.Fatalf("%s: %s", n, cmp.Diff(model[n], has))
					}
					if r.Seq() != seqs[n] {
						rt.Fatalf("%s: seq %d, want %d", n, r.Seq(), seqs[n])
					}
					for _, id := range ids {
						e, ok, err := r.Get([]byte(id))
						want, has := model[n][id]
						if err != nil || ok != has || e != want {
							rt.Fatalf("%s: Get(%q) = %v %v %v, want %v %v", n, id, e, ok, err, want, has)
						}
					}
				}
			},
		})
	})
}

func BenchmarkGetAbsent(b *testing.B) {
	r := million(b)
	id := []byte("ch_________________________")
	for i := 0; b.Loop(); i++ {
		binary.BigEndian.PutUint64(id[3:], uint64(i)*0x9e3779b97f4a7c15)
		if _, ok, err := r.Get(id); ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkGetPresent(b *testing.B) {
	r := million(b)
	for i := 0; b.Loop(); i++ {
		if _, ok, err := r.Get(benchID(int64(i*7919) % 1_000_000)); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}

func BenchmarkApply10k(b *testing.B) {
	x := openT(b, b.TempDir())
	defer func() { must(b, x.Close()) }()
	r := x.Resource("charges")
	n := int64(0)
	puts := make([]Put, 10_000)
	for b.Loop() {
		for i := range puts {
			n++
			puts[i] = Put{benchID(n), entry(n)}
		}
		must(b, r.Apply(n, puts))
	}
}

func benchID(n int64) []byte {
	return fmt.Appendf(nil, "ch_%016x%08x", uint64(n)*0x9e3779b97f4a7c15, n)
}

// million returns a resource with a million entries, as after a backfill.
func million(b *testing.B) *Resource {
	b.Helper()
	x := openT(b, b.TempDir())
	b.Cleanup(func() { must(b, x.Close()) })
	r := x.Resource("charges")
	for batch := range slices.Chunk(make([]Put, 1_000_000), 10_000) {
		seq := r.Seq()
		for i := range batch {
			batch[i] = Put{benchID(seq + int64(i)), entry(seq + int64(i))}
		}
		must(b, r.Apply(seq+int64(len(batch)), batch))
	}
	return r
}

func must(t interface {
	Helper()
	Fatal(...any)
}, err error,
) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkBackfill is what a backfill of a million new objects costs: each
// batch is looked up and then applied.
func BenchmarkBackfill(b *testing.B) {
	for b.Loop() {
		x := openT(b, b.TempDir())
		r := x.Resource("charges")
		before := cpu(b)
		puts := make([]Put, 10_000)
		n := int64(0)
		for range 100 {
			for i := range puts {
				n++
				puts[i] = Put{benchID(n), entry(n)}
				if _, ok, err := r.Get(puts[i].ID); ok || err != nil {
					b.Fatal(ok, err)
				}
			}
			must(b, r.Apply(n, puts))
		}
		must(b, x.Close())
		b.ReportMetric((cpu(b) - before).Seconds(), "cpu-s")
	}
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
