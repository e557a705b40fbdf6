package gateway

import "context"

type heardKey struct{}

// Heard returns a context for a call that this process makes of its own
// services: should it be refused, f becomes the failure, which says more than
// the answer in the service's shape.
func Heard(ctx context.Context, f **Failure) context.Context {
	return context.WithValue(ctx, heardKey{}, f)
}
