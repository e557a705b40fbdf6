// Package docstore keeps the documents of the control plane: schemas,
// datasets, mapping sets, connections, flows, who may do what. A document is
// JSON text of one kind in one scope; the same code keeps it in SQLite or in
// PostgreSQL.
package docstore

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Scope is where a document lives. No call sees a document of another one.
// What belongs to an organisation as a whole has no sandbox; what belongs to
// the installation has neither.
type Scope struct {
	Org     string // organisation id
	Sandbox string // sandbox id
}

// A Doc is one document.
type Doc struct {
	Kind   string
	ID     string
	Parent string   // what it belongs to, for example a run's flow; may be empty
	Keys   []string // other names for it, each one unique within kind and scope; not filled by Page
	// Revision counts the states, from 1. Put takes the revision that the
	// caller has seen, 0 for a new document.
	Revision int64
	Created  time.Time // whole milliseconds, UTC
	Updated  time.Time // whole milliseconds, UTC
	Body     []byte    // JSON
}

// Errors of a transaction's calls.
var (
	ErrNotFound = errors.New("no such document")
	ErrTaken    = errors.New("the id or a key is taken")
	ErrStale    = errors.New("the document was changed meanwhile")
)

// A Page says which documents of a kind to read, in the order in which they
// were created.
type Page struct {
	Parent string // only what belongs to it; empty for all
	Newest bool   // newest first
	After  Mark   // begin behind it; the zero Mark begins at the beginning
	Limit  int    // at most so many; 0 for all
	// Where must hold of the documents' entries; for Entries and CountEntries.
	Where []Condition
}

// A Mark is the place of a document in a Page's order.
type Mark struct {
	Created int64 // milliseconds
	ID      string
}

// Mark returns the document's place.
func (d Doc) Mark() Mark { return Mark{d.Created.UnixMilli(), d.ID} }

// A Tx is one transaction. All of it happens or nothing.
type Tx struct {
	tx  *sql.Tx
	db  *DB
	ctx context.Context //nolint:containedctx // a transaction lives as long as the call that made it
}

// Storable says whether a text can be an id, a key or a parent: PostgreSQL
// takes no NUL and nothing but UTF-8, and asking it for such a text is an
// error. Get, Find and List know that there is no such document.
func Storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

const columns = "id, parent, revision, created, updated, body"

func scan(kind string, row interface{ Scan(...any) error }) (Doc, error) {
	d := Doc{Kind: kind}
	var created, updated int64
	var body string
	if err := row.Scan(&d.ID, &d.Parent, &d.Revision, &created, &updated, &body); err != nil {
		return Doc{}, err
	}
	d.Created, d.Updated, d.Body = time.UnixMilli(created).UTC(), time.UnixMilli(updated).UTC(), []byte(body)
	return d, nil
}

// Get returns a document with its keys, or ErrNotFound.
func (t *Tx) Get(s Scope, kind, id string) (Doc, error) {
	if !Storable(id) {
		return Doc{}, ErrNotFound
	}
	d, err := scan(kind, t.row("select "+columns+" from doc where org = ? and sandbox = ? and kind = ? and id = ?", s.Org, s.Sandbox, kind, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Doc{}, ErrNotFound
	}
	if err != nil {
		return Doc{}, err
	}
	err = t.each("select name from doc_key where org = ? and sandbox = ? and kind = ? and id = ? order by name", []any{s.Org, s.Sandbox, kind, id}, func(r *sql.Rows) error {
		var name string
		if err := r.Scan(&name); err != nil {
			return err
		}
		d.Keys = append(d.Keys, name)
		return nil
	})
	return d, err
}

// Find returns the document that has the key, or ErrNotFound.
func (t *Tx) Find(s Scope, kind, key string) (Doc, error) {
	if !Storable(key) {
		return Doc{}, ErrNotFound
	}
	var id string
	err := t.row("select id from doc_key where org = ? and sandbox = ? and kind = ? and name = ?", s.Org, s.Sandbox, kind, key).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return Doc{}, ErrNotFound
	}
	if err != nil {
		return Doc{}, err
	}
	return t.Get(s, kind, id)
}

// List returns the documents of a kind that the page asks for.
func (t *Tx) List(s Scope, kind string, p Page) ([]Doc, error) {
	if !Storable(p.Parent) {
		return nil, nil
	}
	query := "select " + columns + " from doc where org = ? and sandbox = ? and kind = ?"
	args := []any{s.Org, s.Sandbox, kind}
	if p.Parent != "" {
		query += " and parent = ?"
		args = append(args, p.Parent)
	}
	than, direction := " > ", ""
	if p.Newest {
		than, direction = " < ", " desc"
	}
	if p.After != (Mark{}) {
		query += " and (created" + than + "? or created = ? and id" + than + "?)"
		args = append(args, p.After.Created, p.After.Created, p.After.ID)
	}
	query += " order by created" + direction + ", id" + direction
	if p.Limit > 0 {
		query += fmt.Sprintf(" limit %d", p.Limit)
	}
	var docs []Doc
	err := t.each(query, args, func(r *sql.Rows) error {
		d, err := scan(kind, r)
		docs = append(docs, d)
		return err
	})
	return docs, err
}

// Count returns how many documents of a kind there are, of a parent's alone
// unless it is empty.
func (t *Tx) Count(s Scope, kind, parent string) (n int, err error) {
	if !Storable(parent) {
		return 0, nil
	}
	query, args := "select count(*) from doc where org = ? and sandbox = ? and kind = ?", []any{s.Org, s.Sandbox, kind}
	if parent != "" {
		query, args = query+" and parent = ?", append(args, parent)
	}
	err = t.row(query, args...).Scan(&n)
	return n, err
}

// Put writes a document. With revision 0 it must be new, created now unless
// the caller says when. With another revision it replaces that state, and
// Updated becomes now. It returns the document as it is now stored, ErrTaken,
// ErrStale, or ErrNotFound.
func (t *Tx) Put(s Scope, d Doc) (Doc, error) {
	now := t.db.now().UTC().Truncate(time.Millisecond)
	d.Revision++
	if d.Revision == 1 {
		if d.Created.IsZero() {
			d.Created = now
		}
		d.Updated = d.Created
		n, err := t.exec(
			"insert into doc (org, sandbox, kind, id, parent, revision, created, updated, body) values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict do nothing",
			s.Org, s.Sandbox, d.Kind, d.ID, d.Parent, d.Revision, d.Created.UnixMilli(), d.Updated.UnixMilli(), string(d.Body),
		)
		if err != nil {
			return Doc{}, err
		}
		if n == 0 {
			return Doc{}, fmt.Errorf("%s %s: %w", d.Kind, d.ID, ErrTaken)
		}
	} else {
		d.Updated = now
		var created int64
		err := t.row(
			"update doc set parent = ?, revision = ?, updated = ?, body = ? where org = ? and sandbox = ? and kind = ? and id = ? and revision = ? returning created",
			d.Parent, d.Revision, d.Updated.UnixMilli(), string(d.Body), s.Org, s.Sandbox, d.Kind, d.ID, d.Revision-1,
		).Scan(&created)
		if errors.Is(err, sql.ErrNoRows) {
			if _, err := t.Get(s, d.Kind, d.ID); err != nil {
				return Doc{}, err
			}
			return Doc{}, fmt.Errorf("%s %s: %w", d.Kind, d.ID, ErrStale)
		}
		if err != nil {
			return Doc{}, err
		}
		d.Created = time.UnixMilli(created).UTC()
		if _, err := t.exec("delete from doc_key where org = ? and sandbox = ? and kind = ? and id = ?", s.Org, s.Sandbox, d.Kind, d.ID); err != nil {
			return Doc{}, err
		}
	}
	if err := t.addKeys(s, d); err != nil {
		return Doc{}, err
	}
	return d, t.index(s, d)
}

func (t *Tx) addKeys(s Scope, d Doc) error {
	for _, key := range d.Keys {
		n, err := t.exec("insert into doc_key (org, sandbox, kind, name, id) values (?, ?, ?, ?, ?) on conflict do nothing", s.Org, s.Sandbox, d.Kind, key, d.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("%s %s: key %q: %w", d.Kind, d.ID, key, ErrTaken)
		}
	}
	return nil
}

func (t *Tx) rekey(s Scope, d Doc) error {
	if _, err := t.exec("delete from doc_key where org = ? and sandbox = ? and kind = ? and id = ?", s.Org, s.Sandbox, d.Kind, d.ID); err != nil {
		return err
	}
	return t.addKeys(s, d)
}

// Delete removes a document and its keys; ErrNotFound if it is not there.
func (t *Tx) Delete(s Scope, kind, id string) error {
	n, err := t.exec("delete from doc where org = ? and sandbox = ? and kind = ? and id = ?", s.Org, s.Sandbox, kind, id)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrNotFound
	}
	if _, err = t.exec("delete from doc_key where org = ? and sandbox = ? and kind = ? and id = ?", s.Org, s.Sandbox, kind, id); err != nil {
		return err
	}
	return t.unindex(s, kind, id)
}

// Rewrite hands each document of the database, of all scopes, to change, and
// stores it if its body or its keys are not as they were; nothing else of it may be
// changed. The document gets a
// new revision, so that nobody puts back what he read before; Updated stays. A
// document at a time is one transaction. It is for upkeep: no caller of an API
// reaches it.
func (db *DB) Rewrite(ctx context.Context, change func(s Scope, d *Doc) error) error {
	type place struct{ org, sandbox, kind, id string }
	var last place
	for {
		var page []place
		err := db.Do(ctx, func(t *Tx) error {
			page = nil
			return t.each(
				"select org, sandbox, kind, id from doc where (org, sandbox, kind, id) > (?, ?, ?, ?) order by org, sandbox, kind, id limit 500",
				[]any{last.org, last.sandbox, last.kind, last.id}, func(r *sql.Rows) error {
					var p place
					err := r.Scan(&p.org, &p.sandbox, &p.kind, &p.id)
					page = append(page, p)
					return err
				},
			)
		})
		if err != nil || len(page) == 0 {
			return err
		}
		for _, last = range page {
			err := db.Do(ctx, func(t *Tx) error {
				s := Scope{last.org, last.sandbox}
				d, err := t.Get(s, last.kind, last.id)
				if errors.Is(err, ErrNotFound) {
					return nil // deleted meanwhile
				}
				if err != nil {
					return err
				}
				was := d
				was.Keys = slices.Clone(d.Keys)
				if err := change(s, &d); err != nil || bytes.Equal(was.Body, d.Body) && slices.Equal(was.Keys, d.Keys) {
					return err
				}
				_, err = t.exec(
					"update doc set body = ?, revision = revision + 1 where org = ? and sandbox = ? and kind = ? and id = ?",
					string(d.Body), s.Org, s.Sandbox, last.kind, last.id,
				)
				if err == nil && !slices.Equal(was.Keys, d.Keys) {
					err = t.rekey(s, d)
				}
				if err != nil {
					return err
				}
				return t.index(s, d)
			})
			if err != nil {
				return fmt.Errorf("%s %s: %w", last.kind, last.id, err)
			}
		}
	}
}

// Clear removes all documents of a scope.
func (t *Tx) Clear(s Scope) error {
	for _, table := range []string{"doc", "doc_key", "doc_index", "doc_sum"} {
		if _, err := t.exec("delete from "+table+" where org = ? and sandbox = ?", s.Org, s.Sandbox); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) row(query string, args ...any) *sql.Row {
	return t.tx.QueryRowContext(t.ctx, t.db.bind(query), args...)
}

func (t *Tx) exec(query string, args ...any) (int64, error) {
	r, err := t.tx.ExecContext(t.ctx, t.db.bind(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (t *Tx) each(query string, args []any, fn func(*sql.Rows) error) error {
	rows, err := t.tx.QueryContext(t.ctx, t.db.bind(query), args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := fn(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// bind writes the marks of arguments the way the database wants them. No
// query holds a question mark for anything else.
func (db *DB) bind(query string) string {
	if !db.postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for _, c := range query {
		if c != '?' {
			b.WriteRune(c)
			continue
		}
		n++
		fmt.Fprintf(&b, "$%d", n)
	}
	return b.String()
}
