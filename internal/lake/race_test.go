package lake

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/problem"
)

// racers are as many children.
const racers = 3

// raceSteps is how many steps each racingChild does, in a table of all and in
// one of its own.
func raceSteps() int {
	if testing.Short() {
		return 5 // one of each sort, and one more
	}
	return 12
}

// racerKeys returns what step n of a racer does to which key: an amount, or -1
// for one that goes. Keys with an s are everybody's.
func racerKeys(who, n int) map[string]int {
	r := rand.New(rand.NewPCG(uint64(who), uint64(n)))
	keys := map[string]int{}
	for range 6 {
		key := fmt.Sprint("k", who, "_", r.IntN(12))
		if r.IntN(3) == 0 {
			key = fmt.Sprint("s_", r.IntN(6))
		}
		keys[key] = r.IntN(1000)*racers + who
		if r.IntN(4) == 0 {
			keys[key] = -1
		}
	}
	return keys
}

// racingChild upserts, pushes, reverts and maintains until it has done all its
// steps, beside others that do the same.
func racingChild(t *testing.T, dir string) {
	who, err := strconv.Atoi(os.Getenv("LAKE_TEST_RACER"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for left := true; left; {
		left = false
		for _, name := range []string{"ds_all", fmt.Sprint("ds_", who)} {
			more, err := raceStep(t.Context(), l, name, who)
			if k := problem.KindOf(err); err != nil && k != problem.Unavailable && k != problem.Stale {
				t.Fatalf("%s: %v", name, err)
			}
			left = left || more
		}
	}
}

// raceStep does the next step of a racer in a table. It reports whether there
// is more to do.
func raceStep(ctx context.Context, l *Lake, name string, who int) (bool, error) {
	tbl, err := l.Records(ctx, name, visits())
	if err != nil {
		return true, err
	}
	mark := fmt.Sprint("flow.", who)
	was := tbl.Property(mark)
	n := 0
	if was != "" {
		if _, err := fmt.Sscan(was, &n); err != nil {
			return true, err
		}
	}
	if n == raceSteps() {
		return false, nil
	}
	n++
	w := tbl.NewRecords(ctx, fmt.Sprint("u", who, "-", n))
	for key, amount := range racerKeys(who, n) {
		if amount < 0 {
			err = errors.Join(err, w.Gone(key))
		} else {
			err = errors.Join(err, w.AppendKeyed(key, []byte(visit(key, amount))))
		}
	}
	files, closeErr := w.Close()
	if err := errors.Join(err, closeErr); err != nil {
		return true, err
	}
	time.Sleep(rand.N(30 * time.Millisecond)) // others sweep meanwhile
	_, err = tbl.CommitBatch(ctx, BatchCommit{
		Batch: fmt.Sprint("u", who, "-", n), Files: files, Props: map[string]string{mark: fmt.Sprint(n, " u", who)}, Was: map[string]string{mark: was},
	})
	if err != nil {
		return true, err
	}
	return true, racePush(ctx, tbl, who, n)
}

// racePush pushes rows, takes those of a step before out, and cleans up.
func racePush(ctx context.Context, tbl *Table, who, n int) error {
	batch := func(n int) string { return fmt.Sprint("p", who, "-", n) }
	w := tbl.NewRecords(ctx, batch(n))
	err := w.Append([]byte(visit(batch(n), n)))
	files, closeErr := w.Close()
	if err := errors.Join(err, closeErr); err != nil {
		return err
	}
	if _, err := tbl.CommitBatch(ctx, BatchCommit{Batch: batch(n), Files: files}); err != nil {
		return err
	}
	switch n % 4 {
	case 0:
		_, err = tbl.RemoveBatches(ctx, batch(n-1))
	case 1:
		err = tbl.TidyBatches(ctx)
	default:
		_, err = tbl.Maintain(ctx, MaintainOptions{KeepFor: time.Millisecond, TargetBytes: 1000})
	}
	return err
}

// Processes that write to the same tables at once, and are killed at any point,
// lose nothing of each other's and of their own.
func TestProcessesRace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var g sync.WaitGroup
	for who := range racers {
		g.Go(func() { race(t, dir, who) })
	}
	g.Wait()
	if t.Failed() {
		return
	}
	l := openLake(t, dir)
	for who := range racers {
		checkRace(t, l, fmt.Sprint("ds_", who), who)
	}
	checkRace(t, l, "ds_all", 0, 1, 2)
}

// race runs a racer until it has done all, and kills it now and then.
func race(t *testing.T, dir string, who int) {
	for kills := 0; ; kills++ {
		cmd := child(t, "racing", dir)
		cmd.Env = append(cmd.Env, "LAKE_TEST_RACER="+strconv.Itoa(who))
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Error(err)
			return
		}
		done := make(chan struct{})
		if kills < raceSteps()*2/3 {
			go func() {
				select {
				case <-time.After(500*time.Millisecond + rand.N(1500*time.Millisecond)):
					_ = cmd.Process.Kill()
				case <-done:
				}
			}()
		}
		err := cmd.Wait()
		close(done)
		var exit *exec.ExitError
		switch {
		case err == nil:
			return
		case errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL:
		default:
			t.Errorf("racer %d: %v\n%s", who, err, out.String())
			return
		}
	}
}

// checkRace compares a table with what the racers that wrote to it have done.
func checkRace(t *testing.T, l *Lake, name string, who ...int) {
	t.Helper()
	tbl, err := l.Load(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1}); err != nil {
		t.Fatal(err)
	}
	got := records(t, tbl)
	var want, shared []string
	last := map[string][]int{} // of everybody's keys: what each racer did at last
	for _, w := range who {
		state, common := map[string]int{}, map[string]int{}
		for n := 1; n <= raceSteps(); n++ {
			for key, amount := range racerKeys(w, n) {
				if strings.HasPrefix(key, "s_") {
					common[key] = amount
					continue
				}
				state[key] = amount
			}
		}
		for key, amount := range state {
			if amount >= 0 {
				want = append(want, visit(key, amount))
			}
		}
		for key, amount := range common {
			last[key] = append(last[key], amount)
		}
	}
	got = slices.DeleteFunc(got, func(r string) bool {
		if strings.Contains(r, `"_id":"s_`) {
			shared = append(shared, r)
			return true
		}
		// Rows that were pushed: a kill may come before the push, or the removal.
		return strings.Contains(r, `"_id":"p`)
	})
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	for key, amounts := range last {
		n := 0
		for _, r := range shared {
			if strings.Contains(r, `"_id":"`+key+`"`) {
				n++
			}
		}
		may := slices.Clone(amounts)
		ok := n == 0 && slices.Contains(may, -1)
		for _, a := range may {
			ok = ok || n == 1 && slices.Contains(shared, visit(key, a))
		}
		if !ok {
			t.Errorf("%s: %s has %d rows in %v, want one of %v", name, key, n, shared, amounts)
		}
	}
	onDisk, err := os.ReadDir(localPath(tbl.Location()) + "/data")
	if err != nil || len(onDisk) != int(tbl.DataFiles()) {
		t.Errorf("%s: %d files on disk, %d in the table, %v", name, len(onDisk), tbl.DataFiles(), err)
	}
}

// Files that a process is about to commit, however old they are, are left to
// it by others; those of one that is gone are not.
func TestSweepLeavesClaims(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mine := openRecords(t, openLake(t, dir), visits())
	push(t, mine, "b0", nil, visit("b0", 0))
	write := func(tbl *Table, batch string) Files {
		w := tbl.NewRecords(t.Context(), batch)
		if err := errors.Join(w.AppendKeyed(batch, []byte(visit(batch, 1))), w.Gone("x")); err != nil {
			t.Fatal(err)
		}
		files, err := w.Close()
		if err != nil {
			t.Fatal(err)
		}
		long := time.Now().Add(-24 * time.Hour)
		for df := range files.all() {
			if err := os.Chtimes(localPath(df.FilePath()), long, long); err != nil {
				t.Fatal(err)
			}
		}
		return files
	}
	commit := func(tbl *Table, batch string, files Files) {
		t.Helper()
		if _, err := tbl.CommitBatch(t.Context(), BatchCommit{Batch: batch, Files: files, Props: map[string]string{"flow": batch}}); err != nil {
			t.Fatal(err)
		}
	}
	commit(mine, "b1", write(mine, "b1"))
	files := write(mine, "b2") // rows, and keys

	gone := openLake(t, dir)
	left, err := gone.Load(t.Context(), "ds_1")
	if err != nil {
		t.Fatal(err)
	}
	litter := write(left, "b3")
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}

	other, err := openLake(t, dir).Load(t.Context(), "ds_1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Maintain(t.Context(), MaintainOptions{}); err != nil {
		t.Fatal(err)
	}
	for df := range litter.all() {
		if _, err := os.Stat(localPath(df.FilePath())); err == nil {
			t.Error("a file that nobody is going to commit is still there")
		}
	}
	commit(mine, "b2", files)

	// Committed and let go between the two halves of a sweep.
	files = write(mine, "b4")
	mine.cat.disk.release(files)
	found, err := other.unclaimed(t.Context(), "", time.Hour)
	for df := range files.all() {
		if _, ok := found[localPath(df.FilePath())]; !ok || err != nil {
			t.Fatalf("%s is claimed, or %v", df.FilePath(), err)
		}
	}
	commit(mine, "b4", files)
	if swept, err := other.removeUnused(t.Context(), found, true); err != nil || swept.files != 0 {
		t.Errorf("%d files were removed, %v", swept.files, err)
	}
	want := []string{visit("b0", 0), visit("b1", 1), visit("b2", 1), visit("b4", 1)}
	slices.Sort(want)
	if diff := cmp.Diff(want, records(t, mine)); diff != "" {
		t.Error(diff)
	}
}
