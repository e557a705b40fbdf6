package sqlstore

import (
	"context"
	"database/sql"
	"time"
)

// What is to be done about an object that is to be forgotten, in one number.
const (
	ForgetObject = 1 << iota // nothing of it is kept, ever
	ForgetBooks              // nor of its balance transactions
	ForgetBlank              // of what comes, what points to a person is not kept
	ForgetStored             // what is stored of it goes; what comes later may be kept
	ForgetMade               // what was made of it elsewhere goes, until DerivedDone
)

// A Forgotten is an object to be forgotten, by the keyed hash of its id.
type Forgotten struct {
	Digest [32]byte
	Kind   int
	Fresh  bool // what is stored was not searched for it yet
}

// Forgotten returns all objects to be forgotten. A database from before there
// were any has none.
func (s *Store) Forgotten(ctx context.Context) ([]Forgotten, error) {
	if known, err := s.texts(ctx, "select name from sqlite_schema where type = 'table' and name = 'forgotten'"); err != nil || len(known) == 0 {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, "select digest, kind, fresh from forgotten")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Forgotten
	for rows.Next() {
		var f Forgotten
		var digest []byte
		if err := rows.Scan(&digest, &f.Kind, &f.Fresh); err != nil {
			return nil, err
		}
		copy(f.Digest[:], digest)
		out = append(out, f)
	}
	return out, rows.Err()
}

// ForgottenKind returns what is to be done about an object, 0 for nothing.
func (s *Store) ForgottenKind(ctx context.Context, digest [32]byte) (kind int, err error) {
	err = s.db.QueryRowContext(ctx, "select coalesce((select kind from forgotten where digest = $1), 0)", digest[:]).Scan(&kind)
	return kind, err
}

// FreshForgotten says whether what is stored is to be searched: there is a
// request that is not done, or an object that was not known before.
func (s *Store) FreshForgotten(ctx context.Context) (fresh bool, err error) {
	err = s.db.QueryRowContext(ctx, "select exists (select 1 from forgotten where fresh or kind & 8) or exists (select 1 from forget where state = 'waiting')").Scan(&fresh)
	return fresh, err
}

// Forget notes objects to be forgotten. What was noted of them stays.
func (s *Store) Forget(ctx context.Context, objects []Forgotten) error {
	return s.tx(ctx, func(tx *sql.Tx) error { return putForgotten(ctx, tx, objects) })
}

func putForgotten(ctx context.Context, tx *sql.Tx, objects []Forgotten) error {
	for _, f := range objects {
		_, err := tx.ExecContext(ctx, `insert into forgotten (digest, kind, fresh) values ($1, $2, $3) on conflict (digest) do update set
			kind = forgotten.kind | excluded.kind, fresh = max(forgotten.fresh, excluded.fresh)`,
			f.Digest[:], f.Kind, f.Fresh)
		if err != nil {
			return err
		}
	}
	return nil
}

// A ForgetRequest is a request to forget a customer.
type ForgetRequest struct {
	ID        string
	Customer  [32]byte // the keyed hash of the id
	KeyID     string
	Derived   bool // others remove what was made of it elsewhere, and say DerivedDone
	Removed   bool // from here; with Derived that is not all
	Requested time.Time
	Done      time.Time // zero: not yet
	Result    string    // JSON
}

// AskForget keeps a request, and from then on nothing of the customer.
func (s *Store) AskForget(ctx context.Context, r ForgetRequest, kind int) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "insert into forget (id, customer, state, derived, key_id, requested_at, done_at, result) values ($1, $2, 'waiting', $3, $4, $5, 0, '') on conflict do nothing",
			r.ID, r.Customer[:], r.Derived, r.KeyID, r.Requested.UnixMilli())
		if err != nil {
			return err
		}
		return putForgotten(ctx, tx, []Forgotten{{Digest: r.Customer, Kind: kind, Fresh: true}})
	})
}

// ForgetRequests returns all requests, the oldest first.
func (s *Store) ForgetRequests(ctx context.Context) ([]ForgetRequest, error) {
	if known, err := s.texts(ctx, "select name from sqlite_schema where type = 'table' and name = 'forget'"); err != nil || len(known) == 0 {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, "select id, customer, derived, state <> 'waiting', key_id, requested_at, done_at, result from forget order by requested_at, id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ForgetRequest
	for rows.Next() {
		var r ForgetRequest
		var digest []byte
		var asked, done int64
		if err := rows.Scan(&r.ID, &digest, &r.Derived, &r.Removed, &r.KeyID, &asked, &done, &r.Result); err != nil {
			return nil, err
		}
		copy(r.Customer[:], digest)
		r.Requested = time.UnixMilli(asked).UTC()
		if done > 0 {
			r.Done = time.UnixMilli(done).UTC()
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// ForgetDone says that nothing is stored any more of what was to be forgotten,
// and what that came to. Where something was made of it elsewhere, that is still
// to go.
func (s *Store) ForgetDone(ctx context.Context, at time.Time, result string) error {
	return s.forgetSteps(ctx, []step{
		{"update forgotten set kind = kind | 16 where kind & 9 and exists (select 1 from forget where state = 'waiting' and derived)", nil},
		{"update forgotten set fresh = 0, kind = kind & ~8 where fresh or kind & 8", nil},
		{"delete from forgotten where kind = 0", nil},
		{"update forget set state = case when derived then 'removed' else 'done' end, done_at = case when derived then 0 else $1 end, result = $2 where state = 'waiting'", []any{at.UnixMilli(), result}},
	})
}

// DerivedDone says that what was made elsewhere of what was to be forgotten is
// gone as well.
func (s *Store) DerivedDone(ctx context.Context, id string, at time.Time) error {
	return s.forgetSteps(ctx, []step{
		{"update forget set state = 'done', done_at = $1 where id = $2 and state = 'removed'", []any{at.UnixMilli(), id}},
		{"update forgotten set kind = kind & ~16 where kind & 16 and not exists (select 1 from forget where state <> 'done')", nil},
		{"delete from forgotten where kind = 0", nil},
	})
}

type step struct {
	text string
	args []any
}

func (s *Store) forgetSteps(ctx context.Context, steps []step) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, q := range steps {
			if _, err := tx.ExecContext(ctx, q.text, q.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// A Named is an object whose text the database keeps.
type Named struct {
	Resource, ID string
	Raw          []byte // nil for an id alone
	Told         bool   // by an event; else it stands in quarantine
}

// ForgetIn removes what the database has of objects that gone names: from the
// quarantine, the inbox, what is wanted and due, and examples of drift. It
// returns how many rows of the first two went.
func (s *Store) ForgetIn(ctx context.Context, gone func(Named) (bool, error)) (held, told int64, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		held, told = 0, 0
		steps := []struct {
			list   string // rowid or key, resource, id, raw
			remove string
			count  *int64
		}{
			{"select rowid, resource, id, raw from quarantine", "delete from quarantine where rowid = $1", &held},
			{"select n, resource, object_id, snapshot from notice", "delete from notice where n = $1", &told},
			{"select rowid, resource, id, null from wanted", "delete from wanted where rowid = $1", nil},
			{"select rowid, resource, id, null from due", "delete from due where rowid = $1", nil},
			{"select rowid, resource, example, null from drift where example <> ''", "update drift set example = '' where rowid = $1", nil},
		}
		for _, step := range steps {
			keys, err := chosen(ctx, tx, step.list, gone)
			if err != nil {
				return err
			}
			for _, key := range keys {
				if _, err := tx.ExecContext(ctx, step.remove, key); err != nil {
					return err
				}
			}
			if step.count != nil {
				*step.count = int64(len(keys))
			}
		}
		return forgetRefs(ctx, tx, gone)
	})
	return held, told, err
}

// chosen returns the keys of the rows that gone names.
func chosen(ctx context.Context, tx *sql.Tx, query string, gone func(Named) (bool, error)) ([]int64, error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var keys []int64
	for rows.Next() {
		var key int64
		var n Named
		if err := rows.Scan(&key, &n.Resource, &n.ID, &n.Raw); err != nil {
			return nil, err
		}
		hit, err := gone(n)
		if err != nil {
			return nil, err
		}
		if hit {
			keys = append(keys, key)
		}
	}
	return keys, rows.Err()
}

// forgetRefs removes what events are said to be about, and events that are about
// nothing any more.
func forgetRefs(ctx context.Context, tx *sql.Tx, gone func(Named) (bool, error)) error {
	refs, err := goneRefs(ctx, tx, gone)
	if err != nil {
		return err
	}
	for _, r := range refs {
		if _, err := tx.ExecContext(ctx, "delete from notice_ref where resource = $1 and id = $2", r.Resource, r.ID); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, "delete from notice_ref where not exists (select 1 from notice where notice.n = notice_ref.n)"); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "delete from notice where not exists (select 1 from notice_ref r where r.n = notice.n)")
	return err
}

func goneRefs(ctx context.Context, tx *sql.Tx, gone func(Named) (bool, error)) (refs []Ref, err error) {
	rows, err := tx.QueryContext(ctx, "select distinct resource, id from notice_ref")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var r Ref
		if err := rows.Scan(&r.Resource, &r.ID); err != nil {
			return nil, err
		}
		hit, err := gone(Named{Resource: r.Resource, ID: r.ID})
		if err != nil {
			return nil, err
		}
		if hit {
			refs = append(refs, r)
		}
	}
	return refs, rows.Err()
}

// EachNamed calls fn with the objects whose texts the quarantine and the inbox
// have of a resource. fn must not use the store.
func (s *Store) EachNamed(ctx context.Context, resource string, fn func(Named) error) error {
	rows, err := s.db.QueryContext(ctx, `select resource, id, raw, false from quarantine where resource = $1
		union all select resource, object_id, snapshot, true from notice where resource = $1 and snapshot is not null`, resource)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var n Named
		if err := rows.Scan(&n.Resource, &n.ID, &n.Raw, &n.Told); err != nil {
			return err
		}
		if err := fn(n); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Scrub gives every text that earlier passes left in words (summaries of runs,
// marks) what change makes of it.
func (s *Store) Scrub(ctx context.Context, change func(string) string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		for _, c := range []struct{ table, column string }{{"run", "summary"}, {"mark", "value"}} {
			if err := scrub(ctx, tx, c.table, c.column, change); err != nil {
				return err
			}
		}
		return nil
	})
}

func scrub(ctx context.Context, tx *sql.Tx, table, column string, change func(string) string) error {
	texts, err := changed(ctx, tx, "select rowid, "+column+" from "+table, change)
	for row, text := range texts {
		if err == nil {
			_, err = tx.ExecContext(ctx, "update "+table+" set "+column+" = $1 where rowid = $2", text, row)
		}
	}
	return err
}

// changed returns the texts of a table, by row, that change makes others of.
func changed(ctx context.Context, tx *sql.Tx, query string, change func(string) string) (map[int64]string, error) {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	texts := map[int64]string{}
	for rows.Next() {
		var row int64
		var text string
		if err := rows.Scan(&row, &text); err != nil {
			return nil, err
		}
		if now := change(text); now != text {
			texts[row] = now
		}
	}
	return texts, rows.Err()
}
