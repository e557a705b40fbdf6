package lake

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"
)

// Blocks in use never share memory, are zero at first, keep what stands in them
// when they grow, and come back once they were given back.
func TestRecycler(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type block struct {
			b    []byte
			mark byte
		}
		var r recycler
		var used []block
		zero := func(b []byte) {
			if len(bytes.Trim(b, "\x00")) > 0 {
				t.Fatal("a new block is not zero")
			}
		}
		size := rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(1, 20_000), rapid.Just(recycledLeast-padding))
		for n := range rapid.IntRange(1, 40).Draw(t, "steps") {
			mark := byte(n + 1)
			switch op := rapid.IntRange(0, 2).Draw(t, "op"); {
			case op == 0 || len(used) == 0:
				b := r.Allocate(size.Draw(t, "size"))
				zero(b)
				used = append(used, block{b, mark})
			case op == 1:
				at := rapid.IntRange(0, len(used)-1).Draw(t, "at")
				u := used[at]
				b := r.Reallocate(size.Draw(t, "size"), u.b)
				kept := min(len(b), len(u.b))
				if len(bytes.Trim(b[:kept], string([]byte{u.mark}))) > 0 {
					t.Fatal("a block that grew lost what stood in it")
				}
				zero(b[kept:])
				used[at] = block{b, mark}
			default:
				at := rapid.IntRange(0, len(used)-1).Draw(t, "at")
				r.Free(used[at].b)
				used = append(used[:at], used[at+1:]...)
				continue
			}
			for i := range used {
				if used[i].mark == mark {
					for j := range used[i].b {
						used[i].b[j] = mark
					}
				}
			}
			for _, u := range used {
				if len(bytes.Trim(u.b, string([]byte{u.mark}))) > 0 {
					t.Fatal("two blocks share memory")
				}
			}
		}
		if r.idle > maxIdle {
			t.Fatalf("%d bytes are idle", r.idle)
		}
	})
}

func TestRecyclerReuses(t *testing.T) {
	t.Parallel()
	var r recycler
	a := r.Allocate(5000)
	a[4999] = 1
	r.Free(a)
	b := r.Allocate(4900)
	if &a[0] != &b[0] {
		t.Error("what was given back is not handed out again")
	}
	if b = r.Reallocate(5000, b); b[4999] != 0 {
		t.Error("a block shows what stood behind it before")
	}
	r.Free(b)
	r.Free(r.Allocate(recycledLeast << recycledDoublings))
	if want := cap(b); r.idle != want {
		t.Errorf("%d bytes are idle, want %d: too large a block was kept", r.idle, want)
	}
	r.drop()
	if c := r.Allocate(5000); &a[0] == &c[0] || r.idle != 0 {
		t.Error("what was dropped is still there")
	}
}
