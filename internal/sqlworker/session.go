package sqlworker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Session is a process with an open catalog. It does one thing at a time.
type Session struct {
	in    io.WriteCloser
	out   *bufio.Reader
	end   func() // ends the process, whatever it does, and may be called again
	ended chan struct{}
	said  *tail // on standard error

	mu     sync.Mutex // of writes
	n      int64
	broken bool
	full   bool // the process is not to be kept: it has taken much of the memory it may have
}

// A Result is what a query came to.
type Result struct {
	Columns []duck.ColumnType
	Rows    []json.RawMessage // arrays
	Cut     string            // what there was too much of: ByRows, ByBytes or nothing
}

// start makes a process: one of its own by a command, or a part of this one
// where there is no command.
func start(command []string) (*Session, error) {
	if len(command) == 0 {
		return inside(), nil
	}
	dir, err := os.MkdirTemp("", "tributary-sql-") // it outlives a process that is killed
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(command[0], command[1:]...) //nolint:noctx // it is ended by what it is asked
	cmd.Env = []string{"TMPDIR=" + dir}             // and nothing that is anybody's secret
	s := &Session{ended: make(chan struct{}), said: &tail{}}
	cmd.Stderr = s.said
	s.in, err = cmd.StdinPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.out = bufio.NewReaderSize(out, 64<<10)
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start a process for queries: %w", err), os.RemoveAll(dir))
	}
	s.end = sync.OnceFunc(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
		close(s.ended)
	})
	return s, nil
}

// inside serves a session in this process.
func inside() *Session {
	requests, in := io.Pipe()
	out, replies := io.Pipe()
	s := &Session{in: in, out: bufio.NewReader(out), ended: make(chan struct{}), said: &tail{}}
	go func() {
		defer close(s.ended)
		err := serve(requests, replies, func() {}, func(duck.Limits) (int64, error) { return 0, nil })
		_ = replies.CloseWithError(errors.Join(io.EOF, err))
	}()
	s.end = sync.OnceFunc(func() {
		_ = in.Close()
		_ = out.Close()
	})
	return s
}

// tail keeps the beginning of what a process says as it dies.
type tail struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if room := 2000 - t.b.Len(); room > 0 {
		t.b.Write(b[:min(room, len(b))])
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// grace is how long what was cancelled may take to end by itself.
const grace = time.Second

func (s *Session) send(r request) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.in.Write(append(line, '\n'))
	return err
}

// errDied is about a process that has ended before it answered.
var errDied = &problem.Error{
	Kind: problem.Invalid, Detail: "the query needs more memory than it may have, and was ended", Advice: "Select less, or make smaller values",
}

// call asks for something and reads up to its end. When ctx ends, so does what
// was asked for, if need be with the process.
func (s *Session) call(ctx context.Context, r request, row func(json.RawMessage), columns func([]duck.ColumnType)) (reply, error) {
	if err := ctx.Err(); err != nil {
		return reply{}, context.Cause(ctx)
	}
	s.n++
	r.ID = s.n
	if err := s.send(r); err != nil {
		s.broken = true
		return reply{}, errDied
	}
	done, watched := make(chan struct{}), make(chan struct{})
	killed := false
	go func() {
		defer close(watched)
		select {
		case <-done:
			return
		case <-ctx.Done():
		}
		_ = s.send(request{ID: r.ID, Cancel: true}) // else it is killed
		patience := time.NewTimer(grace)
		defer patience.Stop()
		select {
		case <-done:
		case <-patience.C:
			killed = true
			s.end()
		}
	}()
	end, err := s.read(r.ID, row, columns)
	close(done)
	<-watched
	s.broken = s.broken || killed || err != nil
	s.full = s.full || end.Full
	switch {
	case ctx.Err() != nil && (err != nil || end.Failed != nil):
		return end, context.Cause(ctx)
	case err != nil:
		return end, errDied
	case end.Failed != nil:
		return end, &problem.Error{Kind: end.Failed.Kind, Detail: end.Failed.Detail, Advice: end.Failed.Advice}
	}
	return end, nil
}

func (s *Session) read(id int64, row func(json.RawMessage), columns func([]duck.ColumnType)) (reply, error) {
	for {
		line, err := s.out.ReadBytes('\n')
		if err != nil {
			return reply{}, err
		}
		if line[0] == '[' {
			row(line[:len(line)-1])
			continue
		}
		var r reply
		if err := json.Unmarshal(line, &r); err != nil {
			return reply{}, err
		}
		switch {
		case r.ID != id:
		case r.Done || r.Failed != nil:
			return r, nil
		case columns != nil:
			columns(r.Columns)
		}
	}
}

// Query runs one statement that reads. What is wrong with it, or too much, is a
// problem of kind Invalid; a file that is gone, Unavailable.
func (s *Session) Query(ctx context.Context, q Query) (Result, error) {
	result := Result{Columns: []duck.ColumnType{}, Rows: []json.RawMessage{}}
	end, err := s.call(ctx, request{Query: &q},
		func(row json.RawMessage) { result.Rows = append(result.Rows, row) },
		func(all []duck.ColumnType) { result.Columns = all })
	result.Cut = end.Cut
	return result, err
}

// Views lists what can be queried.
func (s *Session) Views(ctx context.Context) ([]duck.Shown, error) {
	end, err := s.call(ctx, request{Views: true}, nil, nil)
	return end.Views, err
}
