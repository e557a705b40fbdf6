package guard

import (
	"container/list"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Rate is so many calls a second, and so many at once after a rest. The
// zero Rate is no bound.
type Rate struct {
	PerSecond float64
	Burst     int
}

// ParseRate reads a rate as calls a second and calls at once, 50/200, or none.
func ParseRate(text string) (Rate, error) {
	if text == "none" {
		return Rate{}, nil
	}
	const most = 1_000_000
	before, after, _ := strings.Cut(text, "/")
	second, err := strconv.ParseFloat(before, 64)
	burst, err2 := strconv.Atoi(after)
	if err != nil || err2 != nil || !(second > 0 && second <= most) || burst < 1 || burst > most {
		return Rate{}, problem.Errorf(problem.Invalid, "%q is not calls a second and calls at once, such as 50/200, or none", text)
	}
	return Rate{second, burst}, nil
}

// Rates bound how often is called.
type Rates struct {
	Address Rate // of one address, whoever calls
	Client  Rate // of one client of an organisation
	Refused Rate // of one address, calls whose token or secret was not accepted
	// Decisions are those of one key for decisions, wherever they come from: a shop
	// asks for all its customers from one address.
	Decisions Rate
}

// DefaultRates are ample for people and scripts, and stop those who guess.
var DefaultRates = Rates{Address: Rate{100, 400}, Client: Rate{50, 200}, Refused: Rate{0.2, 30}, Decisions: Rate{2000, 4000}}

// keep is how many addresses, and clients, are remembered at most.
const keep = 20_000

// A Limiter bounds how often is called. Make it with NewLimiter.
type Limiter struct {
	proxies                  Proxies
	now                      func() time.Time
	address, client, refused *buckets
	decisions                *buckets
	accepted                 accepted
}

// NewLimiter returns a Limiter. Now is the clock.
func NewLimiter(p Proxies, r Rates, now func() time.Time) *Limiter {
	return &Limiter{
		proxies: p, now: now, address: newBuckets(r.Address), client: newBuckets(r.Client), refused: newBuckets(r.Refused), decisions: newBuckets(r.Decisions),
	}
}

// Middleware refuses calls of an address that calls too often, or whose
// credentials were refused too often, before anything else of them is looked
// at. Credentials that Check saw are good from such an address, too. It stands in
// front of the gateway and of the token service.
func (l *Limiter) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, _ := l.proxies.Address(r) // where that is not known, the proxy's
		key := network(at)
		who := credentialOf(r)
		wait, ok := l.refused.ready(key, l.now())
		if ok || l.accepted.has(who) && !guesses(r.URL.Path) {
			wait, ok = l.address.take(key, l.now())
		}
		if !ok {
			w.Header().Set("Retry-After", seconds(wait))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = w.Write([]byte(`{"error_code":"429050","message":"Too many requests"}` + "\n"))
			return
		}
		rec := &recorder{ResponseWriter: w}
		r, s := showing(r)
		next.ServeHTTP(rec, r)
		switch {
		case rec.status == http.StatusUnauthorized || rec.status == http.StatusBadRequest && strings.HasPrefix(r.URL.Path, "/ims/"):
			l.refused.take(key, l.now())
			l.accepted.drop(who)
		case s.good.Load():
			l.accepted.add(who)
		}
	})
}

// Check refuses a client that calls too often. It is for gateway.Gateway.Check,
// which comes when credentials are good.
func (l *Limiter) Check(r *http.Request, c *access.Caller) error {
	if s, ok := r.Context().Value(shownKey{}).(*shown); ok {
		s.good.Store(true)
	}
	wait, ok := l.client.take(c.Org+" "+c.Client, l.now())
	if ok {
		return nil
	}
	f := gateway.Fail(http.StatusTooManyRequests, "", "Too many requests", "this client calls too often; call again in %s s", seconds(wait))
	f.Header = http.Header{"Retry-After": {seconds(wait)}}
	return f
}

// Decide takes a call of a key for decisions, or says how long to wait for it.
func (l *Limiter) Decide(key string) (wait time.Duration, ok bool) {
	return l.decisions.take(key, l.now())
}

// network is what is counted as one address: of IPv6 the /64 that one
// customer has.
func network(a netip.Addr) string {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}

// seconds is for Retry-After: whole, at least one.
func seconds(d time.Duration) string { return strconv.Itoa(int(max(1, math.Ceil(d.Seconds())))) }

// buckets are one for each key; those that were not used for longest are
// forgotten first.
type buckets struct {
	rate Rate
	mu   sync.Mutex
	of   map[string]*list.Element // of bucket
	used *list.List               // newest first
}

type bucket struct {
	key     string
	limiter *rate.Limiter
}

func newBuckets(r Rate) *buckets {
	return &buckets{rate: r, of: make(map[string]*list.Element), used: list.New()}
}

// take takes one call, or says how long to wait for it.
func (b *buckets) take(key string, now time.Time) (time.Duration, bool) {
	if b.rate == (Rate{}) {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.find(key).ReserveN(now, 1)
	if !r.OK() {
		return time.Minute, false
	}
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait, wait == 0
}

// ready says whether take would take; it takes nothing and remembers nobody.
func (b *buckets) ready(key string, now time.Time) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := b.of[key]
	if !ok {
		return 0, true
	}
	missing := 1 - e.Value.(*bucket).limiter.TokensAt(now)
	if missing <= 0 {
		return 0, true
	}
	return time.Duration(missing / b.rate.PerSecond * float64(time.Second)), false
}

func (b *buckets) find(key string) *rate.Limiter {
	if e, ok := b.of[key]; ok {
		b.used.MoveToFront(e)
		return e.Value.(*bucket).limiter
	}
	if len(b.of) >= keep {
		last := b.used.Back()
		delete(b.of, b.used.Remove(last).(*bucket).key)
	}
	n := &bucket{key, rate.NewLimiter(rate.Limit(b.rate.PerSecond), b.rate.Burst)}
	b.of[key] = b.used.PushFront(n)
	return n.limiter
}

// A recorder remembers the status that was sent.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
