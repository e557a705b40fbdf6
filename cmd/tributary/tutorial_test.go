package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/need"
)

// A tutorialStep is a block of commands of the tutorial, and what is printed
// under it.
type tutorialStep struct {
	line     int
	commands string
	prints   string
}

func (s tutorialStep) String() string { return fmt.Sprintf("docs/tutorial.md:%d", s.line) }

// readTutorial returns the blocks in their order.
func readTutorial(t *testing.T) []tutorialStep {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash("../../docs/tutorial.md"))
	if err != nil {
		t.Fatal(err)
	}
	var steps []tutorialStep
	var block *string
	for i, line := range strings.Split(string(text), "\n") {
		fence, fenced := strings.CutPrefix(line, "```")
		switch {
		case block == nil && fenced && fence == "sh":
			steps = append(steps, tutorialStep{line: i + 1})
			block = &steps[len(steps)-1].commands
		case block == nil && fenced && (fence == "text" || fence == "json") && len(steps) > 0 && steps[len(steps)-1].prints == "":
			block = &steps[len(steps)-1].prints
		case block == nil && fenced:
			t.Fatalf("docs/tutorial.md:%d: a block that nothing is known of", i+1)
		case block != nil && fenced:
			block = nil
		case block != nil:
			*block += line + "\n"
		}
	}
	return steps
}

// prints makes of what the tutorial shows what it stands for.
func prints(shown string) *regexp.Regexp {
	return regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(strings.TrimSpace(shown)), "…", `.+?`) + `$`)
}

// witness is run before the tutorial removes what it made: what there is, and
// what there should be.
const witness = `
api GET /data/foundation/flowservice/runs > runs.json
api GET /data/foundation/catalog/batches > batches.json
api GET /data/foundation/catalog/dataSets > datasets.json
for each in charges subscriptions refunds balance_transactions customers prices; do
  curl -sS "$STRIPE/sim/oracle/$each" > "oracle.$each"
done
curl -sS "$STRIPE/sim/inline" >> oracle.prices
`

// The tutorial's commands do what it says, as they are printed there, and what
// they leave is what the account has.
func TestTutorial(t *testing.T) {
	t.Parallel()
	long(t)
	bash := need.Program(t, "bash")
	for _, name := range []string{"curl", "sed", "grep", "base64"} {
		need.Program(t, name)
	}
	dir, bin := t.TempDir(), t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "tributary")); err != nil {
		t.Fatal(err)
	}
	steps := readTutorial(t)
	script := new(strings.Builder)
	script.WriteString("trap 'kill $(jobs -p) 2>/dev/null' EXIT\nset -u\n")
	watched := false
	for i, s := range steps {
		if !watched && strings.Contains(s.commands, "DELETE") {
			watched = true
			script.WriteString(witness)
		}
		fmt.Fprintf(script, "printf '\\n== step %d ==\\n'\n%s", i, s.commands)
	}
	if !watched {
		t.Fatal("the tutorial deletes nothing")
	}

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bash, "-c", script.String())
	cmd.Dir = dir
	at := freeAddresses(t, 2)
	path := bin + string(os.PathListSeparator) + os.Getenv("PATH")
	cmd.Env = append(command{}.prepare(ctx).Env, "PATH="+path, "TRIBUTARY_LISTEN="+at[0], "TRIBUTARY_SIMULATE_LISTEN="+at[1])
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // so that what it started ends, too
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if err != nil || stderr.Len() > 0 {
		log, _ := os.ReadFile(filepath.Join(dir, "serve.log"))
		t.Errorf("%v\n%s%s\n%s", err, stdout.Bytes(), stderr.Bytes(), log)
	}
	rest := stdout.String()
	for i, s := range steps {
		_, from, _ := strings.Cut(rest, fmt.Sprintf("\n== step %d ==\n", i))
		printed, _, _ := strings.Cut(from, fmt.Sprintf("\n== step %d ==\n", i+1))
		if got := strings.TrimSpace(printed); !prints(s.prints).MatchString(got) {
			t.Errorf("%s prints\n%s\nnot\n%s", s, got, s.prints)
		}
	}
	if !t.Failed() {
		tutorialLeaves(t, dir)
	}
}

// tutorialLeaves checks what the tutorial made.
func tutorialLeaves(t *testing.T, dir string) {
	t.Helper()
	var runs struct {
		Items []struct {
			Metrics struct {
				Status struct{ Status string }         `json:"statusSummary"`
				Record struct{ OutputRecordCount int } `json:"recordSummary"`
			}
		}
	}
	var batches map[string]struct {
		Status         string
		RelatedObjects []struct{ ID string }
	}
	var datasets map[string]struct{ Name string }
	for name, to := range map[string]any{"runs.json": &runs, "batches.json": &batches, "datasets.json": &datasets} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, to); err != nil {
			t.Fatalf("%s: %v: %s", name, err, text)
		}
	}
	of := map[string]string{
		"Stripe charges": "charges", "Stripe Subscriptions": "subscriptions", "Stripe Refunds": "refunds",
		"Stripe Balance Transactions": "balance_transactions", "Stripe Customers": "customers", "Stripe Prices": "prices",
	}
	written, output, made := 0, 0, map[string]int{}
	for id, d := range datasets {
		resource := of[d.Name]
		if resource == "" {
			t.Errorf("dataset %s %q", id, d.Name)
			continue
		}
		want := oracleIDs(t, filepath.Join(dir, "oracle."+resource))
		written += len(want)
		rows := rowIDs(t, dir, resource, id)
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("%s (-want +got):\n%s", resource, diff)
		}
		for _, b := range batches {
			if len(b.RelatedObjects) == 1 && b.RelatedObjects[0].ID == id && b.Status == "success" {
				made[resource]++
			}
		}
	}
	for _, r := range runs.Items {
		if r.Metrics.Status.Status != "success" {
			t.Errorf("run %+v", r)
		}
		output += r.Metrics.Record.OutputRecordCount
	}
	wantBatches := map[string]int{"charges": 3, "subscriptions": 1, "refunds": 1, "balance_transactions": 1, "customers": 1, "prices": 1}
	if diff := cmp.Diff(wantBatches, made); diff != "" || len(batches) != 8 || len(runs.Items) != 8 || output != written {
		t.Errorf("%d runs wrote %d rows of %d, %d batches: %s", len(runs.Items), output, written, len(batches), diff)
	}
}

// oracleIDs counts the objects that stand one on a line, by id and creation.
func oracleIDs(t *testing.T, file string) map[string]int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var o struct {
			ID      string
			Created int64
		}
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprint(o.ID, " ", o.Created)]++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

// rowIDs counts the rows of a dataset by id and creation of their objects.
func rowIDs(t *testing.T, dir, resource, dataset string) map[string]int {
	t.Helper()
	q := fmt.Sprintf("select r.id || ' ' || r.created as k, count(*) as n from (select _tributary.%s_data as r from xdm.ds_%s) group by 1", resource, dataset)
	o := command{args: []string{"query", "--dir", filepath.Join(dir, "tributary-data"), "--format", "json", q}}.run(t)
	rows := printed[[]struct {
		K string
		N int
	}](t, o)
	all := map[string]int{}
	for _, r := range rows {
		all[r.K] = r.N
	}
	return all
}

// freeAddresses returns addresses of this machine where nobody listens, on ports
// that the system gives to nobody by itself.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var all []string
	for port := 20000 + os.Getpid()%5000; len(all) < n && port < 32000; port++ {
		address := fmt.Sprintf("127.0.0.1:%d", port)
		var lc net.ListenConfig
		if l, err := lc.Listen(t.Context(), "tcp", address); err == nil {
			all = append(all, address)
			_ = l.Close()
		}
	}
	if len(all) < n {
		t.Fatal("no port is free")
	}
	return all
}
