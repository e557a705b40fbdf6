package stripe

import (
	"net/http"
	"sync"
	"time"
)

// A clock tells Stripe's time from the Date of its answers. Its base is
// monotonic, so that setting the host's clock changes nothing.
type clock struct {
	mu     sync.Mutex
	base   time.Time // the host's time when the clock was first used
	offset time.Duration
	known  bool // an answer was seen
}

// stray is how far the clock may be outside of what an answer allows before it
// is set. A Date has whole seconds: setting the clock to every answer would
// make it jump back and forth, and times read from it could change their order.
const stray = time.Second

// at returns Stripe's time when the host's clock shows t.
func (c *clock) at(t time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.host(t).Add(c.offset).UTC()
}

func (c *clock) host(t time.Time) time.Time {
	if c.base.IsZero() {
		c.base = t
	}
	return c.base.Add(t.Sub(c.base)).Round(0)
}

// ahead returns how far Stripe's clock is ahead of the host's.
func (c *clock) ahead() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset
}

func (c *clock) isSet() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.known
}

// learn takes the Date of an answer to a request that began at sent and was
// answered at got.
func (c *clock) learn(h http.Header, sent, got time.Time) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = true
	// Stripe's time was in [date, date+1s) at some moment between sent and got.
	low, high := date.Sub(c.host(got)), date.Add(time.Second).Sub(c.host(sent))
	if c.offset < low-stray || c.offset > high+stray {
		c.offset = low + (high-low)/2
	}
}
