package docstore

import (
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Steps are the spans of time that are added up, in UTC.
const (
	Hourly = time.Hour
	Daily  = 24 * time.Hour
)

// A Total is what was added up of documents.
type Total struct {
	At     int64 // the beginning of a time, epoch ms
	Parent string
	Count  int64 // documents
	Sum    [Sums]int64
}

// recount takes one entry out of the sums and adds another one.
func (t *Tx) recount(s Scope, kind string, old, e Entry) error {
	if old.At == e.At && old.Parent == e.Parent && old.Sum == e.Sum {
		return nil
	}
	for _, step := range []time.Duration{Hourly, Daily} {
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

// A Span asks for totals: of the steps, Hourly or Daily, that begin in From ≤ t < To.
type Span struct {
	Step     time.Duration
	From, To time.Time
}

// TotalsOf adds up a kind by parent, of some parents or, with nil, of all. At is
// then 0. What is of several spans is added up as well.
func (t *Tx) TotalsOf(s Scope, kind string, spans []Span, parents []string) (map[string]Total, error) {
	all := map[string]Total{}
	err := t.totals("0, parent", "parent", s, kind, spans, parents, func(one Total) {
		sum := all[one.Parent]
		sum.Parent = one.Parent
		sum.add(one)
		all[one.Parent] = sum
	})
	return all, err
}

// TotalsAt adds up a kind by time, in buckets that are a step or several. It has
// no parents.
func (t *Tx) TotalsAt(s Scope, kind string, spans []Span, bucket time.Duration, parents []string) (map[int64]Total, error) {
	all := map[int64]Total{}
	at := fmt.Sprintf("at - at %% %d", bucket.Milliseconds())
	err := t.totals(at+", ''", at, s, kind, spans, parents, func(one Total) {
		sum := all[one.At]
		sum.At = one.At
		sum.add(one)
		all[one.At] = sum
	})
	return all, err
}

func (a *Total) add(b Total) {
	a.Count += b.Count
	for i := range a.Sum {
		a.Sum[i] += b.Sum[i]
	}
}

func (t *Tx) totals(what, by string, s Scope, kind string, spans []Span, parents []string, fn func(Total)) error {
	if parents != nil && len(parents) == 0 {
		return nil
	}
	query := "select " + what + `, cast(sum(n) as bigint), cast(sum(s0) as bigint), cast(sum(s1) as bigint), cast(sum(s2) as bigint),
		cast(sum(s3) as bigint), cast(sum(s4) as bigint), cast(sum(s5) as bigint)`
	query += " from doc_sum where org = ? and sandbox = ? and kind = ? and step = ? and at >= ? and at < ?"
	if parents != nil {
		query += " and parent in (?" + strings.Repeat(", ?", len(parents)-1) + ")"
	}
	query += " group by " + by
	for _, span := range spans {
		args := []any{s.Org, s.Sandbox, kind, span.Step.Milliseconds(), span.From.UnixMilli(), span.To.UnixMilli()}
		for _, p := range parents {
			args = append(args, p)
		}
		err := t.each(query, args, func(r *sql.Rows) error {
			var one Total
			err := r.Scan(&one.At, &one.Parent, &one.Count, &one.Sum[0], &one.Sum[1], &one.Sum[2], &one.Sum[3], &one.Sum[4], &one.Sum[5])
			fn(one)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
