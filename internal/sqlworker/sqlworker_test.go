package sqlworker

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "sql-worker" {
		os.Exit(Main())
	}
	os.Exit(m.Run())
}

func pool(t testing.TB) *Pool {
	p := &Pool{Command: []string{os.Args[0], "sql-worker"}, Limits: duck.Limits{Memory: 256 << 20, Threads: 2, Temp: 64 << 20}}
	t.Cleanup(p.Close)
	return p
}

var empty = func(context.Context) (duck.Catalog, error) {
	return duck.Catalog{Records: []duck.Records{{Name: "ds_1", Table: duck.Table{Columns: []duck.Column{{ID: 1, Name: "a", Type: "long"}}}}}}, nil
}

func query(ctx context.Context, p *Pool, sql string) (r Result, err error) {
	err = p.Do(ctx, "owner", "key", empty, func(s *Session) error {
		r, err = s.Query(ctx, Query{SQL: sql, Rows: 1000, Bytes: 1 << 20})
		return err
	})
	return r, err
}

func TestQuery(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]*Pool{"a process": pool(t), "this process": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(p.Close)
			for query1, want := range map[string]string{
				"SELECT 9007199254740993 AS a, 1.50 AS b, 'x' AS c": `[{a BIGINT} {b DECIMAL} {c VARCHAR}] [[9007199254740993,"1.50","x"]] `,
				"FROM ds_1":                   `[{a BIGINT}] [] `,
				"SELECT 1 AS a FROM range(0)": `[{a INTEGER}] [] `,
			} {
				r, err := query(t.Context(), p, query1)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, fmt.Sprintf("%v %s %s", r.Columns, r.Rows, r.Cut)); diff != "" {
					t.Error(diff)
				}
			}
			r, err := query(t.Context(), p, "FROM range(2000)")
			if err != nil || len(r.Rows) != 1000 || r.Cut != ByRows {
				t.Errorf("%d %s %v", len(r.Rows), r.Cut, err)
			}
			r, err = query(t.Context(), p, "SELECT repeat('x', 300000) FROM range(9)")
			if err != nil || len(r.Rows) != 3 || r.Cut != ByBytes {
				t.Errorf("%d %s %v", len(r.Rows), r.Cut, err)
			}
			if _, err = query(t.Context(), p, "SELECT repeat('x', 3000000)"); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "one row") {
				t.Errorf("%v", err)
			}
			if _, err = query(t.Context(), p, "SELECT nothing"); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "nothing") {
				t.Errorf("%v", err)
			}
			if len(p.idle) != 1 {
				t.Errorf("%d sessions: one is used again", len(p.idle))
			}
		})
	}
}

// Queries that would take the machine end with an error that says why, and the
// next one works.
func TestRunaway(t *testing.T) {
	t.Parallel()
	errTime := errors.New("time is up")
	for _, sql := range []string{
		"SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c WHERE a.range + b.range + c.range = 7",
		"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
		"SELECT length(repeat('x', 4000000000))",
		"SELECT length(repeat('x', 1000000000)) FROM range(100)",
		"SELECT len(range(4000000000))",
		"SELECT list(range) FROM range(4000000000)",
		"SELECT length(string_agg(repeat('x', 1000), ',')) FROM range(100000000)",
		"SELECT length(lpad('x', 2000000000, 'y')), length(printf('%2000000000d', 1))",
		"SELECT levenshtein(repeat('a', 3000000), repeat('b', 3000000))",
		"SELECT repeat('a', 3000000) LIKE '%' || repeat('_%a', 9) || '%b'",
		"SELECT list_reduce(range(100000000), lambda x, y: x + y)",
	} {
		t.Run(sql[:min(len(sql), 60)], func(t *testing.T) {
			p := pool(t)
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errTime)
			defer cancel()
			r, err := query(ctx, p, sql)
			if !errors.Is(err, errTime) && (problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "memory")) {
				t.Errorf("%v %.200s", err, r.Rows)
			}
			if r, err := query(t.Context(), p, "SELECT 1"); err != nil || len(r.Rows) != 1 {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// Nothing is left of a process that was killed, and none sees the environment.
func TestLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	p := pool(t)
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan struct{})
	go func() { <-began; cancel() }()
	err := p.Do(ctx, "owner", "key", empty, func(s *Session) error {
		close(began)
		_, err := s.Query(ctx, Query{SQL: "SELECT levenshtein(repeat('a', 3000000), repeat('b', 3000000))", Rows: 1, Bytes: 1})
		return err
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := query(t.Context(), p, "SELECT 1"); err != nil {
		t.Error(err)
	}
	p.Close()
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
	if _, err := query(t.Context(), p, "SELECT 1"); err == nil {
		t.Error("a closed pool runs queries")
	}
}

// Some wait for their turn, and not for ever; those of others go on.
func TestTurns(t *testing.T) {
	t.Parallel()
	p := &Pool{}
	defer p.Close()
	release, in := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	hold := func(owner string) {
		wg.Go(func() {
			err := p.Do(t.Context(), owner, "key", empty, func(*Session) error {
				in <- struct{}{}
				<-release
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-in
	}
	hold("a")
	hold("a")
	refused := func(owner string) {
		t.Helper()
		if err := p.Do(t.Context(), owner, "key", empty, func(*Session) error { return nil }); !errors.Is(err, ErrBusy) {
			t.Errorf("%s: %v", owner, err)
		}
	}
	refused("a")
	hold("b")
	hold("b")
	refused("c")
	wg.Go(func() { // its turn comes
		if err := p.Do(t.Context(), "a", "key", empty, func(*Session) error { return nil }); err != nil {
			t.Error(err)
		}
	})
	close(release)
	wg.Wait()
	if len(p.idle) > MaxBusy || p.busy != 0 || len(p.of) != 0 {
		t.Errorf("%d idle, %d busy, %v", len(p.idle), p.busy, p.of)
	}
}

// Sessions of catalogs that nobody asks for make room.
func TestCatalogs(t *testing.T) {
	t.Parallel()
	p := &Pool{}
	defer p.Close()
	opened := 0
	for i := range 3 * MaxBusy {
		for range 2 {
			err := p.Do(t.Context(), "a", fmt.Sprint(i), func(ctx context.Context) (duck.Catalog, error) {
				opened++
				return empty(ctx)
			}, func(*Session) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(p.idle) > MaxBusy {
			t.Fatalf("%d sessions", len(p.idle))
		}
	}
	if opened != 3*MaxBusy {
		t.Errorf("%d catalogs were opened", opened)
	}
}

// A process that has taken much of the memory it may have says so, and is not kept:
// the next query would be refused for what others took.
func TestFull(t *testing.T) {
	t.Parallel()
	for _, limit := range []int64{1 << 60, 1} {
		var out bytes.Buffer
		w := &worker{out: bufio.NewWriter(&out), limit: limit}
		w.do(request{ID: 1, Query: &Query{}})
		if err := w.out.Flush(); err != nil {
			t.Fatal(err)
		}
		s := &Session{out: bufio.NewReader(&out), in: discard{}, ended: make(chan struct{}), said: &tail{}}
		s.end = func() { close(s.ended) }
		if _, err := s.Query(t.Context(), Query{}); err == nil {
			t.Fatal("a query of no catalog")
		}
		p := &Pool{}
		p.living.Add(1)
		p.put("key", s)
		if kept := len(p.idle) == 1; kept != (limit > 1) && taken() > 0 {
			t.Errorf("of %d bytes: kept is %v", limit, kept)
		}
		p.Close()
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }
