package lease_test

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/lease"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func TestTake(t *testing.T) {
	t.Parallel()
	minute := noon.Add(time.Minute).UnixMilli()
	for name, tt := range map[string]struct {
		is          lease.Lease
		taken, lost bool
	}{
		"free":               {lease.Lease{}, true, false},
		"held":               {lease.Lease{Holder: "a", Until: noon.UnixMilli() + 1}, false, false},
		"fell silent":        {lease.Lease{Holder: "a", Until: noon.UnixMilli()}, true, true},
		"not yet":            {lease.Lease{After: minute}, false, false},
		"not yet and silent": {lease.Lease{Holder: "a", After: minute}, false, false},
		"at its time":        {lease.Lease{After: noon.UnixMilli()}, true, false},
	} {
		l := tt.is
		taken, lost := l.Take(noon, time.Minute)
		if taken != tt.taken || lost != tt.lost {
			t.Errorf("%s: taken %v, lost %v", name, taken, lost)
		}
		if !taken {
			if l != tt.is {
				t.Errorf("%s: changed to %+v", name, l)
			}
			continue
		}
		if l.Holder == "" || l.Holder == tt.is.Holder || l.Until != minute || !l.Held(noon) || l.Held(noon.Add(time.Minute)) {
			t.Errorf("%s: %+v", name, l)
		}
		if l.Give(); l.Held(noon) {
			t.Errorf("%s: it is held after it was given back", name)
		}
	}
}

// What stands in documents is read for ever.
func TestStored(t *testing.T) {
	t.Parallel()
	var task struct {
		Copy string
		lease.Lease
	}
	if err := json.Unmarshal([]byte(`{"copy":"acct_1-test","holder":"h","until":5,"after":4}`), &task); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lease.Lease{Holder: "h", Until: 5, After: 4}, task.Lease); diff != "" {
		t.Error(diff)
	}
}

// Work goes on for as long as the lease is renewed, and ends when it is lost.
func TestHold(t *testing.T) {
	t.Parallel()
	down := errors.New("the database is down")
	for name, tt := range map[string]struct {
		renew func(n int) error
		after time.Duration // when the work is told to end; 0: it ends by itself in an hour
		err   error
	}{
		"renewed":    {func(int) error { return nil }, 0, nil},
		"lost":       {func(n int) error { return map[bool]error{true: lease.ErrLost}[n == 3] }, 45 * time.Second, lease.ErrLost},
		"down":       {func(int) error { return down }, 45 * time.Second, lease.ErrLost},
		"down twice": {func(n int) error { return map[bool]error{true: down}[n%3 != 0] }, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began, n := time.Now(), 0
				r := lease.Renewal{Length: time.Minute, Every: 15 * time.Second, Now: time.Now, Renew: func(context.Context) error { n++; return tt.renew(n) }}
				var worked time.Duration
				err := lease.Hold(t.Context(), r, func(ctx context.Context) error {
					select {
					case <-ctx.Done():
					case <-time.After(time.Hour):
					}
					worked = time.Since(began)
					return ctx.Err()
				})
				want := tt.after
				if want == 0 {
					want = time.Hour
				}
				if !errors.Is(err, tt.err) || worked != want {
					t.Errorf("%v after %s, want %v after %s", err, worked, tt.err, want)
				}
			})
		})
	}
}

func TestDropOf(t *testing.T) {
	t.Parallel()
	db := docstoretest.Open(t, filepath.Join(t.TempDir(), "control.db"))
	list := func() (ids []string) {
		err := db.Do(t.Context(), func(tx *docstore.Tx) error {
			ids = nil
			docs, err := tx.List(docstore.Scope{}, "task", docstore.Page{})
			for _, d := range docs {
				ids = append(ids, d.ID)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	err := db.Do(t.Context(), func(tx *docstore.Tx) error {
		for id, of := range map[string]docstore.Scope{"1": {Org: "a", Sandbox: "x"}, "2": {Org: "a", Sandbox: "y"}, "3": {Org: "b", Sandbox: "x"}} {
			if err := tx.Store(docstore.Scope{}, docstore.Doc{Kind: "task", ID: id}, map[string]any{"org": of.Org, "sandbox": of.Sandbox}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := lease.DropOf(t.Context(), db, "task", docstore.Scope{Org: "a", Sandbox: "x"}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"2", "3"}, list()); diff != "" {
		t.Error(diff)
	}
}

func TestBell(t *testing.T) {
	t.Parallel()
	var b lease.Bell
	b.Ring()
	b.Ring()
	<-b.Rung()
	select {
	case <-b.Rung():
		t.Error("it rang twice")
	default:
	}
}
