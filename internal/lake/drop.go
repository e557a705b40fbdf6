package lake

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
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
	for {
		loc, err := c.location(ctx, name)
		if err != nil || loc == "" {
			return err
		}
		if err := c.dropAt(ctx, name, loc); !errors.Is(err, table.ErrCommitFailed) {
			return err
		}
	}
}

// dropAt drops a table whose current metadata file is loc. If it has another
// one, because somebody committed, that is a table.ErrCommitFailed.
func (c *catalog) dropAt(ctx context.Context, name, loc string) error {
	err := c.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM iceberg_tables
			WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`, catalogName, namespace, name, loc)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(table.ErrCommitFailed, err)
		}
		_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO iceberg_namespace_properties VALUES (?, ?, ?, ?)`,
			catalogName, namespace, dropProperty+name, loc)
		return err
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.last, name)
	c.mu.Unlock()
	return c.removeDropped(ctx, name)
}

func (c *catalog) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// rubbish begins the names of directories of tables that were dropped.
const rubbish = ".dropped-"

// removeDropped removes the files of a table that was dropped. Several
// processes may do so while another is about to make the table anew: its
// directory is out of the way in the transaction that says so.
func (c *catalog) removeDropped(ctx context.Context, name string) error {
	if name == "" || name != filepath.Base(name) {
		return errors.New("no table is called " + name)
	}
	dir := filepath.Join(c.disk.root, namespace, name)
	trash := filepath.Join(c.disk.root, namespace, rubbish+uuid.NewString())
	err := c.inTx(ctx, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `DELETE FROM iceberg_namespace_properties
			WHERE catalog_name = ? AND namespace = ? AND property_key = ?`, catalogName, namespace, dropProperty+name)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return err
		}
		if err := os.Rename(dir, trash); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return flush(filepath.Dir(dir))
	})
	if err != nil {
		return err
	}
	return os.RemoveAll(trash)
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
	dirs, err := os.ReadDir(filepath.Join(c.disk.root, namespace))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, d := range dirs {
		if strings.HasPrefix(d.Name(), rubbish) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(c.disk.root, namespace, d.Name())))
		}
	}
	return err
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
