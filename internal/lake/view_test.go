//go:build cgo

package lake_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/mapping"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// parcels is a resource with a field of each kind that views tell apart.
func parcels() *xdm.Schema {
	return &xdm.Schema{
		Title: "Parcels", Resource: "parcels", Tenant: "acme", Group: "parcels_data",
		Fields: []*xdm.Field{
			{Name: "id", Kind: xdm.String},
			{Name: "object", Kind: xdm.String},
			{Name: "created", Kind: xdm.Long},
			{Name: "amount", Kind: xdm.Long},
			{Name: "note", Kind: xdm.String},
			{Name: "address", Kind: xdm.Object, Fields: []*xdm.Field{{Name: "city", Kind: xdm.String}}},
			{Name: "tags", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.String}},
		},
	}
}

// A parcel is an object's state, as the views show it.
type parcel struct {
	ID      string            `json:"id"`
	Object  string            `json:"object"`
	Created int64             `json:"created"`
	Amount  *int64            `json:"amount"`
	Note    *string           `json:"note"`
	Address map[string]string `json:"address"`
	Tags    []string          `json:"tags"`
}

// A version is what was appended, in the order of landing.
type version struct {
	Seq     int64
	ID      string
	Op      string
	Raw     string
	deleted bool
}

// shipping keeps parcels in a lake, and beside it what a reader must find.
type shipping struct {
	*rapid.T
	dir      string
	keep     bool // a history
	plan     *mapping.Plan
	lake     *lake.Lake
	lane     *lake.Lane
	versions []version          // committed
	batch    map[string]version // not committed
}

// Whatever is inserted, replaced, deleted, inserted again, maintained, cut off
// between two commits and reopened, in any order: the views read like a map.
func TestViewsAreAMap(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	passed := 0
	rapid.Check(t, func(rt *rapid.T) {
		if testing.Short() && passed == 5 { // enough for the race detector
			return
		}
		dir, err := os.MkdirTemp(root, "")
		if err != nil {
			rt.Fatal(err)
		}
		s := &shipping{T: rt, dir: dir, versions: []version{}, keep: rapid.Float64Range(0, 1).Draw(rt, "history") < 0.8}
		if s.plan, err = mapping.Compile(mapping.Default(parcels()), parcels(), "parcel"); err != nil {
			rt.Fatal(err)
		}
		s.open()
		if rapid.Bool().Draw(rt, "by month") {
			s.maintain(lake.PartitionMonth)
		}
		for range rapid.IntRange(3, 14).Draw(rt, "steps") {
			rapid.SampledFrom([]func(){s.put, s.put, s.put, s.remove, s.remove, s.commit, s.commit, s.tidy, s.again, s.rewrite, s.rebuild, s.crash, s.reopen, s.look}).Draw(rt, "step")()
		}
		s.commit()
		s.look()
		s.rewrite()
		s.look()
		s.rebuild()
		s.look()
		s.close()
		if err := os.RemoveAll(dir); err != nil {
			rt.Fatal(err)
		}
		passed++
	})
}

func (s *shipping) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shipping) open() {
	var err error
	s.lake, err = lake.Open(s.Context(), s.dir)
	s.must(err)
	s.lane, err = s.lake.Lane(s.Context(), parcels(), s.plan.Layout(), s.keep)
	s.must(err)
	s.must(s.lane.Recover(s.Context(), s.scan))
	s.batch = map[string]version{}
	if n := int64(len(s.versions)); s.lane.Seq() != n || n > 0 && s.lane.Checkpoint() != fmt.Sprint(n) {
		s.Fatalf("seq %d and checkpoint %q after %d versions", s.lane.Seq(), s.lane.Checkpoint(), n)
	}
}

func (s *shipping) scan(raw []byte, rec *dataset.Record) error {
	if bad := s.plan.Scan(raw, rec); bad != nil {
		return fmt.Errorf("%s %s", bad.Path, bad.Reason)
	}
	return nil
}

func (s *shipping) close() {
	s.lane.Abort()
	s.must(s.lake.Close())
}

// reopen drops what is not committed, as a crash does.
func (s *shipping) reopen() {
	s.close()
	s.open()
}

// newest returns the newest version of each object that landed.
func (s *shipping) newest() map[string]version {
	m := map[string]version{}
	for _, v := range s.versions {
		m[v.ID] = v
	}
	return m
}

func anyPlace() *rapid.Generator[string] { return rapid.StringMatching(`[a-d][0-3]`) }

// put appends new states of some objects, known or not, deleted or not.
func (s *shipping) put() {
	for _, id := range rapid.SliceOfNDistinct(anyPlace(), 1, 8, rapid.ID[string]).Draw(s.T, "put") {
		// In several months, some at the turn of one.
		p := parcel{ID: id, Object: "parcel", Created: 1577836799 + (int64(id[0]-'a')*10+int64(id[1]-'0'))*3*86400}
		n := rapid.Int64Range(-2, 40).Draw(s.T, "n")
		if n < 0 {
			p.Created += 45 * 86400 // which Stripe never does
		}
		if n%4 != 0 {
			note := fmt.Sprint("note ", n)
			p.Amount, p.Note = &n, &note
			p.Address, p.Tags = map[string]string{"city": note}, []string{"a", note}
		}
		raw, err := json.Marshal(p)
		s.must(err)
		s.append(id, dataset.OpUpsert, string(raw))
	}
}

// remove appends that some objects are gone, with their last state.
func (s *shipping) remove() {
	known := slices.Sorted(maps.Keys(s.newest()))
	if len(known) == 0 {
		return
	}
	for _, id := range rapid.SliceOfNDistinct(rapid.SampledFrom(known), 0, min(4, len(known)), rapid.ID[string]).Draw(s.T, "remove") {
		s.append(id, dataset.OpDelete, s.newest()[id].Raw)
	}
}

// append keeps the rule that a batch holds no id twice.
func (s *shipping) append(id, op, raw string) {
	if _, open := s.batch[id]; open {
		s.commit()
	}
	var rec dataset.Record
	s.must(s.scan([]byte(raw), &rec))
	old, known := s.newest()[id]
	if was := created(s, old.Raw); known && was != rec.Created {
		s.lane.Drop(id, was)
	}
	v := dataset.Version{Op: op, SeenAt: time.Unix(int64(len(s.versions)), 0).UTC(), Source: dataset.SourceBackfill, RunID: "run_1", APIVersion: "v"}
	s.must(s.lane.Append(&rec, &v, known))
	s.batch[id] = version{v.Seq, id, op, raw, op == dataset.OpDelete}
}

func created(s *shipping, raw string) int64 {
	var p parcel
	if raw != "" {
		s.must(json.Unmarshal([]byte(raw), &p))
	}
	return p.Created
}

func (s *shipping) commit() {
	s.must(s.lane.Commit(s.Context(), fmt.Sprint(s.lane.Seq())))
	s.landed()
}

func (s *shipping) landed() {
	s.versions = append(s.versions, slices.SortedFunc(maps.Values(s.batch), func(a, b version) int { return int(a.Seq - b.Seq) })...)
	clear(s.batch)
}

// crash ends a commit between history and dataset.
func (s *shipping) crash() {
	if !s.keep {
		s.commit()
		return
	}
	type cut struct{}
	s.lane.Between = func() { panic(cut{}) }
	func() {
		defer func() {
			if p := recover(); p != nil && p != any(cut{}) {
				panic(p)
			}
		}()
		s.must(s.lane.Commit(s.Context(), fmt.Sprint(s.lane.Seq())))
	}()
	s.landed()
	s.reopen()
}

// tidy is what ends a pass.
func (s *shipping) tidy() {
	s.commit()
	s.must(s.lane.Tidy(s.Context()))
}

func (s *shipping) again() { s.maintain("") }

func (s *shipping) rewrite() {
	s.maintain(rapid.SampledFrom([]lake.Partitioning{lake.PartitionMonth, lake.PartitionNone}).Draw(s.T, "partition"))
}

// maintain maintains the tables behind the lane's back, as the command does.
func (s *shipping) maintain(partition lake.Partitioning) {
	s.close()
	var err error
	s.lake, err = lake.Open(s.Context(), s.dir)
	s.must(err)
	o := lake.MaintainOptions{KeepFor: time.Duration(rapid.IntRange(-1, 0).Draw(s.T, "keep")), TargetBytes: int64(rapid.IntRange(0, 1).Draw(s.T, "target")), Partition: partition}
	names, err := s.lake.Tables(s.Context())
	s.must(err)
	for _, name := range names {
		table, err := s.lake.Load(s.Context(), name)
		s.must(err)
		_, err = table.Maintain(s.Context(), o)
		s.must(err)
		if n := table.DeleteFiles(); n != 0 {
			s.Fatalf("%s has %d delete files after maintenance", name, n)
		}
		if name == "parcels" && partition != "" && table.Partition() != partition {
			s.Fatalf("%s is partitioned by %s, not by %s", name, table.Partition(), partition)
		}
	}
	s.must(s.lake.Close())
	s.open()
}

// rebuild makes the dataset anew, which changes nothing.
func (s *shipping) rebuild() {
	s.commit()
	newest := s.newest()
	done, err := s.lane.Rebuild(s.Context(), lake.Rebuild{
		Latest: func(id string) (int64, bool, error) {
			v, ok := newest[id]
			return v.Seq, ok, nil
		},
		Scan: s.plan.Scan, Made: "test",
	})
	if !s.keep {
		if problem.KindOf(err) != problem.Conflict {
			s.Fatalf("a rebuild without history: %v", err)
		}
		return
	}
	s.must(err)
	if n := int64(len(newest)); done.After != n || done.Rejected != 0 || done.Before > n {
		s.Fatalf("rebuilt %+v, want %d rows", done, n)
	}
	if s.lane.Made() != "test" {
		s.Fatalf("made with %q", s.lane.Made())
	}
}

// look compares the views with what was committed.
func (s *shipping) look() {
	l, err := lake.OpenReadOnly(s.Context(), s.dir)
	s.must(err)
	defer l.Close()
	r := duck.Resource{Name: "parcels", Body: []string{"_acme", "parcels_data"}, Dataset: s.table(l, "parcels")}
	for _, f := range parcels().Fields {
		kind := map[xdm.Kind]duck.Kind{xdm.String: duck.Varchar, xdm.Long: duck.BigInt, xdm.Object: duck.JSON, xdm.Array: duck.JSON}[f.Kind]
		r.Fields = append(r.Fields, duck.Field{Name: f.Name, Kind: kind})
	}
	if s.keep {
		h := s.table(l, "parcels_history")
		r.History = &h
	}
	db, err := duck.Open(s.Context(), duck.Catalog{Resources: []duck.Resource{r}})
	s.must(err)
	defer db.Close()

	wantLive, wantStored := map[string]string{}, map[string]version{}
	for id, v := range s.newest() {
		if !v.deleted {
			wantLive[id] = v.Raw
		}
		wantStored[id] = version{Seq: v.Seq, ID: id, deleted: v.deleted}
	}
	live := map[string]string{}
	for _, p := range read[parcel](s, db, "select * from parcels") {
		if _, twice := live[p.ID]; twice {
			s.Errorf("%s is shown twice", p.ID)
		}
		raw, err := json.Marshal(p)
		s.must(err)
		live[p.ID] = string(raw)
	}
	s.same("parcels", wantLive, live)
	stored := map[string]version{}
	for _, v := range read[struct {
		ID      string `json:"_id"`
		Seq     int64  `json:"_seq"`
		Deleted bool   `json:"_deleted"`
	}](s, db, "select _id, _seq, _deleted from xdm.parcels") {
		if _, twice := stored[v.ID]; twice {
			s.Errorf("%s is stored twice", v.ID)
		}
		stored[v.ID] = version{Seq: v.Seq, ID: v.ID, deleted: v.Deleted}
	}
	s.same("xdm.parcels", wantStored, stored)
	if s.keep {
		versions := read[version](s, db, "select seq, id, op, raw from parcels_history order by seq")
		for i := range versions {
			versions[i].deleted = versions[i].Op == dataset.OpDelete
		}
		s.same("parcels_history", s.versions, versions)
	}
}

func (s *shipping) same(what string, want, got any) {
	s.Helper()
	if d := cmp.Diff(want, got, cmp.AllowUnexported(version{})); d != "" {
		s.Fatalf("%s (-want +got):\n%s", what, d)
	}
}

func (s *shipping) table(l *lake.Lake, name string) duck.Table {
	table, err := l.Load(s.Context(), name)
	s.must(err)
	plan, err := table.Scan(s.Context())
	s.must(err)
	t := duck.Table{Columns: columns(plan.Columns)}
	for _, f := range plan.Files {
		t.Files = append(t.Files, duck.File{Path: f.Path, Seq: f.Seq, Partition: f.Partition})
	}
	for _, f := range plan.Deletes {
		t.Deletes = append(t.Deletes, duck.File{Path: f.Path, Seq: f.Seq, Partition: f.Partition})
	}
	return t
}

func columns(of []lake.Column) []duck.Column {
	var all []duck.Column
	for _, c := range of {
		all = append(all, duck.Column{ID: c.ID, Name: c.Name, Type: c.Type, Fields: columns(c.Fields)})
	}
	return all
}

// read returns the rows of a query.
func read[T any](s *shipping, db *duck.DB, query string) []T {
	s.Helper()
	rows, err := db.Query(s.Context(), query)
	s.must(err)
	defer rows.Close()
	var out bytes.Buffer
	_, err = duck.Write(&out, rows, "json")
	s.must(err)
	all := []T{}
	s.must(json.Unmarshal(out.Bytes(), &all))
	return all
}
