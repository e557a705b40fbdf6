package docstore

import (
	"database/sql"
	"strings"
	"time"
)

// Steps are the spans of time that are added up, in UTC.
const (
	Hour = time.Hour
	Day  = 24 * time.Hour
)

// A Total is what was added up of the documents of one parent in one span of
// time.
type Total struct {
	At     int64 // the beginning of the span, epoch ms
	Parent string
	Count  int64 // documents
	Sum    [Sums]int64
}

// recount takes one entry out of the sums and adds another one.
func (t *Tx) recount(s Scope, kind string, old, e Entry) error {
	if old.At == e.At && old.Parent == e.Parent && old.Sum == e.Sum {
		return nil
	}
	for _, step := range []time.Duration{Hour, Day} {
		if err := t.add(s, kind, step.Milliseconds(), old, -1); err != nil {
			return err
		}
		if err := t.add(s, kind, step.Milliseconds(), e, 1); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tx) add(s Scope, kind string, step int64, e Entry, sign int64) error {
	if e.At == 0 {
		return nil
	}
	at := e.At - e.At%step
	args := []any{s.Org, s.Sandbox, kind, step, at, e.Parent, sign}
	for _, n := range e.Sum {
		args = append(args, sign*n)
	}
	_, err := t.exec(`insert into doc_sum (org, sandbox, kind, step, at, parent, n, s0, s1, s2, s3, s4, s5) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		on conflict (org, sandbox, kind, step, at, parent) do update set n = doc_sum.n + excluded.n, s0 = doc_sum.s0 + excluded.s0, s1 = doc_sum.s1 + excluded.s1,
		s2 = doc_sum.s2 + excluded.s2, s3 = doc_sum.s3 + excluded.s3, s4 = doc_sum.s4 + excluded.s4, s5 = doc_sum.s5 + excluded.s5`, args...)
	if err != nil || sign > 0 {
		return err
	}
	_, err = t.exec("delete from doc_sum where org = ? and sandbox = ? and kind = ? and step = ? and at = ? and parent = ? and n = 0", args[:6]...)
	return err
}

// EachTotal calls fn for what was added up of a kind in the spans of a step,
// Hour or Day, that begin in from ≤ t < to, of some parents or, with nil, of all.
func (t *Tx) EachTotal(s Scope, kind string, step time.Duration, from, to time.Time, parents []string, fn func(Total)) error {
	query := "select at, parent, n, s0, s1, s2, s3, s4, s5 from doc_sum where org = ? and sandbox = ? and kind = ? and step = ? and at >= ? and at < ?"
	args := []any{s.Org, s.Sandbox, kind, step.Milliseconds(), from.UnixMilli(), to.UnixMilli()}
	if parents != nil {
		if len(parents) == 0 {
			return nil
		}
		query += " and parent in (?" + strings.Repeat(", ?", len(parents)-1) + ")"
		for _, p := range parents {
			args = append(args, p)
		}
	}
	return t.each(query, args, func(r *sql.Rows) error {
		var one Total
		err := r.Scan(&one.At, &one.Parent, &one.Count, &one.Sum[0], &one.Sum[1], &one.Sum[2], &one.Sum[3], &one.Sum[4], &one.Sum[5])
		if err == nil {
			fn(one)
		}
		return err
	})
}
