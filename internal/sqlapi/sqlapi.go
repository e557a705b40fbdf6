// Package sqlapi answers SQL over the data of one sandbox: its datasets, and
// the copies of accounts that its dataflows read from. It shows previews of
// datasets, and what other engines need to read them.
//
// A query runs in a process of internal/sqlworker, over a catalog that has the
// tables of its sandbox and nothing else, in internal/duck's guard.
package sqlapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/sqlworker"
)

// Datasets are those of the sandbox.
type Datasets interface {
	Datasets(ctx context.Context, c access.Caller) ([]catalog.Dataset, error)
	Dataset(ctx context.Context, c access.Caller, id string) (catalog.Dataset, error)
}

// Lakes are where rows are.
type Lakes interface {
	// Versions returns a text for each table of the installation that is another
	// one with every commit to it.
	Versions(ctx context.Context) (map[string]string, error)
	// Table returns the state of a table; problem.NotFound.
	Table(ctx context.Context, name string) (app.TableState, error)
	// Copies lists the copies of accounts that belong to the caller's sandbox.
	Copies(ctx context.Context, c access.Caller) ([]Copy, error)
	// Copy returns the state of one.
	Copy(ctx context.Context, c Copy) (app.CopyState, error)
}

// A Copy is that of an account.
type Copy struct {
	Name    string // as a schema: acct_1abc_live; "" for the directory's own, whose views have no schema
	Dir     string
	Version string // another one with every commit
}

// Limits of a query.
const (
	MaxRows   = 10_000
	UsualRows = 1000
	MaxBytes  = 16 << 20 // of the rows as JSON
	MaxQuery  = 100_000  // bytes of SQL
	MaxTime   = 30 * time.Second
)

// A Service has the rules.
type Service struct {
	Datasets Datasets
	Lakes    Lakes
	Pool     *sqlworker.Pool
	Now      func() time.Time
	// Exposures says where those of the caller's sandbox are, and how large their files
	// are together; 0 where there are none. Nil for none anywhere.
	Exposures func(c access.Caller) (at sqlworker.Exposures, size int64, err error)
	// Time is how long a query may take; 0 for MaxTime.
	Time time.Duration

	mu     sync.Mutex
	tables map[string]app.TableState // by name and version
	copies map[string]app.CopyState  // by directory and version
	lists  map[string][]View         // by key of the snapshot
}

// kept is how many states are kept of each sort.
const kept = 2000

// An Answer is what a query came to.
type Answer struct {
	sqlworker.Result

	Took     time.Duration
	Snapshot Snapshot
}

// A Snapshot is what a query has seen.
type Snapshot struct {
	ID string    // another one with every commit to a table of the sandbox
	At time.Time // when that was so
}

var errTime = errors.New("the query has taken too long")

// Query runs one statement that reads; at most rows are returned.
func (s *Service) Query(ctx context.Context, c access.Caller, sql string, rows int) (Answer, error) {
	switch {
	case len(sql) > MaxQuery:
		return Answer{}, problem.Errorf(problem.Invalid, "query: it has %d bytes, and may have %d", len(sql), MaxQuery)
	case rows < 1 || rows > MaxRows:
		return Answer{}, problem.Errorf(problem.Invalid, "limit: a whole number from 1 to %d is expected", MaxRows)
	}
	var a Answer
	began := s.Now()
	err := s.with(ctx, c, func(ctx context.Context, v *view, session *sqlworker.Session) (err error) {
		a.Snapshot = v.Snapshot
		q := sqlworker.Query{SQL: sql, Rows: rows, Bytes: MaxBytes}
		if s.Exposures != nil {
			at, _, err := s.Exposures(c)
			if err != nil {
				return err
			}
			q.Exposures = &at
		}
		a.Result, err = session.Query(ctx, q)
		return err
	})
	a.Took = s.Now().Sub(began)
	return a, err
}

// with calls fn with a session over what the sandbox has now. Where a file has
// gone since that was looked up, it looks once more.
func (s *Service) with(ctx context.Context, c access.Caller, fn func(context.Context, *view, *sqlworker.Session) error) error {
	limit := s.time()
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errTime)
	defer cancel()
	var err error
	for attempt := range 2 {
		var v *view
		if v, err = s.view(ctx, c, attempt); err != nil {
			break
		}
		err = s.Pool.Do(ctx, c.Org+"/"+c.Sandbox.ID, v.key, v.catalog, func(session *sqlworker.Session) error { return fn(ctx, v, session) })
		if problem.KindOf(err) != problem.Unavailable && problem.KindOf(err) != problem.NotFound {
			break
		}
		s.forget()
	}
	switch {
	case errors.Is(err, errTime):
		return &problem.Error{
			Kind: problem.Invalid, Detail: fmt.Sprintf("the query has taken longer than %s and was ended", limit), Advice: "Select less, or a part at a time",
		}
	case errors.Is(err, sqlworker.ErrBusy):
		return &gateway.Failure{
			Status: http.StatusTooManyRequests, Title: "Too many queries", Header: http.Header{"Retry-After": {"5"}},
			Detail: fmt.Sprintf("other queries are being run: %d at once in a sandbox, %d in all. Try again in some seconds", sqlworker.MaxOf, sqlworker.MaxBusy),
		}
	}
	return err
}

// time is how long a query may take.
func (s *Service) time() time.Duration {
	if s.Time == 0 {
		return MaxTime
	}
	return s.Time
}

// forget drops what is known of states, some of which turned out to be gone.
func (s *Service) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables, s.copies, s.lists = nil, nil, nil
}

// state returns the state of a table of the installation.
func (s *Service) state(ctx context.Context, name, version string) (app.TableState, error) {
	key := name + " " + version
	s.mu.Lock()
	t, ok := s.tables[key]
	s.mu.Unlock()
	if ok {
		return t, nil
	}
	t, err := s.Lakes.Table(ctx, name)
	if err != nil {
		return t, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keep(&s.tables, name+" "+t.Metadata, t)
	return t, nil
}

// copyState returns the state of a copy.
func (s *Service) copyState(ctx context.Context, c Copy) (app.CopyState, error) {
	key := c.Dir + " " + c.Version
	s.mu.Lock()
	state, ok := s.copies[key]
	s.mu.Unlock()
	if ok {
		return state, nil
	}
	state, err := s.Lakes.Copy(ctx, c)
	if err != nil {
		return state, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	keep(&s.copies, key, state)
	return state, nil
}

// keep puts a value into a map that begins anew when it is full.
func keep[V any](m *map[string]V, key string, v V) {
	if *m == nil || len(*m) >= kept {
		*m = map[string]V{}
	}
	(*m)[key] = v
}

// digest names a list of texts.
func digest(parts ...string) string {
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // texts can always be written
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}

// sorted returns the datasets that have a table, in the order of their creation.
func sorted(all []catalog.Dataset, versions map[string]string) []catalog.Dataset {
	all = slices.DeleteFunc(slices.Clone(all), func(d catalog.Dataset) bool { return versions[d.Table] == "" })
	slices.SortStableFunc(all, func(a, b catalog.Dataset) int { return a.Created.Compare(b.Created) })
	return all
}
