package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/rivertype"
)

// kill kills a process as the machine does, without a word.
func (p *process) kill(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Kill()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the process ended by itself: %v", err)
	}
}

// age makes all jobs begin 40 days ago, and ends the leadership of a process
// that was killed, which else lasts 15 seconds.
func (p place) age(t *testing.T) {
	t.Helper()
	if p.database == "" {
		db, err := sql.Open("sqlite", filepath.Join(p.dir, "jobs.db")+"?_pragma=busy_timeout(10000)")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(t.Context(), "update river_job set attempted_at = datetime('now', '-40 days', 'subsec'); delete from river_leader"); err != nil {
			t.Fatal(err)
		}
		return
	}
	conn, err := pgx.Connect(t.Context(), p.database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	var schema string
	if err := conn.QueryRow(t.Context(), "select current_schema()").Scan(&schema); err != nil {
		t.Fatal(err)
	}
	river := schema + "_river.river_"
	if _, err := conn.Exec(t.Context(), "update "+river+"job set attempted_at = now() - interval '40 days'; delete from "+river+"leader"); err != nil {
		t.Fatal(err)
	}
}

func TestCancelInAnotherProcess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		add(t, q, job("a"))
		child := p.start(t, "hold")
		said := []string{child.next()}
		if err := q.Cancel(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		said = append(said, child.next())
		if diff := cmp.Diff([]string{"a 0", "cancelled a"}, said); diff != "" {
			t.Error(diff)
		}
		until(t, q, job("a"), rivertype.JobStateCancelled)
		child.end(t)
	})
}

func TestStopOfAProcess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		add(t, q, job("a"))
		child := p.start(t, "hold")
		if said := child.next(); said != "a 0" {
			t.Fatalf("it said %q", said)
		}
		child.end(t)
		if state := states(t, q)[job("a")]; state != rivertype.JobStateAvailable {
			t.Errorf("it is %s", state)
		}
		child = p.start(t, "busy")
		if said := child.next(); said != "a 0" {
			t.Fatalf("it said %q", said)
		}
		until(t, q, job("a"), rivertype.JobStateCompleted)
		child.end(t)
	})
}

// A process that is killed leaves its jobs as they are; the next generation of
// a run is done by another process. River never hands out the old one again,
// whenever it began, because it can't know whether it is still being done.
func TestKill(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		taken, left := job("taken over"), job("left")
		add(t, q, taken, left)
		child := p.start(t, "hold")
		child.next()
		child.next()
		child.kill(t)
		if diff := cmp.Diff(map[Job]rivertype.JobState{taken: rivertype.JobStateRunning, left: rivertype.JobStateRunning}, states(t, q)); diff != "" {
			t.Fatal(diff)
		}

		next := taken
		next.Generation = 1
		add(t, q, next)
		p.age(t) // so that River's rescuer looks at them
		child = p.start(t, "busy")
		if said := child.next(); said != "taken over 1" {
			t.Fatalf("it said %q", said)
		}
		until(t, q, taken, rivertype.JobStateCancelled) // by the rescuer
		want := map[Job]rivertype.JobState{taken: rivertype.JobStateCancelled, left: rivertype.JobStateRunning, next: rivertype.JobStateCompleted}
		if diff := cmp.Diff(want, states(t, q)); diff != "" {
			t.Error(diff)
		}
		child.end(t)
	})
}

// A worker that was taken for lost and is not, is told.
func TestLostWorkerIsTold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		old, next, other := job("a"), job("a"), job("a")
		next.Generation, other.Sandbox = 1, "dev"
		add(t, q, old, other)
		ended := make(chan Job, 10)
		began := make(chan Job, 10)
		work(t, q, 5, func(ctx context.Context, j Job) Outcome {
			began <- j
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), ErrCancelled) {
				ended <- j
			}
			return Again{ctx.Err()}
		})
		<-began
		<-began
		add(t, p.open(t), next)
		if j := <-ended; j != old {
			t.Errorf("%v was told", j)
		}
		if j := <-began; j != next {
			t.Errorf("%v began", j)
		}
		until(t, q, old, rivertype.JobStateCancelled)
		if diff := cmp.Diff(map[Job]rivertype.JobState{old: rivertype.JobStateCancelled, next: rivertype.JobStateRunning, other: rivertype.JobStateRunning}, states(t, q)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCrowd(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	each(t, func(t *testing.T, p place) {
		const jobs = 1000
		q := p.open(t)
		children := []*process{p.start(t, "busy"), p.start(t, "busy"), p.start(t, "busy")}
		said := make(chan string, jobs)
		var listening sync.WaitGroup
		for _, c := range children {
			listening.Go(func() {
				for line := c.next(); line != ""; line = c.next() {
					said <- line
				}
			})
		}
		for i := range jobs {
			add(t, q, job(fmt.Sprint(i)))
		}
		times := map[string]int{}
		for range jobs {
			times[<-said]++
		}
		for _, c := range children {
			_ = c.in.Close()
		}
		listening.Wait()
		for _, c := range children {
			if err := c.cmd.Wait(); err != nil {
				t.Error(err)
			}
		}
		close(said)
		for line := range said {
			times[line]++
		}
		for i := range jobs {
			if n := times[fmt.Sprintf("%d 0", i)]; n != 1 {
				t.Errorf("run %d was done %d times", i, n)
			}
		}
		for j, state := range states(t, q) {
			if state != rivertype.JobStateCompleted {
				t.Errorf("run %s is %s", j.Run, state)
			}
		}
	})
}

// Who adds a job again learns what became of it.
func TestStanding(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		standing := func(run string) (waits, taken, ended bool) {
			t.Helper()
			s, err := q.Add(t.Context(), job(run), time.Time{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			return !s.Ended && s.Taken.IsZero(), !s.Taken.IsZero() && time.Since(s.Taken) < time.Hour, s.Ended
		}
		check := func(run string, want ...bool) {
			t.Helper()
			waits, taken, ended := standing(run)
			if diff := cmp.Diff(want, []bool{waits, taken, ended}); diff != "" {
				t.Errorf("%s: waits, is taken, has ended: %s", run, diff)
			}
		}
		check("a", true, false, false)
		check("a", true, false, false)
		child := p.start(t, "hold")
		if said := child.next(); said != "a 0" {
			t.Fatalf("it said %q", said)
		}
		check("a", false, true, false)
		child.kill(t)
		check("a", false, true, false)
		check("b", true, false, false)
		stop := work(t, q, 1, func(context.Context, Job) Outcome { return Done{} })
		until(t, q, job("b"), rivertype.JobStateCompleted)
		stop()
		check("b", false, false, true)
	})
}
