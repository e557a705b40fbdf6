package main

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/problem"
)

// controlFlags say where the control plane is.
type controlFlags struct {
	dirFlag
	sealFlags
	databaseFlag
}

// databaseFlag is where the services keep their documents.
type databaseFlag struct {
	Database string `env:"TRIBUTARY_DATABASE" placeholder:"URL" help:"Database of the services, postgres://… (default: control.db in the directory)."`
}

// config is for an installation that is there: serve alone makes one, so that
// a directory whose name is mistyped does not become another.
func (f controlFlags) config() control.Config {
	return control.Config{Dir: f.Dir, Database: f.Database, Seal: f.place(f.Dir), Now: time.Now, Existing: true}
}

func (f controlFlags) open(ctx context.Context) (*control.Control, error) {
	return control.Open(ctx, f.config())
}

type tokenCmd struct{ controlFlags }

// Run prints a token of the integration in bootstrap.json, and what a call
// needs beside it.
func (c *tokenCmd) Run(ctx context.Context) error {
	open, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer open.Close()
	b, err := access.ReadBootstrap(c.Dir)
	if err != nil {
		return err
	}
	t, err := open.Access.Token(ctx, b.ClientID, b.ClientSecret)
	if errors.Is(err, access.ErrClient) {
		return &problem.Error{
			Kind: problem.Unauthenticated, Detail: "the secret in bootstrap.json of " + c.Dir + " is not accepted any more",
			Advice: "Move the file away; `tributary integration bootstrap` writes a new one",
		}
	}
	if err != nil {
		return err
	}
	return printJSON(os.Stdout, struct {
		AccessToken string `json:"access_token"`
		APIKey      string `json:"api_key"`
		Org         string `json:"org_id"`
		Sandbox     string `json:"sandbox"`
		ExpiresIn   int64  `json:"expires_in"` // seconds
	}{t.AccessToken, b.ClientID, b.Org, b.Sandbox, int64(t.ExpiresIn/time.Second) - 1})
}
