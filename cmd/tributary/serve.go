package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/server"
	"github.com/tributary-data/tributary/internal/stripe"
	"github.com/tributary-data/tributary/internal/telemetry"
	"github.com/tributary-data/tributary/internal/webui"
)

type serveCmd struct {
	passFlags
	sealFlags
	databaseFlag
	issuerFlags
	alertFlags
	outboundFlags
	rateFlags
	logFlags
	Listen         string        `default:"127.0.0.1:8080" env:"TRIBUTARY_LISTEN" help:"Where the API is served, and webhooks are awaited at /webhooks/stripe; port 0 takes a free one."`
	Public         bool          `help:"Allow --listen to name an address that others can reach. Without --tls-cert, a proxy that speaks TLS must stand in front."`
	TLSCert        string        `name:"tls-cert" env:"TRIBUTARY_TLS_CERT" placeholder:"FILE" help:"Certificate with its chain, PEM: serve TLS. It is read again when it changes."`
	TLSKey         string        `name:"tls-key" env:"TRIBUTARY_TLS_KEY" placeholder:"FILE" help:"Key of the certificate, PEM."`
	TrustedProxies []string      `sep:"," env:"TRIBUTARY_TRUSTED_PROXIES" placeholder:"CIDR,…" help:"Networks of the proxies whose word counts for where a call comes from."`
	Forwarded      bool          `help:"The proxies write the header Forwarded, not X-Forwarded-For."`
	MetricsFrom    []string      `sep:"," default:"127.0.0.0/8,::1/128" env:"TRIBUTARY_METRICS_FROM" placeholder:"CIDR,…" help:"Networks that may read /metrics (default: this machine)."`
	AnyAccept      bool          `help:"Let the Schema Registry answer reads whose Accept header names none of its media types, as curl's does not: lists with ids, lookups with the raw resource."`
	Every          time.Duration `default:"15m" env:"TRIBUTARY_EVERY" help:"How often to ask Stripe what changed, 1m or more."`
	Workers        int           `default:"16" env:"TRIBUTARY_WORKERS" help:"How many runs of dataflows to do at once; 0 leaves them to processes of the command worker."`
}

// logFlags say what the log on standard error looks like.
type logFlags struct {
	LogFormat string `enum:"text,json" default:"text" help:"Form of the log on standard error: ${enum}."`
	Verbose   bool   `short:"v" help:"Log every request that is tried again, too."`

	quiet bool // nothing but what went wrong
}

// issuerFlags name an issuer of tokens beside ourselves.
type issuerFlags struct {
	Issuer    string            `name:"oidc-issuer" env:"TRIBUTARY_OIDC_ISSUER" placeholder:"URL" help:"OpenID Connect issuer whose tokens are taken, too."`
	Audience  string            `name:"oidc-audience" env:"TRIBUTARY_OIDC_AUDIENCE" placeholder:"NAME" help:"What its tokens for this server have in aud."`
	RoleClaim string            `name:"oidc-role-claim" env:"TRIBUTARY_OIDC_ROLE_CLAIM" placeholder:"CLAIM" help:"Where its tokens say what their user is: groups, realm_access.roles."`
	Roles     map[string]string `name:"oidc-roles" env:"TRIBUTARY_OIDC_ROLES" placeholder:"CLAIM=ROLE;…" help:"Roles here by what stands in that claim."`
	// People sign in on the pages as a client of the issuer's.
	SignInClient string   `name:"oidc-client-id" env:"TRIBUTARY_OIDC_CLIENT_ID" placeholder:"ID" help:"This server as a client of the issuer: people sign in there to use the pages. The secret of a confidential client stands in TRIBUTARY_OIDC_CLIENT_SECRET."`
	SignInScopes []string `sep:"," name:"oidc-scopes" env:"TRIBUTARY_OIDC_SCOPES" placeholder:"SCOPE,…" help:"Scopes to ask for beside openid, so that the tokens have the audience and the claim."`
	PublicURL    string   `name:"public-url" env:"TRIBUTARY_PUBLIC_URL" placeholder:"URL" help:"Where browsers reach this server (https://tributary.example.com), to which the issuer sends them back; its path there is /ui/signin/callback."`
	IssuerHosts  []string `sep:"," name:"oidc-hosts" env:"TRIBUTARY_OIDC_HOSTS" placeholder:"HOST,…" help:"Other hosts of the issuer's, where its keys are or its tokens are got (of Google: oauth2.googleapis.com,www.googleapis.com)."`
}

// issuer returns the issuer that the flags name, nil for none. Listening is
// where browsers reach the server unless --public-url says.
func (f *issuerFlags) issuer(listening string, client *http.Client) (*access.OIDC, error) {
	if f.Issuer == "" {
		if f.SignInClient != "" {
			return nil, problem.Errorf(problem.Invalid, "--oidc-client-id needs --oidc-issuer")
		}
		return nil, nil //nolint:nilnil // no issuer is no failure
	}
	o := &access.OIDC{Issuer: f.Issuer, Audience: f.Audience, RoleClaim: f.RoleClaim, Roles: f.Roles, Client: client}
	if f.SignInClient != "" {
		o.SignIn = access.SignIn{
			Client: f.SignInClient, Secret: os.Getenv("TRIBUTARY_OIDC_CLIENT_SECRET"), Scopes: f.SignInScopes,
			Redirect: strings.TrimSuffix(cmp.Or(f.PublicURL, listening), "/") + webui.Callback,
		}
	}
	return o, o.Check()
}

// alertFlags say how alerts leave the application.
type alertFlags struct {
	SMTP       string   `name:"smtp-url" env:"TRIBUTARY_SMTP_URL" placeholder:"URL" help:"Mail server of alerts, smtp://user:password@host:587 (STARTTLS) or smtps://; better in the environment, because of the password."`
	SMTPFrom   string   `name:"smtp-from" env:"TRIBUTARY_SMTP_FROM" placeholder:"ADDRESS" help:"Whom that mail comes from."`
	AlertHosts []string `sep:"," name:"alert-hosts" env:"TRIBUTARY_ALERT_HOSTS" placeholder:"HOST,…" help:"Hosts that webhooks of alerts may go to: hooks.example.com, hooks.example.com:8443, http://localhost:9000."`
}

// ways returns the ways of alerts, and the destinations that they have. They go
// out as all else does, but each to its own destinations alone.
func (f *alertFlags) ways(out *guard.Outbound) (a control.Alerts, all []guard.Destination, err error) {
	if (f.SMTP == "") != (f.SMTPFrom == "") {
		return a, nil, problem.Errorf(problem.Invalid, "--smtp-url and --smtp-from go together")
	}
	if f.SMTP != "" {
		mail, err := alert.ParseSMTP(f.SMTP, f.SMTPFrom)
		if err != nil {
			return a, nil, err
		}
		d := guard.Destination{Host: mail.Host, Port: mail.Port, Purpose: "mail of alerts"}
		mail.Dial = (&guard.Outbound{Destinations: []guard.Destination{d}, Private: out.Private}).DialContext
		a.Mail, all = mail, append(all, d)
	}
	var hooks []guard.Destination
	for _, host := range f.AlertHosts {
		if !strings.Contains(host, "://") {
			host = "https://" + host
		}
		d, err := guard.ParseDestination(host, "webhooks of alerts")
		if err != nil {
			return a, nil, fmt.Errorf("--alert-hosts: %w", err)
		}
		hooks = append(hooks, d)
	}
	if len(hooks) > 0 {
		to := &guard.Outbound{Destinations: hooks, Private: out.Private, Proxy: out.Proxy}
		a.Client, a.Allowed = &http.Client{Transport: to.Transport()}, to.Names
	}
	return a, append(all, hooks...), nil
}

// Run serves the API and, with a Stripe key, keeps the copy up to date until
// ctx is done.
func (c *serveCmd) Run(ctx context.Context) error { return c.run(ctx, func(*server.Server) {}) }

// run is Run; it tells when there is a server to call.
func (c *serveCmd) run(ctx context.Context, listening func(*server.Server)) error {
	if c.Every < app.LeastEvery {
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("--every %s is less than a minute", c.Every), Advice: "Webhooks bring changes within seconds; see `tributary webhook --help`."}
	}
	spareProcessor()
	srv := &server.Server{Address: c.Listen, Public: c.Public, TLS: server.Files{Cert: c.TLSCert, Key: c.TLSKey}, Log: c.log(), Now: time.Now}
	if err := srv.Reachable(); err != nil {
		return err
	}
	out, err := c.outbound()
	if err != nil {
		return err
	}
	options, issuer, err := c.options(ctx, srv.Log, out)
	if err != nil {
		return err
	}
	// Whoever calls waits until all is ready; and what can't listen makes no directory.
	if err := srv.Listen(ctx); err != nil {
		return err
	}
	k, held, err := c.hold(ctx, srv.Log, options.Stripe.Transport)
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }()
	options.Copies = held
	open, err := control.Open(ctx, control.Config{Dir: c.Dir, Database: c.Database, Seal: c.place(c.Dir), Now: time.Now})
	if err != nil {
		return err
	}
	defer func() { _ = open.Close() }()
	open.Access.OIDC = issuer
	plane, err := open.Serve(ctx, options)
	if err != nil {
		return err
	}
	listening(srv)
	room, enough := context.WithCancel(ctx)
	defer enough()
	go keepRoom(room)
	err = c.serve(ctx, k, plane, srv)
	return errors.Join(err, plane.Close(context.WithoutCancel(ctx)))
}

// A holder has the directory for this process.
type holder interface {
	io.Closer
	control.Copies
}

// hold takes the directory: with a Stripe key for a keeper of the copy, else
// for the services alone.
func (c *serveCmd) hold(ctx context.Context, log *slog.Logger, transport http.RoundTripper) (*app.Keeper, holder, error) {
	if !c.keyed() {
		log.InfoContext(ctx, "no Stripe key was given: accounts are copied by dataflows alone")
		held, err := app.Hold(ctx, c.Dir)
		return nil, held, err
	}
	s, err := c.pass()
	if err != nil {
		return nil, nil, err
	}
	s.Log, s.Transport = log, transport
	k, err := s.Keep(ctx)
	return k, k, err
}

// options says how the services are served, and whose tokens they take beside
// their own.
func (c *serveCmd) options(ctx context.Context, log *slog.Logger, out *guard.Outbound) (o control.Options, issuer *access.OIDC, err error) {
	o = control.Options{Version: version(), Log: log, TLS: c.Public || c.TLSCert != "" || strings.HasPrefix(c.PublicURL, "https://"), AnyAccept: c.AnyAccept, Workers: c.Workers}
	if o.SQLWorker, err = queryCommand(); err != nil {
		return o, nil, err
	}
	switch {
	case c.Workers < 0:
		return o, nil, problem.Errorf(problem.Invalid, "--workers %d is below 0", c.Workers)
	case c.Workers == 0:
		o.Workers = -1
	}
	if o.Stripe, err = c.how(c.StripeURL); err != nil {
		return o, nil, err
	}
	o.Stripe.Transport = out.Over(stripe.NewTransport())
	if o.Rates, err = c.rates(); err != nil {
		return o, nil, err
	}
	if o.Egress, err = c.egress(out); err != nil {
		return o, nil, err
	}
	if o.Proxies.Trusted, err = prefixes("--trusted-proxies", c.TrustedProxies); err != nil {
		return o, nil, err
	}
	o.Proxies.Forwarded = c.Forwarded
	if o.Metrics, err = prefixes("--metrics-from", c.MetricsFrom); err != nil {
		return o, nil, err
	}
	ways, hosts, err := c.ways(out)
	if err != nil {
		return o, nil, err
	}
	o.Alerts, o.Egress.Destinations = ways, slices.Concat(o.Egress.Destinations, hosts)
	client := &http.Client{Transport: out.Transport(), Timeout: 30 * time.Second}
	if tracesURL() != "" {
		if o.Spans, err = telemetry.Exporter(ctx, client); err != nil {
			return o, nil, fmt.Errorf("send traces: %w", err)
		}
	}
	issuer, err = c.issuer("http://"+c.Listen, client)
	return o, issuer, err
}

func prefixes(flag string, texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := guard.ParsePrefix(text)
		if err != nil {
			return nil, problem.Errorf(problem.Invalid, "%s: %v", flag, err)
		}
		all = append(all, p)
	}
	return all, nil
}

func (c *logFlags) log() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.LevelInfo}
	switch {
	case c.Verbose:
		options.Level = slog.LevelDebug
	case c.quiet:
		options.Level = slog.LevelWarn
	}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// serve listens, takes in what clients push, and runs the passes of the keeper,
// if there is one. When ctx is done it takes no more calls, lets what is in
// hand be committed, and returns.
func (c *serveCmd) serve(ctx context.Context, k *app.Keeper, plane *control.Plane, srv *server.Server) error {
	srv.Ready = []server.Check{{Name: "database", Ready: plane.DB.Ping}}
	hooks := http.NewServeMux()
	hooks.Handle("/webhooks/stripe/{sandbox}/{copy}", plane.Hooks)
	services, err := plane.Handler()
	if err != nil {
		return err
	}
	srv.Handler = webhooks(hooks, services)
	if k != nil {
		srv.Ready = append(srv.Ready, server.Check{Name: "copy", Ready: k.Ready})
		hooks.Handle("/webhooks/", k.Handler())
		k.After = func(ctx context.Context) {
			if err := plane.Adopt(ctx); err != nil && ctx.Err() == nil {
				srv.Log.ErrorContext(ctx, "the catalog was not brought up to date", "error", err)
			}
		}
	}
	srv.Log.InfoContext(ctx, "listening", "url", srv.URL(), "dir", c.Dir, "every", c.Every.String())
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := []func(context.Context) error{srv.Run, plane.Run}
	if k != nil {
		parts = append(parts, func(ctx context.Context) error { return k.Run(ctx, c.Every) })
	}
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() {
			defer cancel() // without one of them there is no point in going on
			ended <- run(ctx)
		}()
	}
	for range parts {
		if e := <-ended; !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	if err == nil {
		srv.Log.InfoContext(context.WithoutCancel(ctx), "stopped")
	}
	return err
}

// webhooks hands what is below /webhooks/ to one handler, and the rest to
// another.
func webhooks(hooks, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/webhooks/") {
			hooks.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}
