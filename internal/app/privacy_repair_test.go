package app_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/sqlstore"
)

// A process that is killed while rules reach what is stored leaves the rest to
// the next one, whatever it was to do.
func TestPrivacyKilled(t *testing.T) {
	t.Parallel()
	long(t)
	h := openHousehold(t)
	h.run(t)
	h.change(t, 2)
	rows := h.shape(t)
	kills := 0
	for wait := 40 * time.Millisecond; ; wait += wait / 4 {
		out, ended := h.setFor(t, wait)
		if ended && !strings.Contains(out, done+" <nil>") {
			t.Fatal(out)
		}
		if ended {
			break
		}
		kills++
	}
	t.Logf("killed %d times", kills)
	if after := h.shape(t); !maps.Equal(rows, after) {
		t.Errorf("rows before %v, after %v", rows, after)
	}
	h.mid = newSearch()
	if notes := h.run(t).Notes; len(notes) > 0 {
		t.Errorf("something was left to the next pass: %v", notes)
	}
	h.clean(t)
	h.stored(t)
}

// setFor sets the rules in a process of its own, which is killed after a while.
func (h *household) setFor(t *testing.T, wait time.Duration) (out string, ended bool) {
	t.Helper()
	return aliveFor(t, life{Dir: h.dir, Rules: mailRules}, wait)
}

// aliveFor lives in a process of its own, which is killed after a while.
func aliveFor(t *testing.T, l life, wait time.Duration) (out string, ended bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+marshal(l))
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	kill.Stop()
	return text.String(), err == nil
}

// Tables that were put back from before the rules go through them too.
func TestPrivacyOfOlderTables(t *testing.T) {
	t.Parallel()
	long(t)
	h := openHousehold(t)
	h.run(t)
	old := filepath.Join(t.TempDir(), "lake")
	if err := os.CopyFS(old, os.DirFS(filepath.Join(h.dir, "lake"))); err != nil {
		t.Fatal(err)
	}
	if _, err := app.SetPrivacy(t.Context(), h.dir, []byte(mailRules)); err != nil {
		t.Fatal(err)
	}
	h.run(t)
	if err := os.RemoveAll(filepath.Join(h.dir, "lake")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(h.dir, "lake"), os.DirFS(old)); err != nil {
		t.Fatal(err)
	}
	report := h.run(t)
	if len(report.Notes) == 0 || !strings.Contains(report.Notes[0], "privacy rules") {
		t.Errorf("notes %v", report.Notes)
	}
	h.mid = newSearch()
	h.clean(t)
}

// A crash between the tables and the quarantine leaves the quarantine to the
// next pass.
func TestPrivacyReachesQuarantineAfterCrash(t *testing.T) {
	t.Parallel()
	long(t)
	h := openHousehold(t)
	if _, err := app.SetPrivacy(t.Context(), h.dir, []byte(mailRules)); err != nil {
		t.Fatal(err)
	}
	h.run(t)
	db, err := sqlstore.Open(t.Context(), filepath.Join(h.dir, "tributary.db"))
	if err != nil {
		t.Fatal(err)
	}
	bad := dataset.Rejected{Resource: "customers", ID: "cus_late", Raw: []byte(`{"email":"late@example.com"}`)}
	seen := []sqlstore.Drift{
		{Resource: "customers", Path: "tax_ids[].email", Kind: "unknown_value", Seen: "drift@example.com", Count: 1},
		{Resource: "customers", Path: "tax_exempt", Kind: "unknown_value", Seen: "kept", Count: 1},
	}
	if err := errors.Join(db.NoteDrift(t.Context(), seen, h.sim.Now()), db.Quarantine(t.Context(), []dataset.Rejected{bad}), db.PrivacyDone(t.Context(), 0), db.Close()); err != nil {
		t.Fatal(err)
	}
	if notes := h.run(t).Notes; len(notes) == 0 || !strings.Contains(notes[0], "privacy rules") {
		t.Errorf("notes %v", notes)
	}
	h.mid = newSearch()
	h.clean(t)
	if n := len(selected(t, reader(t, h.dir), "select * from drift where seen = 'kept'")); n != 1 {
		t.Error("what no rule leads to is forgotten")
	}
}

func TestPrivacyStopped(t *testing.T) {
	t.Parallel()
	long(t)
	h := openHousehold(t)
	h.run(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := app.SetPrivacy(ctx, h.dir, []byte(mailRules)); err == nil {
		t.Error("rules were set after the end")
	}
	if _, err := app.SetPrivacy(t.Context(), h.dir, []byte(mailRules)); err != nil {
		t.Fatal(err)
	}
	h.mid = newSearch()
	h.clean(t)
}
