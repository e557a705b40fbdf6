package alert

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
)

// A state is what is known of a flow, or of a sandbox's events that are of no
// flow: what goes on now and was told already.
type state struct {
	// Open is what goes on, by kind and key.
	Open map[string]*open `json:"open,omitempty"`
	// Told are the last events of runs that were told.
	Told []string `json:"told,omitempty"`

	doc     docstore.Doc
	changed bool
}

// An open is something that goes on. Times are epoch ms.
type open struct {
	Count  int    `json:"count"`
	Since  int64  `json:"since"`
	Last   int64  `json:"last"`
	Notice string `json:"notice,omitempty"` // where its count shows
}

// Bounds of a state: what goes on at once, what is remembered as told, and for
// how long it goes on without being heard of.
const (
	maxOpen = 50
	maxTold = 32
	openFor = 35 * 24 * time.Hour
)

func readState(t *docstore.Tx, p place, flow string) (*state, error) {
	id := hash(flow)
	st, d, err := docstore.Body[state](t, p.scope(), kindState, id)
	if errors.Is(err, docstore.ErrNotFound) {
		d, err = docstore.Doc{Kind: kindState, ID: id, Parent: flow}, nil
	}
	st.doc = d
	if st.Open == nil {
		st.Open = map[string]*open{}
	}
	return &st, err
}

// save writes the state, if there is something new.
func (s *state) save(t *docstore.Tx, p place) error {
	if !s.changed {
		return nil
	}
	return t.Store(p.scope(), s.doc, s)
}

func toldName(e Event) string { return string(e.Kind) + " " + e.Run }

// told says whether the event of a run was told already.
func (s *state) told(e Event) bool { return e.Run != "" && slices.Contains(s.Told, toldName(e)) }

func (s *state) remember(e Event) {
	if e.Run == "" {
		return
	}
	s.Told = append(s.Told, toldName(e))
	s.Told = s.Told[max(0, len(s.Told)-maxTold):]
	s.changed = true
}

// A change is what an event does to a state.
type change struct {
	nothing   bool  // nothing is to be told
	repeated  bool  // it goes on, and was told before
	count     int   // how often it happened since it began
	open      *open // what goes on
	recovered *open // the failures that have ended
}

// apply changes the state by an event.
func (s *state) apply(e Event) change {
	at := e.At.UnixMilli()
	s.expire(at)
	switch e.Kind {
	case RunStart:
		s.end(RunDelay)
	case RunSuccess, RunNoData:
		s.end(RunDelay)
		return change{count: 1, recovered: s.end(RunFailure)}
	case RunFailure:
		s.end(RunDelay)
		return s.goOn(e, at)
	case RunDelay, ReadBudget, Drift:
		return s.goOn(e, at)
	default: // what comes of others is not told of by anybody
	}
	return change{count: 1}
}

func openName(k Kind, key string) string { return string(k) + " " + key }

// goOn begins something, or counts that it goes on.
func (s *state) goOn(e Event, at int64) change {
	name := openName(e.Kind, e.Key)
	o, ok := s.Open[name]
	if e.Over {
		if ok {
			delete(s.Open, name)
			s.changed = true
		}
		return change{nothing: true}
	}
	s.changed = true
	if ok {
		o.Count++
		o.Last = max(o.Last, at)
		if e.Run != "" { // a run that is told of twice is counted once
			s.remember(e)
		}
		return change{repeated: true, count: o.Count, open: o}
	}
	if len(s.Open) >= maxOpen {
		s.forgetOldest()
	}
	o = &open{Count: 1, Since: at, Last: at}
	s.Open[name] = o
	return change{count: 1, open: o}
}

// end ends all of a kind, and returns what it was together; nil for nothing.
func (s *state) end(k Kind) *open {
	var all *open
	for name, o := range s.Open {
		if !strings.HasPrefix(name, string(k)+" ") {
			continue
		}
		delete(s.Open, name)
		s.changed = true
		if all == nil {
			all = &open{Since: o.Since}
		}
		all.Count += o.Count
		all.Since, all.Last = min(all.Since, o.Since), max(all.Last, o.Last)
	}
	return all
}

// expire forgets what was not heard of for long.
func (s *state) expire(now int64) {
	for name, o := range s.Open {
		if now-o.Last > openFor.Milliseconds() {
			delete(s.Open, name)
			s.changed = true
		}
	}
}

func (s *state) forgetOldest() {
	oldest := ""
	for name, o := range s.Open {
		if oldest == "" || o.Last < s.Open[oldest].Last || o.Last == s.Open[oldest].Last && name < oldest {
			oldest = name
		}
	}
	delete(s.Open, oldest)
}

// sentence tells of failures that have ended.
func (o *open) sentence() string {
	times := fmt.Sprintf("%d times", o.Count)
	if o.Count == 1 {
		times = "once"
	}
	return fmt.Sprintf("It had failed %s since %s.", times, moment(o.Since))
}

// moment writes a time for readers.
func moment(ms int64) string { return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05 UTC") }
