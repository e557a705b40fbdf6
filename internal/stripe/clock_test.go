package stripe

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestClock(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, 300 * time.Millisecond, -7 * time.Second, 90 * time.Minute, -24 * 200 * time.Hour} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// The host's clock is skew ahead of Stripe's.
				host := func() time.Time { return time.Now().Add(skew) }
				s := &dated{}
				c := &Client{Key: mustKey(t, liveKey), HTTP: &http.Client{Transport: s}, Now: host}
				if d := c.StripeNow().Sub(host()); d != 0 {
					t.Errorf("before the first answer: off by %v", d)
				}
				last := time.Time{}
				for range 100 {
					sent := time.Now()
					resp, err := c.Get(t.Context(), "/v1/x", "/v1/x", nil, 0)
					if err != nil {
						t.Fatal(err)
					}
					if d := resp.Start.Sub(sent); d.Abs() > 600*time.Millisecond {
						t.Fatalf("start is off by %v", d)
					}
					if d := time.Until(c.StripeNow()); d.Abs() > 600*time.Millisecond {
						t.Fatalf("now is off by %v", d)
					}
					if d := c.Offset() + skew; d.Abs() > 600*time.Millisecond {
						t.Fatalf("offset %v", c.Offset())
					}
					if !resp.Start.After(last) || resp.Start.Location() != time.UTC {
						t.Fatalf("start %v after %v", resp.Start, last)
					}
					last = resp.Start
					time.Sleep(137 * time.Millisecond)
				}
				s.jump = 40 * 24 * time.Hour // a virtual clock
				if _, err := c.Get(t.Context(), "/v1/x", "/v1/x", nil, 0); err != nil {
					t.Fatal(err)
				}
				if d := c.StripeNow().Sub(time.Now().Add(s.jump)); d.Abs() > 600*time.Millisecond {
					t.Errorf("off by %v after a jump", d)
				}
			})
		})
	}
}

// dated answers after 150 ms with the Date of the moment.
type dated struct{ jump time.Duration }

func (d *dated) RoundTrip(req *http.Request) (*http.Response, error) {
	time.Sleep(150 * time.Millisecond)
	s := script{answers: []answer{fine}}
	resp, err := s.RoundTrip(req)
	resp.Header.Set("Date", time.Now().Add(d.jump).UTC().Format(http.TimeFormat))
	return resp, err
}

// An answer that tells nothing, or is not Stripe's, changes nothing.
func TestClockWithoutDate(t *testing.T) {
	t.Parallel()
	c := (&script{answers: []answer{
		{status: 502, header: map[string]string{"Date": "Mon, 01 Jan 2001 00:00:00 GMT"}}, // a proxy's
		{status: 200, body: "{}", header: map[string]string{"Date": "yesterday"}},
	}}).client(t)
	c.Retry = quick
	if _, err := c.Get(t.Context(), "/v1/x", "/v1/x", nil, 0); err != nil || c.Offset() != 0 {
		t.Errorf("offset %v, %v", c.Offset(), err)
	}
}
