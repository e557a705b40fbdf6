package flow

import (
	"context"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// errBusy says that a flow has an unfinished run.
var errBusy = errors.New("an earlier run of the dataflow is not finished")

// begin puts down a run of a flow: its document, the lease that makes it work to
// be done, and what the flow shows of it. errBusy.
func (s *Service) begin(t *docstore.Tx, c access.Caller, f *Flow, ask Ask) (*Run, error) {
	_, err := t.Find(docstore.Scope{}, kindLease, flowKey(f.ID))
	if err == nil {
		return nil, errBusy
	}
	if !errors.Is(err, docstore.ErrNotFound) {
		return nil, err
	}
	now := s.Now()
	r := &Run{FlowID: f.ID, FlowSpec: f.Spec, Activities: []Activity{}, Ask: ask}
	if err := s.born(c, &r.Item); err != nil {
		return nil, err
	}
	ref, err := uuid.NewRandomFromReader(s.random())
	if err != nil {
		return nil, fmt.Errorf("make an id: %w", err)
	}
	r.ProviderRefID = "M-" + f.ID + "-" + ask.Kind + "-0:" + ref.String()
	if r.BatchID, err = newBatchID(now.UnixMilli(), s.random()); err != nil {
		return nil, err
	}
	r.Metrics.Duration.Started = max(ask.At, now.UnixMilli())
	r.Metrics.Files = Files{Input: -1, Output: -1}
	r.Metrics.Status = Status{Status: InProgress, Errors: []RunError{}}
	if err := runs.put(t, docstore.Scope{Org: f.Org, Sandbox: f.SandboxID}, docstore.Doc{}, r); err != nil {
		return nil, err
	}
	l := lease{Org: f.Org, Sandbox: f.SandboxID, Flow: f.ID, At: ask.At, Generation: 1}
	if err := t.Store(docstore.Scope{}, docstore.Doc{Kind: kindLease, ID: r.ID, Parent: f.ID, Keys: []string{flowKey(f.ID)}}, l); err != nil {
		return nil, err
	}
	sc := docstore.Scope{Org: f.Org, Sandbox: f.SandboxID}
	_, d, err := readFlow(t, sc, f.ID)
	if err != nil {
		return nil, err
	}
	f.LastRun = &LastRun{ID: r.ID, State: InProgress, Started: r.Metrics.Duration.Started}
	return r, putFlow(t, sc, d, f)
}

// crockford is the alphabet of ULIDs: without I, L, O and U.
var crockford = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// newBatchID returns a ULID (github.com/ulid/spec).
func newBatchID(ms int64, random io.Reader) (string, error) {
	// 128 bits stand at the end of 26 digits of five bits, behind two zero bits:
	// 130 bits of a number of 160.
	var b [20]byte
	binary.BigEndian.PutUint64(b[4:], uint64(ms)<<16) //nolint:gosec // after 1970
	if _, err := io.ReadFull(random, b[10:]); err != nil {
		return "", fmt.Errorf("make an id: %w", err)
	}
	return crockford.EncodeToString(b[:])[6:], nil
}

// busy words errBusy for clients.
func busy(f *Flow) error {
	running := fail("CONNECTOR-1380-400", "Bad request", "The dataflow %s has a run that is not finished. Wait for its end, and then ask for another", f.ID)
	if f.LastRun != nil {
		running = fail("CONNECTOR-1380-400", "Bad request", "The run %s of the dataflow %s is not finished. Wait for its end, and then ask for another", f.LastRun.ID, f.ID)
	}
	running.Report = map[string]any{"field": "flowId", "id": f.ID}
	return running
}

// createRun makes a run on demand: of a window of creation times, or of all that
// earlier runs did not take.
func (s *Service) createRun(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	var b struct {
		FlowID string          `json:"flowId"`
		Params json.RawMessage `json:"params"`
	}
	if err := call.JSON(&b); err != nil {
		return nil, err
	}
	id := strings.ToLower(strings.TrimSpace(b.FlowID))
	if id == "" {
		return nil, invalid("FLOW-1446-400", "flowId", "The flow id is missing: whose run it is to be")
	}
	params, err := members(b.Params, "params")
	if err != nil {
		return nil, err
	}
	var run *Run
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		f, _, err := flows.get(t, scope(call.Caller), id)
		missing, ok := errors.AsType[*gateway.Failure](err)
		if ok && missing.Status == http.StatusNotFound || err == nil && !sees(call.Caller, f.Labels) {
			return invalid("FLOW-1430-400", "flowId", "There is no flow with the id %s", b.FlowID)
		}
		if err != nil {
			return err
		}
		ask, err := readAsk(f, params, s.Now().UnixMilli())
		if err != nil {
			return err
		}
		run, err = s.begin(t, call.Caller, f, ask)
		if errors.Is(err, errBusy) {
			return busy(f)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.queued(ctx, run)
	type written struct {
		ID    string `json:"id"`
		Etag  string `json:"etag"`
		Items []any  `json:"items"`
	}
	a := gateway.Created(base+"/runs/"+run.ID, written{run.ID, run.Etag, []any{run.written()}})
	a.Header.Set("ETag", run.Etag)
	return a, nil
}

func (s *Service) queued(ctx context.Context, r *Run) {
	if s.Queued != nil && r.Ask.At <= s.Now().UnixMilli() {
		s.Queued(ctx, Ref{Org: r.Org, Sandbox: r.SandboxID, Run: r.ID})
	}
}

// readAsk reads the params of a run on demand.
func readAsk(f *Flow, params map[string]any, now int64) (Ask, error) {
	from, to := params["windowStartTime"], params["windowEndTime"]
	repeats := f.Schedule != nil && f.Schedule.Frequency != once
	if repeats && (from != nil || to != nil) {
		return Ask{}, invalid("CONNECTOR-1386-400", "params", "The flow %s runs every %s %s: a run of a window is for flows whose frequency is once. Leave the window out to take what is outstanding",
			f.ID, f.Schedule.Interval, f.Schedule.Frequency)
	}
	if f.State != Enabled {
		return Ask{}, notEnabled(f)
	}
	ask := Ask{Kind: OnDemand, At: now}
	for _, p := range []struct {
		name string
		v    any
		into *int64
	}{{"startTime", params["startTime"], &ask.At}, {"windowStartTime", from, &ask.From}, {"windowEndTime", to, &ask.To}} {
		if p.v == nil {
			continue
		}
		ms, ok := epoch(p.v)
		if !ok {
			return Ask{}, invalid("CONNECTOR-1340-400", "params."+p.name, "params.%s: %v can't be read as a time: epoch seconds are expected", p.name, p.v)
		}
		*p.into = ms
	}
	switch {
	case from == nil && to != nil:
		return Ask{}, invalid("CONNECTOR-1384-400", "params.windowStartTime", `Missing field "params.windowStartTime": a window has a start and an end`)
	case from != nil && to == nil:
		return Ask{}, invalid("CONNECTOR-1384-400", "params.windowEndTime", `Missing field "params.windowEndTime": a window has a start and an end`)
	case to != nil && ask.To <= ask.From:
		return Ask{}, invalid("CONNECTOR-1381-400", "params.windowEndTime", "The end of the window, %v, is not after its start, %v", to, from)
	}
	ask.At = max(ask.At, now)
	if repeats && ask.At > now {
		// It would keep all slots until then waiting.
		return Ask{}, invalid("CONNECTOR-1312-400", "params.startTime", "params.startTime: the flow %s runs every %s %s, so a run on demand begins at once", f.ID, f.Schedule.Interval, f.Schedule.Frequency)
	}
	return ask, nil
}

func notEnabled(f *Flow) error {
	return invalid("CONNECTOR-1388-400", "flowId", "The flow %s is %s: only one that is enabled has runs", f.ID, f.State)
}

// actOnRun runs again what failed, or what found nothing.
func (s *Service) actOnRun(ctx context.Context, call *gateway.Call) (*gateway.Answer, error) {
	if op := actionName(call); op != "re-trigger" && op != "retrigger" {
		return nil, invalid("CONNECTOR-1401-400", "op", "op=%s: re-trigger is what can be done with a run", call.HTTP.URL.Query().Get("op"))
	}
	given, err := ifMatch(call, false)
	if err != nil {
		return nil, err
	}
	var run *Run
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		old, err := seenRun(t, call)
		if err != nil {
			return err
		}
		if err := current(given, &old.Item); err != nil {
			return err
		}
		f, _, err := readFlow(t, scope(call.Caller), old.FlowID)
		if errors.Is(err, ErrGone) {
			return runs.missing(old.ID)
		}
		if err != nil {
			return err
		}
		if f.State != Enabled {
			return notEnabled(f)
		}
		m := &old.Metrics
		if m.Status.Status != Failed && (m.Status.Status != Success || m.Records.Input > 0) {
			return invalid("CONNECTOR-1387-400", "id", "The run %s is %s with %d records: only one that failed, or found none, can be done again", old.ID, m.Status.Status, m.Records.Input)
		}
		run, err = s.begin(t, call.Caller, f, Ask{Kind: Retrigger, At: s.Now().UnixMilli(), From: old.Ask.From, To: old.Ask.To})
		if errors.Is(err, errBusy) {
			return busy(f)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.queued(ctx, run)
	return &gateway.Answer{Header: etagHeader(&run.Item), Body: run.written()}, nil
}
