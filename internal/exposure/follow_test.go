package exposure_test

import (
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/logtest"
)

// What others have put is known after Follow, whatever became of them meanwhile, and is
// not written again.
func TestFollow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	other, l := open(t, dir), open(t, dir)
	follow := func() {
		t.Helper()
		if err := l.Follow(t.Context(), sandbox); err != nil {
			t.Fatal(err)
		}
	}
	knows := func(want bool, unit string) {
		t.Helper()
		is, err := l.Known(t.Context(), sandbox, exposure.Exposure{Experiment: experiment, Phase: 1, Unit: unit})
		if err != nil || is != want {
			t.Errorf("%s is known: %v, %v", unit, is, err)
		}
	}
	put(t, l, 1, "a", "cus_mine")
	put(t, other, 1, "b", "cus_1") // in a segment that is new
	knows(false, "cus_1")
	follow()
	knows(true, "cus_1")
	for i := range 100 { // in one that is not
		put(t, other, 1, "b", fmt.Sprint("cus_", i))
	}
	knows(false, "cus_99")
	follow()
	before := size(t, dir)
	for i := range 100 {
		knows(true, fmt.Sprint("cus_", i))
		put(t, l, 1, "b", fmt.Sprint("cus_", i))
	}
	if after := size(t, dir); after != before {
		t.Errorf("%d bytes became %d", before, after)
	}
	knows(true, "cus_mine")

	// Its next write is seen as it is under way.
	theirs := segments(t, dir)[0]
	if info, err := os.Stat(theirs); err != nil || info.Size() < 1000 {
		theirs = segments(t, dir)[1]
	}
	known, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	put(t, other, 1, "b", "cus_late")
	whole, err := os.ReadFile(theirs)
	if err != nil {
		t.Fatal(err)
	}
	for n := len(known); n <= len(whole); n++ {
		if err := os.WriteFile(theirs, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		follow()
		knows(n == len(whole), "cus_late")
	}

	if n, err := other.Forget(t.Context(), sandbox, "cus_1"); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	follow()
	knows(false, "cus_1")
	knows(true, "cus_2")
	put(t, other, 1, "b", "cus_new")
	follow()
	knows(true, "cus_new")
	if got := len(read(t, dir)); got != 102 {
		t.Errorf("%d exposures", got)
	}

	if err := other.Drop(t.Context(), sandbox); err != nil {
		t.Fatal(err)
	}
	follow()
	if err := l.Follow(t.Context(), "another"); err != nil || len(segments(t, dir)) != 0 {
		t.Errorf("of a sandbox of which nothing is known: %v", err)
	}
}

// What is damaged is told once, and no more is known than the bound.
func TestFollowBounds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var log logtest.Buffer
	other, l := open(t, dir), open(t, dir)
	l.Log, l.MaxIndexed = slog.New(slog.NewTextHandler(&log, nil)), 10
	put(t, l, 1, "a", "cus_mine")
	mine := segments(t, dir)[0]
	for i := range 20 {
		put(t, other, 1, "b", fmt.Sprint("cus_", i))
	}
	known := func() (n int) {
		if err := l.Follow(t.Context(), sandbox); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			is, err := l.Known(t.Context(), sandbox, exposure.Exposure{Experiment: experiment, Phase: 1, Unit: fmt.Sprint("cus_", i)})
			if err != nil {
				t.Fatal(err)
			}
			if is {
				n++
			}
		}
		return n
	}
	if got := known(); got != 9 {
		t.Errorf("%d are known", got)
	}

	strange := strings.TrimSuffix(mine, ".exposures") + "x.exposures"
	if err := os.WriteFile(strange, []byte(strings.Repeat("something else", 10)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		known()
	}
	if n := strings.Count(log.String(), "can't be read"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
}
