package control

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/erasure"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/trial"
)

// erasures ties privacy requests to all that has data of customers. The copies come
// first: nothing brings back then what the others remove, and what belongs to the
// customer is known by then. Documents come before what is made of them: the rows
// of an audience's members have its name.
func (p *Plane) erasures() *erasure.Service {
	s := p.forgetting()
	s.Log, s.Told = p.options.Log, p.Decisions.Changed
	s.Copies = func(ctx context.Context, c access.Caller) ([]string, error) {
		return p.Runner.CopyNames(ctx, c.Sandbox.ID)
	}
	s.Stores = []erasure.Store{
		{Name: "copy of this installation", Do: p.eraseOwn},
		{Name: "copies", Do: p.eraseCopies},
		{Name: "uploads", Do: p.eraseUploads},
		{Name: "documents", Do: p.eraseDocuments},
		{Name: "datasets", Do: p.eraseDatasets},
		{Name: "exposures", Do: p.eraseExposures},
		{Name: "audiences", Do: forgets(p.Audience.Forget)},
		{Name: "offers", Do: forgets(p.Offers.Forget)},
		{Name: "audit log", Do: p.eraseAudit},
	}
	return s
}

// forgetting is the service of privacy requests without what does them: the list of
// whom copies are to keep nothing.
func (c *Control) forgetting() *erasure.Service {
	return &erasure.Service{DB: c.DB, Keys: c.Keys, Operator: c.Access.OperatorIn, Digest: app.ForgetDigest, Knows: c.knowsCustomer, Units: c.unitsOf, Listed: trial.Turn, Now: c.now}
}

// forgetList returns of whom a copy is to keep nothing.
func (c *Control) forgetList(ctx context.Context, sandbox, name string) (list app.ForgetList, err error) {
	all, err := c.Access.Operators(ctx)
	if err != nil {
		return list, err
	}
	for _, o := range all {
		if o.Sandbox.ID != sandbox {
			continue
		}
		key, listed, err := c.forgetting().List(ctx, o.Org, o.Sandbox.Name, name)
		if err != nil {
			return list, err
		}
		list.Key = key
		for _, l := range listed {
			list.Customers = append(list.Customers, app.ForgetEntry{Request: l.Request, Digest: l.Digest, Books: l.Books, Requested: l.At})
		}
	}
	return list, nil
}

// forgets makes a store of what removes a customer and may be repeated.
func forgets(forget func(ctx context.Context, sc docstore.Scope, customer string) (int, error)) func(context.Context, access.Caller, erasure.Subject) ([]erasure.Removed, error) {
	return func(ctx context.Context, c access.Caller, s erasure.Subject) ([]erasure.Removed, error) {
		n, err := forget(ctx, c.Scope(), s.Customer)
		return []erasure.Removed{{From: "all", Count: int64(n)}}, err
	}
}

func request(s erasure.Subject) app.ForgetRequest {
	return app.ForgetRequest{Customer: s.Customer, Books: s.Books, ID: s.Request}
}

// told tells what forgetting came to.
func told(prefix string, f *app.Forgetting) []erasure.Removed {
	all := []erasure.Removed{}
	if f == nil || f.Result == nil {
		return all
	}
	for _, t := range f.Result.Tables {
		all = append(all, erasure.Removed{From: prefix + t.Table, Count: t.Rows})
	}
	return append(all, erasure.Removed{From: prefix + "quarantine", Count: f.Result.Quarantine}, erasure.Removed{From: prefix + "events", Count: f.Result.Events})
}

// aboutOwn says whether a request is about the copy that `tributary sync` makes in the
// installation's directory, which is the default sandbox's.
func (p *Plane) aboutOwn(ctx context.Context, c access.Caller, s erasure.Subject) (bool, error) {
	if p.options.Copies == nil || s.Copy != "" {
		return false, nil
	}
	o, err := p.Access.Operator(ctx)
	return err == nil && o.Scope() == c.Scope(), err
}

// eraseOwn removes the customer from that copy.
func (p *Plane) eraseOwn(ctx context.Context, c access.Caller, s erasure.Subject) ([]erasure.Removed, error) {
	if own, err := p.aboutOwn(ctx, c, s); err != nil || !own {
		return nil, err
	}
	what := request(s)
	what.Derived = true
	done, err := p.options.Copies.Forget(ctx, what)
	return told("", done), err
}

// eraseCopies removes the customer from the copies of the sandbox.
func (p *Plane) eraseCopies(ctx context.Context, c access.Caller, s erasure.Subject) (all []erasure.Removed, err error) {
	names, err := p.Runner.CopyNames(ctx, c.Sandbox.ID)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if s.Copy != "" && s.Copy != name {
			continue
		}
		f, err := p.Runner.ForgetCustomer(ctx, c.Sandbox.ID, name, request(s))
		if err != nil {
			return nil, err
		}
		all = append(all, told(name+"/", f)...)
	}
	return all, nil
}

// known is what is known of a request once the copies have forgotten the customer:
// the ids of all that is his. It belongs to one goroutine.
type known struct {
	customer string
	lists    []*app.Forgotten // of the copies
}

// know opens what is known of a request; close it.
func (p *Plane) know(ctx context.Context, c access.Caller, s erasure.Subject) (k *known, err error) {
	k = &known{customer: s.Customer}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.close())
		}
	}()
	own, err := p.aboutOwn(ctx, c, s)
	if err != nil {
		return k, err
	}
	if own {
		f, err := app.OpenForgotten(ctx, p.dir)
		if err != nil {
			return k, err
		}
		k.lists = append(k.lists, f)
	}
	names, err := p.Runner.CopyNames(ctx, c.Sandbox.ID)
	if err != nil {
		return k, err
	}
	for _, name := range names {
		if s.Copy != "" && s.Copy != name {
			continue
		}
		f, err := p.Runner.OpenForgotten(ctx, c.Sandbox.ID, name)
		if err != nil {
			return k, err
		}
		k.lists = append(k.lists, f)
	}
	return k, nil
}

func (k *known) close() error {
	var errs []error
	for _, f := range k.lists {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// is says whether a row goes that has this text: it has the id of the customer, or is
// the id of something of his, or JSON that has one.
func (k *known) is(text string) bool {
	return erasure.Names(text, k.customer) || slices.ContainsFunc(k.lists, func(f *app.Forgotten) bool { return f.Mentions(text) })
}

// Mentions implements erasure.Matcher. Some names stand in lower case, too.
func (k *known) Mentions(text string) bool {
	return erasure.Names(text, k.customer) || erasure.Names(text, strings.ToLower(k.customer)) ||
		slices.ContainsFunc(k.lists, func(f *app.Forgotten) bool { return f.Mentions(text) })
}

// Scrub implements erasure.Matcher.
func (k *known) Scrub(text string) string {
	text = erasure.Unname(erasure.Unname(text, k.customer), strings.ToLower(k.customer))
	for _, f := range k.lists {
		text = f.Scrub(text)
	}
	return text
}

// eraseDatasets removes rows that name what is to be forgotten, with old snapshots
// and files, from the datasets of the sandbox, and what their marks tell of it.
func (p *Plane) eraseDatasets(ctx context.Context, c access.Caller, s erasure.Subject) (all []erasure.Removed, err error) {
	k, err := p.know(ctx, c, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	datasets, err := p.Catalog.Datasets(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, d := range datasets {
		if d.Mirror {
			continue // a copy's own
		}
		t, err := p.lake.Load(ctx, d.Table)
		if problem.KindOf(err) == problem.NotFound {
			continue
		}
		var rows int64
		if err == nil {
			rows, err = t.Forget(ctx, lake.Forget{Is: k.is, Whole: true, Props: func(name, value string) string { return p.Runner.ScrubMark(name, value, k.Mentions) }})
		}
		if err != nil {
			return nil, err
		}
		if rows > 0 {
			all = append(all, erasure.Removed{From: "dataset " + d.ID, Count: rows})
		}
	}
	for _, f := range k.lists {
		if err := f.Done(ctx, s.Request); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// eraseUploads removes what clients pushed of the customer and what is no row yet, or
// never became one.
func (p *Plane) eraseUploads(ctx context.Context, c access.Caller, s erasure.Subject) (_ []erasure.Removed, err error) {
	k, err := p.know(ctx, c, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	done, err := p.Intake.ForgetRows(ctx, c, k.Mentions)
	return []erasure.Removed{{From: "batches that were being uploaded", Count: done.Batches}, {From: "diagnostics", Count: done.Rows}}, err
}

// eraseAudit removes the ids from the file of the audit log, whose paths and names may
// have them. What was logged to elsewhere stays there.
func (p *Plane) eraseAudit(_ context.Context, _ access.Caller, s erasure.Subject) ([]erasure.Removed, error) {
	n, err := p.file.Blot(s.Customer)
	return []erasure.Removed{{From: "all", Count: n}}, err
}

// eraseDocuments removes the ids of what is to be forgotten from the documents of the
// sandbox, its organisation and the installation: names, messages of errors, samples.
// A message that has one goes as a whole: it may quote values.
func (p *Plane) eraseDocuments(ctx context.Context, c access.Caller, s erasure.Subject) (_ []erasure.Removed, err error) {
	k, err := p.know(ctx, c, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.close()) }()
	changed := int64(0)
	err = p.DB.Rewrite(ctx, func(sc docstore.Scope, d *docstore.Doc) error {
		switch sc {
		case c.Scope():
		case docstore.Scope{Org: c.Org}: // the audit log's entries have the sandbox as their parent
			if d.Parent != "" && d.Parent != c.Sandbox.ID {
				return nil
			}
		case docstore.Scope{}: // what waits to be delivered, or to be done
			if !bytes.Contains(d.Body, []byte(c.Sandbox.ID)) {
				return nil
			}
		default:
			return nil
		}
		touched, err := erasure.Scrub(d, k)
		if touched {
			changed++
		}
		return err
	})
	if err == nil {
		err = p.DB.Erase(ctx)
	}
	if errors.Is(err, docstore.ErrBusy) {
		err = &problem.Error{Kind: problem.Unavailable, Detail: err.Error(), Advice: "It is tried again"}
	}
	return []erasure.Removed{{From: "all", Count: changed}}, err
}
