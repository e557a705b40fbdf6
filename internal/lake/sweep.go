package lake

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
)

type swept struct {
	files int
	bytes int64
}

// sweep removes the files below the table's directory dir ("" for all of it)
// that no snapshot uses and that are older than age.
func (t *Table) sweep(ctx context.Context, dir string, age time.Duration) (swept, error) {
	files, err := t.unclaimed(ctx, dir, age)
	if err != nil || len(files) == 0 {
		return swept{}, err
	}
	return t.removeUnused(ctx, files, dir != "metadata")
}

// removeUnused removes those of the files, which have their sizes, that no
// snapshot uses. The snapshots are looked up only now, as another process may
// have committed files since: it lets go of them after that.
func (t *Table) removeUnused(ctx context.Context, files map[string]int64, data bool) (swept, error) {
	if err := t.refresh(ctx); err != nil {
		return swept{}, err
	}
	used, err := t.used(ctx, data)
	if err != nil {
		return swept{}, err
	}
	var s swept
	for path, size := range files {
		if used[path] {
			continue
		}
		if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return s, err
		}
		s.files++
		s.bytes += size
		if err := context.Cause(ctx); err != nil {
			return s, err
		}
	}
	return s, nil
}

// unclaimed returns the files below dir, with their sizes, that are older than
// age and that nobody says he is going to commit. Metadata is claimed by its
// age alone: a commit writes it and is done.
func (t *Table) unclaimed(ctx context.Context, dir string, age time.Duration) (map[string]int64, error) {
	root := localPath(t.Location())
	metadata := filepath.Join(root, "metadata") + string(filepath.Separator)
	now := time.Now() //nolint:forbidigo // compared with the times that the file system gives
	found := map[string]int64{}
	err := filepath.WalkDir(filepath.Join(root, dir), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		least := age
		if age > 0 && strings.HasPrefix(path, metadata) {
			least = max(age, tidyAge)
		}
		old := !info.ModTime().After(now.Add(-least))
		// Without an age, nobody else uses the lake.
		if old && !t.cat.disk.holds(path) && (age <= 0 || !claimed(path)) {
			found[path] = info.Size()
		}
		return context.Cause(ctx)
	})
	return found, err
}

// used returns the local paths of all files that the table's snapshots refer
// to; data and delete files only if asked for.
func (t *Table) used(ctx context.Context, data bool) (map[string]bool, error) {
	meta := t.tbl.Metadata()
	used := map[string]bool{localPath(t.tbl.MetadataLocation()): true}
	for old := range meta.PreviousFiles() {
		used[localPath(old.MetadataFile)] = true
	}
	for _, snap := range meta.Snapshots() {
		used[localPath(snap.ManifestList)] = true
		manifests, err := snap.Manifests(t.cat.disk)
		if err != nil {
			return nil, err
		}
		for _, m := range manifests {
			path := localPath(m.FilePath())
			if used[path] {
				continue
			}
			used[path] = true
			if !data {
				continue
			}
			if err := t.usedBy(ctx, m, used); err != nil {
				return nil, err
			}
		}
	}
	return used, nil
}

func (t *Table) usedBy(ctx context.Context, m iceberg.ManifestFile, used map[string]bool) error {
	for e, err := range m.Entries(t.cat.disk, true) {
		if err != nil {
			return err
		}
		used[localPath(e.DataFile().FilePath())] = true
	}
	return context.Cause(ctx)
}
