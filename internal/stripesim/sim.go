// Package stripesim is a Stripe account that lives in memory: the lists,
// objects, events, limits, refusals and failures of Stripe's API at version
// 2025-02-24.acacia, made from a seed. It exists to be read by programs that
// must not lose anything, and knows what they should have found: see
// Sim.Oracle. What it says about Stripe is a re-implementation from the
// outside; it never shares code with the programs it tests.
//
// Objects are kept in acacia's shape and shown in that of the version asked
// for, as far as it differs in the six resources; see reshape.
package stripesim

import (
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const defaultVersion = "2025-02-24.acacia"

// A Sim is one simulated account. It is safe for concurrent use.
type Sim struct {
	cfg     Config
	world   *world
	clock   *clock
	journal journal
	limiter limiter
	faults  faults
	pages   sync.Pool // *enc

	requests atomic.Uint64          // names requests
	shape    atomic.Pointer[string] // the account's API version
	muted    atomic.Bool            // no events are told
	news     chan struct{}          // something waits for delivery
	sending  sync.Mutex             // held while deliveries are made

	mu      sync.RWMutex // guards what follows
	shelves map[Resource]*shelf
	events  *shelf
	inline  map[string]*record // prices made by price_data after the start
	keys    map[string]Key
	nextKey uint64
	books   books
	order   uint64 // of the latest state
	late    int64  // seconds until the list shows what the step under way tells
	op      uint64 // number of the operation under way, see begin
	wipes   []wipe
	novelty bool
	owed    []owed // refunds that are due, the next first

	disputes  disputes
	endpoints []*endpoint // oldest first
	pending   []*delivery // oldest first
}

// New makes an account. It fails on a Config that contradicts itself.
func New(cfg Config) (*Sim, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Sim{
		cfg:     cfg,
		world:   newWorld(&cfg),
		clock:   &clock{start: cfg.Now, realStart: cfg.RealTime(), real: cfg.RealTime, frozen: cfg.Frozen},
		shelves: map[Resource]*shelf{},
		inline:  map[string]*record{},
		keys:    map[string]Key{},
		nextKey: addedKey,
	}
	maps.Copy(s.keys, cfg.Keys)
	s.shape.Store(&cfg.APIVersion)
	s.books.init()
	s.news = make(chan struct{}, 1)
	s.journal.init(cfg.Log)
	s.limiter.init(cfg.Limits, cfg.RealTime)
	s.faults.init(cfg.Plan)
	s.pages.New = func() any { return &enc{b: make([]byte, 0, 64<<10)} }
	s.stack()
	return s, nil
}

// stack puts the world's objects on the shelves.
func (s *Sim) stack() {
	w := s.world
	add := func(sh *shelf) {
		sh.init()
		s.shelves[sh.resource] = sh
	}
	add(chargeShelf(w))
	add(refundShelf(w))
	add(balanceShelf(w, s.clock))
	add(customerShelf(w))
	add(priceShelf(w))
	add(s.subscriptionShelf())
	s.stackEvents()
}

func (s *Sim) stackEvents() {
	s.events = &shelf{
		resource: "events",
		created:  func(int) int64 { return 0 },
		find:     func(string) (int, bool) { return 0, false },
	}
	s.events.init()
}

// Key returns an API key that the account accepts: the first of Config.Keys
// that may do everything, or a made-up one.
func (s *Sim) Key() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	best := ""
	for name, k := range s.keys {
		if k.Permissions == nil && !k.Expired && !k.IPRefused && (best == "" || name < best) {
			best = name
		}
	}
	if best == "" && len(s.keys) == 0 {
		return "sk_" + string(s.cfg.Mode) + "_simulated"
	}
	return best
}

// SetKey adds an API key or changes what it may do, from the next request on.
func (s *Sim) SetKey(name string, k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[name] = k
}

// Account returns the account's id and mode.
func (s *Sim) Account() (id string, mode Mode) { return s.cfg.AccountID, s.cfg.Mode }

// Now returns the account's time.
func (s *Sim) Now() time.Time { return s.clock.now() }

// Advance moves the account's time forward.
func (s *Sim) Advance(d time.Duration) { s.clock.advance(d) }

// Count returns how many objects of a resource an exact copy holds now,
// inline prices not included.
func (s *Sim) Count(r Resource) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	s.walk(r, func(object) bool { n++; return true })
	return n
}

// walk calls yield with the objects of a resource that are not gone, oldest first.
func (s *Sim) walk(r Resource, yield func(object) bool) {
	sh := s.shelves[r]
	for o, p, ok := sh.newer(place{}); ok; o, p, ok = sh.newer(p) {
		if !sh.gone(o) && !yield(o) {
			return
		}
	}
}

var _ http.Handler = (*Sim)(nil)
