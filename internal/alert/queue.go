package alert

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/docstore"
)

// A queue is what a subscription is still to be told, as Run looks for it. Its
// document's time of creation is when it is due, so that the database keeps the
// queues in the order in which they are.
type queue struct {
	Place    place  `json:"place"`
	Waiting  int    `json:"waiting"`           // deliveries
	LeftOut  int    `json:"leftOut,omitempty"` // alerts that did not fit
	Last     int64  `json:"last"`              // place of the newest delivery, epoch ms: no two have the same, so that they keep their order
	Failures int    `json:"failures,omitempty"`
	Lease    string `json:"lease,omitempty"` // of who works on it; good until it is due

	id string
}

// A delivery is a message to one subscription. Times are epoch ms.
type delivery struct {
	Message message `json:"message"`
	Since   int64   `json:"since"` // when it was put down
	// After is when it may go out: of what waits for a digest, the digest's hour.
	After   int64    `json:"after"`
	Tries   int      `json:"tries,omitempty"`
	Left    []string `json:"left,omitempty"`    // addresses that it did not reach yet; nil before the first try
	Refused string   `json:"refused,omitempty"` // why it can't ever reach one of them

	id string
}

// Health is how it goes with a subscription. It is also the stored form. Times are epoch ms.
type Health struct {
	Status  string `json:"status"` // delivered, failing; empty before the first try
	At      int64  `json:"at"`
	Error   string `json:"error,omitempty"`   // of the last try
	GivenUp int    `json:"givenUp,omitempty"` // alerts that could not be delivered so far
	LeftOut int    `json:"leftOut,omitempty"` // alerts that came while too many were waiting
}

// Bounds of deliveries.
const (
	maxWaiting = 1000
	lease      = time.Minute        // so long after a process died another one takes over
	giveUp     = 3 * 24 * time.Hour // so long it is tried
	firstPause = 30 * time.Second   // doubled with each failure
	maxPause   = 6 * time.Hour
	maxTurn    = 50 // deliveries before other subscriptions have their turn
)

func pause(failures int) time.Duration {
	return min(maxPause, firstPause<<min(failures-1, 20))
}

var installation = docstore.Scope{}

// enqueue puts a message down for a subscription.
func (s *Service) enqueue(t *docstore.Tx, p place, sub stored, m message, key string) error {
	now := s.Now()
	kind, due := kindDelivery, now
	d := delivery{Message: m, Since: now.UnixMilli(), id: named(m.EventID, sub.ID)}
	if sub.Delivery == Daily {
		kind, due = kindGathered, sub.next(now)
		d.Message.Value, d.Message.Count = nil, 1
		d.id = named(sub.ID, string(m.Kind), m.Flow, key, due.String())
	}
	d.After = due.UnixMilli()
	before, doc, err := docstore.Body[delivery](t, p.scope(), kind, d.id)
	switch {
	case err == nil && kind == kindGathered: // more of the same for the same digest
		before.Message.Count++
		before.Message.Last = max(before.Message.At, m.At)
		before.Message.Run, before.Message.Text = m.Run, m.Text
		return t.Store(p.scope(), doc, before)
	case !errors.Is(err, docstore.ErrNotFound):
		return err // nil: it is waiting already
	}
	q, doc, err := readQueue(t, sub.ID)
	if errors.Is(err, docstore.ErrNotFound) {
		q, doc, err = queue{Place: p, id: sub.ID}, docstore.Doc{Created: due}, nil
	}
	if err != nil {
		return err
	}
	at := doc.Created
	if q.Waiting >= cmp.Or(s.MaxWaiting, maxWaiting) {
		q.LeftOut++
		return q.move(t, at)
	}
	q.Waiting++
	q.Last = max(now.UnixMilli(), q.Last+1)
	if q.Lease == "" && q.Failures == 0 && due.Before(at) {
		at = due
	}
	if err := q.move(t, at); err != nil {
		return err
	}
	return t.Store(p.scope(), docstore.Doc{Kind: kind, ID: d.id, Parent: sub.ID, Created: time.UnixMilli(q.Last)}, d)
}

// each visits what waits for a subscription, oldest first, until visit says
// that it is enough. Visited documents may be deleted.
func each(t *docstore.Tx, p place, kind, subscription string, visit func(doc docstore.Doc, d delivery) (bool, error)) error {
	page := docstore.Page{Parent: subscription, Limit: 20}
	for {
		docs, err := t.List(p.scope(), kind, page)
		if err != nil {
			return err
		}
		for _, doc := range docs {
			d, err := docstore.Decode[delivery](doc)
			if err != nil {
				return err
			}
			d.id = doc.ID
			if more, err := visit(doc, d); err != nil || !more {
				return err
			}
		}
		if len(docs) < page.Limit {
			return nil
		}
		page.After = docs[len(docs)-1].Mark()
	}
}

func readQueue(t *docstore.Tx, id string) (queue, docstore.Doc, error) {
	q, d, err := docstore.Body[queue](t, installation, kindQueue, id)
	q.id = id
	return q, d, err
}

// move stores a queue and says when it is due.
func (q queue) move(t *docstore.Tx, due time.Time) error {
	if err := t.Remove(installation, kindQueue, q.id); err != nil {
		return err
	}
	return t.Store(installation, docstore.Doc{Kind: kindQueue, ID: q.id, Created: due.Truncate(time.Millisecond)}, q)
}

// clearQueue removes all that a subscription was still to be told.
func clearQueue(t *docstore.Tx, p place, id string) error {
	for _, kind := range []string{kindDelivery, kindGathered} {
		err := each(t, p, kind, id, func(_ docstore.Doc, d delivery) (bool, error) { return true, t.Delete(p.scope(), kind, d.id) })
		if err != nil {
			return err
		}
	}
	if err := t.Remove(p.scope(), kindHealth, id); err != nil {
		return err
	}
	return t.Remove(installation, kindQueue, id)
}

// claim takes queues that are due, room at most, for as long as the lease. It
// also returns when the next one is due; zero for none.
func (s *Service) claim(ctx context.Context, room int) (mine []queue, next time.Time, err error) {
	if room == 0 {
		return nil, time.Time{}, nil
	}
	token := uuid.NewString()
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		mine, next = nil, time.Time{}
		now := s.Now()
		docs, err := t.List(installation, kindQueue, docstore.Page{Limit: room + 1})
		if err != nil {
			return err
		}
		for _, d := range docs {
			if d.Created.After(now) || len(mine) == room {
				next = d.Created
				return nil
			}
			q, err := docstore.Decode[queue](d)
			if err != nil {
				return err
			}
			q.id, q.Lease = d.ID, token
			if err := q.move(t, now.Add(lease)); err != nil {
				return err
			}
			mine = append(mine, q)
		}
		return nil
	})
	return mine, next, err
}

// held reads a queue that this process works on; docstore.ErrStale when
// it is another's by now, or is gone.
func (q queue) held(t *docstore.Tx) (queue, error) {
	now, _, err := readQueue(t, q.id)
	if errors.Is(err, docstore.ErrNotFound) || err == nil && now.Lease != q.Lease {
		return queue{}, docstore.ErrStale
	}
	return now, err
}

// head returns the next delivery of a queue, and renews the lease. False
// means that the turn is over; then the queue is left as it is to be found.
func (s *Service) head(ctx context.Context, q queue) (sub stored, d delivery, ok bool, err error) {
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		ok = false
		mine, err := q.held(t)
		if err != nil {
			return err
		}
		p := mine.Place
		sub, err = readSubscription(t, p, q.id)
		if errors.Is(err, docstore.ErrNotFound) || err == nil && !sub.Enabled {
			return clearQueue(t, p, q.id)
		}
		if err != nil {
			return err
		}
		now := s.Now()
		waiting, next, err := s.gather(t, mine)
		if err != nil {
			return err
		}
		err = each(t, p, kindDelivery, q.id, func(_ docstore.Doc, one delivery) (bool, error) {
			if one.After <= now.UnixMilli() {
				d, ok = one, true
				return false, nil
			}
			waiting++
			next = min(next, one.After)
			return true, nil
		})
		switch {
		case err != nil:
			return err
		case ok:
			return mine.move(t, now.Add(lease))
		case waiting == 0:
			return t.Remove(installation, kindQueue, q.id)
		}
		mine.Lease, mine.Waiting = "", waiting
		return mine.move(t, time.UnixMilli(next))
	})
	return sub, d, ok, err
}

// gather makes a digest of what waited for one that is due now. It returns how
// many messages wait for a later one, and when the first of those is due.
func (s *Service) gather(t *docstore.Tx, q queue) (waiting int, next int64, err error) {
	now := s.Now()
	next = math.MaxInt64
	var all []message
	err = each(t, q.Place, kindGathered, q.id, func(_ docstore.Doc, d delivery) (bool, error) {
		if d.After > now.UnixMilli() {
			waiting++
			next = min(next, d.After)
			return true, nil
		}
		all = append(all, d.Message)
		return true, t.Delete(q.Place.scope(), kindGathered, d.id)
	})
	if err != nil || len(all) == 0 {
		return waiting, next, err
	}
	digest := digestOf(uuid.NewString(), now.UnixMilli(), all)
	_, err = t.Write(q.Place.scope(), docstore.Doc{Kind: kindDelivery, ID: digest.EventID, Parent: q.id, Created: now}, delivery{
		Message: digest, Since: now.UnixMilli(), After: now.UnixMilli(),
	})
	return waiting, next, err
}

func readHealth(t *docstore.Tx, p place, id string) (Health, error) {
	h, _, err := docstore.Body[Health](t, p.scope(), kindHealth, id)
	return h, gone(err)
}
