// Package sqlworker answers SQL in processes of their own. A query that takes
// more memory or time than it may have, also in ways that DuckDB neither counts
// nor lets be interrupted, costs its process and nothing else.
//
// A process is sent requests and answers with lines of JSON: an object tells of
// columns, an end or a failure, an array is a row. It opens one catalog, and
// runs one query at a time, until its standard input ends.
package sqlworker

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/exposure/shown"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Query is one statement, and how much of its result is wanted.
type Query struct {
	SQL   string `json:"sql"`
	Rows  int    `json:"rows"`
	Bytes int64  `json:"bytes"` // of the rows as JSON
	// Exposures are what shown.Table has; nil for none. It is loaded for a query that
	// names it, and dropped behind it, so that nothing is told that was forgotten.
	Exposures *Exposures `json:"exposures,omitempty"`
}

// Exposures are those of a sandbox, as exposure.All finds them.
type Exposures struct {
	Dir     string `json:"dir"`
	Sandbox string `json:"sandbox"`
}

// What a result was cut by.
const (
	ByRows  = "rows"
	ByBytes = "bytes"
)

type request struct {
	ID     int64    `json:"id"`
	Open   *opening `json:"open,omitempty"`
	Query  *Query   `json:"query,omitempty"`
	Views  bool     `json:"views,omitempty"`
	Cancel bool     `json:"cancel,omitempty"` // of the request with this id
}

type opening struct {
	Catalog duck.Catalog `json:"catalog"`
	Limits  duck.Limits  `json:"limits"`
}

type reply struct {
	ID      int64             `json:"id"`
	Columns []duck.ColumnType `json:"columns,omitempty"`
	Views   []duck.Shown      `json:"views,omitempty"`
	Done    bool              `json:"done,omitempty"`
	Cut     string            `json:"cut,omitempty"` // ByRows or ByBytes
	Failed  *failed           `json:"failed,omitempty"`
	Full    bool              `json:"full,omitempty"` // the process has not the memory for many more queries
}

type failed struct {
	Kind   problem.Kind `json:"kind"`
	Detail string       `json:"detail"`
	Advice string       `json:"advice,omitempty"`
}

func failure(err error) *failed {
	if p, ok := errors.AsType[*problem.Error](err); ok && p.Err == nil {
		return &failed{p.Kind, p.Detail, p.Advice}
	}
	return &failed{problem.KindOf(err), err.Error(), ""}
}

// beside is what a process may take beside DuckDB's buffers, in bytes: values
// that are being made, threads' stacks, Go.
const beside = 768 << 20

// Main is what a process of the pool does. It returns its exit status.
func Main() int {
	err := serve(os.Stdin, os.Stdout, func() { os.Exit(0) }, func(l duck.Limits) (int64, error) {
		limit := l.Memory + beside
		return limit, syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: uint64(limit), Max: uint64(limit)})
	})
	if err != nil {
		return 1
	}
	return 0
}

// taken is how much of its limit the process has taken, in bytes: what allocators
// hold counts, too, and some of it they never give back. 0 where nothing says so.
func taken() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "\nVmData:")
	var kilobytes int64
	_, _ = fmt.Sscan(rest, &kilobytes)
	return kilobytes << 10
}

// A worker is the side that runs queries.
type worker struct {
	db      *duck.DB
	out     *bufio.Writer
	confine func(duck.Limits) (int64, error)
	limit   int64 // of the process's memory in bytes; 0 for none
	base    int64 // what the process had taken of it before there was a catalog

	mu     sync.Mutex
	at     int64 // the request that is being answered
	cancel context.CancelFunc
}

// serve answers requests until in ends; gone is called as soon as it does, and
// confine before a catalog is opened.
func serve(in io.Reader, out io.Writer, gone func(), confine func(duck.Limits) (limit int64, err error)) (err error) {
	w := &worker{out: bufio.NewWriterSize(out, 64<<10), confine: confine}
	defer func() {
		if w.db != nil {
			err = errors.Join(err, w.db.Close())
		}
	}()
	requests := make(chan request, 1)
	go func() {
		defer close(requests)
		for d := json.NewDecoder(in); ; {
			var r request
			if d.Decode(&r) != nil {
				w.stop(0)
				gone()
				return
			}
			if r.Cancel {
				w.stop(r.ID)
				continue
			}
			requests <- r
		}
	}()
	for r := range requests {
		w.do(r)
		if err := w.out.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// stop ends what is at work: the request with an id, or whatever it is for 0.
func (w *worker) stop(id int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil && (id == 0 || id == w.at) {
		w.cancel()
	}
}

func (w *worker) do(r request) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w.mu.Lock()
	w.at, w.cancel = r.ID, cancel
	w.mu.Unlock()
	end := reply{ID: r.ID, Done: true}
	var err error
	switch {
	case r.Open != nil && w.db == nil:
		if w.limit, err = w.confine(r.Open.Limits); err == nil {
			w.base = taken()
			w.db, err = duck.OpenGuarded(ctx, r.Open.Catalog, r.Open.Limits)
		}
	case w.db == nil || r.Open != nil:
		err = errors.New("a catalog is opened first, and once")
	case r.Views:
		end.Views, err = w.db.Views(ctx)
	case r.Query != nil:
		end.Cut, err = w.query(ctx, r.ID, *r.Query)
	}
	if err != nil {
		end = reply{ID: r.ID, Failed: failure(err)}
	}
	end.Full = w.limit > 0 && taken()-w.base > w.limit/6
	w.say(end)
}

func (w *worker) say(r reply) {
	// Neither can fail but by the other side's end, which the reader sees.
	line, _ := json.Marshal(r)
	_, _ = w.out.Write(append(line, '\n'))
}

// query sends columns and rows, and returns what cut them.
func (w *worker) query(ctx context.Context, id int64, q Query) (cut string, err error) {
	if q.Exposures != nil && shown.Named(q.SQL) {
		drop, failed := shown.Load(ctx, w.db, exposure.All(ctx, q.Exposures.Dir, q.Exposures.Sandbox))
		if failed != nil { // it may tell where files are
			return "", cmp.Or(ctx.Err(), problem.Errorf(problem.Unavailable, "the exposures can't be read just now"))
		}
		defer func() { err = errors.Join(err, drop()) }()
	}
	rows, err := w.db.Query(ctx, q.SQL)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	w.say(reply{ID: id, Columns: rows.Types()})
	var line []byte
	var size int64
	for n := 0; rows.Next(); n++ {
		if n == q.Rows {
			return ByRows, nil
		}
		line = rows.AppendRow(line[:0])
		if size += int64(len(line)); size > q.Bytes {
			if n == 0 {
				return "", &problem.Error{
					Kind: problem.Invalid, Detail: "one row of the result is larger than a whole result may be", Advice: "Select fewer columns, or parts of their values",
				}
			}
			return ByBytes, nil
		}
		if _, err := w.out.Write(append(line, '\n')); err != nil {
			return "", err
		}
	}
	return "", rows.Err()
}
