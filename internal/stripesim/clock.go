package stripesim

import (
	"sync/atomic"
	"time"
)

// clock is the account's time. It starts at some instant and follows real
// time, or stands still, and can be moved forward.
type clock struct {
	start, realStart time.Time
	real             func() time.Time
	frozen           bool
	ahead            atomic.Int64 // nanoseconds added by advance
}

func (c *clock) now() time.Time {
	t := c.start.Add(time.Duration(c.ahead.Load()))
	if !c.frozen {
		t = t.Add(c.real().Sub(c.realStart))
	}
	return t.UTC()
}

func (c *clock) unix() int64 { return c.now().Unix() }

func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }
