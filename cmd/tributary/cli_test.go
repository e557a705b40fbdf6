package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// asCommand in the environment makes the test binary the command itself: it is
// linked already, and has the race detector when the tests have it.
const asCommand = "TRIBUTARY_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "sql-worker" {
		os.Exit(run(os.Args[1:])) // a process of serve has nothing of its environment
	}
	if os.Getenv(asCommand) == "" {
		os.Exit(m.Run())
	}
	if err := confine(); err != nil {
		fmt.Fprintln(os.Stderr, "confine:", err)
		os.Exit(1)
	}
	os.Exit(run(os.Args[1:]))
}

// long leaves out in short mode what only starts the command again and again:
// under the race detector each start takes a second. scripts/test runs these
// tests without it.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("takes long")
	}
}

// A command is one call of the program.
type command struct {
	args  []string
	env   []string // NAME=value
	stdin string
}

// An outcome is what came of it.
type outcome struct {
	status         int
	stdout, stderr string
}

func (c command) prepare(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], c.args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TRIBUTARY_") && !strings.HasPrefix(v, "STRIPE_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(append(cmd.Env, asCommand+"=1"), c.env...)
	cmd.Stdin = strings.NewReader(c.stdin)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func (c command) run(t *testing.T) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := c.prepare(t.Context())
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	return outcome{ended(t, cmd.Run()), stdout.String(), stderr.String()}
}

// ended returns the exit status.
func ended(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 0) {
		t.Fatal(err)
	}
	if exit != nil {
		return exit.ExitCode()
	}
	return 0
}

func (o outcome) String() string {
	return fmt.Sprintf("status %d\n--- stdout\n%s--- stderr\n%s", o.status, o.stdout, o.stderr)
}

// sentence checks that the command ended with this status and complained once,
// in one line that has all these words.
func (o outcome) sentence(t *testing.T, status int, words ...string) {
	t.Helper()
	line, rest, _ := strings.Cut(o.stderr, "\n")
	if status == app.ExitUsage && strings.HasPrefix(rest, `Run "tributary --help"`) {
		_, rest, _ = strings.Cut(rest, "\n")
	}
	if o.status != status || rest != "" || !strings.HasPrefix(line, "tributary: ") || strings.Contains(line, "%!") {
		t.Errorf("want status %d and one line: %s", status, o)
	}
	for _, w := range words {
		if !strings.Contains(line, w) {
			t.Errorf("the complaint lacks %q: %s", w, line)
		}
	}
}

// A shop is a simulated account that is served.
type shop struct {
	*stripesim.Sim
	url string
	key string
}

// goodKey may do everything in the accounts of these tests.
const goodKey = "sk_test_51Nq8rTYc0hQxLm4Vb7Rn2ZdKw9"

func small(keys map[string]stripesim.Key) stripesim.Config {
	all := map[string]stripesim.Key{goodKey: {}}
	maps.Copy(all, keys)
	return stripesim.Config{
		Seed: 5, Keys: all,
		Counts: stripesim.Counts{Charges: 150, Customers: 20, Subscriptions: 8, Prices: 5},
	}
}

// openShop serves an account through wrap, which may be nil.
func openShop(t *testing.T, cfg stripesim.Config, wrap func(http.Handler) http.Handler) *shop {
	t.Helper()
	sim, err := stripesim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var h http.Handler = sim
	if wrap != nil {
		h = wrap(sim)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &shop{Sim: sim, url: server.URL, key: goodKey}
}

// sync is a call of sync on the shop; args take the place of these defaults.
func (s *shop) sync(dir string, args ...string) command {
	for _, flag := range [][]string{{"--dir", dir}, {"--stripe-url", s.url}, {"--rate-limit", "none"}} {
		if !slices.Contains(args, flag[0]) {
			args = append(flag, args...)
		}
	}
	return command{args: append([]string{"sync"}, args...), env: []string{"STRIPE_API_KEY=" + s.key}}
}

// with is the shop as another key opens it.
func (s *shop) with(key string) *shop { return &shop{Sim: s.Sim, url: s.url, key: key} }

// exact checks that the copy in dir has the account's objects of these
// resources, each once.
func (s *shop) exact(t *testing.T, dir string, resources ...stripesim.Resource) {
	t.Helper()
	for _, r := range resources {
		want := map[string]int{}
		for o := range s.Oracle(r) {
			want[o.ID] = 1
		}
		if r == stripesim.Prices {
			for o := range s.InlinePrices() {
				want[o.ID] = 1
			}
		}
		if d := cmp.Diff(want, ids(t, dir, string(r))); d != "" {
			t.Errorf("%s (-want +got):\n%s", r, d)
		}
	}
}

// ids counts the rows of a view by id, having read their JSON.
func ids(t *testing.T, dir, resource string) map[string]int {
	t.Helper()
	r, err := app.OpenReader(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	rows, err := r.Query(t.Context(), "select d._id, h.raw from xdm."+resource+" d left join lake."+resource+" h on h.seq = d._seq and h.id = d._id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	have := map[string]int{}
	for rows.Next() {
		var id string
		var raw *string
		if err := rows.Scan(&id, &raw); err != nil {
			t.Fatal(err)
		}
		if raw == nil || !strings.Contains(*raw, id) {
			t.Errorf("%s has no version of its own in the history", id)
		}
		have[id]++
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return have
}

// complete runs a sync that must succeed.
func complete(t *testing.T, c command) outcome {
	t.Helper()
	o := c.run(t)
	if o.status != 0 {
		t.Fatalf("sync: %s", o)
	}
	return o
}

// shortest is the length from which a piece of a key is a secret.
const shortest = 8

// leaks lists the pieces of the key's secret part that stand in data. What
// precedes the last underscore says what kind of key it is and may be shown.
func leaks(data []byte, key string) []string {
	var found []string
	public := strings.LastIndexByte(key, '_') + 1
	for i := range len(key) - shortest + 1 {
		if piece := key[i : i+shortest]; i+shortest > public && bytes.Contains(data, []byte(piece)) {
			found = append(found, piece)
		}
	}
	return found
}

// silent checks that neither the output nor a file of the directory has a piece
// of the key.
func silent(t *testing.T, o outcome, dir, key string) {
	t.Helper()
	for name, data := range everything(t, o, dir) {
		if found := leaks(data, key); found != nil {
			t.Errorf("%s has %q of the key", name, found)
		}
	}
}

// everything is what a command left behind, by where.
func everything(t *testing.T, o outcome, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"stdout": []byte(o.stdout), "stderr": []byte(o.stderr)}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), path == dir:
			return nil
		case err != nil:
			return err
		}
		all[path+" (name)"] = []byte(path)
		if e.Type().IsRegular() {
			all[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLeaks(t *testing.T) {
	t.Parallel()
	const key = "rk_live_0123456789"
	tests := []struct {
		text string
		want []string
	}{
		{"rk_live_… rk_live_", nil},
		{"rk_live_…6789", nil},
		{"the key 23456789 was", []string{"23456789"}},
		{"rk_live_01", []string{"k_live_0", "_live_01"}},
		{"Bearer " + key, []string{"k_live_0", "_live_01", "live_012", "ive_0123", "ve_01234", "e_012345", "_0123456", "01234567", "12345678", "23456789"}},
	}
	for _, tt := range tests {
		if d := cmp.Diff(tt.want, leaks([]byte(tt.text), key)); d != "" {
			t.Errorf("%q (-want +got):\n%s", tt.text, d)
		}
	}
}

// absent checks that there is nothing at path.
func absent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s was made: %v", path, err)
	}
}

// files lists the files below dir with their sizes.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	for path, data := range everything(t, outcome{}, dir) {
		list = append(list, fmt.Sprint(path, " ", len(data)))
	}
	slices.Sort(list)
	return list
}
