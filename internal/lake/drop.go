package lake

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// dropProperty begins the names of namespace properties that say that a table
// is gone and its files may still be there.
const dropProperty = "tributary.dropped."

// Drop removes a table and its files; one that is not there is not missed. A
// crash leaves the table, or files that the next Open removes. Who reads it
// meanwhile loses its files.
func (l *Lake) Drop(ctx context.Context, name string) error {
	return fault(l.cat.drop(ctx, name), "drop table "+name)
}

func (c *catalog) drop(ctx context.Context, name string) error {
	loc, err := c.location(ctx, name)
	if err != nil || loc == "" {
		return err
	}
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, q := range []struct {
		query string
		args  []any
	}{
		{`INSERT OR REPLACE INTO iceberg_namespace_properties VALUES (?, ?, ?, ?)`, []any{catalogName, namespace, dropProperty + name, loc}},
		{`DELETE FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`, []any{catalogName, namespace, name}},
	} {
		if _, err := tx.ExecContext(ctx, q.query, q.args...); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.last, name)
	c.mu.Unlock()
	return c.removeDropped(ctx, name)
}

// removeDropped removes the files of a table that was dropped.
func (c *catalog) removeDropped(ctx context.Context, name string) error {
	if name == "" || name != filepath.Base(name) {
		return errors.New("no table is called " + name)
	}
	dir := filepath.Join(c.disk.root, namespace, name)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := flush(filepath.Dir(dir)); err != nil {
		return err
	}
	_, err := c.db.ExecContext(ctx, `DELETE FROM iceberg_namespace_properties
		WHERE catalog_name = ? AND namespace = ? AND property_key = ?`, catalogName, namespace, dropProperty+name)
	return err
}

// finishDrops removes what drops that were cut short left behind. It must run
// before anything is made anew.
func (c *catalog) finishDrops(ctx context.Context) error {
	names, err := c.dropped(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.removeDropped(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// finishDrop is finishDrops for a name that is about to be a table again.
func (c *catalog) finishDrop(ctx context.Context, name string) error {
	names, err := c.dropped(ctx)
	if err != nil || !slices.Contains(names, name) {
		return err
	}
	return c.removeDropped(ctx, name)
}

func (c *catalog) dropped(ctx context.Context) ([]string, error) {
	rows, err := c.db.QueryContext(ctx, `SELECT property_key FROM iceberg_namespace_properties
		WHERE catalog_name = ? AND namespace = ? AND property_key LIKE ?`, catalogName, namespace, dropProperty+"%")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			return nil, err
		}
		names = append(names, strings.TrimPrefix(key, dropProperty))
	}
	return names, rows.Err()
}
