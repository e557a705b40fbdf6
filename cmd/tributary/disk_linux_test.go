package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripesim"
)

// ownMounts says to a test that what it mounts is seen by nobody else, and gone
// when its process has ended.
const ownMounts = "TRIBUTARY_TEST_OWN_MOUNTS"

// TestDiskFull copies an account to a disk that is too small.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	long(t)
	if os.Getenv(ownMounts) == "" {
		again(t)
		return
	}
	s := openShop(t, small(nil), nil)
	resources := []stripesim.Resource{stripesim.BalanceTransactions, stripesim.Refunds}
	args := []string{"--resources", "balance_transactions,refunds"}
	whole := filepath.Join(mount(t, 64<<20), "copy")
	complete(t, s.sync(whole, args...))
	var need syscall.Statfs_t
	if err := syscall.Statfs(whole, &need); err != nil {
		t.Fatal(err)
	}
	bytes := int64(need.Blocks-need.Bfree) * need.Bsize
	for _, percent := range []int64{1, 30, 60, 90} {
		t.Run(fmt.Sprint(percent, " percent"), func(t *testing.T) {
			t.Parallel()
			disk := mount(t, bytes*percent/100)
			dir := filepath.Join(disk, "copy")
			o := s.sync(dir, append(args, "--output", "json")...).run(t)
			fails(t, o, dir)
			if percent >= 60 { // there are tables
				consistent(t, dir, decodeDocument(t, o.stdout))
			}
			if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
				t.Fatal(err)
			}
			complete(t, s.sync(dir, args...))
			s.exact(t, dir, resources...)
		})
	}
}

// again runs the calling test alone in a process with mounts of its own.
func again(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), ownMounts+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skipf("this machine lets nobody mount a small disk: %v", err)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// mount makes a disk of so many bytes.
func mount(t *testing.T, size int64) (dir string) {
	t.Helper()
	if err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""); err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFileLimit copies an account where files may not grow.
func TestFileLimit(t *testing.T) {
	t.Parallel()
	long(t)
	s := openShop(t, small(nil), nil)
	for _, limit := range []int{6_000, 33_000} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "copy")
			c := s.sync(dir, "--resources", "charges", "--output", "json")
			c.env = append(c.env, fmt.Sprint(fileLimit, "=", limit))
			o := c.run(t)
			fails(t, o, dir)
			if d := decodeDocument(t, o.stdout); d.Status != "failed" || *d.Resources[0].Inserted != 0 || d.Resources[0].Error == nil {
				t.Errorf("reported: %s", o.stdout)
			}
			complete(t, s.sync(dir, "--resources", "charges"))
			s.exact(t, dir, stripesim.Charges)
		})
	}
}

// fails checks that a sync ended for want of space, and said so.
func fails(t *testing.T, o outcome, dir string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(o.stderr, "\n"), "\n")
	last := lines[len(lines)-1]
	for _, words := range []string{"tributary: the disk that holds " + dir + " is full: ", ". Free some space and run again: what has landed is safe"} {
		if !strings.Contains(last, words) {
			t.Errorf("%q is missing: %s", words, o)
		}
	}
	if o.status != app.ExitFailed || strings.Count(o.stderr, "tributary: ") != 1 {
		t.Errorf("want status %d and one complaint: %s", app.ExitFailed, o)
	}
	silent(t, o, dir, goodKey)
}

// consistent checks that what can be read has every object at most once, and in
// the history as well, and that the report tells of these and no more.
func consistent(t *testing.T, dir string, d document) {
	t.Helper()
	for _, r := range d.Resources {
		have := ids(t, dir, r.Resource)
		for id, n := range have {
			if n != 1 {
				t.Errorf("%s %s stands there %d times", r.Resource, id, n)
			}
		}
		if *r.Inserted != int64(len(have)) || r.Status == "complete" != (r.Error == nil) {
			t.Errorf("%d %s are there, and the report says %d and %s", len(have), r.Resource, *r.Inserted, r.Status)
		}
	}
}

// TestReadOnly uses a directory that the user may read and not write.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	long(t)
	s := openShop(t, small(nil), nil)
	bound := func(c command) outcome {
		c.env = append(c.env, withoutPowers+"=1")
		return c.run(t)
	}
	parent := t.TempDir()
	forbid(t, parent)
	o := bound(s.sync(filepath.Join(parent, "copy"), "--resources", "refunds"))
	o.sentence(t, app.ExitFailed, filepath.Join(parent, "copy"), "permission denied", "--dir")

	dir := filepath.Join(t.TempDir(), "copy")
	complete(t, s.sync(dir, "--resources", "refunds"))
	before := files(t, dir)
	forbid(t, dir)
	for _, args := range [][]string{s.sync(dir, "--resources", "refunds").args, {"maintain", "--dir", dir}} {
		o := bound(command{args: args, env: []string{"STRIPE_API_KEY=" + goodKey}})
		o.sentence(t, app.ExitFailed, dir, "permission denied", "--dir")
	}
	o = bound(command{args: []string{"query", "--dir", dir, "--format", "csv", "select count(*) as n from refunds"}})
	if want := fmt.Sprintf("n\r\n%d\r\n", s.Count(stripesim.Refunds)); o.status != 0 || o.stdout != want || o.stderr != "" {
		t.Errorf("query: %s", o)
	}
	if o := bound(command{args: []string{"datasets", "--dir", dir}}); o.status != 0 || o.stderr != "" {
		t.Errorf("datasets: %s", o)
	}
	if after := files(t, dir); strings.Join(before, "\n") != strings.Join(after, "\n") {
		t.Errorf("files before:\n%s\nafter:\n%s", before, after)
	}
}

// forbid takes the permission to write from all that is below path.
func forbid(t *testing.T, path string) {
	t.Helper()
	set := func(folder, file os.FileMode) {
		err := filepath.Walk(path, func(p string, info os.FileInfo, err error) error {
			switch {
			case err != nil:
				return err
			case info.IsDir():
				return os.Chmod(p, folder)
			}
			return os.Chmod(p, file)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { set(0o700, 0o600) })
	set(0o500, 0o400)
}
