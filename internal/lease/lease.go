// Package lease is the right of one worker to do something that stands in a
// document, as one of many processes: taken for a while, renewed for as long as the work
// goes on, and free for others once its holder was silent for that while.
package lease

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/docstore"
)

// ErrLost says that another worker has the lease by now, or that what it was for is
// gone.
var ErrLost = errors.New("another worker has the work, or it is not wanted any more")

// A Lease is part of the document of what is to be done; its JSON stands among
// that document's members. The zero Lease is free. Times are epoch ms.
//
//	{"holder":"…","until":1760000060000,"after":0}
type Lease struct {
	Holder string `json:"holder,omitempty"` // empty: nobody works on it
	Until  int64  `json:"until,omitempty"`  // whoever is silent till then has lost it
	After  int64  `json:"after,omitempty"`  // not to be tried before
}

// Held says whether somebody works on it.
func (l *Lease) Held(now time.Time) bool { return l.Holder != "" && now.UnixMilli() < l.Until }

// Take takes the lease for a while, unless somebody has it or it is not to be tried
// yet. Lost says that whoever had it before fell silent.
func (l *Lease) Take(now time.Time, length time.Duration) (taken, lost bool) {
	if l.Held(now) || now.UnixMilli() < l.After {
		return false, false
	}
	lost = l.Holder != ""
	l.Holder = uuid.NewString()
	l.Renew(now, length)
	return true, lost
}

// Renew makes the lease last for a while from now.
func (l *Lease) Renew(now time.Time, length time.Duration) {
	l.Until = now.Add(length).UnixMilli()
}

// Give gives the lease back.
func (l *Lease) Give() { l.Holder, l.Until = "", 0 }

// A Renewal says how a lease is kept.
type Renewal struct {
	Length time.Duration // of the lease
	Every  time.Duration // between renewals
	Now    func() time.Time
	// Renew renews it in the document; ErrLost when it is another's.
	Renew func(ctx context.Context) error
}

// Hold does something while the lease is renewed. When it is lost, or can't be
// renewed for so long that it may be, the context of do ends and the result is ErrLost,
// whatever do says.
func Hold(ctx context.Context, r Renewal, do func(ctx context.Context) error) error {
	working, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		r.keep(working, cancel)
	}()
	err := do(working)
	cancel(nil)
	<-renewed
	if errors.Is(context.Cause(working), ErrLost) {
		return ErrLost
	}
	return err
}

func (r Renewal) keep(ctx context.Context, cancel context.CancelCauseFunc) {
	t := time.NewTicker(r.Every)
	defer t.Stop()
	last := r.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		err := r.Renew(ctx)
		switch {
		case err == nil:
			last = r.Now()
		case errors.Is(err, ErrLost), r.Now().Sub(last) > r.Length-2*r.Every:
			cancel(ErrLost)
			return
		}
	}
}

// DropOf removes the documents of a kind in the installation's scope that are about
// a sandbox, by their members org and sandbox: who works on one loses it.
func DropOf(ctx context.Context, db *docstore.DB, kind string, of docstore.Scope) error {
	return db.Do(ctx, func(t *docstore.Tx) error {
		docs, err := t.List(docstore.Scope{}, kind, docstore.Page{})
		if err != nil {
			return err
		}
		for _, d := range docs {
			var is struct{ Org, Sandbox string }
			if err := json.Unmarshal(d.Body, &is); err != nil {
				return err
			}
			if is.Org != of.Org || is.Sandbox != of.Sandbox {
				continue
			}
			if err := t.Delete(docstore.Scope{}, kind, d.ID); err != nil && !errors.Is(err, docstore.ErrNotFound) {
				return err
			}
		}
		return nil
	})
}

// A Bell wakes a worker that waits for work. The zero Bell is ready.
type Bell struct {
	once sync.Once
	c    chan struct{}
}

// Rung returns what is sent to after Ring.
func (b *Bell) Rung() <-chan struct{} { return b.channel() }

// Ring wakes one who waits, or the next who does.
func (b *Bell) Ring() {
	select {
	case b.channel() <- struct{}{}:
	default: // it is said already
	}
}

func (b *Bell) channel() chan struct{} {
	b.once.Do(func() { b.c = make(chan struct{}, 1) })
	return b.c
}
