package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/ingest"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/privacy"
	"github.com/tributary-data/tributary/internal/sqlstore"
)

// eventsKept is how long the ids of events that were taken in are known, in
// seconds: Stripe sends an event to a webhook again for up to three days.
const eventsKept = 4 * 24 * 3600

// changes are what a pass finds in the inbox.
type changes struct {
	at   int64 // Stripe's time when the events were listed: the next cursor; 0 if they were not
	upto int64 // number of the last event that the pass deals with
}

// A filter applies the privacy rules to an object's JSON before anything of it
// reaches the disk.
type filter func(resource string, raw []byte) []byte

// about takes from an event what is about those who are to be forgotten.
func (j *judge) about(ctx context.Context, n *extract.Notice) error {
	if j == nil {
		return nil
	}
	gone := ""
	if n.Object != nil {
		v, err := j.Judge(ctx, n.Resource, []byte(n.ObjectID), n.Object)
		if err != nil {
			return err
		}
		if v.Gone {
			gone, n.Object = n.ObjectID, nil
		}
	}
	var failed error
	n.Refs = slices.DeleteFunc(n.Refs, func(r extract.Ref) bool {
		kind, err := j.known(ctx, []byte(r.ID))
		failed = errors.Join(failed, err)
		return kind&sqlstore.ForgetObject != 0 || gone != "" && r.Resource == n.Resource && r.ID == gone
	})
	if gone != "" {
		n.Resource, n.ObjectID, n.Before, n.After = "", "", "", ""
	}
	return failed
}

// notice returns an event as the inbox keeps it: with what it says of the
// resources that keep accepts, and, if told, with its snapshot.
func notice(n extract.Notice, place int64, told bool, keep func(extract.Ref) bool, private filter) sqlstore.Notice {
	out := sqlstore.Notice{
		ID: n.ID, Type: n.Type, Created: n.Created, APIVersion: n.APIVersion,
		Resource: n.Resource, ObjectID: n.ObjectID, Place: place, Before: n.Before, After: n.After,
	}
	for _, r := range n.Refs {
		if keep(r) {
			out.Refs = append(out.Refs, sqlstore.Ref{Resource: r.Resource, ID: r.ID})
		}
	}
	if told && n.Object != nil && len(out.Refs) > 0 {
		out.Snapshot = private(n.Resource, n.Object)
	}
	return out
}

// filter returns the privacy rules of the directory for the objects that events
// show. Where they can't be applied, nothing is kept: it is nil. It belongs to
// one goroutine.
func (r *rules) filter() filter {
	filters := map[string]*privacy.Filter{}
	return func(resource string, raw []byte) []byte {
		f, asked := filters[resource]
		if !asked {
			f = r.For(resource)
			filters[resource] = f
		}
		if f == nil {
			return raw
		}
		out, err := f.Apply(nil, raw)
		if err != nil {
			return nil
		}
		return out
	}
}

// readChanges reads the events since the oldest cursor of the lanes into the
// inbox, and prepares the lanes for what is there: what Stripe listed, what a
// pass that was killed left, what a webhook brought. An error that is not about
// the inbox comes with changes.
func (p *pass) readChanges(ctx context.Context, lanes []*lane) (*changes, error) {
	now := p.client.StripeNow().Unix()
	seqs := map[*lane]int64{}
	for _, l := range lanes {
		if l.resource.NoEvents() {
			continue
		}
		// What happened before the copy began is no part of its story.
		since := l.lander.Checkpoint.Events
		if since == 0 {
			since = now
		}
		seq, err := p.home.store.Inbox(ctx, l.resource.Name, since, l.table.Seq())
		if err != nil {
			return nil, err
		}
		seqs[l] = seq
	}
	ch := &changes{}
	var listed bool
	var failed, err error
	if !p.Inbox {
		listed, failed = p.listEvents(ctx, lanes, now)
	}
	if listed && failed == nil {
		ch.at = now
	}
	if ch.upto, err = p.home.store.LastNotice(ctx); err != nil {
		return nil, err
	}
	for l, seq := range seqs {
		if err := p.listen(ctx, l, ch.upto, seq); err != nil {
			return nil, err
		}
	}
	return ch, failed
}

// listEvents puts the events since the oldest cursor of the lanes into the
// inbox. It reports false when no lane has a cursor.
func (p *pass) listEvents(ctx context.Context, lanes []*lane, now int64) (listed bool, err error) {
	var from int64
	cursors := map[string]int64{} // from where on a lane has to hear of events
	history := map[string]bool{}
	for _, l := range lanes {
		if at := l.lander.Checkpoint.Events; at > 0 && !l.resource.NoEvents() {
			at = max(at, now-extract.Retention) - extract.EventOverlap
			cursors[l.resource.Name], history[l.resource.Name] = at, l.history
			if from == 0 || at < from {
				from = at
			}
		}
	}
	if from == 0 {
		return false, nil
	}
	keep := func(r extract.Ref) bool {
		at, follows := cursors[r.Resource]
		return follows && r.At >= at
	}
	// The list is read backwards: what comes first is the latest of its second,
	// and what was listed before this pass is earlier than all of it.
	place, private := p.began.UnixMicro(), p.home.rules.filter()
	judge, err := p.home.forgotten.judge()
	if err != nil {
		return true, err
	}
	return true, extract.ReadEvents(ctx, p.client, from, func(page []extract.Notice) error {
		rows := make([]sqlstore.Notice, 0, len(page))
		for _, n := range page {
			if err := judge.about(ctx, &n); err != nil {
				return err
			}
			rows = append(rows, notice(n, place, history[n.Resource], keep, private))
			place--
		}
		return p.home.store.PutNotices(ctx, rows)
	})
}

// listen connects a lane to what the inbox holds of its objects.
func (p *pass) listen(ctx context.Context, l *lane, upto, seq int64) error {
	if !l.history {
		return nil
	}
	t := &teller{
		store: p.home.store, resource: l.resource.Name, upto: upto,
		left: map[uint64]bool{}, landed: map[xxh3.Uint128]bool{}, read: map[xxh3.Uint128]int64{},
	}
	if err := t.store.EachShown(ctx, t.resource, upto, func(id string) { t.left[xxh3.HashString(id)] = true }); err != nil || len(t.left) == 0 {
		return err
	}
	// What came after that was left by a pass that did not end.
	err := l.table.Story(ctx, seq, func(k lake.Key, op string) {
		switch key := stateKey(k.ID, k.Hash); {
		case !t.left[xxh3.HashString(k.ID)]:
		case op == dataset.OpSeen:
			t.landed[at(key, k.ReadAt.Unix())] = true
		case op == dataset.OpUpsert:
			t.read[key] = k.ReadAt.Unix()
		}
	})
	if err != nil {
		return err
	}
	if l.lander.Told, err = planOf(l.resource, l.schema); err != nil {
		return err
	}
	l.lander.Inbox, l.lander.Volatile = t, volatile[l.resource.Name]
	return nil
}

// births is the number of objects of a lane's resource that events are about
// and that are not stored. It stops counting above enough.
func (p *pass) births(ctx context.Context, l *lane, ch *changes, enough int) (n int, err error) {
	if ch == nil || ch.at == 0 || l.resource.NoEvents() {
		return 0, nil
	}
	for batch, err := range p.noticed(ctx, l, ch) {
		if err != nil {
			return 0, err
		}
		for _, o := range batch {
			_, known, err := l.index.Get([]byte(o.ID))
			if err != nil {
				return 0, err
			}
			if !known {
				n++
			}
		}
		if n > enough {
			break
		}
	}
	return n, nil
}

// noticed yields the objects of a lane's resource that events are about, as
// many at once as are fetched before a commit.
func (p *pass) noticed(ctx context.Context, l *lane, ch *changes) func(func([]sqlstore.Noticed, error) bool) {
	return func(yield func([]sqlstore.Noticed, error) bool) {
		after := ""
		for {
			batch, err := p.home.store.Noticed(ctx, l.resource.Name, ch.upto, after, wantedAtOnce)
			if err == nil && len(batch) == 0 || !yield(batch, err) || err != nil || len(batch) < wantedAtOnce {
				return
			}
			after = batch[len(batch)-1].ID
		}
	}
}

// apply reads anew the objects of a lane's resource that events are about,
// keeps what else the events told of them, and moves the lane's cursor. Then
// the inbox forgets them.
func (p *pass) apply(ctx context.Context, l *lane, ch *changes) error {
	some := false
	for batch, err := range p.noticed(ctx, l, ch) {
		if err != nil {
			return err
		}
		some = true
		if err := p.applyBatch(ctx, l, batch); err != nil {
			return err
		}
	}
	ctx = context.WithoutCancel(ctx)
	if ch.at == 0 {
		if err := l.lander.Commit(ctx); err != nil {
			return err
		}
	} else {
		l.lander.Checkpoint.Events = max(l.lander.Checkpoint.Events, ch.at)
		if err := l.lander.Touch(ctx); err != nil {
			return err
		}
	}
	if !some && l.lander.Seq == l.before {
		return nil
	}
	return p.home.store.Taken(ctx, l.resource.Name, ch.upto, l.lander.Seq, l.lander.Checkpoint.Events-eventsKept)
}

func (p *pass) applyBatch(ctx context.Context, l *lane, batch []sqlstore.Noticed) error {
	var ids []string
	for _, o := range batch {
		e, known, err := l.index.Get([]byte(o.ID))
		if err != nil {
			return err
		}
		// What was asked for after the event was seen, which is what landed in
		// this pass, or well after it happened, holds what it is about.
		if known && (e.Seq > l.before || e.ReadAt >= (o.At+ingest.Settled)*1000) {
			continue
		}
		ids = append(ids, o.ID)
	}
	source := dataset.SourceEvent
	if p.Inbox {
		source = dataset.SourceWebhook
	}
	if err := p.fetch(ctx, l, ids, source); err != nil {
		return err
	}
	for _, o := range batch {
		if err := l.lander.Tell(context.WithoutCancel(ctx), o.ID); err != nil {
			return err
		}
	}
	return nil
}

// A teller is the inbox of one lane.
type teller struct {
	store    *store
	resource string
	upto     int64
	left     map[uint64]bool        // hashes of the ids whose snapshots have not been handed over
	landed   map[xxh3.Uint128]bool  // what a pass that was killed has told
	read     map[xxh3.Uint128]int64 // when it read a state last, unix seconds
}

// Take implements ingest.Inbox.
func (t *teller) Take(ctx context.Context, id string) ([]ingest.Told, error) {
	key := xxh3.HashString(id)
	if !t.left[key] {
		return nil, nil
	}
	events, err := t.store.Snapshots(ctx, t.resource, id, t.upto)
	if err != nil {
		return nil, err
	}
	delete(t.left, key)
	told := make([]ingest.Told, len(events))
	for i, e := range events {
		told[i] = ingest.Told{
			At: e.Created, Version: e.APIVersion, Raw: e.Snapshot,
			Before: e.Before, After: e.After, Last: strings.HasSuffix(e.Type, ".deleted"),
		}
	}
	return told, nil
}

// Landed implements ingest.Inbox.
func (t *teller) Landed(id string, when int64, hash [16]byte) bool {
	key := stateKey(id, hash)
	read, ok := t.read[key]
	return t.landed[at(key, when)] || ok && when <= read
}

func stateKey(id string, hash [16]byte) xxh3.Uint128 {
	return xxh3.Hash128(append([]byte(id), hash[:]...))
}

// at makes the key of a state that an event told of.
func at(state xxh3.Uint128, when int64) xxh3.Uint128 {
	state.Lo += uint64(when) * 0x9e3779b97f4a7c15
	return state
}
