package flow

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/problem"
)

func TestLease(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.flow(`{}`)
		jobs := w.due()
		if len(jobs) != 1 || jobs[0].Generation != 1 {
			t.Fatalf("jobs %+v", jobs)
		}
		r := jobs[0].Ref
		take := func(generation int, holder string, want bool) {
			t.Helper()
			if ok, err := w.Take(ctx, r, generation, holder); err != nil || ok != want {
				t.Errorf("%s takes generation %d: %v %v", holder, generation, ok, err)
			}
		}
		renew := func(holder string, want bool) {
			t.Helper()
			if ok, err := w.Renew(ctx, r, holder); err != nil || ok != want {
				t.Errorf("%s renews: %v %v", holder, ok, err)
			}
		}
		due := func(generations ...int) {
			t.Helper()
			var got []int
			for _, j := range w.due() {
				got = append(got, j.Generation)
			}
			if diff := cmp.Diff(generations, got); diff != "" {
				t.Error(diff)
			}
		}
		due(1) // again: the queue may have been lost
		take(2, "a", false)
		take(1, "a", true)
		take(1, "a", false)
		take(1, "b", false)
		renew("b", false)
		due()
		w.sleep(LeaseFor - time.Second)
		renew("a", true)
		w.sleep(LeaseFor - time.Second)
		due()
		renew("a", true)
		w.sleep(LeaseFor)
		renew("a", false)
		if err := w.Progress(ctx, r, "a", func(*Run) {}); !errors.Is(err, ErrLost) {
			t.Error(err)
		}
		due(2) // it was silent
		due(2)
		take(1, "a", false)
		take(2, "b", true)
		renew("a", false)
		if err := w.Release(ctx, r, "a"); err != nil {
			t.Error(err)
		}
		renew("b", true)
		if err := w.Finish(ctx, r, "a", Verdict{}, func(r *Run) { r.Metrics.Status.Status = Success }); !errors.Is(err, ErrLost) {
			t.Error(err)
		}
		if err := w.Release(ctx, r, "b"); err != nil {
			t.Error(err)
		}
		renew("b", false)
		due(2)
		take(1, "c", false)
		take(2, "c", true)
		if err := w.Progress(ctx, r, "c", func(r *Run) { r.Metrics.Records.Input = 7 }); err != nil {
			t.Error(err)
		}
		if err := w.Finish(ctx, r, "c", Verdict{}, func(*Run) {}); err == nil || errors.Is(err, ErrLost) {
			t.Errorf("finished as inProgress: %v", err)
		}
		renew("c", true)
		if err := w.Finish(ctx, r, "c", Verdict{}, func(r *Run) { r.Metrics.Status.Status = Success }); err != nil {
			t.Error(err)
		}
		renew("c", false)
		take(2, "d", false)
		due()
		metrics := w.one("/runs/" + r.Run)["metrics"].(map[string]any)
		if metrics["recordSummary"].(map[string]any)["inputRecordCount"] != json.Number("7") || metrics["statusSummary"].(map[string]any)["status"] != Success {
			t.Errorf("%v", metrics)
		}
		stranger := r
		stranger.Sandbox = "x"
		if ok, err := w.Take(ctx, stranger, 1, "a"); err != nil || ok {
			t.Errorf("a run of another sandbox: %v %v", ok, err)
		}
	})
}

// A run whose job nobody will get goes into its next generation, unless somebody
// works on it or was faster.
func TestRenumber(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.flow(`{}`)
		r := w.due()[0].Ref
		renumber := func(generation, want int) {
			t.Helper()
			if err := w.Renumber(ctx, r, generation); err != nil {
				t.Error(err)
			}
			if jobs := w.due(); want > 0 && (len(jobs) != 1 || jobs[0].Generation != want) || want == 0 && len(jobs) > 0 {
				t.Errorf("jobs %+v, not of generation %d", jobs, want)
			}
		}
		renumber(1, 2)
		renumber(1, 2)
		if ok, err := w.Take(ctx, r, 2, "a"); err != nil || !ok {
			t.Fatal(ok, err)
		}
		renumber(2, 0)
		if ok, err := w.Renew(ctx, r, "a"); err != nil || !ok {
			t.Error(ok, err)
		}
		if err := w.Finish(ctx, r, "a", Verdict{}, func(r *Run) { r.Metrics.Status.Status = Success }); err != nil {
			t.Error(err)
		}
		renumber(2, 0)
	})
}

// However many processes take, renew, release and fall silent: no run has two
// holders at once, and each ends once.
func TestLeasesAtOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		n, workers := 6, 6
		if testing.Short() {
			n, workers = 3, 3
		}
		for range n {
			w.flow(`{}`)
		}
		var mu sync.Mutex
		holders := map[string]string{} // of runs, as they believe
		since := map[string]time.Time{}
		finished := map[string]int{}
		// hold is told after a run was taken, and when that was tried: till a
		// minute later, or till it drops it, the holder has it for certain.
		hold := func(run, holder string, tried time.Time) {
			mu.Lock()
			defer mu.Unlock()
			now := w.time()
			if !now.Before(tried.Add(LeaseFor)) {
				return
			}
			if h := holders[run]; h != "" && now.Before(since[run].Add(LeaseFor)) {
				t.Errorf("%s takes what %s holds", holder, h)
			}
			holders[run], since[run] = holder, tried
		}
		drop := func(run, holder string) {
			mu.Lock()
			defer mu.Unlock()
			if holders[run] == holder {
				delete(holders, run)
			}
		}
		done := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(finished)
		}
		var wg sync.WaitGroup
		for i := range workers {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(i), 1)) //nolint:gosec // a worker's, and the same again
				for try := 0; done() < n; try++ {
					jobs, err := w.Due(ctx)
					if err != nil {
						t.Error(err)
						return
					}
					for _, j := range jobs {
						w.tryAJob(ctx, j, "w"+strconv.Itoa(i)+"-"+strconv.Itoa(try)+"-"+j.Run, random.IntN(5), hold, drop, func() {
							mu.Lock()
							defer mu.Unlock()
							finished[j.Run]++
						})
					}
					if random.IntN(3) == 0 {
						w.sleep(LeaseFor / 3)
					}
				}
			})
		}
		wg.Wait()
		for run, times := range finished {
			if times != 1 {
				t.Errorf("%s was finished %d times", run, times)
			}
		}
		for _, id := range w.ids("/runs") {
			if finished[id] != 1 {
				t.Errorf("run %s was finished %d times", id, finished[id])
			}
		}
	})
}

// tryAJob does one of the things that may become of a job.
func (w *world) tryAJob(ctx context.Context, j Job, holder string, what int, hold func(run, holder string, tried time.Time), drop func(run, holder string), finished func()) {
	tried := w.time()
	ok, err := w.Take(ctx, j.Ref, j.Generation, holder)
	if err != nil {
		w.t.Error(err)
	}
	if !ok {
		return
	}
	hold(j.Run, holder, tried)
	if what > 1 {
		if ok, err := w.Renew(ctx, j.Ref, holder); err != nil {
			w.t.Error(err)
		} else if !ok {
			return // the clock went on
		}
	}
	switch what {
	case 0: // killed
		return
	case 1:
		drop(j.Run, holder)
		if err := w.Release(ctx, j.Ref, holder); err != nil {
			w.t.Error(err)
		}
		return
	}
	drop(j.Run, holder)
	err = w.Finish(ctx, j.Ref, holder, Verdict{}, func(r *Run) { r.Metrics.Status.Status = Success })
	if err == nil {
		finished()
	} else if !errors.Is(err, ErrLost) {
		w.t.Error(err)
	}
}

// Many processes that look for what is due put each run down once.
func TestDueAtOnce(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		const n = 5
		for range n {
			w.flow(`{"startTime":1710267858,"frequency":"minute","interval":1}`)
		}
		for range 3 {
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if _, err := w.Due(t.Context()); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			jobs := w.due()
			if len(jobs) != n {
				t.Errorf("%d jobs", len(jobs))
			}
			for _, j := range jobs {
				w.finish(j, Success)
			}
			w.sleep(time.Minute)
		}
		if got := len(w.ids("/runs")); got != 3*n {
			t.Errorf("%d runs", got)
		}
	})
}

func TestDue(t *testing.T) {
	t.Parallel()
	start := worldStart.Add(10 * time.Minute)
	hourly := `{"startTime":` + strconv.FormatInt(start.Unix(), 10) + `,"frequency":"hour","interval":1}`
	t.Run("slots", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		id := w.flow(hourly)
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs before the start: %+v", jobs)
		}
		for n := range 3 {
			slot := start.Add(time.Duration(n) * time.Hour)
			w.sleep(slot.Sub(w.time()) - time.Millisecond)
			if jobs := w.due(); len(jobs) != 0 {
				t.Errorf("jobs before the slot: %+v", jobs)
			}
			w.sleep(8 * time.Second)
			jobs := w.due()
			if len(jobs) != 1 || !jobs[0].At.Equal(slot) {
				t.Fatalf("jobs %+v", jobs)
			}
			if last := w.one("/flows/" + id)["lastRunDetails"].(map[string]any); last["state"] != InProgress || last["id"] != jobs[0].Run {
				t.Errorf("%v", last)
			}
			w.finish(jobs[0], Success)
			if last := w.one("/flows/" + id)["lastRunDetails"].(map[string]any); last["state"] != Success || last["completedAtUTC"] == nil {
				t.Errorf("%v", last)
			}
			f, err := load(t.Context(), w.Service, flows, w.caller, id)
			if err != nil || f.Until != slot.UnixMilli() {
				t.Errorf("until %d, %v", f.Until, err)
			}
		}
		w.sleep(7*time.Hour + 30*time.Minute) // nobody was there
		jobs := w.due()
		if len(jobs) != 1 || !jobs[0].At.Equal(w.time()) {
			t.Errorf("jobs %+v, want one of now", jobs)
		}
		w.finish(jobs[0], Failed)
		if f, err := load(t.Context(), w.Service, flows, w.caller, id); err != nil || f.Until != start.Add(2*time.Hour).UnixMilli() {
			t.Errorf("until %d, %v: a run that failed moves nothing", f.Until, err)
		}
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs %+v", jobs)
		}
	})
	t.Run("slots during a run", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.flow(hourly)
		w.sleep(10 * time.Minute)
		job := w.due()[0]
		if ok, err := w.Take(t.Context(), job.Ref, job.Generation, "a"); err != nil || !ok {
			t.Fatal(ok, err)
		}
		for range 3 * 80 {
			w.sleep(45 * time.Second)
			if ok, err := w.Renew(t.Context(), job.Ref, "a"); err != nil || !ok {
				t.Fatal(ok, err)
			}
			if w.time().Minute() == 41 {
				if jobs := w.due(); len(jobs) != 0 {
					t.Fatalf("jobs beside a run: %+v", jobs)
				}
			}
		}
		if err := w.Finish(t.Context(), job.Ref, "a", Verdict{}, func(r *Run) { r.Metrics.Status.Status = Success }); err != nil {
			t.Fatal(err)
		}
		if jobs := w.due(); len(jobs) != 1 {
			t.Errorf("jobs %+v, want one for all slots that passed", jobs)
		}
		w.finishAll()
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs %+v", jobs)
		}
	})
	t.Run("once", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.flow(`{"startTime":` + strconv.FormatInt(start.Unix(), 10) + `}`)
		w.sleep(10 * time.Minute)
		jobs := w.due()
		if len(jobs) != 1 || !jobs[0].At.Equal(start) {
			t.Fatalf("jobs %+v", jobs)
		}
		w.finish(jobs[0], Failed)
		w.sleep(1000 * time.Hour)
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs %+v", jobs)
		}
	})
	t.Run("patched", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		id := w.flow(hourly)
		w.made(w.patch(id, `[{"op":"replace","path":"/scheduleParams/startTime","value":`+strconv.FormatInt(start.Unix()+60, 10)+`}]`))
		w.sleep(10 * time.Minute)
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs at the old start: %+v", jobs)
		}
		w.sleep(time.Minute)
		w.finishAll()
		w.made(w.patch(id, `[{"op":"replace","path":"/scheduleParams","value":{"frequency":"minute","interval":"20"}}]`))
		w.sleep(20 * time.Minute)
		if jobs := w.due(); len(jobs) != 1 || !jobs[0].At.Equal(start.Add(21*time.Minute)) {
			t.Errorf("jobs %+v", jobs)
		}
		w.finishAll()
		w.sleep(30 * time.Minute) // a slot has passed that nobody served
		w.made(w.patch(id, `[{"op":"replace","path":"/scheduleParams","value":{"frequency":"week","interval":1}}]`))
		if jobs := w.due(); len(jobs) != 1 {
			t.Errorf("jobs %+v, want one for the slot that was not served", jobs)
		}
		w.finishAll()
		w.sleep(6 * 24 * time.Hour)
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs %+v", jobs)
		}
	})
	t.Run("patched to a start in the past", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		id := w.flow(hourly)
		w.made(w.patch(id, `[{"op":"replace","path":"/scheduleParams/startTime","value":"1710267858"}]`))
		if jobs := w.due(); len(jobs) != 1 {
			t.Errorf("jobs %+v", jobs)
		}
	})
}

// A verdict stops a flow, and says why.
func TestVerdict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.flow(`{"startTime":1710267858,"frequency":"minute","interval":1}`)
	etag := w.etag("/flows/" + id)
	w.end(w.due()[0], Verdict{Stop: "the key was revoked"}, Failed)
	f := w.one("/flows/" + id)
	status := f["lastOperation"].(map[string]any)["status"]
	if diff := cmp.Diff(map[string]any{"value": "failed", "errors": []any{"the key was revoked"}}, status); diff != "" || f["state"] != "disabled" || f["etag"] == etag {
		t.Errorf("%s %v", diff, f)
	}
	w.sleep(time.Hour)
	if jobs := w.due(); len(jobs) != 0 {
		t.Errorf("jobs %+v", jobs)
	}
	w.made(w.server.Do("POST", base+"/flows/"+id+"/action?op=enable", nil))
	status = w.one("/flows/" + id)["lastOperation"].(map[string]any)["status"]
	if diff := cmp.Diff(map[string]any{"value": "completed", "errors": []any{}}, status); diff != "" {
		t.Error(diff)
	}
	if jobs := w.due(); len(jobs) != 1 {
		t.Errorf("jobs %+v", jobs)
	}
}

func TestPlan(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		ctx := t.Context()
		account := &Account{ID: "acct_1", Fingerprint: "f"}
		one, same, other := w.connection(account), w.connection(&Account{ID: "acct_1", Fingerprint: "g"}), w.connection(&Account{ID: "acct_1", Livemode: true, Fingerprint: "h"})
		target := w.target(ownDataset)
		flow := func(connection *Connection, resource, schedule string) string {
			return w.made(w.server.Do("POST", base+"/flows", flowText(w.source(connection.ID, resource), target, schedule)))
		}
		id := flow(one, "charges", `{"startTime":1710267858,"frequency":"minute","interval":1,"backfill":false}`)
		job := w.due()[0]
		flow(one, "charges", `{}`)
		flow(same, "customers", `{}`)
		flow(other, "prices", `{}`)
		w.made(w.server.Do("POST", base+"/flows/"+flow(one, "refunds", `{}`)+"/action?op=disable", nil))
		p, err := w.Plan(ctx, job.Ref)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"charges", "customers"}, p.Wanted); diff != "" {
			t.Error(diff)
		}
		if p.Flow.ID != id || p.Run.ID != job.Run || p.Connection.ID != one.ID || p.Key.IsZero() || p.Dataset.ID != ownDataset || p.Set.ID != mappingID || !p.Caller.Admin {
			t.Errorf("%+v", p)
		}
		if !p.Since.Equal(time.Unix(1710267858, 0)) {
			t.Errorf("since %v", p.Since)
		}
		learned := Account{ID: "acct_2", Fingerprint: p.Key.Fingerprint(p.Credentials.Account)}
		for _, a := range []Account{learned, {ID: "acct_3", Fingerprint: "of older credentials"}} {
			if err := w.Learn(ctx, w.caller, one.ID, a); err != nil {
				t.Error(err)
			}
		}
		if p, err = w.Plan(ctx, job.Ref); err != nil || *p.Connection.Account != learned || len(p.Wanted) != 1 {
			t.Errorf("%+v %v", p, err)
		}
		if err := w.Learn(ctx, w.caller, "x", learned); err != nil {
			t.Error(err)
		}
		w.do(func(tx *docstore.Tx) error { return tx.Delete(scope(w.caller), kindConnection, one.ID) })
		if _, err = w.Plan(ctx, job.Ref); problem.KindOf(err) != problem.NotFound || errors.Is(err, ErrGone) {
			t.Error(err)
		}
		w.server.Do("DELETE", base+"/flows/"+id, nil)
		if _, err = w.Plan(ctx, job.Ref); !errors.Is(err, ErrGone) {
			t.Error(err)
		}
	})
}

// A sandbox that is emptied takes along what it has outside of itself.
func TestForget(t *testing.T) {
	t.Parallel()
	eachWorld(t, func(t *testing.T, w *world) {
		w.flow(`{"startTime":1710267858,"frequency":"minute","interval":1}`)
		job := w.due()[0]
		dev := gatewaytest.Admin("dev")
		if err := w.Forget(t.Context(), scope(dev)); err != nil {
			t.Fatal(err)
		}
		if jobs := w.due(); len(jobs) != 1 {
			t.Fatalf("jobs %+v after another sandbox was emptied", jobs)
		}
		if ok, err := w.Take(t.Context(), job.Ref, job.Generation, "a"); err != nil || !ok {
			t.Fatal(ok, err)
		}
		if err := w.Forget(t.Context(), scope(w.caller)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Ref{job.Ref}, w.dropped); diff != "" {
			t.Error(diff)
		}
		if ok, err := w.Renew(t.Context(), job.Ref, "a"); err != nil || ok {
			t.Errorf("renewed: %v %v", ok, err)
		}
		w.sleep(time.Hour)
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs %+v", jobs)
		}
		// What was written after it was forgotten is removed with the next look.
		w.flow(`{"startTime":1710267858,"frequency":"minute","interval":1}`)
		w.do(func(tx *docstore.Tx) error { return tx.Clear(scope(w.caller)) })
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs %+v", jobs)
		}
		w.flow(`{"startTime":1710267858,"frequency":"minute","interval":1}`)
		job = w.due()[0]
		w.do(func(tx *docstore.Tx) error { return tx.Clear(scope(w.caller)) })
		if ok, err := w.Take(t.Context(), job.Ref, job.Generation, "a"); err != nil || ok {
			t.Errorf("a run that is gone was taken: %v %v", ok, err)
		}
		if jobs := w.due(); len(jobs) != 0 {
			t.Errorf("jobs %+v", jobs)
		}
	})
}
