package stripe

import (
	"math/rand/v2"
	"time"
)

// A Retry says how long a read is tried again. A zero field means its default.
type Retry struct {
	Tries int           // 10, for failures of Stripe and of the network
	For   time.Duration // 15 minutes, from the first try to the last; the only bound for rate limits
	Base  time.Duration // 0.5 s: the longest wait before the second try, doubled for each further one
	Cap   time.Duration // 60 s: the longest wait

	// A host that has not answered yet may not be there at all.
	ConnectTries int           // 4
	ConnectFor   time.Duration // 10 s
}

func (r Retry) withDefaults() Retry {
	or := func(d *time.Duration, def time.Duration) {
		if *d <= 0 {
			*d = def
		}
	}
	or(&r.For, 15*time.Minute)
	or(&r.Base, 500*time.Millisecond)
	or(&r.Cap, time.Minute)
	or(&r.ConnectFor, 10*time.Second)
	if r.Tries <= 0 {
		r.Tries = 10
	}
	if r.ConnectTries <= 0 {
		r.ConnectTries = 4
	}
	return r
}

// next returns how long to wait before the try after the tries-th failed with
// e, spent after the first began; false when there is none.
func (r Retry) next(e *Error, tries int, spent time.Duration) (time.Duration, bool) {
	r = r.withDefaults()
	longest := r.Cap
	if doublings := tries - 1; doublings < 20 {
		longest = min(longest, r.Base<<doublings)
	}
	wait := max(time.Duration(rand.Int64N(int64(longest)+1)), e.wait) //nolint:gosec // jitter, not a secret
	switch e.retry {
	case again:
		return wait, tries < r.Tries && spent+wait <= r.For
	case limited:
		return wait, spent+wait <= r.For
	case connect:
		return wait, tries < r.ConnectTries && spent+wait <= r.ConnectFor
	default:
		return 0, false
	}
}
