package control

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/erasure"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/runner"
	"github.com/tributary-data/tributary/internal/trial"
)

// forgottenIn says of whom decisions are to keep nothing.
func (c *Control) forgottenIn(ctx context.Context, org, sandbox string) (func(id string) bool, error) {
	key, all, err := c.forgetting().Everybody(ctx, org, sandbox)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	list := map[[32]byte]bool{}
	for _, l := range all {
		list[l.Digest] = true
	}
	return func(id string) bool { return list[app.ForgetDigest(key, id)] }, nil
}

// heard is how long after a request every process that decides goes by it, and has kept
// what it decided before: they look twice a second.
const heard = 2 * time.Second

// eraseExposures removes what the customer was shown, once nothing more of it comes.
func (p *Plane) eraseExposures(ctx context.Context, c access.Caller, s erasure.Subject) ([]erasure.Removed, error) {
	wait := time.NewTimer(heard - p.now().Sub(s.Asked))
	defer wait.Stop()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
	}
	n, err := p.Exposures.Forget(ctx, c.Sandbox.ID, append([]string{s.Customer}, s.Units...)...)
	return []erasure.Removed{{From: "all", Count: int64(n)}}, err
}

// unitsOf returns what the customer's charges name as the units of the sandbox's experiments
// with visitors, in one copy or, for "", all.
func (c *Control) unitsOf(ctx context.Context, by access.Caller, customer, name string) ([]string, error) {
	all, err := (&trial.Service{DB: c.DB, Now: c.now}).List(ctx, by)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for _, e := range all {
		if e.Unit.Metadata != "" {
			keys[e.Unit.Metadata] = true
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	units := map[string]bool{}
	err = c.eachCopy(ctx, by, name, func(r *app.Reader, has map[string]bool) error {
		for key := range keys {
			if !has["charges"] {
				break
			}
			all, err := values(ctx, r, "select distinct map_extract_value(_tributary.charges_data.metadata, $1) from xdm.charges where _tributary.charges_data.customer = $2", key, customer)
			if err != nil {
				return err
			}
			for _, u := range all {
				units[u] = true
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(units)), nil
}

// knowsCustomer says whether one of the copies, or the one that is named, has a customer or
// a charge of his.
func (c *Control) knowsCustomer(ctx context.Context, by access.Caller, customer, name string) (known bool, err error) {
	err = c.eachCopy(ctx, by, name, func(r *app.Reader, has map[string]bool) error {
		for table, query := range map[string]string{
			"customers": "select _id from xdm.customers where _id = $1 limit 1",
			"charges":   "select _id from xdm.charges where _tributary.charges_data.customer = $1 limit 1",
		} {
			if !has[table] || known {
				continue
			}
			all, err := values(ctx, r, query, customer)
			if err != nil {
				return err
			}
			known = len(all) > 0
		}
		return nil
	})
	return known, err
}

// eachCopy opens a sandbox's copies, or, unless name is "", one of them, and tells which
// datasets it has.
func (c *Control) eachCopy(ctx context.Context, by access.Caller, name string, do func(r *app.Reader, has map[string]bool) error) error {
	var dirs []string
	names, err := c.copyNames(by)
	if err != nil {
		return err
	}
	for _, n := range names {
		if name == "" || name == n {
			dirs = append(dirs, filepath.Join(runner.SandboxDir(c.dir, by.Sandbox.ID), n))
		}
	}
	if name == "" {
		own, err := c.ownCopy(ctx, by)
		if err != nil {
			return err
		}
		if own {
			dirs = append(dirs, c.dir)
		}
	}
	for _, dir := range dirs {
		if err := withCopy(ctx, dir, do); err != nil {
			return err
		}
	}
	return nil
}

func withCopy(ctx context.Context, dir string, do func(r *app.Reader, has map[string]bool) error) (err error) {
	r, err := app.OpenReader(ctx, dir)
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	names, err := values(ctx, r, "select table_name from duckdb_columns() where schema_name = 'xdm' and column_name = '_tributary'")
	if err != nil {
		return err
	}
	has := map[string]bool{}
	for _, n := range names {
		has[n] = true
	}
	return do(r, has)
}

// values returns the texts of a query's one column.
func values(ctx context.Context, r *app.Reader, query string, args ...any) (all []string, err error) {
	rows, err := r.QueryWith(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if text, ok := rows.Values()[0].(string); ok && text != "" {
			all = append(all, text)
		}
	}
	return all, rows.Err()
}
