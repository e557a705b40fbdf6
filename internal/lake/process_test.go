package lake

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/childtest"
	"github.com/tributary-data/tributary/internal/problem"
)

// TestMain bounds the number of runs of properties that work on a disk.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		if err := f.Value.Set("20"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// TestHelperProcess is no test but what the processes do that tests start.
func TestHelperProcess(t *testing.T) {
	dir := os.Getenv("LAKE_TEST_DIR")
	switch os.Getenv("LAKE_TEST_CHILD") {
	case "busy":
		busyChild(t, dir)
	case "full":
		fullChild(t, dir)
	case "racing":
		racingChild(t, dir)
	}
}

// child starts this test binary anew as the named child.
func child(t *testing.T, name, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperProcess$", fmt.Sprint("-test.short=", testing.Short()))
	cmd.Env = append(os.Environ(), "LAKE_TEST_CHILD="+name, "LAKE_TEST_DIR="+dir)
	return cmd
}

// step returns the rows that the n-th commit of a busyChild upserts.
func step(n int) []row {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	var rows []row
	for _, i := range r.Perm(40)[:10] {
		rows = append(rows, order(fmt.Sprint("or_", i), int64(n), r.IntN(60)))
	}
	return rows
}

// after returns the rows after the first n commits of a busyChild.
func after(n int) map[string]row {
	rows := map[string]row{}
	for i := 1; i <= n; i++ {
		for _, r := range step(i) {
			rows[r["_id"].(string)] = r
		}
	}
	return rows
}

// busyChild upserts and maintains until it is killed.
func busyChild(t *testing.T, dir string) {
	tbl := openOrders(t, openLake(t, dir))
	for {
		n, err := tbl.number("step")
		if err != nil {
			t.Fatal(err)
		}
		n++
		rows, present := step(int(n)), after(int(n)-1)
		var gone []Gone
		for _, r := range rows {
			if id := r["_id"].(string); present[id] != nil {
				gone = append(gone, Gone{id, born(id)})
			}
		}
		commit(t, tbl, Commit{Files: write(t, tbl, rows...), Gone: gone, Properties: map[string]string{"step": strconv.FormatInt(n, 10)}})
		if n%3 == 0 {
			if _, err := tbl.Maintain(t.Context(), MaintainOptions{
				KeepFor: time.Duration(n%2) - 1, TargetBytes: 20_000, Partition: []Partitioning{PartitionNone, PartitionMonth}[n/3%2],
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A process that is killed at any point leaves the table as before or after
// its commit, and what else it leaves is removed later.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := openLake(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	last, kills := int64(0), 20
	if testing.Short() {
		kills = 6
	}
	for range kills {
		cmd := child(t, "busy", dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		// Work is outstanding once the next commit has landed.
		for reached(t, dir) <= last && len(ended) == 0 {
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(rand.N(60 * time.Millisecond))
		_ = cmd.Process.Kill()
		if err := <-ended; !childtest.Killed(err) {
			t.Fatalf("the child ended by itself: %v", err)
		}
		last = reached(t, dir)
		tbl := openOrders(t, openLake(t, dir))
		same(t, contents(t, tbl), slices.Collect(maps.Values(after(int(last))))...)
	}
	m := &machine{T: t, dir: dir, tbl: openOrders(t, openLake(t, dir))}
	if _, err := m.tbl.Maintain(t.Context(), MaintainOptions{KeepFor: -1}); err != nil {
		t.Fatal(err)
	}
	m.noLitter()
	same(t, contents(t, m.tbl), slices.Collect(maps.Values(after(int(last))))...)
}

// reached returns the last step that a busyChild has committed.
func reached(t *testing.T, dir string) int64 {
	t.Helper()
	l, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tbl, err := l.Load(t.Context(), "orders")
	if problem.KindOf(err) == problem.NotFound {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	n, err := tbl.number("step")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// fullChild fills a table on a disk that takes no file above 64 KiB.
func fullChild(t *testing.T, dir string) {
	tbl := openOrders(t, openLake(t, dir))
	signal.Ignore(syscall.SIGXFSZ)
	limit := syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	var rows []row
	for i := range 5000 {
		rows = append(rows, order(fmt.Sprint("new_", rand.Uint64()), int64(i), i))
	}
	w := tbl.NewWriter(context.Background())
	err := w.Write(rowsBatch(t, tbl, rows...))
	if _, closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if problem.KindOf(err) != problem.Internal || !strings.Contains(err.Error(), "the disk is full") {
		t.Errorf("error %v, want that the disk is full", err)
	}
	if n := len(onDisk(t, dir, ".parquet")); n != 1 {
		t.Errorf("%d Parquet files, want the old one", n)
	}
}

func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := openLake(t, dir)
	tbl := openOrders(t, l)
	old := order("or_1", 1, 1)
	commit(t, tbl, Commit{Files: write(t, tbl, old)})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := child(t, "full", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tbl = openOrders(t, openLake(t, dir))
	young := order("or_2", 2, 2)
	commit(t, tbl, Commit{Files: write(t, tbl, young)})
	same(t, contents(t, tbl), old, young)
}

func TestUnwritableDirectory(t *testing.T) {
	t.Parallel()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), file)
	if problem.KindOf(err) != problem.Internal || !strings.Contains(err.Error(), "not writable") {
		t.Errorf("error %v, want one with advice", err)
	}
}
