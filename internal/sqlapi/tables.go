package sqlapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/exposure/shown"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/sqlworker"
	"github.com/tributary-data/tributary/internal/xdm"
)

// resources are what copies have.
var resources = xdm.Resources

// Kinds of views.
const (
	OfDataset = "dataset" // a dataset's records
	OfCopy    = "copy"    // live objects of an account
	OfHistory = "history" // every version of them
	// OfExposures is the table of who was shown which variant of an experiment.
	OfExposures = "exposures"
)

// A View is what can be queried.
type View struct {
	Name    string // to write in a query, quoted where it has to be
	Also    string // another name of the same, of a dataset's table
	Kind    string
	Dataset string // id; "" for copies
	Copy    string // name; "" for datasets and for the directory's own copy
	Columns []duck.ColumnType
	Rows    int64
	Exact   bool // else Rows is an estimate
	Sample  string
}

// countFor bounds how long rows are counted; what is not counted by then is
// estimated.
const countFor = 5 * time.Second

// Tables lists what queries can read: datasets first, then copies.
func (s *Service) Tables(ctx context.Context, c access.Caller) ([]View, Snapshot, error) {
	var all []View
	var at Snapshot
	err := s.with(ctx, c, func(ctx context.Context, v *view, session *sqlworker.Session) error {
		at = v.Snapshot
		s.mu.Lock()
		known, ok := s.lists[v.ID]
		s.mu.Unlock()
		if ok {
			all = known
			return nil
		}
		shown, err := session.Views(ctx)
		if err != nil {
			return err
		}
		if all, err = v.list(ctx, shown); err != nil {
			return err
		}
		whole, err := count(ctx, session, all)
		if err != nil || !whole {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		keep(&s.lists, v.ID, all)
		return nil
	})
	if err != nil || s.Exposures == nil {
		return all, at, err
	}
	if _, size, err := s.Exposures(c); err != nil {
		return nil, at, err
	} else if size > 0 {
		all = append(slices.Clip(all), exposures(size))
	}
	return all, at, nil
}

// exposures is the table of them. Its rows are estimated: an exposure takes some 70
// bytes.
func exposures(size int64) View {
	v := View{Name: shown.Table, Kind: OfExposures, Rows: max(1, size/70), Sample: "SELECT * FROM " + shown.Table + " ORDER BY shown_at DESC LIMIT 100"}
	for _, c := range shown.Columns {
		one := duck.ColumnType{Name: c.Name, Type: "BIGINT"}
		if c.Text {
			one.Type = "VARCHAR"
		}
		v.Columns = append(v.Columns, one)
	}
	return v
}

// list says what each view is.
func (v *view) list(ctx context.Context, shown []duck.Shown) ([]View, error) {
	columns := map[string][]duck.ColumnType{}
	for _, one := range shown {
		columns[one.Schema+"."+one.Name] = one.Columns
	}
	all := []View{}
	for _, d := range v.datasets {
		name := v.names[d.ID]
		have, ok := columns["main."+name]
		if !ok {
			continue
		}
		t, err := v.dataset(ctx, d)
		if err != nil {
			return nil, err
		}
		one := View{Name: name, Also: d.Table, Kind: OfDataset, Dataset: d.ID, Columns: have, Rows: t.Rows, Sample: "SELECT * FROM " + name + " LIMIT 100"}
		if d.Mirror {
			one.Also = "xdm." + d.Table // the name alone is the view of the copy
		}
		all = append(all, one)
	}
	for _, k := range v.copies {
		state, err := v.s.copyState(ctx, k)
		if err != nil {
			return nil, err
		}
		schema, prefix := "main", ""
		if k.Name != "" {
			schema, prefix = k.Name, k.Name+"."
		}
		for _, r := range state.Resources {
			for _, one := range []View{{Kind: OfCopy, Name: r.Name}, {Kind: OfHistory, Name: r.Name + "_history"}} {
				have, ok := columns[schema+"."+one.Name]
				if !ok {
					continue
				}
				one.Copy, one.Columns, one.Rows = k.Name, have, state.Tables[one.Name].Rows
				if k.Name != "" && len(v.copies) == 1 {
					one.Also = one.Name
				}
				one.Name = prefix + one.Name
				one.Sample = sample(one.Name, one.Kind, have)
				all = append(all, one)
			}
		}
	}
	return all, nil
}

// count puts the exact numbers of rows into views, as far as there is time for
// it, and says whether all are.
func count(ctx context.Context, session *sqlworker.Session, all []View) (whole bool, err error) {
	if len(all) == 0 {
		return true, nil
	}
	parts := make([]string, len(all))
	for i, v := range all {
		parts[i] = fmt.Sprintf("SELECT %d AS i, count(*) AS n FROM %s", i, v.Name)
	}
	limited, cancel := context.WithTimeout(ctx, countFor)
	defer cancel()
	got, err := session.Query(limited, sqlworker.Query{SQL: strings.Join(parts, "\nUNION ALL "), Rows: len(all), Bytes: MaxBytes})
	if err != nil {
		if ctx.Err() == nil && problem.KindOf(err) != problem.Unavailable {
			return false, nil // the estimates stand
		}
		return false, err
	}
	for _, row := range got.Rows {
		at, n, _ := strings.Cut(strings.Trim(string(row), "[]"), ",")
		i, err := strconv.Atoi(at)
		if err != nil {
			return false, err
		}
		if all[i].Rows, err = strconv.ParseInt(n, 10, 64); err != nil {
			return false, err
		}
		all[i].Exact = true
	}
	return true, nil
}

func sample(name, kind string, columns []duck.ColumnType) string {
	by := ""
	for _, c := range columns {
		if kind == OfHistory && c.Name == "seq" || kind == OfCopy && c.Name == "created" {
			by = " ORDER BY " + c.Name + " DESC"
		}
	}
	return "SELECT * FROM " + name + by + " LIMIT 100"
}

// A Preview is the first rows of a dataset.
type Preview struct {
	Answer

	Dataset catalog.Dataset
}

// Preview returns up to n records of a dataset, of the latest commits first, with
// a column for each leaf of the schema by its path. Lists and maps are leaves.
func (s *Service) Preview(ctx context.Context, c access.Caller, id string, n int) (Preview, error) {
	var p Preview
	if n < 1 || n > UsualRows {
		return p, problem.Errorf(problem.Invalid, "limit: a whole number from 1 to %d is expected", UsualRows)
	}
	d, err := s.Datasets.Dataset(ctx, c, id)
	if err != nil {
		return p, err
	}
	p.Dataset = d
	began := s.Now()
	err = s.with(ctx, c, func(ctx context.Context, v *view, session *sqlworker.Session) error {
		t, err := v.dataset(ctx, d)
		if err != nil {
			return err
		}
		p.Snapshot = v.Snapshot
		p.Result, err = session.Query(ctx, sqlworker.Query{SQL: previewSQL(d, t.Table), Rows: n, Bytes: MaxBytes})
		return err
	})
	p.Took = s.Now().Sub(began)
	return p, err
}

// ourColumns are top-level columns that are no part of a record; those of a copy
// are more.
var (
	ourColumns  = map[string]bool{"_batch": true, "_object": true}
	copyColumns = map[string]bool{
		"_id": true, "_seq": true, "_hash": true, "_created": true, "_read_at": true, "_account": true, "_livemode": true, "_api_version": true,
		"_deleted": true, "_deleted_at": true,
	}
)

func previewSQL(d catalog.Dataset, t duck.Table) string {
	ours := ourColumns
	where := ""
	if d.Mirror {
		ours, where = copyColumns, ` WHERE NOT "_deleted"`
	}
	var shown []string
	for _, c := range t.Columns {
		if !ours[c.Name] {
			leaves(c, "", "", func(path, expr string) { shown = append(shown, expr+" AS "+quote(path)) })
		}
	}
	if len(shown) == 0 {
		shown = []string{"NULL AS nothing"}
	}
	return "SELECT " + strings.Join(shown, ", ") + " FROM xdm." + quote(d.Table) + where
}

// leaves calls fn with the path of each leaf below a column, and the expression
// that reads it.
func leaves(c duck.Column, path, expr string, fn func(path, expr string)) {
	path, expr = path+c.Name, expr+quote(c.Name)
	if c.Type != "struct" {
		fn(path, expr)
		return
	}
	for _, f := range c.Fields {
		leaves(f, path+".", expr+".", fn)
	}
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
