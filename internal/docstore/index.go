package docstore

import (
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// How many columns an Entry has.
const (
	Texts   = 7
	Numbers = 4
	Sums    = 6
)

// An Index says what lists look at in the documents of a kind, so that they need
// not read all of them. Put and Delete keep it in their transaction.
type Index struct {
	Kind string
	// Version is that of Of: when it is a higher one than that of the database,
	// Open fills the index anew.
	Version int
	// Of fills in the columns. It depends on nothing but the document.
	Of func(d Doc) (Entry, error)
}

// An Entry is what an index has of a document.
type Entry struct {
	ID      string
	Parent  string
	Created int64 // epoch ms
	// Text is found by equality; the first column quickly among many documents.
	Text [Texts]string
	// Number is found by comparison; the first column quickly.
	Number [Numbers]int64
	// At is when the document counts, epoch ms, 0 if it does not: Sum is then added
	// up under its parent (Tx.TotalsOf).
	At  int64
	Sum [Sums]int64
}

// Mark returns the document's place in the order of creation.
func (e Entry) Mark() Mark { return Mark{e.Created, e.ID} }

// A Column is one of an Entry.
type Column struct{ name string }

// Created returns the column of the time of creation.
func Created() Column { return Column{"created"} }

// Text returns a column of texts.
func Text(i int) Column { return Column{fmt.Sprint("t", i)} }

// Number returns a column of numbers.
func Number(i int) Column { return Column{fmt.Sprint("n", i)} }

// Sum returns a column of what is added up.
func Sum(i int) Column { return Column{fmt.Sprint("s", i)} }

// A Condition is what an Entry must fulfil.
type Condition struct {
	Column Column
	Op     string   // =, <>, <, <=, > or >=; of texts = alone
	Texts  []string // one of them, of a column of texts
	Number int64    // of another column
}

// rare is how many documents may be put in order by themselves, rather than be
// looked for in the order of creation.
const rare = 1000

const (
	entryColumns = "id, parent, created, t0, t1, t2, t3, t4, t5, t6, n0, n1, n2, n3, at, s0, s1, s2, s3, s4, s5"
	entryMarks   = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
)

// Indexed says whether a kind has an index.
func (t *Tx) Indexed(kind string) bool {
	_, ok := t.db.indexes[kind]
	return ok
}

// Entries returns the entries that a page asks for.
func (t *Tx) Entries(s Scope, kind string, p Page) ([]Entry, error) {
	from, args, err := t.fromIndex(s, kind, p)
	if err != nil || from == "" {
		return nil, err
	}
	than, direction := " > ", ""
	if p.Newest {
		than, direction = " < ", " desc"
	}
	if p.After != (Mark{}) {
		from += " and (created" + than + "? or created = ? and id" + than + "?)"
		args = append(args, p.After.Created, p.After.Created, p.After.ID)
	}
	from += " order by created" + direction + ", id" + direction
	if p.Limit > 0 {
		from += fmt.Sprintf(" limit %d", p.Limit)
	}
	var all []Entry
	err = t.each("select "+entryColumns+from, args, func(r *sql.Rows) error {
		e, err := scanEntry(r)
		all = append(all, e)
		return err
	})
	return all, err
}

// CountEntries returns how many documents fit a page, whatever its limit and its
// beginning.
func (t *Tx) CountEntries(s Scope, kind string, p Page) (n int, err error) {
	from, args, err := t.fromIndex(s, kind, p)
	if err != nil || from == "" {
		return 0, err
	}
	err = t.row("select count(*)"+from, args...).Scan(&n)
	return n, err
}

// fromIndex writes what of an index a page is about; "" for nothing. What is in
// coalesce is kept from the planner, which knows nothing of how many there are.
func (t *Tx) fromIndex(s Scope, kind string, p Page) (from string, args []any, err error) {
	if !t.Indexed(kind) {
		return "", nil, fmt.Errorf("documents of the kind %s have no index", kind)
	}
	if !Storable(p.Parent) {
		return "", nil, nil
	}
	from, args = " from doc_index where org = ? and sandbox = ? and kind = ?", []any{s.Org, s.Sandbox, kind}
	by := ""
	if p.Parent != "" {
		from, args, by = from+" and parent = ?", append(args, p.Parent), "parent"
	} else if by, err = t.quickest(s, kind, p.Where); err != nil {
		return "", nil, err
	}
	for _, c := range p.Where {
		name := c.Column.name
		if name != by {
			name = "coalesce(" + name + ", " + name + ")"
		}
		if name = name + " " + c.Op + " ?"; c.Texts == nil {
			from, args = from+" and "+name, append(args, c.Number)
			continue
		}
		var one []string
		for _, text := range c.Texts {
			one, args = append(one, name), append(args, []byte(text))
		}
		from += " and (" + strings.Join(one, " or ") + ")"
	}
	return from, args, nil
}

// quickest returns the column by which to find what fulfils conditions.
func (t *Tx) quickest(s Scope, kind string, where []Condition) (string, error) {
	by := Created().name
	for _, c := range where {
		switch {
		case c.Column == Number(0) && c.Op != "<>":
			var n int
			err := t.row(fmt.Sprintf("select count(*) from (select 1 from doc_index where org = ? and sandbox = ? and kind = ? and n0 %s ? limit %d) as few", c.Op, rare),
				s.Org, s.Sandbox, kind, c.Number).Scan(&n)
			if err != nil || n < rare {
				return c.Column.name, err
			}
		case c.Column == Text(0) && len(c.Texts) == 1:
			by = c.Column.name
		}
	}
	return by, nil
}

// EntriesOf returns the entries of documents by their ids, those that are there.
func (t *Tx) EntriesOf(s Scope, kind string, ids []string) (map[string]Entry, error) {
	all := make(map[string]Entry, len(ids))
	err := t.among("select "+entryColumns+" from doc_index where org = ? and sandbox = ? and kind = ? and id in ", s, kind, ids, func(r *sql.Rows) error {
		e, err := scanEntry(r)
		all[e.ID] = e
		return err
	})
	return all, err
}

// Docs returns documents by their ids, those that are there, without keys.
func (t *Tx) Docs(s Scope, kind string, ids []string) (map[string]Doc, error) {
	all := make(map[string]Doc, len(ids))
	err := t.among("select "+columns+" from doc where org = ? and sandbox = ? and kind = ? and id in ", s, kind, ids, func(r *sql.Rows) error {
		d, err := scan(kind, r)
		all[d.ID] = d
		return err
	})
	return all, err
}

// among asks a query that ends with a list of ids.
func (t *Tx) among(query string, s Scope, kind string, ids []string, fn func(*sql.Rows) error) error {
	for some := range slices.Chunk(ids, 500) {
		args := []any{s.Org, s.Sandbox, kind}
		for _, id := range some {
			if Storable(id) {
				args = append(args, id)
			}
		}
		if len(args) == 3 {
			continue
		}
		if err := t.each(query+"("+strings.Repeat("?, ", len(args)-4)+"?)", args, fn); err != nil {
			return err
		}
	}
	return nil
}

func scanEntry(row interface{ Scan(...any) error }) (e Entry, err error) {
	var text [Texts]sql.RawBytes
	var kept [Texts][]byte
	into := []any{&e.ID, &e.Parent, &e.Created}
	_, whole := row.(*sql.Row) // takes no RawBytes
	for i := range text {
		if whole {
			into = append(into, &kept[i])
		} else {
			into = append(into, &text[i])
		}
	}
	for i := range e.Number {
		into = append(into, &e.Number[i])
	}
	into = append(into, &e.At)
	for i := range e.Sum {
		into = append(into, &e.Sum[i])
	}
	err = row.Scan(into...)
	for i := range text {
		e.Text[i] = string(text[i]) + string(kept[i])
	}
	return e, err
}

// index keeps what the index of its kind has of a document that was written.
func (t *Tx) index(s Scope, d Doc) error {
	ix, ok := t.db.indexes[d.Kind]
	if !ok {
		return nil
	}
	e, err := ix.Of(d)
	if err != nil {
		return fmt.Errorf("%s %s: index: %w", d.Kind, d.ID, err)
	}
	e.ID, e.Parent, e.Created = d.ID, d.Parent, d.Created.UnixMilli()
	old, err := t.entry(s, d.Kind, d.ID)
	if err != nil || old == e {
		return err
	}
	if old.ID != "" {
		if _, err := t.exec("delete from doc_index where org = ? and sandbox = ? and kind = ? and id = ?", s.Org, s.Sandbox, d.Kind, d.ID); err != nil {
			return err
		}
	}
	args := []any{s.Org, s.Sandbox, d.Kind, e.ID, e.Parent, e.Created}
	for _, text := range e.Text {
		args = append(args, append(make([]byte, 0, len(text)+1), text...)) // nil would be null
	}
	for _, n := range e.Number {
		args = append(args, n)
	}
	args = append(args, e.At)
	for _, n := range e.Sum {
		args = append(args, n)
	}
	if _, err := t.exec("insert into doc_index (org, sandbox, kind, "+entryColumns+") values (?, ?, ?, "+entryMarks+")", args...); err != nil {
		return err
	}
	return t.recount(s, d.Kind, old, e)
}

// unindex forgets a document that was deleted.
func (t *Tx) unindex(s Scope, kind, id string) error {
	if !t.Indexed(kind) {
		return nil
	}
	old, err := t.entry(s, kind, id)
	if err != nil {
		return err
	}
	if _, err := t.exec("delete from doc_index where org = ? and sandbox = ? and kind = ? and id = ?", s.Org, s.Sandbox, kind, id); err != nil {
		return err
	}
	return t.recount(s, kind, old, Entry{})
}

// entry returns the entry of a document, the zero one where there is none.
func (t *Tx) entry(s Scope, kind, id string) (Entry, error) {
	e, err := scanEntry(t.row("select "+entryColumns+" from doc_index where org = ? and sandbox = ? and kind = ? and id = ?", s.Org, s.Sandbox, kind, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Entry{}, nil
	}
	return e, err
}
