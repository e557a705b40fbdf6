package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/riverqueue/river/rivertype"
)

func TestUnique(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		a, again, b, elsewhere := job("a"), job("a"), job("b"), job("a")
		again.Generation, elsewhere.Sandbox = 1, "dev"
		add(t, q, a, a, elsewhere)
		done := make(chan Job, 10)
		stop := work(t, q, 5, func(_ context.Context, j Job) Outcome {
			done <- j
			return Done{}
		})
		<-done
		<-done
		until(t, q, a, rivertype.JobStateCompleted)
		until(t, q, elsewhere, rivertype.JobStateCompleted)
		add(t, q, a, again, b)
		if got := []Job{<-done, <-done}; !slices.Contains(got, again) || !slices.Contains(got, b) {
			t.Errorf("done: %v", got)
		}
		stop()
		want := map[Job]rivertype.JobState{
			a: rivertype.JobStateCompleted, again: rivertype.JobStateCompleted, b: rivertype.JobStateCompleted, elsewhere: rivertype.JobStateCompleted,
		}
		if diff := cmp.Diff(want, states(t, q)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestOrder(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		soon := time.Now().Add(1500 * time.Millisecond)
		for _, one := range []struct {
			run      string
			at       time.Time
			priority int
		}{
			{"last", time.Time{}, 4},
			{"next year", soon.AddDate(1, 0, 0), 1},
			{"soon", soon, 1},
			{"second", time.Time{}, 2},
			{"first", time.Time{}, 1},
			{"due since an hour", soon.Add(-time.Hour), 1},
		} {
			if _, err := q.Add(t.Context(), job(one.run), one.at, one.priority); err != nil {
				t.Fatal(err)
			}
		}
		if state := states(t, q)[job("due since an hour")]; state != rivertype.JobStateAvailable {
			t.Errorf("what is due is %s", state)
		}
		if _, err := q.Add(t.Context(), job("lowest"), time.Time{}, 5); err == nil {
			t.Error("priority 5 was taken")
		}
		done := make(chan string, 10)
		stop := work(t, q, 1, func(_ context.Context, j Job) Outcome {
			if j.Run == "soon" && time.Now().Before(soon) {
				t.Error("too early")
			}
			done <- j.Run
			return Done{}
		})
		var got []string
		for range 5 {
			got = append(got, <-done)
		}
		stop()
		// When soon comes depends on how fast the others were.
		got = slices.DeleteFunc(got, func(run string) bool { return run == "soon" })
		if diff := cmp.Diff([]string{"first", "due since an hour", "second", "last"}, got); diff != "" {
			t.Error(diff)
		}
		if state := states(t, q)[job("next year")]; state != rivertype.JobStateScheduled {
			t.Errorf("next year's is %s", state)
		}
	})
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	bad := errors.New("odd \x00 text \xff" + strings.Repeat("ä", 3000))
	type test struct {
		name     string
		outcomes []Outcome // one a time
		state    rivertype.JobState
		attempt  int
	}
	tests := []test{
		{"done", []Outcome{Done{}}, rivertype.JobStateCompleted, 1},
		{"put off more often than there are tries", []Outcome{Later{}, Later{time.Millisecond}, Later{-time.Hour}, Done{}}, rivertype.JobStateCompleted, 1},
		{"put off for long", []Outcome{Later{time.Hour}}, rivertype.JobStateScheduled, 0},
		{"failed once", []Outcome{Again{bad}, Done{}}, rivertype.JobStateCompleted, 2},
		{"failed, put off, failed", []Outcome{Again{bad}, Later{}, Again{}}, rivertype.JobStateDiscarded, 2},
		{"failed for good", []Outcome{Never{bad}}, rivertype.JobStateCancelled, 1},
		{"failed for good, it does not say why", []Outcome{Never{}}, rivertype.JobStateCancelled, 1},
	}
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		q.tries = 2
		calls := map[string]*atomic.Int32{}
		for _, tt := range tests {
			calls[tt.name] = &atomic.Int32{}
			add(t, q, job(tt.name))
		}
		stop := work(t, q, len(tests), func(_ context.Context, j Job) Outcome {
			tt := tests[slices.IndexFunc(tests, func(tt test) bool { return tt.name == j.Run })]
			n := int(calls[j.Run].Add(1))
			if n > len(tt.outcomes) {
				t.Errorf("%s: call %d", j.Run, n)
				return Done{}
			}
			return tt.outcomes[n-1]
		})
		for _, tt := range tests {
			until(t, q, job(tt.name), tt.state)
		}
		stop()
		for i, row := range rows(t, q) {
			tt := tests[i]
			if n := int(calls[tt.name].Load()); n != len(tt.outcomes) || row.Attempt != tt.attempt || row.State != tt.state {
				t.Errorf("%s: %d calls, attempt %d, %s", tt.name, n, row.Attempt, row.State)
			}
		}
	})
}

func TestPanic(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		var log bytes.Buffer
		q, err := Open(t.Context(), p.dir, p.database, slog.New(slog.NewJSONHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		add(t, q, job("a"))
		calls := 0
		stop := work(t, q, 1, func(context.Context, Job) Outcome {
			if calls++; calls == 1 {
				panic("a defect \x00")
			}
			return Done{}
		})
		until(t, q, job("a"), rivertype.JobStateCompleted)
		stop()
		var line struct{ Level, Msg, Run, Stack string }
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("%v of %s", err, log.Bytes())
		}
		if line.Run != "a" || line.Level != "ERROR" || !strings.Contains(line.Stack, "TestPanic") {
			t.Errorf("log: %s", log.Bytes())
		}
	})
}

func TestCancel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q, other := p.open(t), p.open(t)
		waiting, other1 := job("waiting"), job("other")
		if _, err := q.Add(t.Context(), waiting, time.Now().Add(time.Hour), 1); err != nil {
			t.Fatal(err)
		}
		running, stubborn := job("running"), job("ends well")
		add(t, q, running, stubborn, other1)
		began, causes := make(chan Job, 10), make(chan error, 10)
		work(t, q, 5, func(ctx context.Context, j Job) Outcome {
			began <- j
			<-ctx.Done()
			if j == other1 {
				return Again{ctx.Err()}
			}
			causes <- context.Cause(ctx)
			if j == stubborn {
				return Done{}
			}
			return Later{time.Minute}
		})
		for range 3 {
			<-began
		}
		for _, run := range []string{"waiting", "running", "ends well", "unheard of"} {
			if err := other.Cancel(t.Context(), run); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if cause := <-causes; !errors.Is(cause, ErrCancelled) {
				t.Errorf("cause %v", cause)
			}
		}
		until(t, q, running, rivertype.JobStateCancelled)
		until(t, q, stubborn, rivertype.JobStateCompleted)
		want := map[Job]rivertype.JobState{
			waiting: rivertype.JobStateCancelled, running: rivertype.JobStateCancelled, stubborn: rivertype.JobStateCompleted, other1: rivertype.JobStateRunning,
		}
		add(t, q, waiting, running) // changes nothing
		if diff := cmp.Diff(want, states(t, other)); diff != "" {
			t.Error(diff)
		}
	})
}

// What is interrupted goes to another worker and has lost no try.
func TestStop(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		q.tries = 1
		a, finishes := job("a"), job("finishes")
		add(t, q, a, finishes)
		began := make(chan Job, 10)
		stop := work(t, q, 5, func(ctx context.Context, j Job) Outcome {
			began <- j
			<-ctx.Done()
			if errors.Is(context.Cause(ctx), ErrCancelled) {
				t.Error("nobody cancelled it")
			}
			if j == finishes {
				return Done{}
			}
			return Again{errors.New("the connection broke")} // as an error may look that an end led to
		})
		<-began
		<-began
		stop()
		want := map[Job]rivertype.JobState{a: rivertype.JobStateAvailable, finishes: rivertype.JobStateCompleted}
		if diff := cmp.Diff(want, states(t, q)); diff != "" {
			t.Fatal(diff)
		}
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		q = p.open(t)
		done := make(chan Job, 10)
		work(t, q, 5, func(_ context.Context, j Job) Outcome {
			done <- j
			return Done{}
		})
		if j := <-done; j != a {
			t.Errorf("did %v", j)
		}
		until(t, q, a, rivertype.JobStateCompleted)
	})
}

// Work returns although what it called does not.
func TestStubborn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		q := p.open(t)
		q.grace = time.Millisecond
		add(t, q, job("a"))
		began, release := make(chan bool), make(chan bool)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- q.Work(ctx, 1, func(context.Context, Job) Outcome {
				began <- true
				<-release
				return Done{}
			})
		}()
		<-began
		cancel()
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "did not stop within") {
			t.Errorf("error %v", err)
		}
		if state := states(t, q)[job("a")]; state != rivertype.JobStateRunning {
			t.Errorf("it is %s", state)
		}
		close(release)
		until(t, q, job("a"), rivertype.JobStateCompleted)
	})
}

func TestOpenTogether(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p place) {
		opened := make(chan error)
		for i := range 4 {
			go func() {
				q, err := Open(t.Context(), p.dir, p.database, quietLog)
				if err == nil {
					_, err = q.Add(t.Context(), job(fmt.Sprint(i)), time.Time{}, 1)
					err = errors.Join(err, q.Close())
				}
				opened <- err
			}()
		}
		for range 4 {
			if err := <-opened; err != nil {
				t.Error(err)
			}
		}
		if n := len(states(t, p.open(t))); n != 4 {
			t.Errorf("%d jobs", n)
		}
		if p.dir == "" {
			return
		}
		info, err := os.Stat(filepath.Join(p.dir, "jobs.db"))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("jobs.db has mode %v", info.Mode())
		}
	})
}
