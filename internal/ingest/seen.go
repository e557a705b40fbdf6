package ingest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"slices"
	"time"

	"github.com/zeebo/xxh3"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/idindex"
	"github.com/tributary-data/tributary/internal/mapping"
)

// A Told is the state of an object that an event shows.
type Told struct {
	At      int64  // created of the event, unix seconds
	Version string // that rendered it
	Raw     []byte // after the privacy rules
	// After is a digest of the state, Before of the one that the event changed,
	// "" if it does not say. Last is true for what an object was when it ended.
	Before, After string
	Last          bool
}

// An Inbox has the states that events told of a resource's objects.
type Inbox interface {
	// Take hands over what was told of an object, oldest first, once.
	Take(ctx context.Context, id string) ([]Told, error)
	// Landed says whether the history has that state, as told at that time or as
	// read after it, from a pass that was killed before it could say so.
	Landed(id string, at int64, hash [16]byte) bool
}

// Settled is after how long, in seconds, what an event tells is surely older
// than a read: the times of two passes agree to a second or two.
const Settled = 5

// A state is one that the history has or is about to have.
type state struct {
	hash [16]byte
	raw  []byte // nil when it is not at hand
}

// A snapshot is a Told with its place in the story.
type snapshot struct {
	Told
	hash [16]byte
	bad  bool // it can't be taken apart: another version of the API
	late bool // it is older than what is stored
	keep bool
}

// Tell appends to the history what events told of an object that was not read
// again, because it was read after them.
func (l *Lander) Tell(ctx context.Context, id string) error {
	if l.Inbox == nil {
		return nil
	}
	old, known, err := l.lookup([]byte(id))
	if err != nil {
		return err
	}
	told, err := l.told(ctx, id, old, known)
	if err != nil || len(told) == 0 {
		return err
	}
	var stored *state
	if known {
		stored = &state{hash: old.Hash}
		if _, open := l.batch[id]; !open && slices.ContainsFunc(told, func(s snapshot) bool { return s.hash != old.Hash }) {
			err := l.Table.Last(ctx, []int64{old.Seq}, func(_ int64, raw []byte) error { stored.raw = raw; return nil })
			if err != nil {
				return err
			}
		}
	}
	l.choose(id, old, told, stored)
	return l.append(id, old, told)
}

// tellBefore appends what events told of an object before the state in hand
// lands: a row of its own, or none if it is the one stored.
func (l *Lander) tellBefore(ctx context.Context, old idindex.Entry, known, row bool, read Read) error {
	if l.Inbox == nil {
		return nil
	}
	id := string(l.rec.ID)
	told, err := l.told(ctx, id, old, known)
	if err != nil || len(told) == 0 {
		return err
	}
	next := state{hash: l.rec.Hash, raw: l.rec.Raw}
	switch {
	case !known:
		l.choose(id, old, told, nil)
	case !row:
		l.choose(id, old, told, &next)
		last := newest(told)
		if err := l.append(id, old, told); err != nil || last == nil || l.shows(next, last) {
			return err
		}
		// What was told last is not what is: another event has yet to show. The
		// story must not end before it.
		return l.seen(&l.rec, read.Start, read.Version)
	default:
		l.choose(id, old, told, &state{hash: old.Hash})
	}
	if last := newest(told); last != nil && l.shows(next, last) {
		last.keep = false
	}
	return l.append(id, old, told)
}

// tellGone appends what events told of an object before its tombstone. stored
// is its last state, nil for an object that was never read.
func (l *Lander) tellGone(ctx context.Context, id string, old idindex.Entry, stored *state) error {
	if l.Inbox == nil {
		return nil
	}
	told, err := l.told(ctx, id, old, stored != nil)
	if err != nil || len(told) == 0 {
		return err
	}
	l.choose(id, old, told, stored)
	return l.append(id, old, told)
}

// newest returns the last of those that are kept and not late, nil for none.
func newest(told []snapshot) *snapshot {
	for i := len(told) - 1; i >= 0; i-- {
		if told[i].keep && !told[i].late {
			return &told[i]
		}
	}
	return nil
}

// told takes what was told of an object from the inbox.
func (l *Lander) told(ctx context.Context, id string, old idindex.Entry, known bool) ([]snapshot, error) {
	taken, err := l.Inbox.Take(ctx, id)
	if err != nil || len(taken) == 0 {
		return nil, err
	}
	told := make([]snapshot, len(taken))
	for i := range taken {
		s := &told[i]
		s.Told = taken[i]
		s.late = known && (s.At+Settled)*1000 <= old.ReadAt
		if bad := l.Told.Scan(s.Raw, &l.toldRec); bad != nil {
			s.bad = true
			if text, ok := sane(s.Raw); ok {
				s.Raw, s.hash = text, textHash(text)
			}
		} else {
			s.hash = l.toldRec.Hash
		}
	}
	l.Told.Drift() // what other versions of the API look like is none
	stored := ""
	if i := slices.IndexFunc(told, func(s snapshot) bool { return known && s.hash == old.Hash }); i >= 0 {
		stored = told[i].After
	}
	order(told, stored)
	return told, nil
}

// choose marks those that say something: a state that differs from the one
// before it. Late ones stand beside what is stored and beside each other.
func (l *Lander) choose(id string, old idindex.Entry, told []snapshot, stored *state) {
	before, late := stored, stored
	landed := false // and so has the one before
	for i := range told {
		s := &told[i]
		// What says nothing was not told, but was there.
		again := landed && s.hash == told[i-1].hash && s.At*1000 <= old.ReadAt
		if landed = again || l.Inbox.Landed(id, s.At, s.hash); landed {
			before = stored // which landed with it, or after it
			continue
		}
		beside := &before
		if s.late {
			beside = &late
			if stored != nil && l.shows(*stored, s) {
				continue
			}
		}
		s.keep = *beside == nil || !l.shows(**beside, s)
		if s.keep {
			*beside = &state{hash: s.hash}
		}
	}
}

// append puts the marked ones into the history.
func (l *Lander) append(id string, old idindex.Entry, told []snapshot) error {
	for i := range told {
		s := &told[i]
		if !s.keep {
			continue
		}
		rec := &l.toldRec
		switch {
		case !s.bad:
			_ = l.Told.Scan(s.Raw, rec) // as before
		default:
			if s.hash == ([16]byte{}) { // nested too deeply for those who read the history
				l.counts.Warnings++
				continue
			}
			*rec = dataset.Record{ID: []byte(id), Created: old.Created, Hash: s.hash, Raw: s.Raw}
		}
		if err := l.seen(rec, time.Unix(s.At, 0).UTC(), s.Version); err != nil {
			return err
		}
	}
	l.Told.Drift()
	return nil
}

// seen appends one state to the history alone.
func (l *Lander) seen(rec *dataset.Record, at time.Time, version string) error {
	v := l.Version
	v.Op, v.SeenAt, v.APIVersion, v.Source = dataset.OpSeen, at, version, dataset.SourceEvent
	if err := l.Table.Append(rec, &v, false); err != nil {
		return err
	}
	l.Seq = v.Seq
	l.dirty = true
	l.counts.Seen++
	l.open.Seen++
	return nil
}

// shows says whether a state shows all that a snapshot shows. Their text is
// compared where the hashes differ: an event's object is not expanded, its lists
// are cut, and another version of the API has other fields.
func (l *Lander) shows(st state, s *snapshot) bool {
	if st.hash == s.hash {
		return true
	}
	if st.raw == nil {
		return false
	}
	whole, part := decode(st.raw), decode(s.Raw)
	for _, name := range l.Volatile {
		if m, ok := part.(map[string]any); ok {
			delete(m, name)
		}
	}
	return whole != nil && part != nil && agree(whole, part)
}

// agree says whether two values are the same as far as both show. A member may
// be missing in Stripe's own objects, which have a member "object": all of a
// version have the same members, so a missing one says nothing. In a list that
// has more, the rest may be missing.
func agree(whole, part any) bool {
	switch p := part.(type) {
	case map[string]any:
		w, ok := whole.(map[string]any)
		if !ok {
			return false
		}
		_, typed := p["object"].(string)
		if !typed && len(p) != len(w) {
			return false
		}
		cut := p["object"] == "list" && p["has_more"] == true
		for k, v := range p {
			o, there := w[k]
			switch {
			case !there && typed, cut && k == "has_more":
				continue
			case !there:
				return false
			case cut && k == "data":
				o = prefix(o, v)
			}
			if !agree(o, v) {
				return false
			}
		}
		return true
	case []any:
		w, ok := whole.([]any)
		return ok && slices.EqualFunc(w, p, agree)
	}
	switch whole.(type) {
	case map[string]any, []any:
		return false
	}
	return whole == part
}

// prefix cuts a list to the length of another.
func prefix(whole, part any) any {
	w, ok := whole.([]any)
	p, also := part.([]any)
	if ok && also && len(p) < len(w) {
		return w[:len(p)]
	}
	return whole
}

func decode(raw []byte) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

// sane writes JSON anew, so that every reader of the history can parse it. It
// reports false for what is nested too deeply.
func sane(raw []byte) ([]byte, bool) {
	v := decode(raw)
	if v == nil || depth(v) > mapping.MaxDepth {
		return nil, false
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil, false
	}
	return bytes.TrimSpace(b.Bytes()), true
}

func depth(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			n = max(n, depth(e))
		}
	case []any:
		for _, e := range v {
			n = max(n, depth(e))
		}
	default:
		return 0
	}
	return n + 1
}

func textHash(raw []byte) (h [16]byte) {
	sum := xxh3.Hash128(raw)
	binary.BigEndian.PutUint64(h[:8], sum.Hi)
	binary.BigEndian.PutUint64(h[8:], sum.Lo)
	return h
}
