package control_test

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/tributary-data/tributary/internal/docstore/docstoretest"
	"github.com/tributary-data/tributary/internal/need"
)

// run runs a program, with a text on its standard input, and returns what it
// printed.
func run(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.Bytes())
	}
	return out
}

// A backup is the directory, copied while nothing serves it, and a dump of the
// database where that is PostgreSQL. Put back in its place, all is there.
func TestBackup(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		restores(t, "", func() {}, func() {})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		programs := need.Dir(t, "TRIBUTARY_TEST_POSTGRES_PROGRAMS")
		name := docstoretest.Postgres(t)
		u, err := url.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		schema := q.Get("search_path")
		q.Del("search_path")
		u.RawQuery = q.Encode()
		psql := func(script []byte) {
			run(t, script, filepath.Join(programs, "psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname="+u.String())
		}
		var dump []byte
		restores(t, name, func() {
			dump = run(t, nil, filepath.Join(programs, "pg_dump"), "--schema="+schema, "--dbname="+u.String())
			psql([]byte("drop schema " + schema + " cascade"))
		}, func() { psql(dump) })
	})
}

// restores loses a control plane after a backup was made, and puts it back.
func restores(t *testing.T, database string, backup, restore func()) {
	t.Helper()
	dir, aside := filepath.Join(t.TempDir(), "live"), filepath.Join(t.TempDir(), "backup")
	p := start(t, dir, database)
	c := p.admin(t)
	th := makers["batch"](c, "kept")
	p.stop()
	run(t, nil, "cp", "-a", dir, aside)
	backup()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	run(t, nil, "cp", "-a", aside, dir)
	restore()
	again := start(t, dir, database)
	c.plane = again // its token is good still
	for _, path := range th.paths {
		c.must(200, "GET", path, nil)
	}
	again.admin(t).must(200, "GET", th.paths[0], nil)
	makers["batch"](c, "and on")
}
