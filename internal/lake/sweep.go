package lake

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
	used, err := t.used(ctx, dir != "metadata")
	if err != nil {
		return swept{}, err
	}
	root := filepath.Join(localPath(t.Location()), dir)
	before := time.Now().Add(-age) //nolint:forbidigo // compared with the times that the file system gives
	var s swept
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() || used[path] || t.cat.disk.holds(path) {
			return err
		}
		info, err := e.Info()
		if err != nil || info.ModTime().After(before) {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		s.files++
		s.bytes += info.Size()
		return context.Cause(ctx)
	})
	return s, err
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
