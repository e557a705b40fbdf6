package control

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/accessapi"
	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/audience"
	"github.com/tributary-data/tributary/internal/audit"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/copies"
	"github.com/tributary-data/tributary/internal/dataaccess"
	"github.com/tributary-data/tributary/internal/dataprep"
	"github.com/tributary-data/tributary/internal/decision"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/erasure"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/guard"
	"github.com/tributary-data/tributary/internal/insights"
	"github.com/tributary-data/tributary/internal/intake"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/monitor"
	"github.com/tributary-data/tributary/internal/offer"
	"github.com/tributary-data/tributary/internal/queue"
	"github.com/tributary-data/tributary/internal/registry"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/runner"
	"github.com/tributary-data/tributary/internal/source"
	"github.com/tributary-data/tributary/internal/sqlworker"
	"github.com/tributary-data/tributary/internal/tables"
	"github.com/tributary-data/tributary/internal/telemetry"
	"github.com/tributary-data/tributary/internal/trial"
	"github.com/tributary-data/tributary/internal/webui"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Options say how a control plane is served.
type Options struct {
	Version string // of the program
	Log     *slog.Logger
	Proxies guard.Proxies // whose word counts for where a call comes from
	Rates   guard.Rates
	Egress  guard.Egress // what firewalls and Stripe's key settings need to know
	// Metrics are the networks that may read /metrics.
	Metrics []netip.Prefix
	// Copies grow with their schemas; nil for a plane that none belongs to.
	Copies Copies
	// TLS says that browsers come by TLS, here or at a proxy in front.
	TLS bool
	// AnyAccept lets the Schema Registry answer who names no format.
	AnyAccept bool
	Spans     telemetry.Spans // nil for no traces
	// Stripe is how accounts are read for dataflows: all of it but whose, what and
	// where to.
	Stripe app.Sync
	// Workers is how many runs are done at once: 0 for runner.DefaultWorkers, below
	// 0 for none, which leaves them to other processes (Control.Worker).
	Workers int
	Alerts  Alerts
	// SQLWorker is the command of processes that queries run in; nil for none:
	// then they run in this one.
	SQLWorker []string
}

// Alerts are the ways in which alerts leave the application; the zero value has
// none.
type Alerts struct {
	Mail    alert.Mailer
	Client  *http.Client         // for webhooks
	Allowed func(*url.URL) error // where webhooks may go
}

// Copies are those of an account at Stripe.
type Copies interface {
	// Grow adds to the schema of a resource's copy what it lacks of the fields,
	// which lie below its group.
	Grow(ctx context.Context, resource, title string, fields []*xdm.Field) (app.Extended, error)
	// Forget removes a customer from the copies, and keeps nothing of it that
	// comes.
	Forget(ctx context.Context, r app.ForgetRequest) (*app.Forgetting, error)
}

// A Plane is a control plane that is being served: the services, the lake that
// they keep rows in, and what watches over the calls. Close it.
type Plane struct {
	*Control
	Registry *registry.Service
	Catalog  *catalog.Service
	Prep     *dataprep.Service
	Stripe   *source.Stripe
	Flow     *flow.Service
	Intake   *intake.Service
	Runner   *runner.Runner
	Copies   *copies.Service
	Hooks    *runner.Hooks // answers Stripe's webhooks about the accounts of connections
	Network  *guard.Service
	Audit    *audit.Log
	Alert    *alert.Service
	Erasure  *erasure.Service // of privacy requests
	Trials   *trial.Service
	// Decisions are told to shops, by what Trials keeps.
	Decisions *decision.Service
	// Exposures are kept by the ids of sandboxes: a sandbox that is reset keeps its
	// name alone, and other organisations have the same names.
	Exposures *exposure.Log
	Audience  *audience.Service
	Offers    *offer.Service

	options   Options
	services  []*gateway.Service
	lake      *lake.Lake
	queries   *sqlworker.Pool
	queue     *queue.Queue
	file      *audit.File
	telemetry *telemetry.Telemetry
	limiter   *guard.Limiter
	ending    chan struct{} // closed by end, when Run ends
	end       func()
}

// Serve makes the services of a control plane. The directory must be this
// process's.
func (c *Control) Serve(ctx context.Context, o Options) (_ *Plane, err error) {
	p := &Plane{Control: c, options: o, ending: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.ending) })
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close(ctx))
		}
	}()
	if p.lake, err = lake.Open(ctx, c.dir); err != nil {
		return nil, fmt.Errorf("open the lake: %w", err)
	}
	if p.file, err = audit.OpenFile(filepath.Join(c.dir, audit.FileName)); err != nil {
		return nil, err
	}
	if p.telemetry, err = telemetry.New(ctx, telemetry.Options{Version: o.Version, Log: o.Log, Now: c.now, Address: p.address, Spans: o.Spans}); err != nil {
		return nil, err
	}
	p.limiter = guard.NewLimiter(o.Proxies, o.Rates, c.now)
	p.Exposures = &exposure.Log{Dir: filepath.Join(c.dir, exposure.Folder), Now: c.now, Log: o.Log}
	if err := p.build(ctx); err != nil {
		return nil, err
	}
	if err := c.Access.ResumeSandboxes(ctx); err != nil {
		return nil, fmt.Errorf("sandboxes that were being removed: %w", err)
	}
	if err := p.upgrade(ctx); err != nil {
		return nil, fmt.Errorf("the schemas of this release: %w", err)
	}
	return p, p.Adopt(ctx)
}

// upgrade brings what sandboxes were seeded with up to this release. Where
// that can't be, because a field of somebody's own is in the way, all goes on as
// it was.
func (p *Plane) upgrade(ctx context.Context) error {
	all, err := p.Access.Operators(ctx)
	if err != nil {
		return err
	}
	for _, c := range all {
		titles, err := p.Registry.Upgrade(ctx, c)
		if len(titles) > 0 {
			p.options.Log.InfoContext(ctx, "field groups have the fields of this release", "org", c.Org, "sandbox", c.Sandbox.Name, "groups", titles)
		}
		if err != nil {
			p.options.Log.WarnContext(ctx, "field groups lack fields of this release", "org", c.Org, "sandbox", c.Sandbox.Name, "error", err)
		}
	}
	return ctx.Err()
}

// Worker makes what does runs and nothing else, beside the process that has the
// directory and other workers. Call Work and Close of it.
func (c *Control) Worker(ctx context.Context, o Options) (_ *Plane, err error) {
	p := &Plane{Control: c, options: o, ending: make(chan struct{})}
	p.end = sync.OnceFunc(func() { close(p.ending) })
	if p.lake, err = lake.Open(ctx, c.dir); err != nil {
		return nil, fmt.Errorf("open the lake: %w", err)
	}
	if err := p.core(ctx, tables.New(p.lake)); err != nil {
		return nil, errors.Join(err, p.Close(ctx))
	}
	return p, nil
}

// core ties together what runs of dataflows need.
func (p *Plane) core(ctx context.Context, rows *tables.Tables) error {
	p.Registry = &registry.Service{DB: p.DB, Now: p.now, AnyAccept: p.options.AnyAccept}
	p.Catalog = &catalog.Service{DB: p.DB, Schemas: p.Registry, Tables: rows, Now: p.now, InUnion: p.Registry.InUnion}
	p.Catalog.GrowCopy = p.growCopy
	p.Registry.Users, p.Registry.Grown = p.Catalog.DatasetsOf, p.Catalog.Grow
	p.Prep = &dataprep.Service{DB: p.DB, Schemas: p.Registry, Now: p.now}
	p.Alert = &alert.Service{
		DB: p.DB, Keys: p.Keys, Mail: p.options.Alerts.Mail, Client: p.options.Alerts.Client, Allowed: p.options.Alerts.Allowed, Now: p.now, Log: p.options.Log,
	}
	return p.dataflows(ctx, rows)
}

// build ties the services together. None knows another but by what it is
// given here.
func (p *Plane) build(ctx context.Context) error {
	rows := tables.New(p.lake)
	if err := p.core(ctx, rows); err != nil {
		return err
	}
	p.Intake = &intake.Service{DB: p.DB, Catalog: p.Catalog, Schemas: p.Registry, Tables: rows, Dir: p.dir, Now: p.now, Log: p.options.Log}
	p.Access.Hooks = append(p.Access.Hooks, access.SandboxHook{Delete: p.forget, After: p.readopt})
	p.Network = &guard.Service{DB: p.DB, Proxies: p.options.Proxies, Now: p.now, Log: p.options.Log, Egress: p.options.Egress}
	p.Audit = &audit.Log{DB: p.DB, File: p.file, Now: p.now, Log: p.options.Log, Address: p.address}
	p.Offers = p.offers()
	p.experiments()
	p.Audience = p.audiences(rows)
	p.Erasure = p.erasures()
	p.services = []*gateway.Service{
		accessapi.AccessControl(p.Access), accessapi.Sandboxes(p.Access), accessapi.Members(p.Access),
		p.Registry.HTTP(), p.Registry.NamespacesHTTP(),
		p.Catalog.HTTP(),
		(&dataaccess.Service{Catalog: p.Catalog, Tables: rows, Diagnostics: p.Intake}).HTTP(),
		(&insights.Service{Batches: p.Catalog, Now: p.now}).HTTP(),
		p.Prep.HTTP(), p.Intake.HTTP(), p.Flow.HTTP(), p.Network.HTTP(), p.Audit.HTTP(), p.Alert.HTTP(), p.Copies.HTTP(), p.Erasure.HTTP(),
		(&monitor.Service{Flows: p.Flow, Datasets: p.Catalog, Now: p.now}).HTTP(),
		p.Trials.HTTP(),
		report.New(report.Service{Open: p.openCopy, Names: p.copiesFor, Snapshot: p.copySnapshot}).HTTP(),
		p.Analysis().HTTP(),
		p.sql().HTTP(),
		p.Audience.HTTP(),
		p.Offers.HTTP(),
	}
	return nil
}

// forget removes what a sandbox has outside of its documents.
func (p *Plane) forget(ctx context.Context, s docstore.Scope) error {
	if err := p.Trials.Forget(ctx, s); err != nil {
		return err
	}
	if err := p.Exposures.Drop(ctx, s.Sandbox); err != nil {
		return err
	}
	if err := p.Flow.Forget(ctx, s); err != nil {
		return err
	}
	if err := p.Copies.Forget(ctx, s); err != nil {
		return err
	}
	if err := p.Offers.ForgetSandbox(ctx, s); err != nil {
		return err
	}
	if err := p.Erasure.Forget(ctx, s); err != nil {
		return err
	}
	if err := p.Runner.Forget(ctx, s.Sandbox); err != nil {
		return err
	}
	if err := p.Intake.Forget(ctx, s); err != nil {
		return err
	}
	if err := p.Audience.Remove(ctx, s); err != nil {
		return err
	}
	return p.Catalog.Forget(ctx, s)
}

// readopt shows the copies again after the default sandbox was reset: they are
// Stripe's, and no client's to remove.
func (p *Plane) readopt(ctx context.Context) {
	if err := p.Adopt(ctx); err != nil {
		p.options.Log.ErrorContext(ctx, "the catalog was not brought up to date", "error", err)
	}
}

// Services are what the plane serves.
func (p *Plane) Services() []*gateway.Service { return slices.Clone(p.services) }

// address returns where a call comes from, "" where that is not known.
func (p *Plane) address(r *http.Request) string {
	a, err := p.options.Proxies.Address(r)
	if err != nil {
		return ""
	}
	return a.String()
}

// Handler serves the platform's paths (/data/…), tokens (/ims/…) and /metrics.
func (p *Plane) Handler() (http.Handler, error) {
	door := &gateway.Gateway{
		Doors: p.Access, Services: p.services, Log: p.options.Log,
		Check: func(r *http.Request, c *access.Caller) error {
			if err := p.limiter.Check(r, c); err != nil {
				return err
			}
			return p.Network.Check(r, c)
		},
		Observe: func(ctx context.Context, o gateway.Observation) {
			p.telemetry.Observe(ctx, o)
			p.Audit.Observe(ctx, o)
		},
	}
	data := door.Handler()
	ui := &webui.UI{API: data, Access: p.Access, DB: p.DB, Keys: p.Keys, Log: p.options.Log, Now: p.now, Secure: p.options.TLS, Ending: p.ending}
	shown, err := ui.Handler()
	if err != nil {
		return nil, fmt.Errorf("the pages: %w", err)
	}
	pages := telemetry.Name("webui", "/ui/", shown)
	ims := telemetry.Name("ims", "/ims/", accessapi.IMS(p.Access, p.options.Log))
	metrics := telemetry.Name("metrics", "/metrics", p.near(p.telemetry.Metrics()))
	// Not a ServeMux: it would send callers on to other paths, with a page.
	decided := telemetry.Quiet(decision.Name, decision.Base, p.Decisions.Handler())
	limited := p.limiter.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case strings.HasPrefix(path, decision.Base+"/"):
			decided.ServeHTTP(w, r)
		case path == "/metrics" && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			metrics.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/ims/"):
			ims.ServeHTTP(w, r)
		case path == "/" || path == webui.Base || strings.HasPrefix(path, webui.Base+"/"):
			pages.ServeHTTP(w, r)
		default:
			data.ServeHTTP(w, r)
		}
	}))
	return p.telemetry.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, decision.Base+"/") {
			// All customers of a shop's server come from one address; its key has a rate of its
			// own. What a browser asks first is no call yet, and must not be in its way.
			if r.Method == http.MethodOptions || p.Decisions.Knows(r) {
				decided.ServeHTTP(w, r)
				return
			}
			p.Decisions.Open(w.Header(), r)
		}
		limited.ServeHTTP(w, r)
	})), nil
}

// near hides a handler from all but the networks that may read metrics. A proxy
// on this machine that nobody named brings in everybody.
func (p *Plane) near(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := p.options.Proxies.Address(r)
		if err != nil || p.options.Proxies.Unknown(r) || !slices.ContainsFunc(p.options.Metrics, func(n netip.Prefix) bool { return n.Contains(a) }) {
			http.NotFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Run takes in the batches that clients push, does the runs of dataflows, delivers
// alerts, works out the members of audiences, makes models again, and follows what
// decisions go by, until ctx ends or one of these does.
func (p *Plane) Run(ctx context.Context) error {
	defer p.end()
	defer context.AfterFunc(ctx, p.end)()
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context) error{p.Intake.Run, p.Alert.Run, p.Audience.Run, p.Offers.Run, p.Erasure.Run, p.Work, p.Decisions.Follow} {
		g.Go(func() error { return part(ctx) })
	}
	return g.Wait()
}

// Work does the runs of dataflows, and the reconciles that were asked for, until ctx ends, or, with no workers, says alone
// which ones are due.
func (p *Plane) Work(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.Runner.Tick(ctx) })
	if p.options.Workers >= 0 {
		g.Go(func() error { return p.Runner.Work(ctx) })
		g.Go(func() error { return p.Copies.Run(ctx) })
	}
	return g.Wait()
}

// Adopt shows the copies that passes over a Stripe account have made as
// datasets of the default sandbox, on the schemas that it was seeded with.
func (p *Plane) Adopt(ctx context.Context) error {
	names, err := p.lake.Tables(ctx)
	if err != nil {
		return fmt.Errorf("list the tables: %w", err)
	}
	c, err := p.Access.Operator(ctx)
	if err != nil {
		return err
	}
	schemas, err := p.Registry.Summaries(ctx, c)
	if err != nil {
		return err
	}
	var copies []catalog.Copy
	for _, s := range schemas {
		if s.Resource != "" && slices.Contains(names, s.Resource) {
			copies = append(copies, catalog.Copy{Table: s.Resource, Name: s.Title, SchemaID: s.ID})
		}
	}
	if err := p.Catalog.Adopt(ctx, c, copies); err != nil {
		return fmt.Errorf("show the copies in the catalog: %w", err)
	}
	return nil
}

// growCopy adds to a copy what its schema has at the place of Stripe's object.
// What a schema has elsewhere, no pass fills, and no column is made for it.
func (p *Plane) growCopy(ctx context.Context, table string, now *xdm.Composition) error {
	if p.options.Copies == nil {
		return nil
	}
	c, err := p.Access.Operator(ctx)
	if err != nil {
		return err
	}
	fields := now.Fields
	for _, name := range []string{"_" + c.Tenant, table + "_data"} {
		i := slices.IndexFunc(fields, func(f *xdm.Field) bool { return f.Name == name })
		if i < 0 {
			return nil
		}
		fields = fields[i].Fields
	}
	_, err = p.options.Copies.Grow(ctx, table, now.Title+" "+now.Version, fields)
	return err
}

// Close closes what Serve opened; the control plane stays open.
func (p *Plane) Close(ctx context.Context) error {
	var errs []error
	if p.telemetry != nil {
		errs = append(errs, p.telemetry.Close(ctx))
	}
	if p.file != nil {
		errs = append(errs, p.file.Close())
	}
	if p.Hooks != nil {
		errs = append(errs, p.Hooks.Close())
	}
	if p.Exposures != nil {
		errs = append(errs, p.Exposures.Close())
	}
	if p.queries != nil {
		p.queries.Close()
	}
	if p.queue != nil {
		errs = append(errs, p.queue.Close())
	}
	if p.lake != nil {
		errs = append(errs, p.lake.Close())
	}
	return errors.Join(errs...)
}
