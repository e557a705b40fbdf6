package lake

import (
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	iceio "github.com/apache/iceberg-go/io"
	"golang.org/x/sync/errgroup"

	"github.com/tributary-data/tributary/internal/problem"
)

// A disk is the local file system below root.
type disk struct {
	iceio.LocalFS
	root string

	mu    sync.Mutex
	dirty map[string]bool  // local paths: finished, not flushed yet
	held  map[string]claim // local paths of data files that no commit holds yet
}

func newDisk(root string) *disk {
	return &disk{root: root, dirty: map[string]bool{}, held: map[string]claim{}}
}

// Create implements iceio.WriteFileIO.
func (d *disk) Create(name string) (iceio.FileWriter, error) {
	d.mark(name)
	return d.LocalFS.Create(name)
}

// WriteFile implements iceio.WriteFileIO.
func (d *disk) WriteFile(name string, data []byte) error {
	d.mark(name)
	return d.LocalFS.WriteFile(name, data)
}

// contains refuses a table's metadata file that lies below another root: the
// lake is a copy, and what were done here would be done to the files there. A
// root that has several names is one.
func (d *disk) contains(metadata string) error {
	root := filepath.Clean(filepath.Join(localPath(metadata), "..", "..", "..", ".."))
	if root == d.root {
		return nil
	}
	here, err := os.Stat(d.root)
	if err != nil {
		return err
	}
	there, err := os.Stat(root)
	if err != nil || os.SameFile(here, there) {
		return nil //nolint:nilerr // what is missing is told by who reads the file
	}
	return &problem.Error{
		Kind:   problem.Conflict,
		Detail: d.root + " is a copy of " + root + ", whose files its tables name",
		Advice: stay,
	}
}

func (d *disk) mark(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dirty[localPath(name)] = true
}

// hold protects a data file in the making from sweep, of this process and of
// others; release ends that.
func (d *disk) hold(name string) {
	path := localPath(name)
	c := claimFile(path)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held[path] = c
}

func (d *disk) release(files Files) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for df := range files.all() {
		d.let(localPath(df.FilePath()))
	}
}

// let ends the claim to a file. The caller has the lock.
func (d *disk) let(path string) {
	d.held[path].end()
	delete(d.held, path)
}

func (d *disk) releaseAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for path := range d.held {
		d.let(path)
	}
}

// holds reports whether a file is in the making here.
func (d *disk) holds(path string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, here := d.held[path]
	return here
}

// removeData removes a data file that no commit will hold.
func (d *disk) removeData(name string) error {
	d.mu.Lock()
	d.let(localPath(name))
	d.mu.Unlock()
	return d.Remove(name)
}

// touch makes a file young, for sweep.
func (d *disk) touch(name string) error {
	now := time.Now() //nolint:forbidigo // compared with the times that the file system gives
	return os.Chtimes(localPath(name), now, now)
}

// sync flushes the files written below dir since the last call, and the
// directories that name them. The flushes run side by side: a journaling file
// system serves them in one go.
func (d *disk) sync(dir string) error {
	d.mu.Lock()
	targets := map[string]bool{}
	for p := range d.dirty {
		if !strings.HasPrefix(p, dir+string(filepath.Separator)) {
			continue
		}
		delete(d.dirty, p)
		targets[p] = true
		for parent := filepath.Dir(p); len(parent) >= len(d.root); parent = filepath.Dir(parent) {
			targets[parent] = true
		}
	}
	d.mu.Unlock()

	var g errgroup.Group
	for p := range targets {
		g.Go(func() error { return flush(p) })
	}
	return g.Wait()
}

// flush flushes one file or directory; one that is gone needs none.
func flush(p string) error {
	f, err := os.Open(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// uri returns the file URI of an absolute path.
func uri(p string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(p)}).String()
}

// localPath returns the path of a file URI; any other name as it is.
func localPath(name string) string {
	if !strings.HasPrefix(name, "file:") {
		return name
	}
	u, err := url.Parse(name)
	if err != nil {
		return name
	}
	return filepath.FromSlash(u.Path)
}
