package queue

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/rivertype"

	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/problem"
)

// What a user reads when the queue can't be opened says what to do, and holds
// no password.
func TestRefusals(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	damaged := t.TempDir()
	if err := os.WriteFile(filepath.Join(damaged, "jobs.db"), bytes.Repeat([]byte("not a database"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, dir, database string
		kind                problem.Kind
		want                string
	}{
		{"nobody listens", "", "postgres://stripe:hunter2@" + nobody + "/control", problem.Unavailable, "check that it runs"},
		{"password in a parameter", "", "postgres://" + nobody + "/control?user=stripe&password=hunter2", problem.Unavailable, "check that it runs"},
		{"no such host", "", "postgres://stripe:hunter2@host.invalid/control", problem.Unavailable, "host.invalid"},
		{"port is a word", "", "postgres://stripe:hunter2@localhost:five/control", problem.Invalid, "write it as postgres://"},
		{"escape", "", "postgres://stripe:hunter2%zz@localhost/control", problem.Invalid, "write it as postgres://"},
		{"slash in the password", "", "postgres://stripe:hunter2/!@localhost/control", problem.Invalid, "write it as postgres://"},
		{"slash in the password, after a number", "", "postgres://stripe.invalid:5432/hunter2@localhost/control", problem.Unavailable, "check that it runs"},
		{"no such file", "", "postgres://stripe:hunter2@localhost/control?sslmode=verify-full&sslrootcert=/nowhere", problem.Invalid, "files that it names must exist"},
		{"damaged file", damaged, "", problem.Internal, "remove it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			q, err := Open(t.Context(), tt.dir, tt.database, quietLog)
			if err == nil {
				_ = q.Close()
			}
			if problem.KindOf(err) != tt.kind || !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("%v error %v", problem.KindOf(err), err)
			}
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("the password shows: %v", err)
			}
		})
	}
	if _, err := Open(t.Context(), filepath.Join(damaged, "none"), "", quietLog); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a directory: %v", err)
	}
}

// A user who may not make schemas is told what an administrator can do, and that helps.
func TestForbiddenSchema(t *testing.T) {
	t.Parallel()
	database := docstoretest.Postgres(t)
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	query := u.Query()
	schema, user := query.Get("search_path"), "u_"+strings.ToLower(rand.Text())
	admin, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	do := func(statement string) {
		if _, err := admin.Exec(context.Background(), statement); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		do("drop owned by " + user + " cascade")
		do("drop role " + user)
		_ = admin.Close(context.Background())
	})
	do("create role " + user + " login")
	do("grant usage on schema " + schema + " to " + user)
	query.Set("user", user)
	u.RawQuery = query.Encode()

	_, err = Open(t.Context(), "", u.String(), quietLog)
	var told *problem.Error
	if !errors.As(err, &told) || told.Kind != problem.Forbidden {
		t.Fatalf("error %v", err)
	}
	_, statement, _ := strings.Cut(told.Advice, ": ")
	do(statement)
	q := place{database: u.String()}.open(t)
	add(t, q, job("a"))

	query.Set("search_path", "nowhere")
	u.RawQuery = query.Encode()
	if _, err := Open(t.Context(), "", u.String(), quietLog); problem.KindOf(err) != problem.Invalid {
		t.Errorf("without a schema: %v", err)
	}
}

// A database that was away is used again.
func TestConnectionsLost(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(docstoretest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.Background()) }()
	name, query := rand.Text(), u.Query()
	query.Set("application_name", name)
	u.RawQuery = query.Encode()
	q := place{database: u.String()}.open(t)
	began, done := make(chan Job), make(chan Job, 10)
	work(t, q, 2, func(_ context.Context, j Job) Outcome {
		if j == job("across it") {
			began <- j
			<-began
		}
		done <- j
		return Done{}
	})
	add(t, q, job("across it"))
	j := <-began
	var n int
	if err := admin.QueryRow(t.Context(), "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = $1", name).Scan(&n); err != nil || n == 0 {
		t.Fatalf("%d connections ended: %v", n, err)
	}
	began <- j
	for {
		if _, err := q.Add(t.Context(), job("after it"), time.Time{}, 1); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	<-done
	<-done
	until(t, q, job("across it"), rivertype.JobStateCompleted)
	until(t, q, job("after it"), rivertype.JobStateCompleted)
}

func TestLog(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	records := []struct {
		level slog.Level
		after time.Duration
		text  string
	}{
		{slog.LevelInfo, 0, "started"},
		{slog.LevelWarn, 0, "cancelled"},
		{slog.LevelError, 0, "no database"},
		{slog.LevelError, 0, "no leader"},
		{slog.LevelError, 59 * time.Second, "no database"},
		{slog.LevelError, 60 * time.Second, "no database"},
		{slog.LevelDebug, 60 * time.Second, "loop"},
	}
	tests := []struct {
		name  string
		level slog.Level
		want  string
	}{
		{"usual", slog.LevelInfo, "ERROR no database|ERROR no leader|ERROR no database|"},
		{"all", slog.LevelDebug, "DEBUG started|DEBUG cancelled|ERROR no database|ERROR no leader|DEBUG no database|ERROR no database|DEBUG loop|"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			h := quieted(slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: tt.level}))).With("n", 1).WithGroup("g").Handler()
			for _, r := range records {
				if h.Enabled(t.Context(), r.level) {
					if err := h.Handle(t.Context(), slog.NewRecord(noon.Add(r.after), r.level, r.text, 0)); err != nil {
						t.Fatal(err)
					}
				}
			}
			var got strings.Builder
			for line := range strings.Lines(b.String()) {
				_, rest, _ := strings.Cut(line, "level=")
				level, rest, _ := strings.Cut(rest, " msg=")
				text, _, _ := strings.Cut(rest, " n=1")
				got.WriteString(level + " " + strings.Trim(text, `"`) + "|")
			}
			if diff := cmp.Diff(tt.want, got.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
