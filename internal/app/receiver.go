package app

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/hook"
	"github.com/tributary-data/tributary/internal/sqlstore"
)

// A Receiver answers Stripe's webhooks for a copy that others bring up to date,
// perhaps in other processes: it puts the events into the inbox and holds
// nothing else.
type Receiver struct {
	dir string
	db  *store
	hook.Handler
}

// OpenReceiver opens the inbox of the copy in dir, which must exist. Wake is
// called when something was put into it.
func OpenReceiver(ctx context.Context, dir string, wake func(), log *slog.Logger) (*Receiver, error) {
	if err := mustExist(dir); err != nil {
		return nil, err
	}
	db, err := sqlstore.Open(ctx, databasePath(dir))
	if err != nil {
		return nil, err
	}
	r := &Receiver{dir: dir, db: &store{db}}
	secrets := &secretFile{dir: dir}
	r.Handler = hook.Handler{
		Secrets: secrets.load, Now: r.now, Put: r.put, Wake: wake, Log: log,
		Owner: func(ctx context.Context) (hook.Owner, error) {
			account, livemode, err := db.Binding(ctx)
			return hook.Owner{Account: account, Livemode: livemode}, err
		},
	}
	return r, nil
}

// Close closes the inbox.
func (r *Receiver) Close() error { return r.db.Close() }

var _ http.Handler = (*Receiver)(nil)

// now is Stripe's time, as far as the last pass knew it.
func (r *Receiver) now() time.Time {
	now := time.Now()
	ahead, err := r.db.marked(context.Background(), clockMark, 1)
	if err != nil {
		return now
	}
	return now.Add(time.Duration(ahead[0]) * time.Millisecond)
}

// put implements hook.Handler's Put.
func (r *Receiver) put(ctx context.Context, n extract.Notice) (fresh bool, err error) {
	rules, err := loadRules(ctx, r.dir, r.db)
	if err != nil {
		return false, err
	}
	copied := map[string]bool{}
	for _, ref := range n.Refs {
		at, err := r.db.marked(ctx, reachedMark(ref.Resource), 1)
		if err != nil {
			return false, err
		}
		copied[ref.Resource] = at[0] > 0
	}
	list, err := openForgotten(ctx, r.dir, r.db)
	if err != nil {
		return false, err
	}
	return r.db.receive(ctx, n, true, list, func(ref extract.Ref) bool { return copied[ref.Resource] }, rules.filter())
}

// receive puts an event into the inbox.
func (s *store) receive(ctx context.Context, n extract.Notice, told bool, list *forgotten, keep func(extract.Ref) bool, private filter) (fresh bool, err error) {
	ctx = context.WithoutCancel(ctx)
	judge, err := list.judge()
	if err == nil {
		err = judge.about(ctx, &n)
	}
	if err != nil {
		return false, err
	}
	// Of one second, what comes later is taken for later. Stripe hanging up does
	// not undo what is half written.
	return s.PutNotice(ctx, notice(n, time.Now().UnixMicro(), told, keep, private))
}
