package flow

import (
	"context"
	"encoding/json"
)

// Stripe is the source, as connections ask it.
type Stripe interface {
	// Verify asks whether the credentials are good: whose account they open, and
	// what it is that they may not read. A *stripe.Error, or another error when
	// Stripe can't be reached.
	Verify(ctx context.Context, c Credentials) (Verified, error)
	// Sample returns the first objects of a resource, at most n, newest first.
	Sample(ctx context.Context, c Credentials, resource string, n int) ([]json.RawMessage, error)
}

// A Verified is what is known of credentials.
type Verified struct {
	Account Account
	// Refused are the resources that can't be read, by name, each with what
	// Stripe said about it, in words.
	Refused map[string]string
}
