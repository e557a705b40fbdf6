package app

import (
	"context"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/stripe"
)

// followUp fetches what other resources refer to while they are being read.
func (p *pass) followUp(ctx context.Context, l *lane, referred <-chan struct{}) error {
	t := time.NewTicker(followEvery)
	defer t.Stop()
	for {
		select {
		case <-referred:
			return nil // what came last is fetched by the caller
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
			if err := p.fetchWanted(ctx, l); err != nil {
				return err
			}
		}
	}
}

// followEvery is how often followUp looks; what is new comes with the commits
// of the other resource.
const followEvery = time.Second

// fetchWanted reads by id what other objects refer to and no list shows.
func (p *pass) fetchWanted(ctx context.Context, l *lane) error {
	ids, err := p.home.store.Wanted(ctx, l.resource.Name)
	if err != nil {
		return err
	}
	contested, err := p.home.store.Contested(ctx, l.resource.Name)
	if err != nil {
		return err
	}
	var missing []string
	var known []string
	for _, id := range ids {
		if _, ok, err := l.index.Get([]byte(id)); err != nil {
			return err
		} else if ok && !slices.Contains(contested, id) {
			known = append(known, id)
		} else {
			missing = append(missing, id)
		}
	}
	if err := p.home.store.Unwant(ctx, l.resource.Name, known); err != nil {
		return err
	}
	return p.fetch(ctx, l, missing, dataset.SourceReference)
}

// fetch reads objects by id and lands them; source says what asked for them.
func (p *pass) fetch(ctx context.Context, l *lane, ids []string, source string) error {
	for batch := range slices.Chunk(ids, wantedAtOnce) {
		if err := p.fetchByID(ctx, l, batch, source); err != nil {
			return err
		}
	}
	return nil
}

// wantedAtOnce objects are fetched before they are committed.
const wantedAtOnce = 1000

func (p *pass) fetchByID(ctx context.Context, l *lane, ids []string, source string) error {
	asked := p.client.StripeNow()
	after := context.WithoutCancel(ctx)
	var done, gone []string
	failed := p.retrieve(ctx, l, ids, func(id string, resp *stripe.Response, err error) error {
		switch {
		case problem.KindOf(err) == problem.NotFound && mayVanish(l.resource):
			gone = append(gone, id)
			return nil
		case problem.KindOf(err) == problem.NotFound:
			l.unknown = append(l.unknown, id)
			err = nil
		case err == nil:
			var deleted bool
			if deleted, err = p.land(ctx, l, resp, source); deleted {
				gone = append(gone, id)
				return err
			}
		}
		if err == nil {
			done = append(done, id)
		}
		return err
	})
	if err := l.lander.Gone(after, gone, ingest.Read{Start: asked, Version: stripe.Version, Source: source, Last: true}); err != nil {
		return err
	}
	if err := l.lander.Commit(after); err != nil {
		return err
	}
	if err := p.home.store.Unwant(after, l.resource.Name, append(done, gone...)); err != nil {
		return err
	}
	return failed
}

// land lands an object that was asked for by id, unless it is the stub of one
// that was deleted.
func (p *pass) land(ctx context.Context, l *lane, resp *stripe.Response, source string) (deleted bool, err error) {
	raw, err := extract.Complete(ctx, p.client, resp.Body)
	if err != nil {
		return false, err
	}
	item, _, err := rawjson.One(raw, rawjson.SkipSpace(raw, 0))
	if err != nil || item.Deleted {
		return item.Deleted, err
	}
	return false, l.lander.Object(context.WithoutCancel(ctx), item, ingest.Read{
		Start: resp.Start, Version: resp.Version, Request: resp.RequestID, Source: source, Last: true,
	})
}
