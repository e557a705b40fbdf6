// Package extract reads lists of Stripe objects: it plans ranges of creation
// time, walks many of them at once, and says after each page how far it came.
package extract

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Times around which ranges are laid, in seconds.
const (
	// Lag is how long an object may take to show up in a list: a range that
	// reaches into the last Lag seconds is read, but not taken for closed.
	Lag = 60
	// Overlap is read again by the next pass, for objects that showed up later
	// than Lag.
	Overlap = 600
)

// A Range is a window [From, To) of Stripe's `created`, in whole unix seconds,
// of one list. It is read newest first; what lies behind After is still to be
// read.
type Range struct {
	ID      int    `json:"-"` // names the range during one walk
	Variant int    `json:"variant,omitempty"`
	From    int64  `json:"from"`
	To      int64  `json:"to"`
	After   string `json:"after,omitempty"`   // last object read
	AfterAt int64  `json:"afterAt,omitempty"` // its created
}

// Unmark makes the range begin again at the second of the last object read,
// whose id is not kept. What is read twice is recognised by id.
func (r *Range) Unmark() {
	if r.After != "" {
		r.To, r.After, r.AfterAt = r.AfterAt+1, "", 0
	}
}

// A Checkpoint says what of one resource has been read. It is stored as JSON
// in a table property, in the commit that makes the rows durable: a range's
// After moves only together with its rows.
//
//	{"version":1,"upto":1767225600,"since":0,"open":[{"from":0,"to":1767225661,"after":"ch_9","afterAt":1767000000}]}
type Checkpoint struct {
	Version int `json:"version"`
	// Upto is the time before which everything is read or in Open; 0 before
	// the first plan.
	Upto int64 `json:"upto"`
	// Since is the time before which nothing is read: --since.
	Since int64 `json:"since,omitempty"`
	// Events is Stripe's time before the first page of the backfill: change
	// capture starts there.
	Events int64 `json:"events,omitempty"`
	// Listed is when what was created lately was last listed beside following
	// the events.
	Listed int64   `json:"listed,omitempty"`
	Open   []Range `json:"open,omitempty"`
	// Reconciling is the comparison with the account that is under way, nil for
	// none: Open then lists all there is.
	Reconciling *Reconciling `json:"reconciling,omitempty"`
	// Reconciled is when the last one that ended had begun, or the backfill.
	Reconciled int64 `json:"reconciled,omitempty"`
}

// A Reconciling is a comparison of all that is stored with all that Stripe
// lists. Its counts are of what landed.
type Reconciling struct {
	ID      string `json:"id"`     // names its register
	Reason  string `json:"reason"` // why it was begun: a word for the report
	Began   int64  `json:"began"`  // Stripe's time
	Missing int64  `json:"missing,omitempty"`
	Stale   int64  `json:"stale,omitempty"`
}

// Bound is the time before which lists are taken to be whole: only what was
// created before is compared.
func (r *Reconciling) Bound() int64 { return r.Began - Lag }

const checkpointVersion = 1

// DecodeCheckpoint reads what Encode wrote; empty text is the checkpoint of a
// resource never read.
func DecodeCheckpoint(text string) (Checkpoint, error) {
	var c Checkpoint
	if text == "" {
		return c, nil
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return c, fmt.Errorf("checkpoint: %w", err)
	}
	if c.Version > checkpointVersion {
		return c, fmt.Errorf("checkpoint of version %d: written by a newer Tributary", c.Version)
	}
	return c, nil
}

// Encode returns the checkpoint's stored form.
func (c Checkpoint) Encode() string {
	c.Version = checkpointVersion
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // numbers and strings always encode
	}
	return string(text)
}

// Plan adds to the checkpoint what a pass at Stripe's time now has to read:
// for each of the resource's lists, the time since the last plan and, if since
// lies before the bound of earlier passes, the time between the two. A since
// below 0 keeps that bound.
func (c *Checkpoint) Plan(now, since int64, variants int) {
	first := c.Upto == 0
	for v := range variants {
		switch {
		case first:
			c.open(v, max(since, 0), now+1)
		default:
			c.open(v, max(c.Upto-Overlap, c.Since), now+1)
			if since >= 0 && since < c.Since {
				c.open(v, since, c.Since)
			}
		}
	}
	if first {
		c.Events, c.Listed, c.Reconciled = now, now, now
		c.Since = max(since, 0)
	} else if since >= 0 {
		c.Since = min(c.Since, since)
	}
	c.Upto = max(c.Upto, now-Lag)
}

// listEvery is the time between two lists that are read beside the events, in
// seconds.
const listEvery = 24 * 3600

// LookBack plans the list of what was created lately, once a day: not
// everything that happens has an event. It reaches back seconds behind the time
// of the last one, and is to be planned before anything else of a pass. It
// reports whether it was due.
func (c *Checkpoint) LookBack(now, back int64, variants int) bool {
	due := c.Upto > 0 && now-c.Listed >= listEvery
	if due {
		for v := range variants {
			c.open(v, max(min(c.Upto, c.Listed+listEvery)-back, c.Since), now+1)
		}
		c.Listed = now
	}
	return due
}

// Follow is Plan for a resource whose changes come from events: nothing is
// listed.
func (c *Checkpoint) Follow(now int64) { c.Upto = max(c.Upto, now-Lag) }

// Reconcile plans to read everything again, to compare it. One that is under
// way goes on.
func (c *Checkpoint) Reconcile(id, reason string, now int64, variants int) {
	if c.Reconciling != nil {
		return
	}
	c.Reconciling = &Reconciling{ID: id, Reason: reason, Began: now}
	for v := range variants {
		c.open(v, c.Since, now+1)
	}
	c.Listed = now
	c.Upto = max(c.Upto, now-Lag)
}

// Relist begins the reading of a reconcile anew, whose register was lost.
func (c *Checkpoint) Relist(id string, now int64, variants int) {
	reason := c.Reconciling.Reason
	c.Reconciling, c.Open = nil, nil
	c.Reconcile(id, reason, now, variants)
}

// Compared ends the reconcile.
func (c *Checkpoint) Compared() {
	c.Reconciled, c.Reconciling = c.Reconciling.Began, nil
}

// Reread plans to read what was created in [from, to) again, in the first of
// the resource's lists.
func (c *Checkpoint) Reread(from, to int64) { c.open(0, max(from, c.Since), to) }

// open adds a range. It grows the one that an earlier pass left unread at the
// same place instead, so that passes that are cut short don't pile up ranges.
func (c *Checkpoint) open(variant int, from, to int64) {
	if from >= to {
		return
	}
	for i := range c.Open {
		r := &c.Open[i]
		if r.Variant == variant && r.After == "" && r.From <= to && from <= r.To {
			r.From, r.To = min(r.From, from), max(r.To, to)
			return
		}
	}
	c.Open = append(c.Open, Range{Variant: variant, From: from, To: to})
}

// Apply takes over what a page changed. Ranges that one page opens must be
// applied before their own pages.
func (c *Checkpoint) Apply(p *Page) {
	for i := range c.Open {
		if c.Open[i].ID == p.Range.ID {
			c.Open[i] = p.Range
			if p.Closed {
				c.Open = slices.Delete(c.Open, i, i+1)
			}
			break
		}
	}
	c.Open = append(c.Open, p.Opened...)
}

// Number gives the open ranges their names for one walk.
func (c *Checkpoint) Number() {
	for i := range c.Open {
		c.Open[i].ID = i + 1
	}
}
