package stripe

import (
	"context"
	"net/http/httptrace"
)

// admit asks whether a request may go out.
func (c *Client) admit(endpoint string) error {
	if c.Admit == nil {
		return nil
	}
	return c.Admit(endpoint)
}

// A barrier is Admit's refusal in the middle of an attempt.
type barrier struct{ err error }

func (b barrier) Error() string { return b.err.Error() }

// counted returns a context under which requests are admitted that one attempt
// sends beyond its first: those that a redirect leads to, and those that
// net/http repeats by itself when a connection that it kept breaks. Stripe
// counts them all.
func (c *Client) counted(ctx context.Context, endpoint string, cancel context.CancelCauseFunc) context.Context {
	if c.Admit == nil {
		return ctx
	}
	first := true
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if first {
			first = false
			return
		}
		if err := c.Admit(endpoint); err != nil {
			cancel(barrier{err})
		}
	}})
}
