package sqlstore

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func charge(id string, created, place int64, snapshot string) Notice {
	n := Notice{
		ID: id, Type: "charge.updated", Created: created, Place: place, APIVersion: "2020-08-27", Before: "b" + id, After: "a" + id,
		Refs: []Ref{{"charges", "ch_1"}}, Resource: "charges", ObjectID: "ch_1",
	}
	if snapshot != "" {
		n.Snapshot = []byte(snapshot)
	}
	return n
}

func TestNotices(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	shown := func(resource string, upto int64) (ids []string) {
		t.Helper()
		must(t, s.EachShown(ctx, resource, upto, func(id string) { ids = append(ids, id) }))
		return ids
	}
	seq, err := s.Inbox(ctx, "charges", 100, 7)
	must(t, err)
	again, err := s.Inbox(ctx, "charges", 900, 9)
	must(t, err)
	if seq != 7 || again != 7 {
		t.Errorf("seq %d, then %d", seq, again)
	}
	invoice := Notice{ID: "evt_in", Type: "invoice.paid", Created: 210, Refs: []Ref{{"customers", "cus_1"}, {"charges", "ch_1"}, {"charges", "ch_2"}}}
	later, sooner := charge("evt_2", 200, 2, `{"n":2}`), charge("evt_1", 200, 1, `{"n":1}`)
	must(t, s.PutNotices(ctx, []Notice{later, sooner, invoice, charge("evt_0", 99, 0, `{"n":0}`), {ID: "evt_x", Type: "payout.paid"}}))
	must(t, s.PutNotices(ctx, []Notice{charge("evt_2", 200, 9, `{"n":9}`)})) // is there
	upto, err := s.LastNotice(ctx)
	must(t, err)
	must(t, s.PutNotices(ctx, []Notice{charge("evt_3", 300, 3, `{"n":3}`)})) // comes while a pass is at work

	noticed, err := s.Noticed(ctx, "charges", upto, "", 10)
	must(t, err)
	if d := cmp.Diff([]Noticed{{"ch_1", 210}, {"ch_2", 210}}, noticed); d != "" {
		t.Error(d)
	}
	noticed, err = s.Noticed(ctx, "charges", upto, "ch_1", 1)
	must(t, err)
	if d := cmp.Diff([]Noticed{{"ch_2", 210}}, noticed); d != "" {
		t.Error(d)
	}
	if got := shown("charges", upto); !slices.Equal(got, []string{"ch_1"}) || shown("customers", upto) != nil {
		t.Errorf("snapshots of %q", got)
	}
	got, err := s.Snapshots(ctx, "charges", "ch_1", upto)
	must(t, err)
	later.Refs, sooner.Refs = nil, nil
	if d := cmp.Diff([]Notice{sooner, later}, got); d != "" {
		t.Errorf("before the copy began, nothing is kept; the rest is in order: %s", d)
	}
	must(t, s.RewriteSnapshots(ctx, func(resource string, raw []byte) []byte {
		if string(raw) == `{"n":2}` {
			return nil
		}
		return append(raw, resource...)
	}))
	got, err = s.Snapshots(ctx, "charges", "ch_1", upto)
	must(t, err)
	if len(got) != 1 || string(got[0].Snapshot) != `{"n":1}charges` {
		t.Errorf("rewritten: %+v", got)
	}

	must(t, s.Taken(ctx, "charges", upto, 20, 150))
	if seq, err := s.Inbox(ctx, "charges", 0, 0); seq != 20 || err != nil {
		t.Errorf("seq %d, %v", seq, err)
	}
	noticed, err = s.Noticed(ctx, "charges", upto+10, "", 10)
	must(t, err)
	if d := cmp.Diff([]Noticed{{"ch_1", 300}}, noticed); d != "" {
		t.Errorf("what came meanwhile is left: %s", d)
	}
	noticed, err = s.Noticed(ctx, "customers", upto, "", 10)
	must(t, err)
	if d := cmp.Diff([]Noticed{{"cus_1", 210}}, noticed); d != "" {
		t.Errorf("what another resource has yet to take in is left: %s", d)
	}
	// Known: nothing. Forgotten: the object once more, without its snapshot.
	must(t, s.PutNotices(ctx, []Notice{later, charge("evt_1", 200, 1, "x"), charge("evt_0", 99, 0, "x")}))
	upto, err = s.LastNotice(ctx)
	must(t, err)
	got, err = s.Snapshots(ctx, "charges", "ch_1", upto)
	must(t, err)
	if len(got) != 1 || got[0].ID != "evt_3" {
		t.Errorf("snapshots %+v", got)
	}
	must(t, s.Taken(ctx, "charges", upto, 20, 150))
	must(t, s.Taken(ctx, "customers", upto, 1, 150))
	if n, err := s.LastNotice(ctx); n != 0 || err != nil {
		t.Errorf("%d, %v: the inbox is not empty", n, err)
	}
	must(t, s.PutNotices(ctx, []Notice{charge("evt_4", 400, 0, "")}))
	if n, err := s.LastNotice(ctx); n <= upto || err != nil {
		t.Errorf("number %d was given before, %v", n, err)
	}
}

// The snapshot of an event that was put without it, for another resource, comes
// with the resource that it shows.
func TestNoticeForOneResourceAtATime(t *testing.T) {
	t.Parallel()
	s, _ := openT(t)
	ctx := t.Context()
	refund := Notice{ID: "evt_1", Created: 5, Refs: []Ref{{"charges", "ch_1"}}, Resource: "refunds", ObjectID: "re_1", Snapshot: []byte("{}")}
	must(t, s.PutNotices(ctx, []Notice{refund}))
	if got, err := s.Snapshots(ctx, "refunds", "re_1", 9); len(got) != 0 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	refund.Refs = append(refund.Refs, Ref{"refunds", "re_1"})
	must(t, s.PutNotices(ctx, []Notice{refund}))
	if got, err := s.Snapshots(ctx, "refunds", "re_1", 9); len(got) != 1 || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if n, err := s.LastNotice(ctx); n != 1 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
}

// Events that an older version took in stay known.
func TestEventsOfVersionOne(t *testing.T) {
	t.Parallel()
	path, ctx := filepath.Join(t.TempDir(), "tributary.db"), t.Context()
	s, err := open(path, "_txlock=immediate")
	must(t, err)
	first, err := migrations.ReadFile("migrations/0001.sql")
	must(t, err)
	for _, q := range []string{string(first), "insert into event_seen values ('evt_1', 5)", "pragma user_version = 1"} {
		_, err := s.db.ExecContext(ctx, q)
		must(t, err)
	}
	must(t, s.Close())
	s, err = Open(ctx, path)
	must(t, err)
	defer s.Close()
	must(t, s.PutNotices(ctx, []Notice{charge("evt_1", 5, 0, ""), charge("evt_2", 5, 0, "")}))
	ids, err := s.texts(ctx, "select id from notice")
	must(t, err)
	if !slices.Equal(ids, []string{"evt_2"}) {
		t.Errorf("%q", ids)
	}
}
