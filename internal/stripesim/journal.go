package stripesim

import (
	"maps"
	"sync"
	"time"
)

// Stats counts requests since the start or the last reset.
type Stats struct {
	Requests  int                      `json:"requests"`
	Limited   int                      `json:"limited"` // answered 429
	Faults    int                      `json:"faults"`  // answered, or not, by a rule of the plan
	ByStatus  map[int]int              `json:"by_status"`
	PerSecond int                      `json:"max_per_second"` // the most that arrived within any second
	Endpoints map[string]EndpointStats `json:"endpoints"`      // by method and path template
}

// EndpointStats counts the requests of one endpoint.
type EndpointStats struct {
	Requests  int         `json:"requests"`
	Limited   int         `json:"limited"`
	ByStatus  map[int]int `json:"by_status"`
	PerSecond int         `json:"max_per_second"`
}

// An Entry of the log is one request and what became of it.
type Entry struct {
	At       time.Time `json:"at"` // real time of arrival
	Endpoint string    `json:"endpoint"`
	URI      string    `json:"uri"`
	Request  string    `json:"request_id,omitempty"`
	Status   int       `json:"status"`          // 0 when the connection was reset
	Fault    string    `json:"fault,omitempty"` // action of the rule that fired
}

// journal keeps the books. Two clocks' worth of arrival times are kept per
// endpoint: those of the last second.
type journal struct {
	mu      sync.Mutex
	keep    int
	total   counter
	by      map[string]*counter
	faults  int
	entries []Entry
	next    int // where the ring goes on once it is full
}

type counter struct {
	requests, limited int
	status            map[int]int
	recent            []time.Time
	most              int
}

func (j *journal) init(keep int) {
	j.keep = max(keep, 0)
	j.reset()
}

func (j *journal) reset() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.total = counter{status: map[int]int{}}
	j.by = map[string]*counter{}
	j.faults, j.entries, j.next = 0, nil, 0
}

// arrive notes a request when it comes in and returns its number, from 1.
func (j *journal) arrive(endpoint string, now time.Time) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.by[endpoint]
	if c == nil {
		c = &counter{status: map[int]int{}}
		j.by[endpoint] = c
	}
	c.arrive(now)
	j.total.arrive(now)
	return j.total.requests
}

func (c *counter) arrive(now time.Time) {
	c.requests++
	old := 0
	for old < len(c.recent) && now.Sub(c.recent[old]) >= time.Second {
		old++
	}
	c.recent = append(c.recent[old:], now)
	c.most = max(c.most, len(c.recent))
}

// leave notes what became of a request.
func (j *journal) leave(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if e.Fault != "" {
		j.faults++
	}
	if c := j.by[e.Endpoint]; c != nil { // nil after a reset in between
		c.leave(e.Status)
	}
	j.total.leave(e.Status)
	switch {
	case j.keep == 0:
	case len(j.entries) < j.keep:
		j.entries = append(j.entries, e)
	default:
		j.entries[j.next] = e
		j.next = (j.next + 1) % j.keep
	}
}

func (c *counter) leave(status int) {
	c.status[status]++
	if status == 429 {
		c.limited++
	}
}

// Stats returns the counts. A request counts when it arrives, its status when
// it was answered.
func (s *Sim) Stats() Stats {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	out := Stats{
		Requests: j.total.requests, Limited: j.total.limited, Faults: j.faults,
		ByStatus: maps.Clone(j.total.status), PerSecond: j.total.most,
		Endpoints: map[string]EndpointStats{},
	}
	for name, c := range j.by {
		out.Endpoints[name] = EndpointStats{c.requests, c.limited, maps.Clone(c.status), c.most}
	}
	return out
}

// ResetStats sets the counts to zero and empties the log.
func (s *Sim) ResetStats() { s.journal.reset() }

// Log returns the latest requests in the order in which they were answered, at
// most Config.Log of them.
func (s *Sim) Log() []Entry {
	j := &s.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	return append(append([]Entry(nil), j.entries[j.next:]...), j.entries[:j.next]...)
}
