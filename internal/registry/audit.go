package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// A Change is an entry of a resource's log: who changed what of it, or of
// something that it is made of, and when.
type Change struct {
	ID      string    `json:"id"` // $id of the resource
	User    string    `json:"updatedUser"`
	Org     string    `json:"imsOrg"`
	Time    string    `json:"updatedTime"` // 02-19-2021 05:43:56
	Request string    `json:"requestId"`
	Client  string    `json:"clientId"`
	Sandbox string    `json:"sandBoxId"`
	Updates []Update  `json:"updates"`
	at      time.Time // of Time, to the millisecond
}

// An Update is one member that was added, replaced or removed.
type Update struct {
	ID     string          `json:"id"`
	Type   Type            `json:"xdmType"`
	Action string          `json:"action"`
	Path   string          `json:"path"` // JSON Pointer
	Value  json.RawMessage `json:"value,omitempty"`
}

// maxUpdates is how many members one entry tells of; those that follow are
// told as one replacement of the whole.
const maxUpdates = 200

// maxEntries is how many entries of each resource the log shows.
const maxEntries = 500

// log notes a change of a resource.
func (l *library) log(r *resource, ops []jsondoc.Operation) error {
	if len(ops) > maxUpdates {
		ops = []jsondoc.Operation{{Op: "replace", Path: "/", Value: r.Doc}}
	}
	ch := Change{ID: r.ID, User: l.caller.User, Request: l.caller.RequestID, Client: l.caller.Client, Updates: []Update{}}
	for _, op := range ops {
		v, err := jsondoc.Marshal(op.Value)
		if err != nil {
			return err
		}
		ch.Updates = append(ch.Updates, Update{r.ID, r.Type, op.Op, op.Path, v})
	}
	body, err := json.Marshal(ch)
	if err != nil {
		return err
	}
	_, err = l.tx.Put(l.at, docstore.Doc{Kind: kindChange, ID: newID(32), Parent: r.ID, Created: l.now, Body: body})
	return err
}

func (l *library) removeLog(r *resource) error {
	docs, err := l.tx.List(l.at, kindChange, docstore.Page{Parent: r.ID})
	if err != nil {
		return err
	}
	for _, d := range docs {
		if err := l.tx.Delete(l.at, kindChange, d.ID); err != nil {
			return err
		}
	}
	return nil
}

// AuditLog returns the changes of a resource and of all that it is made of,
// newest first.
func (s *Service) AuditLog(ctx context.Context, c access.Caller, id string) ([]Change, error) {
	var out []Change
	err := s.do(ctx, c, func(l *library) error {
		out = []Change{}
		r, err := l.findAny(id)
		if err != nil {
			return err
		}
		ids := []string{r.ID}
		for i := 0; i < len(ids); i++ {
			made, err := l.get(ids[i])
			if err != nil {
				return err
			}
			for _, ref := range made.Refs {
				if !slices.Contains(ids, ref) {
					ids = append(ids, ref)
				}
			}
		}
		for _, id := range ids {
			docs, err := l.tx.List(l.at, kindChange, docstore.Page{Parent: id, Newest: true, Limit: maxEntries})
			if err != nil {
				return err
			}
			for _, d := range docs {
				ch := Change{}
				if err := json.Unmarshal(d.Body, &ch); err != nil {
					return err
				}
				ch.Org, ch.Sandbox, ch.Time, ch.at = c.Org, c.Sandbox.ID, stamp(d.Created), d.Created
				out = append(out, ch)
			}
		}
		slices.SortStableFunc(out, func(a, b Change) int { return cmp.Compare(b.at.UnixMilli(), a.at.UnixMilli()) })
		return nil
	})
	return out, err
}
