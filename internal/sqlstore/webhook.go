package sqlstore

import (
	"context"
	"database/sql"
	"errors"
)

// PutNotice is PutNotices for one event that came by itself: it is on the disk
// when PutNotice returns, not only in its cache. It reports whether the event
// was not known.
func (s *Store) PutNotice(ctx context.Context, n Notice) (fresh bool, err error) {
	conn, err := s.db.Conn(ctx) // nobody else's statement comes between
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "pragma synchronous = full"); err != nil {
		return false, err
	}
	defer func() {
		_, e := conn.ExecContext(context.WithoutCancel(ctx), "pragma synchronous = normal")
		err = errors.Join(err, e)
	}()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	before, err := knownFor(ctx, tx, n.ID)
	if err == nil {
		err = putNotice(ctx, tx, &n)
	}
	after := before
	if err == nil {
		after, err = knownFor(ctx, tx, n.ID)
	}
	if err != nil {
		_ = tx.Rollback()
		return false, err
	}
	return after > before, tx.Commit()
}

// knownFor returns for how many resources an event is known.
func knownFor(ctx context.Context, tx *sql.Tx, id string) (n int, err error) {
	err = tx.QueryRowContext(ctx, "select count(*) from event_known where id = $1", id).Scan(&n)
	return n, err
}

// Waiting returns the resources of which objects wait in the inbox to be read.
func (s *Store) Waiting(ctx context.Context) ([]string, error) {
	return s.texts(ctx, "select distinct resource from notice_ref order by resource")
}
