package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"
)

// A Notice is an event as the inbox keeps it.
type Notice struct {
	ID         string
	Type       string
	Created    int64 // unix seconds
	APIVersion string
	Refs       []Ref // the objects that it is about
	// Resource and ObjectID name the object that the event shows, Snapshot is
	// that object after the privacy rules; nil for none.
	Resource string
	ObjectID string
	Snapshot []byte
	// Place orders events of one second: later ones have a higher one. Before
	// and After are digests of the object around the event, "" if unknown.
	Place         int64
	Before, After string
}

// A Ref names an object.
type Ref struct{ Resource, ID string }

// PutNotices keeps events until a pass has taken them in. What is there, or was
// taken in by the resource that it is about, is left alone; an event that is
// about nothing is not kept.
func (s *Store) PutNotices(ctx context.Context, notices []Notice) error {
	if len(notices) == 0 {
		return nil
	}
	return s.tx(ctx, func(tx *sql.Tx) error {
		for i := range notices {
			if err := putNotice(ctx, tx, &notices[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func putNotice(ctx context.Context, tx *sql.Tx, n *Notice) error {
	fresh := map[string]bool{} // resources that did not know the event
	for _, r := range n.Refs {
		if _, asked := fresh[r.Resource]; asked {
			continue
		}
		res, err := tx.ExecContext(ctx, "insert into event_known (resource, id, created) values ($1, $2, $3) on conflict do nothing", r.Resource, n.ID, n.Created)
		if err != nil {
			return err
		}
		added, err := res.RowsAffected()
		if err != nil {
			return err
		}
		fresh[r.Resource] = added > 0
	}
	refs := slices.DeleteFunc(slices.Clone(n.Refs), func(r Ref) bool { return !fresh[r.Resource] })
	if len(refs) == 0 {
		return nil
	}
	snapshot := n.Snapshot
	if !fresh[n.Resource] {
		snapshot = nil
	}
	var row int64
	err := tx.QueryRowContext(ctx, `insert into notice (id, type, created, place, before, after, api_version, resource, object_id, snapshot)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9,
			case when $3 >= coalesce((select since from inbox where resource = $8), 0) then $10 end)
		on conflict (id) do update set snapshot = coalesce(notice.snapshot, excluded.snapshot) returning n`,
		n.ID, n.Type, n.Created, n.Place, n.Before, n.After, n.APIVersion, n.Resource, n.ObjectID, snapshot).Scan(&row)
	if err != nil {
		return err
	}
	for _, r := range refs {
		if _, err := tx.ExecContext(ctx, "insert into notice_ref (resource, id, n) values ($1, $2, $3) on conflict do nothing", r.Resource, r.ID, row); err != nil {
			return err
		}
	}
	return nil
}

// LastNotice returns the number of the event that came last, 0 for none: what
// comes while a pass is at work is left to the next.
func (s *Store) LastNotice(ctx context.Context) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, "select coalesce(max(n), 0) from notice").Scan(&n)
	return n, err
}

// Inbox returns the seq up to which the rows of a resource's history stem from
// events that were taken in. At the first call for a resource it is the seq
// given, and the snapshots of events created before since, in unix seconds, are
// not kept from then on.
func (s *Store) Inbox(ctx context.Context, resource string, since, seq int64) (have int64, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "insert into inbox (resource, since, seq) values ($1, $2, $3) on conflict do nothing", resource, since, seq); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "select seq from inbox where resource = $1", resource).Scan(&have)
	})
	return have, err
}

// A Noticed object is one that events in the inbox are about.
type Noticed struct {
	ID string
	At int64 // created of the newest of them, unix seconds
}

// Noticed returns objects of a resource that the events up to number upto are
// about: at most limit, in the order of their ids, behind after.
func (s *Store) Noticed(ctx context.Context, resource string, upto int64, after string, limit int) ([]Noticed, error) {
	rows, err := s.db.QueryContext(ctx, `select r.id, max(notice.created) from notice_ref r join notice on notice.n = r.n
		where r.resource = $1 and r.id > $2 and r.n <= $3 group by r.id order by r.id limit $4`, resource, after, upto, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Noticed
	for rows.Next() {
		var o Noticed
		if err := rows.Scan(&o.ID, &o.At); err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, rows.Err()
}

// EachShown calls fn with the id of every object of a resource of which the
// inbox, up to number upto, holds a snapshot. fn must not use the store.
func (s *Store) EachShown(ctx context.Context, resource string, upto int64, fn func(id string)) error {
	rows, err := s.db.QueryContext(ctx, `select distinct r.id from notice_ref r join notice on notice.n = r.n
		where r.resource = $1 and r.n <= $2 and notice.resource = r.resource and notice.object_id = r.id and notice.snapshot is not null`, resource, upto)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return err
		}
		fn(id)
	}
	return rows.Err()
}

// Snapshots returns the events up to number upto that show an object, with
// their snapshots and without Refs, by created and place.
func (s *Store) Snapshots(ctx context.Context, resource, id string, upto int64) ([]Notice, error) {
	rows, err := s.db.QueryContext(ctx, `select notice.id, type, created, place, before, after, api_version, snapshot
		from notice_ref r join notice on notice.n = r.n
		where r.resource = $1 and r.id = $2 and r.n <= $3 and notice.resource = $1 and object_id = $2 and snapshot is not null
		order by created, place, notice.n`, resource, id, upto)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Notice
	for rows.Next() {
		n := Notice{Resource: resource, ObjectID: id}
		if err := rows.Scan(&n.ID, &n.Type, &n.Created, &n.Place, &n.Before, &n.After, &n.APIVersion, &n.Snapshot); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// Taken removes the events up to number upto from the inbox of a resource, once
// everything that they led to is durable, with versions up to seq. Events
// created before the given time, in unix seconds, are forgotten: should one
// come again, its snapshot is not kept.
func (s *Store) Taken(ctx context.Context, resource string, upto, seq, before int64) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, q := range []struct {
			text string
			args []any
		}{
			{"delete from notice_ref where resource = $1 and n <= $2", []any{resource, upto}},
			{"delete from notice where n <= $1 and not exists (select 1 from notice_ref r where r.n = notice.n)", []any{upto}},
			{"update inbox set seq = $2, since = max(since, $3) where resource = $1", []any{resource, seq, before}},
			{"delete from event_known where resource = $1 and created < $2", []any{resource, before}},
		} {
			if _, err := tx.ExecContext(ctx, q.text, q.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// RewriteSnapshots gives every snapshot in the inbox the text that change
// leaves, nil for none, all or nothing.
func (s *Store) RewriteSnapshots(ctx context.Context, change func(resource string, raw []byte) []byte) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for n := int64(0); ; {
			var resource string
			var raw []byte
			err := tx.QueryRowContext(ctx, "select n, resource, snapshot from notice where n > $1 and snapshot is not null order by n limit 1", n).Scan(&n, &resource, &raw)
			if errors.Is(err, sql.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "update notice set snapshot = $1 where n = $2", change(resource, raw), n); err != nil {
				return err
			}
		}
	})
}
