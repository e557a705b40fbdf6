package idindex

import (
	"fmt"
	"testing"
)

func TestFilterBuiltAfterReopen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := openT(t, dir)
	must(t, x.Resource("charges").Apply(2, []Put{{[]byte("ch_1"), entry(1)}, {[]byte("ch_2"), entry(2)}}))
	must(t, x.Close())

	x = openT(t, dir)
	defer func() { must(t, x.Close()) }()
	r := x.Resource("charges")
	if r.filter != nil {
		t.Fatal("an empty filter would hide what the store holds")
	}
	for i := range buildAfter {
		if _, ok, err := r.Get(fmt.Appendf(nil, "no_%d", i)); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	if r.filter == nil {
		t.Error("no filter after so many lookups in vain")
	}
	must(t, r.Apply(3, []Put{{[]byte("ch_3"), entry(3)}}))
	for n := range int64(3) {
		e, ok, err := r.Get(fmt.Appendf(nil, "ch_%d", n+1))
		if !ok || err != nil || e != entry(n+1) {
			t.Errorf("ch_%d: %v %v %v", n+1, e, ok, err)
		}
	}
}

func TestFilterGivesUp(t *testing.T) {
	t.Parallel()
	x := openT(t, t.TempDir())
	defer func() { must(t, x.Close()) }()
	r := x.Resource("charges")
	must(t, r.Apply(1, []Put{{[]byte("ch_1"), entry(1)}}))
	for r.filter.n < maxFiltered { // as if so many ids had been added
		room := firstLayer
		for range r.filter.layers {
			room *= growth
		}
		last := &r.filter.layers[len(r.filter.layers)-1]
		r.filter.n += last.room
		last.room = 0
		if r.filter.n < maxFiltered {
			r.filter.layers = append(r.filter.layers, layer{blocks: make([][8]uint32, 1), room: room})
		}
	}
	must(t, r.Apply(3, []Put{{[]byte("ch_2"), entry(2)}, {[]byte("ch_3"), entry(3)}}))
	if r.filter != nil {
		t.Error("the filter grew beyond its bound")
	}
	for n := range int64(3) {
		if e, ok, err := r.Get(fmt.Appendf(nil, "ch_%d", n+1)); !ok || err != nil || e != entry(n+1) {
			t.Errorf("ch_%d: %v %v %v", n+1, e, ok, err)
		}
	}
}

func TestFilterErrorRate(t *testing.T) {
	t.Parallel()
	var f filter
	const n = firstLayer * (1 + growth)
	for i := range n {
		if !f.add(fmt.Appendf(nil, "ch_%d", i)) {
			t.Fatal("full")
		}
	}
	wrong := 0
	for i := range n {
		if f.absent(fmt.Appendf(nil, "ch_%d", i)) {
			t.Fatalf("ch_%d was added", i)
		}
		if !f.absent(fmt.Appendf(nil, "re_%d", i)) {
			wrong++
		}
	}
	if limit := n * 2 / 100; wrong > limit {
		t.Errorf("%d of %d absent ids called perhaps present, want at most %d", wrong, n, limit)
	}
}
