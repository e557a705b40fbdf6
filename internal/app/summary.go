package app

import (
	"context"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A Summary is how a copy stands, without asking Stripe.
type Summary struct {
	Account   string // acct_…; "" when the key may not see it
	Livemode  bool
	Bytes     int64 // of all its files
	Resources []ResourceSummary
}

// A ResourceSummary is how one resource of a copy stands. Times are zero where
// nothing is known.
type ResourceSummary struct {
	Resource string
	// Backfilling says that not all was read yet that was there at the beginning.
	Backfilling bool
	// Reconciling is why a comparison with the account is under way, "" for none.
	Reconciling string
	Objects     int64 // live
	Bytes       int64 // of the newest state of its tables
	// Cursor is Stripe's time up to which changes were taken in, or for what has no
	// events up to which was listed.
	Cursor time.Time
	Behind time.Duration // from there to Stripe's time now
	// Passed is when the newest pass of a Keeper's Advance began that took in all
	// of the resource, by the host's clock.
	Passed      time.Time
	Quarantined int64 // objects
	Drifted     int64 // fields, types and values that the schema lacks
}

// Counts remembers how many objects resources had, for as long as counting is
// worth it: a count is taken to hold for ten times as long as it took. The zero
// Counts knows nothing; it is safe for concurrent use.
type Counts struct {
	mu sync.Mutex
	by map[string]counted // by table
}

type counted struct {
	metadata string // of the table
	objects  int64
	good     time.Time // until then, whatever the metadata
}

const countedFor = 10

func (c *Counts) get(dir string, t *lake.Table, count func() (int64, error)) (int64, error) {
	name := filepath.Join(dir, t.Name())
	c.mu.Lock()
	known, ok := c.by[name]
	c.mu.Unlock()
	began := time.Now()
	if ok && (known.metadata == t.MetadataLocation() || began.Before(known.good)) {
		return known.objects, nil
	}
	n, err := count()
	if err != nil {
		return 0, err
	}
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]counted{}
	}
	c.by[name] = counted{t.MetadataLocation(), n, now.Add(countedFor * now.Sub(began))}
	return n, nil
}

// Summarise says how the copy in dir stands. It may be written to meanwhile.
func Summarise(ctx context.Context, dir string, counts *Counts) (*Summary, error) {
	l, db, err := openReadOnly(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	defer db.Close()
	w := &summing{lake: l, store: &store{db}, dir: dir, counts: counts}
	defer w.close()
	s := &Summary{Resources: []ResourceSummary{}}
	if s.Account, s.Livemode, err = db.Binding(ctx); err != nil {
		return nil, err
	}
	if w.held, err = db.QuarantineCounts(ctx); err != nil {
		return nil, err
	}
	if w.drifts, err = drifts(ctx, db); err != nil {
		return nil, err
	}
	clock, err := w.store.marked(ctx, markClock, 1)
	if err != nil {
		return nil, err
	}
	w.now = time.Now().Add(time.Duration(clock[0]) * time.Millisecond)
	if w.tables, err = l.Tables(ctx); err != nil {
		return nil, err
	}
	for _, r := range stripe.Resources {
		if !slices.Contains(w.tables, r.Name) && !slices.Contains(w.tables, r.Name+"_history") {
			continue
		}
		one, err := w.resource(ctx, r)
		if err != nil {
			return nil, err
		}
		s.Resources = append(s.Resources, one)
	}
	s.Bytes, err = size(ctx, dir)
	return s, err
}

type summing struct {
	lake   *lake.Lake
	store  *store
	dir    string
	counts *Counts
	tables []string
	held   map[string]int64
	drifts []Drift
	now    time.Time // Stripe's
	reader *Reader   // nil until something is counted
}

func (w *summing) close() {
	if w.reader != nil {
		_ = w.reader.Close()
	}
}

func (w *summing) resource(ctx context.Context, r stripe.Resource) (s ResourceSummary, err error) {
	s.Resource, s.Quarantined = r.Name, w.held[r.Name]
	for _, d := range w.drifts {
		if d.Resource == r.Name {
			s.Drifted++
		}
	}
	text, err := w.lake.Checkpoint(ctx, r.Name)
	if err != nil {
		return s, err
	}
	c, err := extract.DecodeCheckpoint(text)
	if err != nil {
		return s, err
	}
	passed, err := w.store.marked(ctx, reachedMark(r.Name), 1)
	if err != nil {
		return s, err
	}
	if passed[0] > 0 {
		s.Passed = time.UnixMilli(passed[0]).UTC()
	}
	s.Backfilling = c.Upto == 0 || passed[0] == 0 && len(c.Open) > 0 && c.Reconciling == nil
	if c.Reconciling != nil {
		s.Reconciling = c.Reconciling.Reason
	}
	cursor := c.Events
	if r.NoEvents() {
		cursor = c.Upto
	}
	if cursor > 0 {
		s.Cursor = time.Unix(cursor, 0).UTC()
		s.Behind = max(w.now.Sub(s.Cursor), 0)
	}
	for _, name := range []string{r.Name + "_history", r.Name} {
		if !slices.Contains(w.tables, name) {
			continue
		}
		t, err := w.lake.Load(ctx, name)
		if err != nil {
			return s, err
		}
		s.Bytes += t.Bytes()
		if name == r.Name {
			if s.Objects, err = w.counts.get(w.dir, t, func() (int64, error) { return w.count(ctx, r.Name) }); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

// count counts the live objects of a resource, by the way that queries take.
func (w *summing) count(ctx context.Context, resource string) (n int64, err error) {
	if w.reader == nil {
		if w.reader, err = OpenReader(ctx, w.dir); err != nil {
			return 0, err
		}
	}
	rows, err := w.reader.Query(ctx, `select count(*) from "`+resource+`"`)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&n); err != nil {
			return 0, err
		}
	}
	return n, rows.Err()
}

// size adds up the files below dir. One that goes meanwhile counts for nothing.
func size(ctx context.Context, dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || entry.IsDir() {
			return nil //nolint:nilerr // compaction removes files while they are counted
		}
		if info, err := entry.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n, err
}
