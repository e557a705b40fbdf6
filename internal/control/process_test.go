package control_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/childtest"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/runner"
	"github.com/tributary-data/tributary/internal/secret"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/stripesim"
)

func TestMain(m *testing.M) {
	childtest.Main(m, func(l *life) {
		if err := l.live(); err != nil {
			fmt.Fprintln(os.Stderr, "a process of a test:", err)
			os.Exit(1)
		}
	})
}

// A life is that of a process which does runs.
type life struct {
	Dir, Database, Stripe string
	Serve                 bool         // all that serve does, and no worker alone
	Marks                 string       // directory; has a locked file for each run that is worked on
	Die                   runner.Point // by its own hand, when a run is there
	Skip                  int64        // after so many runs that were

	passed atomic.Int64
	held   sync.Map // *os.File by run
}

// leaseFor is how long a process that was killed keeps its runs.
const leaseFor = 4 * time.Second

// live does runs until its standard input ends, or it dies.
func (l *life) live() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	c, err := control.Open(ctx, control.Config{Dir: l.Dir, Database: l.Database, Seal: secret.Place{Dir: l.Dir}, Now: time.Now, Existing: true})
	if err != nil {
		return err
	}
	o := control.Options{
		Version: "test", Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Stripe: app.Sync{URL: l.Stripe, Share: 1, Limits: &stripe.Limits{}, Retry: stripe.Retry{Base: time.Millisecond, Cap: 4 * time.Millisecond}, Hooks: app.Hooks{Untidy: true}},
	}
	begin, do := c.Worker, (*control.Plane).Work
	if l.Serve {
		begin, do = c.Serve, (*control.Plane).Run
	}
	p, err := begin(ctx, o)
	if err != nil {
		return err
	}
	p.Flow.LeaseFor, p.Runner.LeaseFor, p.Runner.At = leaseFor, leaseFor, l.at
	fmt.Println("> working")
	if err := do(p, ctx); err != nil {
		return err
	}
	return p.Close(context.Background())
}

func (l *life) at(p runner.Point, run string) {
	switch p {
	case runner.AtTaken:
		l.mark(run)
	case runner.AtLeft:
		if f, ok := l.held.LoadAndDelete(run); ok {
			_ = f.(*os.File).Close() // and with it the lock
		}
	case runner.AtFinished:
		fmt.Println("> finished")
	default:
	}
	if p == l.Die && l.passed.Add(1) > l.Skip {
		childtest.Die()
	}
}

// mark holds the lock of a run for as long as it is worked on; that somebody else
// has it is told by a file beside it.
func (l *life) mark(run string) {
	if l.Marks == "" {
		return
	}
	f, err := os.OpenFile(filepath.Join(l.Marks, run), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		panic(err)
	}
	l.held.Store(run, f)
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		if err := os.WriteFile(filepath.Join(l.Marks, "twice-"+run), nil, 0o600); err != nil {
			panic(err)
		}
	}
}

// A process lives a life.
type process struct {
	*exec.Cmd
	in    io.Closer
	lines *bufio.Scanner
	log   *os.File
}

// process starts one; it is killed at the end of the test at the latest.
func (s *shop) process(t *testing.T, l *life) *process {
	t.Helper()
	l.Dir, l.Database, l.Stripe = s.plane.dir, s.database, s.how.URL
	p := &process{Cmd: childtest.Command(t, l)}
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.log, err = os.CreateTemp(t.TempDir(), ""); err != nil {
		t.Fatal(err)
	}
	p.Stderr = p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.in, p.lines = in, bufio.NewScanner(out)
	return p
}

// said waits until the process says it, n times.
func (p *process) said(t *testing.T, text string, n int) {
	t.Helper()
	for n > 0 && p.lines.Scan() {
		if p.lines.Text() == "> "+text {
			n--
		}
	}
	if n > 0 {
		log, _ := os.ReadFile(p.log.Name())
		t.Fatalf("it does not say that it is %s: %s", text, log)
	}
}

// killed waits for its death, by whatever hand.
func (p *process) killed(t *testing.T) {
	t.Helper()
	if err := p.Wait(); !childtest.Killed(err) {
		log, _ := os.ReadFile(p.log.Name())
		t.Fatalf("it ended by itself: %v %s", err, log)
	}
}

// end lets it come to its end.
func (p *process) end(t *testing.T) {
	t.Helper()
	_ = p.in.Close()
	for p.lines.Scan() {
	}
	if err := p.Wait(); err != nil {
		log, _ := os.ReadFile(p.log.Name())
		t.Errorf("it ended with %v: %s", err, log)
	}
}

// change lets something happen in the account.
func (s *shop) change(t *testing.T, r *rand.Rand) {
	t.Helper()
	steps := []stripesim.Step{
		{Do: "insert", Resource: stripesim.Charges},
		{Do: "update", Resource: stripesim.Charges, Target: "random"},
		{Do: "update", Resource: stripesim.Customers, Target: "random"},
		{Do: "delete", Resource: stripesim.Customers, Target: "oldest"},
		{Do: "refund", Resource: stripesim.Charges, Target: "newest"},
	}
	if err := s.sim.Do(steps[r.IntN(len(steps))]); err != nil {
		t.Fatal(err)
	}
	s.sim.Advance(time.Second)
}

// without leaves all runs to other processes.
func without(s *shop) { s.workers = -1 }

// A worker that dies anywhere in a run leaves it to the next one, which brings
// it to its end: one run, one batch, no row twice.
func TestTakeover(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("takes long")
	}
	s := openShop(t, "", without)
	s.plane.Flow.LeaseFor, s.plane.Runner.LeaseFor = leaseFor, leaseFor
	id := s.flow(t, "charges", daily())
	for n, point := range []runner.Point{
		runner.AtHanded, runner.AtTaken, runner.AtAdvanced, runner.AtBatch, runner.AtRows, runner.AtCommitted, runner.AtBatchDone, runner.AtFinished, runner.AtLeft,
	} {
		if n > 0 {
			for _, step := range []stripesim.Step{{Do: "insert", Resource: stripesim.Charges}, {Do: "update", Resource: stripesim.Charges, Target: "oldest"}} {
				if err := s.sim.Do(step); err != nil {
					t.Fatal(err)
				}
			}
			s.sim.Advance(time.Minute)
			s.must(201, "POST", flowservice+"/runs", map[string]any{"flowId": id})
		}
		s.process(t, &life{Die: point}).killed(t)
		heir := s.process(t, &life{})
		heir.said(t, "working", 1)
		run := s.ended(t, id, n+1)
		heir.end(t)
		want := 2
		if n == 0 {
			want = len(s.truth(t, "charges"))
		}
		if status(run) != "success" || count(run, "input") != want || count(run, "output") != want {
			t.Errorf("%s: %v", point, run)
		}
		if at(run, "metrics", "sizeSummary", "outputBytes") == 0.0 || at(run, "metrics", "fileSummary", "outputFileCount") != 1.0 {
			t.Errorf("%s: %v", point, run["metrics"])
		}
		s.exact(t)
		batches := s.must(200, "GET", "/data/foundation/catalog/batches?dataSet="+s.datasets["charges"], nil).json(t)
		if len(batches) != n+1 {
			t.Errorf("%s: %d batches", point, len(batches))
		}
		for _, b := range batches {
			if at(b, "status") != "success" {
				t.Errorf("%s: batch %v", point, b)
			}
		}
	}
}

// Workers are killed at random points and times, others take their place, and
// the account goes on changing: no run is worked on twice at once, each ends, and
// the datasets are exact.
func TestWorkersKilled(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, database string) {
		kills := int64(30)
		if testing.Short() {
			kills = 4
		}
		s := openShop(t, database, without)
		s.plane.Flow.LeaseFor, s.plane.Runner.LeaseFor = leaseFor, leaseFor
		for _, resource := range inOrder() {
			s.flow(t, resource, daily())
		}
		marks := t.TempDir()
		var died atomic.Int64
		var lives sync.WaitGroup
		for n := range 3 {
			lives.Go(func() {
				r := rand.New(rand.NewPCG(7, uint64(n)))
				for died.Load() < kills {
					l := &life{Marks: marks}
					if r.IntN(3) > 0 {
						points := []runner.Point{
							runner.AtHanded, runner.AtTaken, runner.AtAdvanced, runner.AtBatch, runner.AtRows, runner.AtCommitted, runner.AtBatchDone, runner.AtFinished, runner.AtLeft,
						}
						l.Die, l.Skip = points[r.IntN(len(points))], r.Int64N(3)
					}
					p := s.process(t, l)
					p.said(t, "working", 1)
					timer := time.AfterFunc(time.Duration(r.IntN(4000))*time.Millisecond, func() { _ = p.Process.Kill() })
					p.killed(t)
					timer.Stop()
					died.Add(1)
				}
			})
		}
		r := rand.New(rand.NewPCG(7, 7))
		for died.Load() < kills && !t.Failed() {
			s.change(t, r)
			for _, id := range s.flows {
				s.do("POST", flowservice+"/runs", map[string]any{"flowId": id}) // one that has a run refuses
			}
			time.Sleep(200 * time.Millisecond)
		}
		lives.Wait()
		var heirs []*process
		for range 3 {
			heirs = append(heirs, s.process(t, &life{Marks: marks}))
		}
		s.sim.Advance(time.Minute)
		total := 0
		for _, resource := range slices.Sorted(maps.Keys(s.flows)) {
			id := s.flows[resource]
			s.ended(t, id, len(s.runs(t, id)))
			s.ask(t, id)
			runs := s.runs(t, id)
			total += len(runs)
			s.batched(t, resource, runs)
		}
		for _, p := range heirs {
			p.end(t)
		}
		s.exact(t)
		twice, err := filepath.Glob(filepath.Join(marks, "twice-*"))
		if err != nil || len(twice) > 0 {
			t.Errorf("worked on twice at once: %v %v", twice, err)
		}
		t.Logf("%d processes were killed, %d runs ended", died.Load(), total)
	})
}

// batched says that each run of a flow went well, in a batch of its own where it
// found something, and that there are no other batches.
func (s *shop) batched(t *testing.T, resource string, runs []map[string]any) {
	t.Helper()
	batches := s.must(200, "GET", "/data/foundation/catalog/batches?limit=100&dataSet="+url.QueryEscape(s.datasets[resource]), nil).json(t)
	for _, run := range runs {
		if status(run) != "success" {
			t.Errorf("%s: %v", resource, run)
		}
		if count(run, "input")+count(run, "deleted") == 0 {
			continue
		}
		activities, _ := run["activities"].([]any)
		found := 0
		for id, b := range batches {
			if !strings.Contains(fmt.Sprint(activities), id) {
				continue
			}
			found++
			if at(b, "status") != "success" || at(b, "metrics", "outputRecordCount") != float64(count(run, "output")) {
				t.Errorf("%s: batch %v of run %v", resource, b, run)
			}
			delete(batches, id)
		}
		if found != 1 {
			t.Errorf("%s: %d batches of run %v", resource, found, run)
		}
	}
	if len(batches) > 0 {
		t.Errorf("%s: batches of no run: %v", resource, batches)
	}
}

// Schedules stand in the database: they survive a stop and a kill.
func TestSchedulesSurvive(t *testing.T) {
	t.Parallel()
	on(t, func(t *testing.T, database string) {
		var offset atomic.Int64
		s := openShop(t, database, func(s *shop) {
			s.workers = -1
			s.now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		})
		start := fmt.Sprint(time.Now().Add(6 * time.Second).Unix())
		single := s.flow(t, "customers", map[string]any{"startTime": start, "frequency": "once"})
		repeated := s.flow(t, "charges", map[string]any{"startTime": start, "frequency": "minute", "interval": "15"})
		s.plane.stop()
		first := s.process(t, &life{Serve: true})
		first.said(t, "working", 1)
		if err := first.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		first.killed(t)
		second := s.process(t, &life{Serve: true})
		second.said(t, "finished", 2)
		if err := second.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		second.killed(t)
		s.workers = 0
		s.serve(t, s.plane.dir)
		for _, id := range s.flows {
			if run := s.ended(t, id, 1); status(run) != "success" {
				t.Errorf("%v", run)
			}
		}
		s.exact(t)
		offset.Store(int64(15 * time.Minute))
		s.again(t)
		s.ended(t, repeated, 2)
		if a, b := len(s.runs(t, single)), len(s.runs(t, repeated)); a != 1 || b != 2 {
			t.Errorf("%d and %d runs", a, b)
		}
	})
}
