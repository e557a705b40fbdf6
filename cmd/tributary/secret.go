package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/secret"
)

type secretCmd struct {
	Rotate secretRotateCmd `cmd:"" help:"Seal with a new key from now on, seal what is stored anew, and drop keys that nothing needs. A running serve goes on."`
	Prune  secretPruneCmd  `cmd:"" help:"Drop the keys that nothing needs any more."`
	Create secretCreateCmd `cmd:"" help:"Make keys for servers that are handed theirs in a file or in TRIBUTARY_SEAL_KEY."`
}

// sealFlags say where the keys are.
type sealFlags struct {
	SealKeyFile string `env:"TRIBUTARY_SEAL_KEY_FILE" placeholder:"FILE" help:"File that holds the keys of sealed credentials (default: seal.key in the directory)."`
}

func (f sealFlags) place(dir string) secret.Place {
	return secret.Place{Text: os.Getenv("TRIBUTARY_SEAL_KEY"), File: f.SealKeyFile, Dir: dir}
}

type secretRotateCmd struct{ controlFlags }

// Run adds a key and moves all to it.
func (c *secretRotateCmd) Run(ctx context.Context) error {
	return c.keys(ctx, func(keys *secret.Keys, db *docstore.DB) error {
		id, err := keys.Rotate(time.Now())
		if err != nil {
			return err
		}
		fmt.Printf("Key %d seals from now on.\n", id)
		return tidy(ctx, keys, db)
	})
}

type secretPruneCmd struct{ controlFlags }

// Run drops keys.
func (c *secretPruneCmd) Run(ctx context.Context) error {
	return c.keys(ctx, func(keys *secret.Keys, db *docstore.DB) error { return tidy(ctx, keys, db) })
}

// keys does something with the keys of an installation. The database comes
// first: by that of another, keys would look as if nothing needed them.
func (f controlFlags) keys(ctx context.Context, do func(*secret.Keys, *docstore.DB) error) error {
	db, err := control.Database(ctx, f.config())
	if err != nil {
		return err
	}
	defer db.Close()
	keys, err := secret.Load(f.place(f.Dir))
	if err != nil {
		return err
	}
	return do(keys, db)
}

// tidy seals anew what an old key has sealed, then drops the old keys that
// nothing needs.
func tidy(ctx context.Context, keys *secret.Keys, db *docstore.DB) error {
	count, left, err := reseal(ctx, keys, db)
	if err != nil {
		return err
	}
	dropped, next, err := keys.Prune(time.Now(), left)
	if err != nil {
		return err
	}
	fmt.Printf("%d credentials were sealed anew, %d old keys were dropped.\n", count, dropped)
	if !next.IsZero() {
		fmt.Printf("An old key stays for servers at work; `tributary secret prune` drops it from %s on.\n", next.UTC().Format(time.RFC3339))
	}
	return nil
}

// reseal returns how many texts it has sealed anew, and the old keys that are
// needed all the same.
func reseal(ctx context.Context, keys *secret.Keys, db *docstore.DB) (count int, left []uint32, err error) {
	err = db.Rewrite(ctx, func(_ docstore.Scope, d *docstore.Doc) error {
		r, err := keys.Reseal(d.Body)
		if err != nil {
			return err
		}
		count += r.Count
		left = append(left, r.Left...)
		if len(r.Left) > 0 {
			fmt.Fprintf(os.Stderr, "tributary: %s %s holds something sealed that does not open; its key is kept\n", d.Kind, d.ID)
		}
		d.Body = r.Document
		return nil
	})
	return count, left, err
}

type secretCreateCmd struct {
	File string `arg:"" help:"File to write; it must not be there."`
}

// Run writes the file.
func (c *secretCreateCmd) Run() error {
	if err := secret.Create(c.File); err != nil {
		if _, ok := errors.AsType[*problem.Error](err); ok {
			return err
		}
		return &problem.Error{Kind: problem.Invalid, Detail: "cannot write the keys", Err: err}
	}
	fmt.Printf("The keys are in %s. Keep a backup: without them sealed credentials can't be opened.\n", c.File)
	return nil
}
