package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/control"
)

type integrationCmd struct {
	Create    integrationCreateCmd    `cmd:"" help:"Make an integration: a program that may call the API."`
	List      integrationListCmd      `cmd:"" help:"List the integrations."`
	Delete    integrationDeleteCmd    `cmd:"" help:"Remove an integration; its tokens are worth nothing from then on."`
	Secret    integrationSecretCmd    `cmd:"" help:"Add and remove secrets, so that one can take the place of another."`
	Bootstrap integrationBootstrapCmd `cmd:"" help:"Write bootstrap.json anew where it was lost, with a new secret."`
}

// as does something as the one who has the database in their hands.
func (f controlFlags) as(ctx context.Context, do func(*control.Control, access.Caller) error) error {
	open, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer open.Close()
	c, err := open.Access.Operator(ctx)
	if err != nil {
		return err
	}
	return do(open, c)
}

type integrationCreateCmd struct {
	controlFlags
	Name        string   `required:"" help:"What the integration is called."`
	Permissions []string `required:"" sep:"," placeholder:"A,B" help:"What it may do: view-sources,manage-sources,…; an unknown one is answered with the list of all."`
	Sandboxes   []string `default:"prod" sep:"," placeholder:"A,B" help:"Where it may do it. Permissions on sandboxes count in the default one."`
}

// Run makes the integration and prints it with its secret, which is kept
// nowhere.
func (c *integrationCreateCmd) Run(ctx context.Context) error {
	permissions, err := access.ParsePermissions(c.Permissions)
	if err != nil {
		return err
	}
	return c.as(ctx, func(open *control.Control, by access.Caller) error {
		i, secret, err := open.Access.CreateIntegration(ctx, by, c.Name, permissions, c.Sandboxes)
		if err != nil {
			return err
		}
		shown := show(i)
		shown.ClientSecret = secret
		return printJSON(os.Stdout, shown)
	})
}

// An integration as it is printed.
type integration struct {
	ClientID     string              `json:"client_id"`
	ClientSecret string              `json:"client_secret,omitempty"`
	Name         string              `json:"name"`
	Org          string              `json:"org_id"`
	Account      string              `json:"technical_account"`
	Admin        bool                `json:"administrator"`
	Permissions  []access.Permission `json:"permissions"`
	Sandboxes    []string            `json:"sandboxes"`
	Roles        []string            `json:"roles"`
	Secrets      []shownSecret       `json:"secrets"`
	Created      time.Time           `json:"created"`
}

type shownSecret struct {
	ID           string    `json:"secret_id"`
	ClientSecret string    `json:"client_secret,omitempty"`
	Created      time.Time `json:"created"`
}

func show(i access.Integration) integration {
	shown := integration{
		ClientID: i.ClientID, Name: i.Name, Org: i.Org, Account: i.Account, Admin: i.Admin, Created: i.Created, Roles: append([]string{}, i.Roles...),
		Permissions: append([]access.Permission{}, i.Permissions...), Sandboxes: append([]string{}, i.Sandboxes...), Secrets: []shownSecret{},
	}
	for _, s := range i.Secrets {
		shown.Secrets = append(shown.Secrets, shownSecret{ID: s.ID, Created: s.Created})
	}
	return shown
}

type integrationListCmd struct{ controlFlags }

// Run prints all integrations, oldest first.
func (c *integrationListCmd) Run(ctx context.Context) error {
	return c.as(ctx, func(open *control.Control, by access.Caller) error {
		all, err := open.Access.Integrations(ctx, by)
		if err != nil {
			return err
		}
		list := []integration{}
		for _, i := range all {
			list = append(list, show(i))
		}
		return printJSON(os.Stdout, list)
	})
}

type integrationDeleteCmd struct {
	controlFlags
	ClientID string `arg:"" name:"client-id" help:"The integration."`
}

// Run removes the integration.
func (c *integrationDeleteCmd) Run(ctx context.Context) error {
	return c.as(ctx, func(open *control.Control, by access.Caller) error {
		if err := open.Access.DeleteIntegration(ctx, by, c.ClientID); err != nil {
			return err
		}
		fmt.Println("The integration", c.ClientID, "is gone, and its tokens are worth nothing.")
		return nil
	})
}

type integrationSecretCmd struct {
	Add    integrationSecretAddCmd    `cmd:"" help:"Give an integration one more secret."`
	Remove integrationSecretRemoveCmd `cmd:"" help:"Remove a secret; tokens that were got with it are worth nothing from then on."`
}

type integrationSecretAddCmd struct {
	controlFlags
	ClientID string `arg:"" name:"client-id" help:"The integration."`
}

// Run prints the new secret, which is kept nowhere.
func (c *integrationSecretAddCmd) Run(ctx context.Context) error {
	return c.as(ctx, func(open *control.Control, by access.Caller) error {
		s, secret, err := open.Access.AddSecret(ctx, by, c.ClientID)
		if err != nil {
			return err
		}
		return printJSON(os.Stdout, shownSecret{ID: s.ID, ClientSecret: secret, Created: s.Created})
	})
}

type integrationSecretRemoveCmd struct {
	controlFlags
	ClientID string `arg:"" name:"client-id" help:"The integration."`
	SecretID string `arg:"" name:"secret-id" help:"The secret, as list shows it."`
}

// Run removes the secret.
func (c *integrationSecretRemoveCmd) Run(ctx context.Context) error {
	return c.as(ctx, func(open *control.Control, by access.Caller) error {
		if err := open.Access.RemoveSecret(ctx, by, c.ClientID, c.SecretID); err != nil {
			return err
		}
		fmt.Println("The secret", c.SecretID, "is gone.")
		return nil
	})
}

type integrationBootstrapCmd struct{ controlFlags }

// Run writes the file.
func (c *integrationBootstrapCmd) Run(ctx context.Context) error {
	open, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer open.Close()
	if _, err := open.Access.RestoreBootstrap(ctx, c.Dir); err != nil {
		return err
	}
	fmt.Printf("A new secret is in %s; the ones before it are not accepted any more.\n", filepath.Join(c.Dir, "bootstrap.json"))
	return nil
}
