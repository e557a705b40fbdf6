package control

import (
	"context"
	"errors"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/erasure"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/problem"
)

// erasures ties privacy requests to all that has data of customers. What counts
// by the customer's id in memory or in files of its own comes behind the copies:
// nothing brings it back then.
func (p *Plane) erasures() *erasure.Service {
	s := &erasure.Service{
		DB: p.DB, Keys: p.Keys, Operator: p.Access.OperatorIn, Now: p.now, Log: p.options.Log,
		Copies: func(ctx context.Context, c access.Caller) ([]string, error) {
			return p.Runner.CopyNames(ctx, c.Sandbox.ID)
		},
	}
	s.Stores = []erasure.Store{
		{Name: "copy of this installation", Do: p.eraseOwn},
		{Name: "copies", Do: p.eraseCopies},
		{Name: "exposures", Do: forgets(func(ctx context.Context, sc docstore.Scope, customer string) (int, error) {
			return p.Exposures.Forget(ctx, sc.Sandbox, customer)
		})},
		{Name: "audiences", Do: forgets(p.Audience.Forget)},
		{Name: "offers", Do: forgets(p.Offers.Forget)},
		{Name: "documents", Do: p.eraseDocuments},
	}
	return s
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

// eraseOwn removes the customer from the copy that `tributary sync` made in the
// installation's directory, which is the default sandbox's.
func (p *Plane) eraseOwn(ctx context.Context, c access.Caller, s erasure.Subject) (_ []erasure.Removed, err error) {
	if p.options.Copies == nil || s.Copy != "" {
		return nil, nil
	}
	if o, err := p.Access.Operator(ctx); err != nil || o.Scope() != c.Scope() {
		return nil, err
	}
	what := request(s)
	what.Derived = true
	done, err := p.options.Copies.Forget(ctx, what)
	if err != nil {
		return nil, err
	}
	f, err := app.OpenForgotten(ctx, p.dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	made, err := p.eraseDatasets(ctx, c, f)
	if err != nil {
		return nil, err
	}
	return append(told("", done), made...), f.Done(ctx, s.Request)
}

// eraseCopies removes the customer from the copies of the sandbox, and from the
// datasets that dataflows made of them.
func (p *Plane) eraseCopies(ctx context.Context, c access.Caller, s erasure.Subject) (all []erasure.Removed, err error) {
	names, err := p.Runner.CopyNames(ctx, c.Sandbox.ID)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if s.Copy != "" && s.Copy != name {
			continue
		}
		var made []erasure.Removed
		f, err := p.Runner.ForgetCustomer(ctx, c.Sandbox.ID, name, request(s), func(ctx context.Context, f *app.Forgotten) (err error) {
			made, err = p.eraseDatasets(ctx, c, f)
			return err
		})
		if err != nil {
			return nil, err
		}
		all = append(append(all, told(name+"/", f)...), made...)
	}
	return all, nil
}

// eraseDatasets removes rows that name what is to be forgotten, with old snapshots
// and files, from the datasets of the sandbox.
func (p *Plane) eraseDatasets(ctx context.Context, c access.Caller, f *app.Forgotten) (all []erasure.Removed, err error) {
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
			rows, err = t.Forget(ctx, lake.Forget{Is: f.Is, Whole: true})
		}
		if err != nil {
			return nil, err
		}
		if rows > 0 {
			all = append(all, erasure.Removed{From: "dataset " + d.ID, Count: rows})
		}
	}
	return all, nil
}

// eraseDocuments removes the ids of what is to be forgotten from the documents of
// the sandbox: names, messages of errors, samples.
func (p *Plane) eraseDocuments(ctx context.Context, c access.Caller, s erasure.Subject) ([]erasure.Removed, error) {
	changed := int64(0)
	scrub := func(f *app.Forgotten) error {
		return p.DB.Rewrite(ctx, func(sc docstore.Scope, d docstore.Doc) ([]byte, error) {
			if sc != c.Scope() {
				return d.Body, nil
			}
			text := strings.ReplaceAll(string(d.Body), s.Customer, "(removed)")
			if f != nil {
				text = f.Scrub(text)
			}
			if text == string(d.Body) {
				return d.Body, nil
			}
			changed++
			return []byte(text), nil
		})
	}
	// The lists of all copies at once would need them all in memory.
	err := errors.Join(scrub(nil), p.Runner.EachForgotten(ctx, c.Sandbox.ID, scrub))
	if err == nil {
		err = p.DB.Erase(ctx)
	}
	if errors.Is(err, docstore.ErrBusy) {
		err = &problem.Error{Kind: problem.Unavailable, Detail: err.Error(), Advice: "It is tried again"}
	}
	return []erasure.Removed{{From: "all", Count: changed}}, err
}
