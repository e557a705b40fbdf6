package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/hook"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
)

// Webhooks manages the endpoints in Stripe that send events to the `serve` of
// one copy, and the secrets by which it knows them.
type Webhooks struct {
	Dir     string
	Path    string // of the handler below hook.Path; "" for that itself
	Key     stripe.Key
	Account string // connected account that is copied with a platform's key, or ""
	URL     string // of Stripe; "" for the real one
	Log     *slog.Logger
	Retry   stripe.Retry
}

// An Endpoint is one of the account's.
type Endpoint struct {
	stripe.WebhookEndpoint
	Ours bool // its secret is known here
}

// Create makes an endpoint in Stripe for the events that say something of the
// resources, and keeps its secret in the directory. A target without a path
// gets that of the handler.
func (w Webhooks) Create(ctx context.Context, target string) (Endpoint, error) {
	target, err := w.target(target)
	if err != nil {
		return Endpoint{}, err
	}
	c := w.client()
	if err := w.belongs(ctx); err != nil {
		return Endpoint{}, err
	}
	there, err := c.Webhooks(ctx)
	if err != nil {
		return Endpoint{}, err
	}
	for _, e := range there {
		if e.URL == target {
			return Endpoint{}, &problem.Error{
				Kind: problem.Conflict, Detail: fmt.Sprintf("Stripe has an endpoint for %s already, %s", target, e.ID),
				Advice: "Add its signing secret with `tributary webhook add`, or remove it with `tributary webhook delete`",
			}
		}
	}
	// What can't be kept must not be made: Stripe tells the secret once.
	if err := changeSigners(w.Dir, func(s []signer) ([]signer, error) { return s, nil }); err != nil {
		return Endpoint{}, unusable(w.Dir, err)
	}
	made, err := w.make(ctx, c, target)
	if err != nil {
		return Endpoint{}, err
	}
	err = changeSigners(w.Dir, addSigner(signer{Endpoint: made.ID, URL: made.URL, Secret: made.Secret}, true))
	if err != nil {
		err = unusable(w.Dir, err)
		if e := c.DeleteWebhook(context.WithoutCancel(ctx), made.ID); e != nil {
			err = fmt.Errorf("%w; the endpoint %s is in Stripe and can't be used: %w", err, made.ID, e)
		}
		return Endpoint{}, err
	}
	return Endpoint{WebhookEndpoint: made, Ours: true}, nil
}

// make makes the endpoint in Stripe, without the types of events that the
// account's Stripe does not know in our version: passes over the account bring
// what those would tell.
func (w Webhooks) make(ctx context.Context, c *stripe.Client, target string) (stripe.WebhookEndpoint, error) {
	types := extract.EventTypes()
	for {
		made, err := c.CreateWebhook(ctx, target, types, w.Account != "", newRunID())
		var refused *stripe.Error
		if err == nil || !errors.As(err, &refused) || refused.Kind != problem.Invalid {
			return made, err
		}
		var i int
		if n, e := fmt.Sscanf(refused.Param, "enabled_events[%d]", &i); n != 1 || e != nil || i < 0 || i >= len(types) || len(types) == 1 {
			return made, err
		}
		types = slices.Delete(types, i, i+1)
	}
}

// target checks the address that Stripe shall send to.
func (w Webhooks) target(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return "", &problem.Error{
			Kind: problem.Invalid, Detail: fmt.Sprintf("--url %q is not an address that Stripe can send to", text),
			Advice: "Write it as https://tributary.example.com" + hook.Path,
		}
	}
	if u.Scheme == "http" && w.Key.Mode() != stripe.Test {
		return "", &problem.Error{
			Kind: problem.Invalid, Detail: "Stripe sends live events over https alone, and --url begins with http",
			Advice: "Put a proxy that speaks TLS in front of `tributary serve`, and name its address",
		}
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = path.Join(hook.Path, w.Path)
	}
	return u.String(), nil
}

// List returns the endpoints of the account, and says which are ours.
func (w Webhooks) List(ctx context.Context) ([]Endpoint, error) {
	c := w.client()
	list, err := c.Webhooks(ctx)
	if err != nil {
		return nil, err
	}
	signers, err := readSigners(w.Dir)
	if err != nil {
		return nil, err
	}
	out := make([]Endpoint, len(list))
	for i, e := range list {
		ours := slices.ContainsFunc(signers, func(s signer) bool { return s.Endpoint == e.ID })
		out[i] = Endpoint{WebhookEndpoint: e, Ours: ours}
	}
	return out, nil
}

// Delete removes an endpoint from Stripe and forgets its secrets. One that
// Stripe does not have is forgotten all the same; the error then says so.
func (w Webhooks) Delete(ctx context.Context, id string) error {
	err := w.client().DeleteWebhook(ctx, id)
	if err != nil && problem.KindOf(err) != problem.NotFound {
		return err
	}
	if !exists(w.Dir) {
		return err
	}
	return errors.Join(err, changeSigners(w.Dir, func(s []signer) ([]signer, error) {
		return slices.DeleteFunc(s, func(s signer) bool { return s.Endpoint == id }), nil
	}))
}

// Add keeps the secret of an endpoint that was made by hand, or that was rolled:
// beside the endpoint's others, or alone, in their place. id may be empty.
func (w Webhooks) Add(id string, secret stripe.Secret, alone bool) error {
	if !exists(w.Dir) {
		return noCopy(w.Dir)
	}
	if id != "" && !strings.HasPrefix(id, "we_") {
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("%q is not the id of a webhook endpoint", id), Advice: "It should look like we_1A2b3C"}
	}
	return unusable(w.Dir, changeSigners(w.Dir, addSigner(signer{Endpoint: id, Secret: secret}, alone)))
}

func (w Webhooks) client() *stripe.Client {
	// The endpoint of a connected account's events is the platform's own.
	return &stripe.Client{BaseURL: w.URL, Key: w.Key, Log: w.Log, Now: time.Now, Retry: w.Retry}
}

// belongs checks that the copy is one of the key's account: events of another
// would pass for this one's.
func (w Webhooks) belongs(ctx context.Context) error {
	if !exists(w.Dir) {
		return noCopy(w.Dir)
	}
	db, err := sqlstore.OpenReadOnly(ctx, databasePath(w.Dir))
	if err != nil {
		return err
	}
	defer db.Close()
	if known, _, err := db.Probed(ctx, credential(w.Key, w.Account, w.URL)); err != nil || known != "" {
		return err // a pass with this key checked it
	}
	account, livemode, err := db.Binding(ctx)
	if err != nil {
		return err
	}
	reader := w.client()
	reader.Account = w.Account
	found, err := reader.Probe(ctx, nil)
	if err != nil {
		return err
	}
	refuse := func(detail string) error {
		return &problem.Error{
			Kind: problem.Conflict, Detail: detail,
			Advice: "Use a key of the same account and mode, one that may read its account (Connected accounts: Read), or another directory with --dir",
		}
	}
	switch {
	case (found.Mode == stripe.Live) != livemode:
		return refuse("the copy in " + w.Dir + " is of the other mode, live or test, than the key")
	case account == "" || found.Account == "":
		return refuse("Stripe does not tell whether the key is for the account that " + w.Dir + " holds")
	case account != found.Account:
		return refuse(fmt.Sprintf("the copy in %s is of the Stripe account %s, and the key is for %s", w.Dir, account, found.Account))
	}
	return nil
}

func noCopy(dir string) error {
	return &problem.Error{
		Kind: problem.NotFound, Detail: "there is no copy in " + dir,
		Advice: "Make one with `tributary sync` or `tributary serve` first, or name another directory with --dir",
	}
}
