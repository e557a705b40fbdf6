package app

import (
	"context"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/rawjson"
	"github.com/tributary-data/tributary/internal/sqlstore"
)

// A retrying tries again what stands in quarantine of one resource.
type retrying struct {
	*replaying
	resource string
	tables   *tables
	lander   *ingest.Lander
	done     *Replayed
	rec      dataset.Record
	release  []released // once what they hold has landed
}

type released struct {
	id      string
	digests []string
}

// object tries an object again. Its newest text decides: where that is refused
// still, the older ones stay with it; where it lands, those before it land
// first or are of no more use.
func (a *retrying) object(ctx context.Context, id string) error {
	texts, err := a.home.store.HeldTexts(ctx, a.resource, id)
	if err != nil || len(texts) == 0 {
		return err
	}
	return a.texts(ctx, id, texts)
}

// nameless tries again what has no id that could be read: each text by itself.
func (a *retrying) nameless(ctx context.Context) error {
	texts, err := a.home.store.HeldTexts(ctx, a.resource, "")
	if err != nil {
		return err
	}
	for i := range texts {
		if err := a.texts(ctx, "", texts[i:i+1]); err != nil {
			return err
		}
	}
	return a.flush(ctx)
}

func (a *retrying) texts(ctx context.Context, id string, texts []sqlstore.HeldText) error {
	newest := texts[len(texts)-1]
	if len(newest.Raw) == 0 { // withheld: there is nothing to try
		a.done.Refused++
		return nil
	}
	if bad := a.tables.plan.Scan(newest.Raw, &a.rec); bad != nil {
		a.done.Refused++
		return a.home.store.RefusedAgain(ctx, a.resource, id, newest.Digest, bad)
	}
	old, known, err := a.tables.index.Get(a.rec.ID)
	if err != nil {
		return err
	}
	at, gone := newest.SeenAt.UnixMilli(), released{id: id}
	for _, t := range texts {
		gone.digests = append(gone.digests, t.Digest)
	}
	switch {
	case known && (at < old.ReadAt || at == old.ReadAt && old.Deleted && a.done.Rebuilt):
		// Older never overwrites newer, and a delete is one.
		a.done.Superseded++
	case known && at == old.ReadAt && old.Deleted:
		// Its tombstone may be held back as well: a rebuild brings that.
		a.done.Refused++
		return nil
	case known && at == old.ReadAt && old.Hash == a.rec.Hash && a.done.Rebuilt:
		a.done.Landed++ // by the rebuild
	default:
		for _, t := range texts {
			if !known || t.SeenAt.UnixMilli() >= old.ReadAt {
				if err := a.land(ctx, id, t); err != nil {
					return err
				}
			}
		}
		a.done.Landed++
	}
	a.release = append(a.release, gone)
	return nil
}

// land lands one text, if it can be a record.
func (a *retrying) land(ctx context.Context, id string, t sqlstore.HeldText) error {
	if len(t.Raw) == 0 || a.tables.plan.Scan(t.Raw, &a.rec) != nil {
		return nil
	}
	item, _, err := rawjson.One(t.Raw, rawjson.SkipSpace(t.Raw, 0))
	if err != nil {
		return err
	}
	if !a.done.Rebuilt {
		// What a rebuild held back is in the history and not in the dataset.
		a.lander.Hold([]string{id})
	}
	return a.lander.Object(ctx, item, ingest.Read{Start: t.SeenAt})
}

// flush commits what landed, and then takes it out of the quarantine.
func (a *retrying) flush(ctx context.Context) error {
	if err := a.noteDrift(ctx, a.resource, a.tables); err != nil {
		return err
	}
	if err := a.lander.Commit(ctx); err != nil {
		return err
	}
	for _, r := range a.release {
		if err := a.home.store.Release(ctx, a.resource, r.id, r.digests...); err != nil {
			return err
		}
	}
	a.release = a.release[:0]
	return nil
}
