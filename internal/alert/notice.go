package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Notice is an alert as the application shows it, to all who may see the
// alerts of the sandbox. It is also the stored form. Times are epoch ms.
type Notice struct {
	ID       string `json:"-"`
	Kind     Kind   `json:"kind"`
	Flow     string `json:"flowId,omitempty"`
	FlowName string `json:"flowName,omitempty"`
	Run      string `json:"runId,omitempty"`
	Resource string `json:"resource,omitempty"`
	Title    string `json:"title"`
	Text     string `json:"text,omitempty"`
	At       int64  `json:"at"`
	// Count is how often it happened so far, the last time at Last.
	Count int   `json:"count"`
	Last  int64 `json:"last"`
	// ReadBy are the users who have read it.
	ReadBy []string `json:"readBy,omitempty"`

	Mark docstore.Mark `json:"-"`
}

// Bounds of a sandbox's notices; those that are older go, and the oldest when
// there are more.
const (
	keepNotices = 90 * 24 * time.Hour
	maxNotices  = 10_000
	maxReaders  = 500
)

// notice puts down what the application is to show of a message, and returns
// its id; empty where it shows nothing new.
func (s *Service) notice(t *docstore.Tx, p place, m message, c change, subscriptions []stored) (string, error) {
	if c.repeated {
		return "", s.countOn(t, p, c.open)
	}
	shown := slices.Contains(usual, m.Kind)
	if c.recovered != nil {
		m, shown = m.recovery(), true
	}
	for i := range subscriptions {
		if sub := &subscriptions[i].Subscription; sub.Channel == App && !shown {
			_, shown = sub.pick(m, c)
		}
	}
	if !shown {
		return "", nil
	}
	return s.putNotice(t, p, m)
}

func (s *Service) putNotice(t *docstore.Tx, p place, m message) (string, error) {
	id := uuid.NewString()
	n := Notice{
		Kind: m.Kind, Flow: m.Flow, FlowName: m.FlowName, Run: m.Run, Resource: m.Resource, Title: m.Title, Text: m.Text, At: m.At, Count: 1, Last: m.At,
	}
	if err := t.Store(p.scope(), docstore.Doc{Kind: kindNotice, ID: id, Parent: m.Flow, Created: s.Now()}, n); err != nil {
		return "", err
	}
	// So that upkeep finds the sandbox.
	where := docstore.Doc{Kind: kindPlace, ID: p.Org + "/" + p.Sandbox}
	if _, err := t.Get(docstore.Scope{}, kindPlace, where.ID); !errors.Is(err, docstore.ErrNotFound) {
		return id, err
	}
	_, err := t.Write(docstore.Scope{}, where, p)
	return id, err
}

// countOn lets the notice of what goes on say how often it happened.
func (s *Service) countOn(t *docstore.Tx, p place, o *open) error {
	n, d, err := docstore.Body[Notice](t, p.scope(), kindNotice, o.Notice)
	if err != nil {
		return gone(err)
	}
	n.Count, n.Last = o.Count, o.Last
	return t.Store(p.scope(), d, n)
}

// A NoticeQuery says which notices to list, newest first.
type NoticeQuery struct {
	Unread bool   // only what the caller has not read
	Flow   string // only of this flow; empty for all
	Kind   Kind   // only of this kind; empty for all
	After  docstore.Mark
	Limit  int
}

// Notices returns a page of notices, and whether there are more.
func (s *Service) Notices(ctx context.Context, c access.Caller, q NoticeQuery) ([]Notice, bool, error) {
	all := []Notice{}
	oldest := s.Now().Add(-keepNotices)
	page := docstore.Page{Parent: q.Flow, Newest: true, After: q.After, Limit: 500}
	for seen := 0; seen < cmp.Or(s.MaxNotices, maxNotices); {
		var docs []docstore.Doc
		err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
			docs, err = t.List(placeOf(c).scope(), kindNotice, page)
			return err
		})
		if err != nil {
			return nil, false, err
		}
		for _, d := range docs {
			n, err := docstore.Decode[Notice](d)
			if err != nil {
				return nil, false, err
			}
			n.ID, n.Mark = d.ID, d.Mark()
			if d.Created.Before(oldest) {
				return all, false, nil
			}
			if q.Unread && n.readBy(c.User) || q.Kind != "" && n.Kind != q.Kind {
				continue
			}
			if len(all) == q.Limit {
				return all, true, nil
			}
			all = append(all, n)
		}
		seen += len(docs)
		if len(docs) < page.Limit {
			break
		}
		page.After = docs[len(docs)-1].Mark()
	}
	return all, false, nil
}

func (n *Notice) readBy(user string) bool { return slices.Contains(n.ReadBy, user) }

// MarkRead says that the caller has read a notice, or has not.
func (s *Service) MarkRead(ctx context.Context, c access.Caller, id string, read bool) (Notice, error) {
	var n Notice
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		found, d, err := docstore.Body[Notice](t, placeOf(c).scope(), kindNotice, id)
		if err != nil {
			return err
		}
		n = found
		n.ID, n.Mark = d.ID, d.Mark()
		if n.readBy(c.User) == read {
			return nil
		}
		n.ReadBy = slices.DeleteFunc(n.ReadBy, func(u string) bool { return u == c.User })
		if read {
			n.ReadBy = append(n.ReadBy, c.User)
			n.ReadBy = n.ReadBy[max(0, len(n.ReadBy)-maxReaders):]
		}
		return t.Store(placeOf(c).scope(), d, n)
	})
	if errors.Is(err, docstore.ErrNotFound) {
		return n, problem.Errorf(problem.NotFound, "there is no notice %q in this sandbox", cut(id, 100))
	}
	return n, err
}

// upkeep removes notices and states that are too old, or too many, of all
// sandboxes.
func (s *Service) upkeep(ctx context.Context) error {
	var places []docstore.Doc
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		places, err = t.List(docstore.Scope{}, kindPlace, docstore.Page{})
		return err
	})
	for _, d := range places {
		var p place
		if err := json.Unmarshal(d.Body, &p); err != nil {
			return err
		}
		left, e := s.tidy(ctx, p, kindNotice, cmp.Or(s.MaxNotices, maxNotices), keepNotices)
		if e != nil {
			return e
		}
		if _, e := s.tidy(ctx, p, kindState, 0, openFor); e != nil {
			return e
		}
		if left {
			continue
		}
		// The sandbox has nothing, or is no more; the next notice names it again.
		e = s.DB.Do(ctx, func(t *docstore.Tx) error {
			some, err := t.List(p.scope(), kindNotice, docstore.Page{Limit: 1})
			if err != nil || len(some) > 0 {
				return err
			}
			return t.Remove(docstore.Scope{}, kindPlace, d.ID)
		})
		if e != nil {
			return e
		}
	}
	return err
}

// tidy removes the documents of a kind that were not changed for long, and the
// oldest beyond the number most, 0 for any. It says whether some are left.
func (s *Service) tidy(ctx context.Context, p place, kind string, most int, keep time.Duration) (bool, error) {
	oldest := s.Now().Add(-keep)
	page := docstore.Page{Newest: true, Limit: 500}
	left := 0
	for {
		more := false
		kept := left
		err := s.DB.Do(ctx, func(t *docstore.Tx) error {
			kept = left
			docs, err := t.List(p.scope(), kind, page)
			for _, d := range docs {
				if (most == 0 || kept < most) && !d.Updated.Before(oldest) {
					kept++
					continue
				}
				if err := t.Remove(p.scope(), kind, d.ID); err != nil {
					return err
				}
			}
			if more = len(docs) == page.Limit; more {
				page.After = docs[len(docs)-1].Mark()
			}
			return err
		})
		left = kept
		if err != nil || !more {
			return left > 0, err
		}
	}
}
