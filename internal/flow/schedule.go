package flow

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
)

// A Schedule says when a flow runs. Its JSON is how it is stored and shown:
// all members are texts.
type Schedule struct {
	Start     string `json:"startTime"` // epoch seconds
	Frequency string `json:"frequency"` // once, minute, hour, day or week
	Interval  string `json:"interval,omitempty"`
	Backfill  string `json:"backfill,omitempty"` // true or false
}

// once is the frequency of flows that run a single time.
const once = "once"

// steps are the other frequencies, in milliseconds. A day has 24 hours and a
// week seven days, as in UTC.
var steps = map[string]int64{
	"minute": time.Minute.Milliseconds(), "hour": time.Hour.Milliseconds(), "day": 24 * time.Hour.Milliseconds(), "week": 7 * 24 * time.Hour.Milliseconds(),
}

const (
	maxInterval = 1_000_000         // of any frequency: later slots are times still
	maxTime     = 253_402_300_799e3 // epoch ms; the last second of the year 9999
	msFrom      = 100_000_000_000   // from here on numbers are milliseconds, below it seconds
)

// A pace is a schedule to reckon with, in epoch ms: slots are at start + n·every
// for n ≥ 0, and at start alone where every is 0.
type pace struct{ start, every int64 }

func (s *Schedule) pace() (pace, error) {
	start, err := strconv.ParseInt(s.Start, 10, 64)
	if err != nil {
		return pace{}, fmt.Errorf("the stored start of a schedule: %w", err)
	}
	p := pace{start: start * 1000}
	if s.Frequency == once {
		return p, nil
	}
	n, err := strconv.ParseInt(s.Interval, 10, 64)
	if err != nil {
		return pace{}, fmt.Errorf("the stored interval of a schedule: %w", err)
	}
	p.every = n * steps[s.Frequency]
	if p.every <= 0 {
		return pace{}, fmt.Errorf("the stored schedule every %s %s", s.Interval, s.Frequency)
	}
	return p, nil
}

// last returns the newest slot that is not after now, 0 for none.
func (p pace) last(now int64) int64 {
	switch {
	case now < p.start:
		return 0
	case p.every == 0:
		return p.start
	}
	return now - (now-p.start)%p.every
}

// after returns the first slot after now, 0 for none.
func (p pace) after(now int64) int64 {
	switch {
	case now < p.start:
		return p.start
	case p.every == 0:
		return 0
	}
	return p.last(now) + p.every
}

// first returns the slot that a new flow waits for. If its start has passed that
// is the newest one, so that it runs at once.
func (p pace) first(now int64) int64 { return max(p.start, p.last(now)) }

// readSchedule reads scheduleParams. old is what they replace, nil for nothing:
// what they don't say then stays. Once its start has passed not all may change.
func readSchedule(raw json.RawMessage, old *Schedule, now time.Time) (*Schedule, error) {
	m, err := members(raw, "scheduleParams")
	if err != nil {
		return nil, err
	}
	s := &Schedule{Start: strconv.FormatInt(now.Unix(), 10), Frequency: once}
	if old != nil {
		s.Start, s.Frequency = old.Start, old.Frequency
	}
	if v := m["startTime"]; v != nil {
		ms, ok := epoch(v)
		if !ok {
			return nil, invalid("CONNECTOR-1340-400", "scheduleParams.startTime", "scheduleParams.startTime: %v can't be read as a time: epoch seconds are expected", v)
		}
		s.Start = strconv.FormatInt(ms/1000, 10)
	}
	if v := m["frequency"]; v != nil {
		text, ok := v.(string)
		if !ok {
			return nil, invalid("FLOW-1452-400", "scheduleParams.frequency", "scheduleParams.frequency: a text is expected: once, minute, hour, day or week")
		}
		s.Frequency = strings.ToLower(strings.TrimSpace(text))
		if steps[s.Frequency] == 0 && s.Frequency != once {
			return nil, invalid("CONNECTOR-1397-400", "scheduleParams.frequency", "scheduleParams.frequency: %q is none of once, minute, hour, day and week", text)
		}
	}
	if v := m["backfill"]; v != nil {
		b, ok := boolean(v)
		if !ok {
			return nil, invalid("CONNECTOR-1312-400", "scheduleParams.backfill", "scheduleParams.backfill: %v is neither true nor false", v)
		}
		s.Backfill = strconv.FormatBool(b)
	}
	if old != nil {
		if err := s.replaces(old, now); err != nil {
			return nil, err
		}
	}
	return s, s.repeat(m["interval"], old)
}

// replaces says what a schedule can't change of one that has begun.
func (s *Schedule) replaces(old *Schedule, now time.Time) error {
	p, err := old.pace()
	if err != nil || now.UnixMilli() < p.start {
		return err
	}
	switch {
	case s.Start != old.Start:
		return invalid("CONNECTOR-1366-400", "scheduleParams.startTime", "scheduleParams.startTime: the start, %s, has passed and can't be changed any more", old.Start)
	case old.Frequency != once && s.Frequency == once:
		return invalid("CONNECTOR-1403-400", "scheduleParams.frequency", "scheduleParams.frequency: the start has passed; a flow that repeats can't become one that runs once")
	case old.Frequency == once && s.Frequency != once:
		return invalid("FLOW-1416-400", "scheduleParams.frequency", "scheduleParams.frequency: the flow runs once and its start has passed: it can't be scheduled again. Create a new flow")
	case old.Frequency != once && s.Backfill != "" && s.Backfill != old.Backfill:
		return invalid("CONNECTOR-1404-400", "scheduleParams.backfill", "scheduleParams.backfill: the start has passed; what the first run takes can't be changed any more")
	}
	return nil
}

// repeat fills in what only schedules that repeat have.
func (s *Schedule) repeat(interval any, old *Schedule) error {
	if s.Frequency == once {
		switch {
		case interval != nil:
			return invalid("CONNECTOR-1361-400", "scheduleParams.interval", "scheduleParams.interval: a flow that runs once has no interval")
		case s.Backfill != "":
			return invalid("CONNECTOR-1364-400", "scheduleParams.backfill", "scheduleParams.backfill: a flow that runs once takes everything")
		}
		return nil
	}
	if s.Backfill == "" {
		s.Backfill = "true"
		if old != nil && old.Backfill != "" {
			s.Backfill = old.Backfill
		}
	}
	if interval == nil {
		return invalid("CONNECTOR-1304-400", "scheduleParams.interval", "Missing field \"scheduleParams.interval\": how many times a %s lies between two runs", s.Frequency)
	}
	n, ok := whole(interval)
	if !ok || n < 1 || n > maxInterval {
		return invalid("CONNECTOR-1394-400", "scheduleParams.interval", "scheduleParams.interval: %v is not a whole number from 1 to %d", interval, maxInterval)
	}
	s.Interval = strconv.FormatInt(n, 10)
	return nil
}

// members decodes an object that may be null or missing; numbers become
// json.Number.
func members(raw json.RawMessage, field string) (map[string]any, error) {
	if absent(raw) {
		return map[string]any{}, nil
	}
	var m map[string]any
	if raw[0] != '{' {
		return nil, invalid("FLOW-1455-400", field, "%s: an object is expected", field)
	}
	return m, gateway.DecodeJSON(raw, &m)
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// whole reads a whole number that is written as a number or a text.
func whole(v any) (int64, bool) {
	text, ok := scalar(v)
	if !ok {
		return 0, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || strings.ContainsAny(text, "xX_") || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

// epoch reads a time in seconds or milliseconds, as epoch ms.
func epoch(v any) (int64, bool) {
	n, ok := whole(v)
	if n < msFrom {
		n *= 1000
	}
	return n, ok && n >= 0 && n <= maxTime
}

// boolean reads true and false, also as texts.
func boolean(v any) (value, ok bool) {
	if b, is := v.(bool); is {
		return b, true
	}
	text, _ := v.(string)
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true":
		return true, true
	case "false":
		return false, true
	}
	return false, false
}

// scalar returns a text or a number as it is written.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v), true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

const kindSchedule = "flow.schedule"

// A timetable says when a flow is due. It stands in the installation's own scope
// under the flow's id, so that who looks for what is due need not know of
// sandboxes. Flows that will never be due by themselves have none.
type timetable struct {
	Org     string `json:"org"`
	Sandbox string `json:"sandbox"`
	Next    int64  `json:"next"` // the slot that was not served yet, epoch ms
	// Hastened says that Next is no slot of the schedule: a webhook asked for a
	// run.
	Hastened bool `json:"hastened,omitempty"`
	// Paused flows are disabled. Their slot stays: one that passes meanwhile is
	// made up for.
	Paused bool `json:"paused,omitempty"`
	// Gone flows were deleted, and their runs are still to be removed.
	Gone bool `json:"gone,omitempty"`
}

func (tt *timetable) scope() docstore.Scope { return docstore.Scope{Org: tt.Org, Sandbox: tt.Sandbox} }

// getTimetable returns a flow's timetable, the zero one where it has none.
func getTimetable(t *docstore.Tx, flow string) (tt timetable, d docstore.Doc, err error) {
	d, err = t.Get(docstore.Scope{}, kindSchedule, flow)
	if errors.Is(err, docstore.ErrNotFound) {
		return tt, docstore.Doc{Kind: kindSchedule, ID: flow}, nil
	}
	if err != nil {
		return tt, d, err
	}
	return tt, d, json.Unmarshal(d.Body, &tt)
}

// setTimetable changes a flow's timetable; without a next slot there is none.
func setTimetable(t *docstore.Tx, f *Flow, change func(*timetable)) error {
	tt, d, err := getTimetable(t, f.ID)
	if err != nil {
		return err
	}
	tt.Org, tt.Sandbox = f.Org, f.SandboxID
	change(&tt)
	if tt.Next == 0 && !tt.Gone {
		if d.Revision == 0 {
			return nil
		}
		return t.Delete(docstore.Scope{}, kindSchedule, f.ID)
	}
	return t.Store(docstore.Scope{}, d, tt)
}
