package flow

import (
	"context"
	"errors"
	"time"

	"github.com/tributary-data/tributary/internal/docstore"
)

// HastenEvery is the least time between the runs of a flow that webhooks bring
// about: each makes a batch, and a commit to the flow's dataset.
const HastenEvery = 10 * time.Second

// Hasten makes the enabled flows of an account in a sandbox due before their
// next slot, because something happened there. The slots stay as they are.
func (s *Service) Hasten(ctx context.Context, sandbox string, of func(Account) bool) error {
	var ids []string
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		ids = nil
		return each(t, kindSchedule, func(flow string, tt timetable) {
			if tt.Sandbox == sandbox && !tt.Paused && !tt.Gone {
				ids = append(ids, flow)
			}
		})
	})
	for _, id := range ids {
		if err == nil {
			err = s.DB.Do(ctx, func(t *docstore.Tx) error { return s.hasten(t, id, of) })
		}
	}
	return err
}

func (s *Service) hasten(t *docstore.Tx, flow string, of func(Account) bool) error {
	tt, d, err := getTimetable(t, flow)
	if err != nil || d.Revision == 0 || tt.Paused || tt.Gone {
		return err
	}
	f, _, err := readFlow(t, tt.scope(), flow)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := t.Get(tt.scope(), kindConnection, f.Route.ConnectionID)
	if errors.Is(err, docstore.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	connection, err := connections.read(c)
	if err != nil || connection.Account == nil || !of(*connection.Account) {
		return err
	}
	soon := s.Now()
	if f.LastRun != nil {
		if free := time.UnixMilli(f.LastRun.Started).Add(HastenEvery); free.After(soon) {
			soon = free
		}
	}
	if tt.Next <= soon.UnixMilli() {
		return nil
	}
	tt.Next, tt.Hastened = soon.UnixMilli(), true
	return t.Store(docstore.Scope{}, d, tt)
}
