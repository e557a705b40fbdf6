// Package control ties the services of the control plane together.
package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/registry"
	"github.com/tributary-data/tributary/internal/secret"
)

// A Config says where the control plane is.
type Config struct {
	Dir      string       // of the copy; holds bootstrap.json
	Database string       // postgres://…; empty for control.db in Dir
	Seal     secret.Place // of the keys that seal credentials
	Now      func() time.Time
	// Existing opens what is there already, and makes no installation where
	// there is none.
	Existing bool
}

// A Control is the control plane.
type Control struct {
	DB     *docstore.DB
	Keys   *secret.Keys
	Access *access.Service

	dir      string
	database string // postgres://…; empty for control.db in dir
	now      func() time.Time
}

// Open opens the control plane, beside other processes that have it open, and
// makes what is missing on a first start: directory, database, keys,
// organisation, and the integration of bootstrap.json.
func Open(ctx context.Context, c Config) (*Control, error) {
	db, err := open(ctx, c)
	if err != nil {
		return nil, err
	}
	control := &Control{
		DB: db, dir: c.Dir, database: c.Database, now: c.Now,
		Access: &access.Service{DB: db, FirstTenant: app.DefaultTenant, Now: c.Now, Hooks: []access.SandboxHook{{Create: registry.Seed}}},
	}
	if err := control.begin(ctx, c); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return control, nil
}

// open opens the database.
func open(ctx context.Context, c Config) (*docstore.DB, error) {
	name := c.Database
	if name == "" {
		name = filepath.Join(c.Dir, "control.db")
	}
	if c.Existing {
		return existing(ctx, c, name)
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	if c.Database == "" {
		if err := private(name); err != nil {
			return nil, err
		}
	}
	return docstore.Open(ctx, name, c.Now, flow.Indexes()...)
}

func existing(ctx context.Context, c Config, name string) (*docstore.DB, error) {
	none := &problem.Error{
		Kind: problem.NotFound, Detail: "there is no installation in " + c.Dir,
		Advice: fmt.Sprintf("`tributary serve --dir %s` makes one; or name another directory with --dir", c.Dir),
	}
	file := name
	if c.Database != "" {
		file = c.Dir // holds what belongs to the database
		none.Detail += " and its database"
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil, none
	} else if err != nil {
		return nil, err
	}
	db, err := docstore.Open(ctx, name, c.Now, flow.Indexes()...)
	if err != nil {
		return nil, err
	}
	begun, err := (&access.Service{DB: db}).Begun(ctx)
	if err == nil && !begun {
		err = none
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Database opens the database of an installation and nothing else; there is a
// problem.NotFound where there is no installation.
func Database(ctx context.Context, c Config) (*docstore.DB, error) {
	c.Existing = true
	return open(ctx, c)
}

// begin makes the keys and what Access.Bootstrap makes. The hooks of sandboxes
// must be set by now: it makes the first sandbox.
func (c *Control) begin(ctx context.Context, config Config) (err error) {
	if c.Keys, err = secret.Ensure(config.Seal, func() (bool, error) { return c.Access.Seals(ctx) }); err != nil {
		return err
	}
	c.Access.Sealer = c.Keys
	if err := c.Access.Bootstrap(ctx, config.Dir); err != nil {
		return fmt.Errorf("first start: %w", err)
	}
	return nil
}

// private makes the file, if it is not there, so that its owner alone may read
// it. SQLite gives the files beside it the same mode.
func private(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// Close closes the database.
func (c *Control) Close() error { return c.DB.Close() }
