package sqlstore

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/dataset"
)

// Pages come to all rows once, also when objects come again between them, and
// texts are read for those alone who ask.
func TestHeldPage(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	var bad []dataset.Rejected
	for i := range 7 {
		resource, id := "charges", fmt.Sprintf("ch_%d", i/2)
		if i > 4 {
			resource, id = "refunds", ""
		}
		bad = append(bad, dataset.Rejected{Resource: resource, ID: id, Path: "amount", Reason: "is odd", Raw: fmt.Appendf(nil, `{"n":%d}`, i), RequestID: "req_1", RunID: "run_1", SeenAt: noon})
	}
	must(t, s.Quarantine(t.Context(), bad))
	for _, n := range []int{1, 2, 3, 7, 100} {
		var got []dataset.Rejected
		place, more := HeldPlace{}, true
		for more {
			page, next, err := s.HeldPage(t.Context(), "", place, n, true)
			must(t, err)
			for _, r := range page {
				got = append(got, r.Rejected)
				place = r.Place
			}
			if more = next; more && len(page) != n {
				t.Errorf("pages of %d: one of %d", n, len(page))
			}
			for i := range bad {
				bad[i].SeenAt = bad[i].SeenAt.Add(time.Second)
			}
			must(t, s.Quarantine(t.Context(), bad))
		}
		seen := map[string]int{}
		for _, r := range got {
			seen[string(r.Raw)]++
		}
		if len(got) != len(bad) || len(seen) != len(bad) {
			t.Errorf("pages of %d: %v", n, seen)
		}
	}
	page, more, err := s.HeldPage(t.Context(), "refunds", HeldPlace{}, 1, false)
	must(t, err)
	want := []HeldRow{{dataset.Rejected{Resource: "refunds", Path: "amount", Reason: "is odd", RequestID: "req_1", RunID: "run_1", SeenAt: bad[0].SeenAt}, page[0].Place}}
	if diff := cmp.Diff(want, page); diff != "" || !more {
		t.Errorf("%t %s", more, diff)
	}
	// A page of long texts ends early, and has one at least.
	long := bytes.Repeat([]byte("x"), maxPage)
	must(t, s.Quarantine(t.Context(), []dataset.Rejected{{Resource: "prices", ID: "a", Raw: append(long, 'a'), SeenAt: noon}, {Resource: "prices", ID: "b", Raw: long, SeenAt: noon}}))
	page, more, err = s.HeldPage(t.Context(), "prices", HeldPlace{}, 10, true)
	must(t, err)
	if len(page) != 1 || page[0].ID != "a" || !more {
		t.Errorf("%d rows, %t", len(page), more)
	}
}
