package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/hook"
)

// Capture reads what the events in the inbox are about. It reports whether some
// of it could not be read.
func (k *Keeper) Capture(ctx context.Context) (left bool, err error) {
	waiting, err := k.Waiting(ctx)
	if err != nil || len(waiting) == 0 {
		return err != nil, err
	}
	if slices.Contains(waiting, "subscriptions") && k.reads("prices") && !slices.Contains(waiting, "prices") {
		waiting = append(waiting, "prices") // some are in no list, subscriptions alone tell of them
	}
	s := k.sync
	s.Inbox, s.Resources = true, waiting
	report, err := k.turn(ctx, captured, s)
	return err != nil || report.Status == Failed || slices.ContainsFunc(report.Resources, func(r ResourceReport) bool { return r.err != nil }), err
}

// reads says whether this copy has the resource and the key may read it.
func (k *Keeper) reads(resource string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.found.Refused[resource] == nil && (len(k.sync.Resources) == 0 || slices.Contains(k.sync.Resources, resource))
}

// Waiting returns the resources of which objects wait to be read.
func (k *Keeper) Waiting(ctx context.Context) ([]string, error) {
	h, err := k.open()
	if err != nil {
		return nil, nil //nolint:nilerr // nothing waits before the first pass
	}
	waiting, err := h.store.Waiting(ctx)
	return slices.DeleteFunc(waiting, func(r string) bool { return !k.reads(r) }), err
}

// put implements hook.Handler's Put.
func (k *Keeper) put(ctx context.Context, n extract.Notice) (fresh bool, err error) {
	h, err := k.open()
	if err != nil {
		return false, err
	}
	return h.store.receive(ctx, n, !k.sync.NoHistory, h.forgotten, func(r extract.Ref) bool { return k.reads(r.Resource) }, h.rules.filter())
}

// owner implements hook.Handler's Owner.
func (k *Keeper) owner(ctx context.Context) (hook.Owner, error) {
	h, err := k.open()
	if err != nil {
		return hook.Owner{}, err
	}
	account, livemode, err := h.store.Binding(ctx)
	return hook.Owner{Account: account, Livemode: livemode}, err
}

// Handler answers Stripe's webhooks at hook.Path.
func (k *Keeper) Handler() http.Handler {
	secrets := &secretFile{dir: k.sync.Dir}
	mux := http.NewServeMux()
	mux.Handle(hook.Path, &hook.Handler{
		Secrets: secrets.load, Now: k.client.StripeNow, Owner: k.owner, Put: k.put, Wake: k.Wake, Log: k.log,
	})
	return mux
}

// Ready says why the copy is not kept up to date: there is none yet, or the
// last pass over the account failed.
func (k *Keeper) Ready(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.home == nil:
		return errors.New("there is no copy yet")
	case k.last != nil && k.last.Status == Failed:
		return fmt.Errorf("the last pass over the account failed at %s", k.last.Ended.Format(time.RFC3339))
	}
	return nil
}
