// Package ingest carries objects from the pages that extract reads to the
// tables of one resource: map, look up, quarantine, append, commit. It is the
// only loop that data passes through.
package ingest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/idindex"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/privacy"
	"github.com/tributary-data/tributary/internal/rawjson"
)

// Counts are objects, except where they say otherwise.
type Counts struct {
	Read        int64 // objects that Stripe sent, the same one twice counted twice
	Inserted    int64 // not known before
	Updated     int64 // known with other content
	Deleted     int64
	Unchanged   int64
	Quarantined int64
	Warnings    int64 // fields nulled because of their type
	Seen        int64 // rows of the history that only events told of
	Suppressed  int64 // of a customer to be forgotten: nothing of them was kept
}

// Limits of a batch: it is committed at the first of them.
const (
	DefaultBatchRows = 10_000
	DefaultBatchAge  = 3 * time.Second
)

// A Lander lands the objects of one resource. Its methods must not be called
// by two goroutines at once.
type Lander struct {
	Resource string
	Plan     *mapping.Plan
	Table    Table
	Index    Index
	Store    Store
	// Version is the template of what every row says: Source, RunID, Account,
	// Livemode.
	Version    dataset.Version
	Checkpoint extract.Checkpoint // as of the last commit, plus the pages since
	Seq        int64              // highest seq in the table
	BatchRows  int                // 0: DefaultBatchRows
	BatchAge   time.Duration      // 0: DefaultBatchAge
	// References, if set, returns the ids of objects of another resource that
	// the record refers to and that no list would show.
	References func(*dataset.Record) (resource string, ids []string)
	// Pending, if set, returns when a record is to be read again because it
	// will change without an event, in unix seconds; 0 if it is not.
	Pending func(*dataset.Record) int64
	// Register, if set, is told of every object that a list shows. The counts
	// of the checkpoint's reconcile are kept with it.
	Register Register
	// Privacy, if set, is what objects go through before anything else looks
	// at them: the record, its hash, the history and the quarantine have what it
	// leaves.
	Privacy *privacy.Filter
	// Forgotten, if set, is asked of each object before anything else.
	Forgotten Forgetting
	// Inbox, if set, has what events told of the objects: the states between
	// two reads go to the history. Told takes them apart; it is not Plan, which
	// must see nothing of other versions of the API. Volatile names the fields at
	// the top that change without the object changing.
	Inbox    Inbox
	Told     *mapping.Plan
	Volatile []string
	// Progress, if set, is called after each page and commit.
	Progress func(Counts)

	counts   Counts
	open     Counts // rows of the open batch
	rec      dataset.Record
	filtered []byte // the object in hand, after Privacy
	toldRec  dataset.Record
	puts     []idindex.Put
	batch    map[string]idindex.Entry // what the open batch holds, by id
	rejected []dataset.Rejected
	refused  map[uint64]bool // objects quarantined in this run, by hash of their text
	wanted   map[string][]string
	asked    map[string]bool
	settled  []string
	due      []Due
	held     map[string]bool // ids in quarantine
	expected map[string]bool // ids that are due
	dirty    bool            // the checkpoint moved since the last commit
	lastRead time.Time       // start of the latest request whose objects came in
}

// Counts returns what happened so far. What no commit holds has not landed.
func (l *Lander) Counts() Counts {
	c := l.counts
	c.Inserted -= l.open.Inserted
	c.Updated -= l.open.Updated
	c.Deleted -= l.open.Deleted
	c.Seen -= l.open.Seen
	return c
}

// Hold names the ids that stand in quarantine: when one of them lands, it is
// taken out.
func (l *Lander) Hold(ids []string) {
	l.held = make(map[string]bool, len(ids))
	for _, id := range ids {
		l.held[id] = true
	}
}

// Expect names the objects that are read again because they are due: one that
// turns out to be stored as it is, and not to change any more, is forgotten.
func (l *Lander) Expect(ids []string) {
	l.expected = make(map[string]bool, len(ids))
	for _, id := range ids {
		l.expected[id] = true
	}
}

// Run lands pages until the channel is closed, and commits what is left. It
// returns early, with everything up to the last commit durable, when ctx ends
// or a commit fails.
func (l *Lander) Run(ctx context.Context, pages <-chan *extract.Page) error {
	age := l.BatchAge
	if age == 0 {
		age = DefaultBatchAge
	}
	due := time.NewTicker(age)
	defer due.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-due.C:
			if err := l.Commit(ctx); err != nil {
				return err
			}
		case p, ok := <-pages:
			if !ok {
				return l.Commit(ctx)
			}
			if err := l.page(ctx, p); err != nil {
				return err
			}
		}
	}
}

func (l *Lander) page(ctx context.Context, p *extract.Page) error {
	defer p.Release()
	for i := range p.Items {
		before := l.counts.Suppressed
		if err := l.Object(ctx, p.Items[i], Read{Start: p.Start, Version: p.Version, Request: p.Request, Listed: true}); err != nil {
			return err
		}
		if l.counts.Suppressed > before && string(p.Items[i].ID) == p.Range.After {
			p.Range.Unmark() // the checkpoint is kept
		}
	}
	// Invariant 1: the cursor moves in the commit that holds its rows.
	l.Checkpoint.Apply(p)
	l.dirty = true
	if l.Progress != nil {
		l.Progress(l.counts)
	}
	rows := l.BatchRows
	if rows == 0 {
		rows = DefaultBatchRows
	}
	if len(l.puts)+len(l.rejected)+int(l.open.Seen) >= rows {
		return l.Commit(ctx)
	}
	return nil
}

// A Read tells of the request that an object came with.
type Read struct {
	Start   time.Time // Stripe's time when it began
	Version string    // Stripe-Version of the answer
	Request string    // Stripe's request id
	Source  string    // "" for that of the Lander's template
	// Last says that the request began after all reads that have landed so far
	// had ended, whatever Start says: clocks are set now and then.
	Last bool
	// Listed says that the register is to hold the object.
	Listed bool
}

// Object lands one object, unless the table holds the same state or a newer
// one.
func (l *Lander) Object(ctx context.Context, it rawjson.Item, read Read) error {
	l.counts.Read++
	if read.Start.After(l.lastRead) {
		l.lastRead = read.Start
	}
	if gone, err := l.forget(ctx, &it, read.Listed); gone || err != nil {
		return err
	}
	raw, bad := l.filter(it.Raw)
	if bad == nil {
		bad = l.Plan.Scan(raw, &l.rec)
	}
	if bad != nil {
		l.reject(bad, it, raw, read)
		if read.Listed && l.Register != nil && len(it.ID) > 0 {
			return l.Register.Note(it.ID, it.Created, nil)
		}
		return nil
	}
	if read.Listed && l.Register != nil {
		if err := l.Register.Note(l.rec.ID, l.rec.Created, &l.rec); err != nil {
			return err
		}
	}
	l.counts.Warnings += int64(l.rec.Warnings)
	old, known, err := l.lookup(l.rec.ID)
	if err != nil {
		return err
	}
	if at := time.UnixMilli(old.ReadAt).UTC(); known && read.Last && read.Start.Before(at) {
		read.Start = at
	}
	entry := idindex.Entry{Hash: l.rec.Hash, Created: l.rec.Created, ReadAt: read.Start.UnixMilli()}
	switch {
	// What stands in quarantine may have no row in the dataset: it lands anew.
	case known && old.Hash == entry.Hash && !old.Deleted && !l.held[string(l.rec.ID)]:
		l.counts.Unchanged++
		l.settle()
		if l.expected[string(l.rec.ID)] && l.Pending(&l.rec) == 0 {
			l.due = append(l.due, Due{ID: string(l.rec.ID), Created: l.rec.Created})
		}
		return l.tellBefore(ctx, old, known, false, read)
	case known && entry.ReadAt < old.ReadAt:
		// Older never overwrites newer. Which of two requests that overlapped
		// saw the later state can't be told: ask once more.
		l.counts.Unchanged++
		l.want(l.Resource, string(l.rec.ID))
		return nil
	}
	if err := l.tellBefore(ctx, old, known, true, read); err != nil {
		return err
	}
	if _, open := l.batch[string(l.rec.ID)]; open {
		// An equality delete does not reach rows of its own commit.
		if err := l.Commit(ctx); err != nil {
			return err
		}
	}
	v := l.Version
	v.Op, v.SeenAt, v.APIVersion = dataset.OpUpsert, read.Start, read.Version
	if read.Source != "" {
		v.Source = read.Source
	}
	if known && old.Created != l.rec.Created {
		// The old row lies where its own time says.
		l.Table.Drop(string(l.rec.ID), old.Created)
	}
	if err := l.Table.Append(&l.rec, &v, known); err != nil {
		return err
	}
	entry.Seq = v.Seq
	l.Seq = v.Seq
	l.note(string(l.rec.ID), entry)
	l.count(known, read.Listed)
	l.settle()
	l.follow()
	if l.Pending != nil {
		if at := l.Pending(&l.rec); at > 0 || known {
			l.due = append(l.due, Due{ID: string(l.rec.ID), Created: l.rec.Created, At: at})
		}
	}
	return nil
}

// forget takes from an object what may not be kept. It reports whether that is
// all of it.
func (l *Lander) forget(ctx context.Context, it *rawjson.Item, listed bool) (bool, error) {
	if l.Forgotten == nil {
		return false, nil
	}
	v, err := l.Forgotten.Judge(ctx, l.Resource, it.ID, it.Raw)
	if err != nil || !v.Gone {
		it.Raw = v.Raw
		return false, err
	}
	l.counts.Suppressed++
	if listed && l.Register != nil {
		return true, l.Register.Pass(v.Name, it.Created)
	}
	return true, nil
}

// count counts a version that was appended.
func (l *Lander) count(known, listed bool) {
	c := l.Checkpoint.Reconciling
	compared := listed && l.Register != nil && c != nil && l.rec.Created < c.Bound()
	if known {
		l.counts.Updated++
		l.open.Updated++
		if compared {
			c.Stale++
		}
		return
	}
	l.counts.Inserted++
	l.open.Inserted++
	if compared {
		c.Missing++
	}
}

// filter applies the privacy rules. What they can't be applied to is rejected,
// without its text.
func (l *Lander) filter(raw []byte) ([]byte, *dataset.Rejected) {
	if l.Privacy == nil {
		return raw, nil
	}
	out, err := l.Privacy.Apply(l.filtered[:0], raw)
	if err != nil {
		return nil, &dataset.Rejected{Reason: fmt.Sprintf("is not valid JSON: %v; %s (%d bytes)", err, privacy.Withheld, len(raw))}
	}
	l.filtered = out
	return out, nil
}

// Touch commits the checkpoint, also when nothing landed.
func (l *Lander) Touch(ctx context.Context) error {
	l.dirty = true
	return l.Commit(ctx)
}

// Gone marks objects as deleted: their last states stay, as tombstones. Those
// that were never stored, or were read again since, are passed over.
func (l *Lander) Gone(ctx context.Context, ids []string, read Read) error {
	if slices.ContainsFunc(ids, func(id string) bool { _, open := l.batch[id]; return open }) {
		if err := l.Commit(ctx); err != nil {
			return err
		}
	}
	type object struct {
		id  string
		old idindex.Entry
	}
	ends := map[int64]object{}
	for _, id := range ids {
		old, known, err := l.lookup([]byte(id))
		switch {
		case err != nil:
			return err
		case old.Deleted:
		case !known:
			if err := l.tellGone(ctx, id, old, nil); err != nil {
				return err
			}
		case read.Last || read.Start.UnixMilli() >= old.ReadAt:
			ends[old.Seq] = object{id, old}
		}
	}
	return l.Table.Last(ctx, slices.Collect(maps.Keys(ends)), func(seq int64, raw []byte) error {
		return l.end(ctx, ends[seq].id, ends[seq].old, raw, read)
	})
}

// end marks one object as deleted, whose last state is raw; nil where no
// history is kept.
func (l *Lander) end(ctx context.Context, id string, old idindex.Entry, raw []byte, read Read) error {
	if at := time.UnixMilli(old.ReadAt).UTC(); read.Start.Before(at) {
		read.Start = at
	}
	entry := old
	entry.Deleted, entry.ReadAt = true, read.Start.UnixMilli()
	if raw == nil {
		l.Table.Drop(id, old.Created)
		l.dirty = true
	} else {
		if err := l.tellGone(ctx, id, old, &state{old.Hash, raw}); err != nil {
			return err
		}
		if bad := l.Plan.Scan(raw, &l.rec); bad != nil {
			return fmt.Errorf("%s %s: the last state can't be read again: %s %s", l.Resource, id, bad.Path, bad.Reason)
		}
		v := l.Version
		v.Op, v.SeenAt, v.APIVersion = dataset.OpDelete, read.Start, read.Version
		if read.Source != "" {
			v.Source = read.Source
		}
		if err := l.Table.Append(&l.rec, &v, true); err != nil {
			return err
		}
		entry.Seq, l.Seq = v.Seq, v.Seq
	}
	l.note(id, entry)
	l.counts.Deleted++
	l.open.Deleted++
	return nil
}

// note keeps the entry of a version in the open batch.
func (l *Lander) note(id string, entry idindex.Entry) {
	if l.batch == nil {
		l.batch = map[string]idindex.Entry{}
	}
	l.batch[id] = entry
	l.puts = append(l.puts, idindex.Put{ID: []byte(id), Entry: entry})
}

// lookup returns the newest version of id, the open batch included.
func (l *Lander) lookup(id []byte) (idindex.Entry, bool, error) {
	if e, ok := l.batch[string(id)]; ok {
		return e, true, nil
	}
	return l.Index.Get(id)
}

// settle takes the record in hand out of the quarantine, if it stands there.
func (l *Lander) settle() {
	if l.held[string(l.rec.ID)] {
		delete(l.held, string(l.rec.ID))
		l.settled = append(l.settled, string(l.rec.ID))
	}
}

// reject keeps why an object is no record, and raw, what may be kept of it.
func (l *Lander) reject(bad *dataset.Rejected, it rawjson.Item, raw []byte, read Read) {
	if l.refused == nil {
		l.refused = map[uint64]bool{}
	}
	bad.Resource, bad.ID, bad.RunID = l.Resource, string(it.ID), l.Version.RunID
	key := xxh3.Hash(it.Raw)
	switch again := l.refused[key]; {
	case !again:
		l.refused[key] = true
		l.counts.Quarantined++
	case bad.ID == "" || l.held[bad.ID]:
		return // the same object again, from an overlap
	}
	bad.RequestID, bad.SeenAt = read.Request, read.Start
	bad.Raw = append([]byte(nil), raw...)
	l.rejected = append(l.rejected, *bad)
	if bad.ID != "" {
		if l.held == nil {
			l.held = map[string]bool{}
		}
		l.held[bad.ID] = true
		l.settled = slices.DeleteFunc(l.settled, func(id string) bool { return id == bad.ID })
	}
}

// follow asks for what the record in hand refers to.
func (l *Lander) follow() {
	if l.References == nil {
		return
	}
	resource, ids := l.References(&l.rec)
	for _, id := range ids {
		l.want(resource, id)
	}
}

// maxAsked bounds the memory of what was asked for; asking twice does no harm.
const maxAsked = 100_000

func (l *Lander) want(resource, id string) {
	key := resource + " " + id
	if l.asked[key] {
		return
	}
	if l.asked == nil || len(l.asked) > maxAsked {
		l.asked = map[string]bool{}
	}
	if l.wanted == nil {
		l.wanted = map[string][]string{}
	}
	l.asked[key] = true
	l.wanted[resource] = append(l.wanted[resource], id)
}

// Commit makes everything so far durable. It does nothing when nothing
// happened since the last commit.
func (l *Lander) Commit(ctx context.Context) error {
	if !l.dirty && len(l.puts) == 0 && len(l.rejected) == 0 {
		return nil
	}
	if err := l.keep(ctx); err != nil {
		return err
	}
	if err := l.Table.Commit(ctx, l.Checkpoint.Encode()); err != nil {
		return err
	}
	rows := len(l.puts) + int(l.open.Seen)
	l.dirty, l.open = false, Counts{}
	if len(l.settled) > 0 {
		if err := l.Store.Settle(ctx, l.Resource, l.settled); err != nil {
			return err
		}
		l.settled = l.settled[:0]
	}
	if len(l.due) > 0 {
		if err := l.Store.SetDue(ctx, l.Resource, l.due); err != nil {
			return err
		}
		l.due = l.due[:0]
	}
	if rows > 0 {
		if err := l.Index.Apply(l.Seq, l.puts); err != nil {
			return err
		}
		l.puts = l.puts[:0]
		clear(l.batch)
	}
	if l.Progress != nil {
		l.Progress(l.counts)
	}
	return nil
}

// keep writes what is not a row. Invariant 3: every object read is a row, a
// rejected object, or a failed run; so the quarantine is durable before the
// checkpoint moves past it.
func (l *Lander) keep(ctx context.Context) error {
	if l.Register != nil {
		if err := l.Register.Sync(); err != nil {
			return err
		}
	}
	if len(l.rejected) > 0 {
		if err := l.Store.Quarantine(ctx, l.rejected); err != nil {
			return err
		}
		l.rejected = l.rejected[:0]
	}
	for resource, ids := range l.wanted {
		if err := l.Store.Want(ctx, resource, ids, l.Resource); err != nil {
			return err
		}
		delete(l.wanted, resource)
	}
	// What is to be read again is known before its row is; what is not any more
	// is forgotten after, or a crash in between would leave it as it is for ever.
	later := l.due[:0:0]
	var now []Due
	for _, d := range l.due {
		if d.At == 0 {
			later = append(later, d)
		} else {
			now = append(now, d)
		}
	}
	if len(now) > 0 {
		if err := l.Store.SetDue(ctx, l.Resource, now); err != nil {
			return err
		}
	}
	l.due = later
	if seen := l.Plan.Drift(); len(seen) > 0 {
		return l.Store.NoteDrift(ctx, l.Resource, seen, l.lastRead)
	}
	return nil
}
