package queue

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
)

var quietLog = slog.New(slog.DiscardHandler)

// A place is what Open takes.
type place struct{ dir, database string }

// each runs a test once on SQLite and once on PostgreSQL.
func each(t *testing.T, fn func(t *testing.T, p place)) {
	t.Helper()
	docstoretest.Each(t, func(t *testing.T, name string) {
		if strings.HasPrefix(name, "postgres") {
			fn(t, place{database: name})
		} else {
			fn(t, place{dir: filepath.Dir(name)})
		}
	})
}

func (p place) open(t *testing.T) *Queue {
	t.Helper()
	q, err := Open(t.Context(), p.dir, p.database, quietLog)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func job(run string) Job { return Job{Org: "org@AdobeOrg", Sandbox: "prod", Run: run} }

func add(t *testing.T, q *Queue, jobs ...Job) {
	t.Helper()
	for _, j := range jobs {
		if _, err := q.Add(t.Context(), j, time.Time{}, 1); err != nil {
			t.Fatal(err)
		}
	}
}

// work works until stop is called or the test ends.
func work(t *testing.T, q *Queue, n int, do func(context.Context, Job) Outcome) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- q.Work(ctx, n, do) }()
	stopped := false
	stop = func() {
		cancel()
		if !stopped {
			stopped = true
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	t.Cleanup(stop)
	return stop
}

func rows(t *testing.T, q *Queue) []*rivertype.JobRow {
	t.Helper()
	list, err := q.client.JobList(t.Context(), river.NewJobListParams().First(10_000))
	if err != nil {
		t.Fatal(err)
	}
	return list.Jobs
}

// states returns the state of each job in River.
func states(t *testing.T, q *Queue) map[Job]rivertype.JobState {
	t.Helper()
	all := map[Job]rivertype.JobState{}
	for _, row := range rows(t, q) {
		var a args
		if err := json.Unmarshal(row.EncodedArgs, &a); err != nil {
			t.Fatal(err)
		}
		if _, twice := all[Job(a)]; twice {
			t.Errorf("%v is there twice", a)
		}
		all[Job(a)] = row.State
	}
	return all
}

// until waits for a job to be in one of the states.
func until(t *testing.T, q *Queue, j Job, want ...rivertype.JobState) {
	t.Helper()
	for !slices.Contains(want, states(t, q)[j]) {
		time.Sleep(20 * time.Millisecond)
	}
}

// A process works on a queue until its standard input ends, and says what it does.
type process struct {
	cmd   *exec.Cmd
	in    io.Closer
	lines *bufio.Scanner
}

// start starts this test binary anew as the named child.
func (p place) start(t *testing.T, name string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperProcess$")
	cmd.Env = append(os.Environ(), "QUEUE_TEST_CHILD="+name, "QUEUE_TEST_DIR="+p.dir, "QUEUE_TEST_DATABASE="+p.database)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &process{cmd, in, bufio.NewScanner(out)}
}

// next returns what the process says next, and "" when it has ended.
func (p *process) next() string {
	for p.lines.Scan() {
		if line, ok := strings.CutPrefix(p.lines.Text(), "> "); ok {
			return line
		}
	}
	return ""
}

// end lets the process come to its end.
func (p *process) end(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	for line := p.next(); line != ""; line = p.next() {
		t.Errorf("at its end a process said %q", line)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// TestHelperProcess is no test but what the processes do that tests start.
func TestHelperProcess(t *testing.T) {
	name := os.Getenv("QUEUE_TEST_CHILD")
	if name == "" {
		return
	}
	q := place{os.Getenv("QUEUE_TEST_DIR"), os.Getenv("QUEUE_TEST_DATABASE")}.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	err := q.Work(ctx, 20, func(ctx context.Context, j Job) Outcome {
		fmt.Printf("> %s %d\n", j.Run, j.Generation)
		if name == "busy" {
			return Done{}
		}
		<-ctx.Done()
		if errors.Is(context.Cause(ctx), ErrCancelled) {
			fmt.Printf("> cancelled %s\n", j.Run)
		}
		return Again{ctx.Err()}
	})
	if err != nil {
		t.Error(err)
	}
}
