package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A query that would take the machine costs serve nothing but a process, and
// sees none of its secrets; the next one sees the copy.
func TestServeSQL(t *testing.T) {
	t.Parallel()
	s := openShop(t, small(nil), nil)
	dir := filepath.Join(t.TempDir(), "copy")
	v := s.serve(t, dir)
	by := printed[printedToken](t, command{args: []string{"token", "--dir", dir}}.run(t))
	ask := func(query string) (int, string) {
		t.Helper()
		status, body := v.call(t, by, http.MethodPost, "/data/tributary/sql", `{"query":"`+query+`"}`)
		return status, fmt.Sprint(body)
	}
	for _, query := range []string{"SELECT len(range(4000000000))", "SELECT length(repeat('x', 4000000000))"} {
		if status, text := ask(query); status != http.StatusBadRequest || !strings.Contains(text, "memory") {
			t.Errorf("%s: %d %s", query, status, text)
		}
	}
	if status, text := ask("FROM read_text('/proc/self/environ')"); status != http.StatusBadRequest || strings.Contains(text, s.key) {
		t.Errorf("%d %s", status, text)
	}
	if status, text := ask("SELECT count(*) > 0 AS there FROM charges"); status != http.StatusOK || !strings.Contains(text, "rows:[[true]]") {
		t.Errorf("%d %s", status, text)
	}
	if err := v.signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := v.wait(); err != nil {
		t.Errorf("%v\n%s", err, v.text(t))
	}
}
