package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Dataset is a table with a name and a schema. Its JSON is how it is stored.
type Dataset struct {
	ID          string `json:"id"` // 24 hexadecimal digits
	ViewID      string `json:"viewId"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	SchemaID    string `json:"schemaId"`    // $id
	ContentType string `json:"contentType"` // of the schema; says which major version
	Table       string `json:"table"`       // ds_ and the id; a copy's own name
	// Mirror datasets are copies of Stripe that passes write: nobody pushes
	// into them.
	Mirror           bool                `json:"mirror,omitempty"`
	Tags             map[string][]string `json:"tags,omitempty"`
	ErrorDiagnostics bool                `json:"enableErrorDiagnostics,omitempty"`
	// Objects that clients keep here and nobody reads.
	FileDescription json.RawMessage `json:"fileDescription,omitempty"`
	Extensions      json.RawMessage `json:"extensions,omitempty"`
	Classification  json.RawMessage `json:"classification,omitempty"`

	CreatedClient string `json:"createdClient"`
	CreatedUser   string `json:"createdUser"`
	UpdatedUser   string `json:"updatedUser"`

	// Gone datasets are being deleted: their tables may be gone already.
	Gone bool `json:"gone,omitempty"`

	// What the store says.
	Created time.Time `json:"-"`
	Updated time.Time `json:"-"`
	Version string    `json:"-"` // 1.0.0 and so on, one up with each change of it or of its last batch
	last    last
	doc     docstore.Doc
}

func datasetOf(d docstore.Doc, l last) (Dataset, error) {
	ds := Dataset{doc: d, last: l, Created: d.Created, Updated: d.Updated, Version: version(d.Revision + l.doc.Revision)}
	if err := json.Unmarshal(d.Body, &ds); err != nil {
		return Dataset{}, fmt.Errorf("dataset %s: %w", d.ID, err)
	}
	if l.doc.Updated.After(ds.Updated) {
		ds.Updated = l.doc.Updated
	}
	return ds, nil
}

// dataset reads a dataset; problem.NotFound also for one that is going.
func dataset(t *docstore.Tx, s docstore.Scope, id string) (Dataset, error) {
	d, err := t.Get(s, kindDataset, id)
	if err != nil {
		return Dataset{}, missing(err, "dataset", id)
	}
	l, err := lastBatches(t, s, id)
	if err != nil {
		return Dataset{}, err
	}
	ds, err := datasetOf(d, l)
	if err == nil && ds.Gone {
		return Dataset{}, missing(docstore.ErrNotFound, "dataset", id)
	}
	return ds, err
}

// Dataset returns a dataset; problem.NotFound.
func (s *Service) Dataset(ctx context.Context, c access.Caller, id string) (Dataset, error) {
	var d Dataset
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		d, err = dataset(t, c.Scope(), id)
		return err
	})
	return d, err
}

// Datasets returns all datasets of the sandbox in the order in which they were
// created.
func (s *Service) Datasets(ctx context.Context, c access.Caller) ([]Dataset, error) {
	var all []Dataset
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		all = nil
		docs, err := t.List(c.Scope(), kindDataset, docstore.Page{})
		if err != nil {
			return err
		}
		notes, err := t.List(c.Scope(), kindLast, docstore.Page{})
		if err != nil {
			return err
		}
		lasts := make(map[string]last, len(notes))
		for _, d := range notes {
			if lasts[d.ID], err = lastOf(d); err != nil {
				return err
			}
		}
		for _, d := range docs {
			ds, err := datasetOf(d, lasts[d.ID])
			if err != nil {
				return err
			}
			if !ds.Gone {
				all = append(all, ds)
			}
		}
		return nil
	})
	return all, err
}

// DatasetsOf returns the names of the datasets on a schema.
func (s *Service) DatasetsOf(ctx context.Context, c access.Caller, schemaID string) ([]string, error) {
	all, err := s.Datasets(ctx, c)
	var names []string
	for _, d := range all {
		if d.SchemaID == schemaID {
			names = append(names, d.Name)
		}
	}
	return names, err
}

// Fit makes a table fit what its schema is now, by Tables.Ensure or what does the
// same, and returns what it is.
func Fit(ctx context.Context, schemas Schemas, ensure func(context.Context, string, *xdm.Composition) error, c access.Caller, schemaID, table string) (*xdm.Composition, error) {
	schema, err := schemas.Composition(ctx, c, schemaID)
	for err == nil {
		misfit := ensure(ctx, table, schema)
		if problem.KindOf(misfit) != problem.Conflict {
			return schema, misfit
		}
		// Another call may have let the schema and then the table grow, after the
		// schema was read here.
		was := schema.Fields
		if schema, err = schemas.Composition(ctx, c, schemaID); err == nil && reflect.DeepEqual(was, schema.Fields) {
			return nil, misfit
		}
	}
	return nil, err
}

// Grow makes the tables of a schema's datasets fit what the schema is now. The
// datasets have a new version then.
func (s *Service) Grow(ctx context.Context, c access.Caller, schemaID string) error {
	all, err := s.Datasets(ctx, c)
	if err != nil {
		return err
	}
	for _, d := range all {
		if d.SchemaID != schemaID {
			continue
		}
		grow := s.Tables.Ensure
		if d.Mirror {
			grow = s.GrowCopy
		}
		if grow == nil {
			continue
		}
		if _, err := Fit(ctx, s.Schemas, grow, c, schemaID, d.Table); err != nil {
			return fmt.Errorf("dataset %s: %w", d.Name, err)
		}
		err := s.DB.Do(ctx, func(t *docstore.Tx) error {
			doc, err := t.Get(c.Scope(), kindDataset, d.ID)
			if err == nil {
				_, err = t.Put(c.Scope(), doc)
			}
			return err
		})
		if err != nil && !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
	}
	return nil
}

// CreateDataset makes a dataset and its table. Of d, the fields count that a
// client may set.
func (s *Service) CreateDataset(ctx context.Context, c access.Caller, d Dataset) (Dataset, error) {
	d, schema, err := s.planDataset(ctx, c, d)
	if err != nil {
		return Dataset{}, err
	}
	if err := s.Tables.Ensure(ctx, d.Table, schema); err != nil {
		return Dataset{}, fmt.Errorf("make the table of dataset %s: %w", d.Name, err)
	}
	var made Dataset
	err = s.DB.Do(ctx, func(t *docstore.Tx) error {
		doc, err := t.Write(c.Scope(), docstore.Doc{Kind: kindDataset, ID: d.ID}, d)
		if err != nil {
			return err
		}
		made, err = datasetOf(doc, last{})
		return err
	})
	if err != nil {
		_ = s.Tables.Drop(context.WithoutCancel(ctx), d.Table) // an empty table that nobody knows
		return Dataset{}, err
	}
	return made, nil
}

// TryDataset says what speaks against a new dataset, and makes nothing.
func (s *Service) TryDataset(ctx context.Context, c access.Caller, d Dataset) error {
	_, _, err := s.planDataset(ctx, c, d)
	return err
}

// planDataset checks a dataset that is to be made and fills in what it gets.
func (s *Service) planDataset(ctx context.Context, c access.Caller, d Dataset) (Dataset, *xdm.Composition, error) {
	now := s.Now()
	d.ID, d.ViewID = newObjectID(now), newObjectID(now)
	d.Table, d.Mirror, d.Gone = "ds_"+d.ID, false, false
	d.CreatedClient, d.CreatedUser, d.UpdatedUser = c.Client, c.User, c.User
	if err := d.check(Dataset{}); err != nil {
		return Dataset{}, nil, err
	}
	schema, err := s.Schemas.Composition(ctx, c, d.SchemaID)
	if problem.KindOf(err) == problem.NotFound {
		return Dataset{}, nil, &problem.Error{
			Kind: problem.Invalid, Detail: fmt.Sprintf("schemaRef.id: there is no schema %q in this sandbox", d.SchemaID),
			Advice: "Create it first; the Schema Registry lists those there are",
		}
	}
	if err != nil {
		return Dataset{}, nil, err
	}
	d.SchemaID = schema.ID
	return d, schema, s.checkUnion(ctx, c, Dataset{}, d)
}

// ChangeDataset changes a dataset, if it still has the version that match asks
// for. The store may run change again. What a client may not set stays as it
// is.
func (s *Service) ChangeDataset(ctx context.Context, c access.Caller, id string, match Match, change func(*Dataset) error) (Dataset, error) {
	if err := s.TryChange(ctx, c, id, match, change); err != nil {
		return Dataset{}, err
	}
	var changed Dataset
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		_, now, err := planChange(t, c, id, match, change)
		if err != nil {
			return err
		}
		doc, err := t.Write(c.Scope(), now.doc, now)
		if err != nil {
			return err
		}
		changed, err = datasetOf(doc, now.last)
		return err
	})
	return changed, err
}

// TryChange says what speaks against a change, and changes nothing.
func (s *Service) TryChange(ctx context.Context, c access.Caller, id string, match Match, change func(*Dataset) error) error {
	var old, now Dataset
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		old, now, err = planChange(t, c, id, match, change)
		return err
	})
	if err != nil {
		return err
	}
	return s.checkUnion(ctx, c, old, now)
}

func planChange(t *docstore.Tx, c access.Caller, id string, match Match, change func(*Dataset) error) (old, now Dataset, err error) {
	none := Dataset{}
	if old, err = dataset(t, c.Scope(), id); err != nil {
		return none, none, err
	}
	if err := match.check(old.ID, old.Version); err != nil {
		return none, none, err
	}
	if now, err = datasetOf(old.doc, old.last); err != nil { // shares nothing with old
		return none, none, err
	}
	if err := change(&now); err != nil {
		return none, none, err
	}
	if now.SchemaID != old.SchemaID {
		return none, none, problem.Errorf(problem.Invalid, "schemaRef.id: a dataset stays on its schema, which is %s", old.SchemaID)
	}
	now.ID, now.ViewID, now.Table, now.Mirror, now.Gone = old.ID, old.ViewID, old.Table, old.Mirror, old.Gone
	now.CreatedClient, now.CreatedUser, now.UpdatedUser = old.CreatedClient, old.CreatedUser, c.User
	return old, now, now.check(old)
}

// Forget drops the tables of a sandbox that is about to be cleared. The copies
// that passes write stay: they belong to the directory.
func (s *Service) Forget(ctx context.Context, sc docstore.Scope) error {
	var docs []docstore.Doc
	err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
		docs, err = t.List(sc, kindDataset, docstore.Page{})
		return err
	})
	if err != nil {
		return err
	}
	for _, doc := range docs {
		d, err := datasetOf(doc, last{})
		if err != nil {
			return err
		}
		if d.Mirror {
			continue
		}
		if err := s.Tables.Drop(ctx, d.Table); err != nil {
			return fmt.Errorf("drop the table of dataset %s: %w", d.Name, err)
		}
	}
	return nil
}

// DeleteDataset removes a dataset and its table. Copies of Stripe, what
// somebody writes into, and what Profile uses stays: problem.Invalid. Batches
// stay as the record of what happened. A call that was cut short may be
// repeated.
func (s *Service) DeleteDataset(ctx context.Context, c access.Caller, id string, match Match) error {
	var targets []string
	if s.Targets != nil {
		var err error
		if targets, err = s.Targets(ctx, c, id); err != nil {
			return err
		}
	}
	var d Dataset
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		doc, err := t.Get(c.Scope(), kindDataset, id)
		if err != nil {
			return missing(err, "dataset", id)
		}
		l, err := lastBatches(t, c.Scope(), id)
		if err != nil {
			return err
		}
		if d, err = datasetOf(doc, l); err != nil || d.Gone {
			return err
		}
		if err := match.check(d.ID, d.Version); err != nil {
			return err
		}
		if err := d.checkDelete(targets); err != nil {
			return err
		}
		d.Gone = true
		return t.Store(c.Scope(), doc, d)
	})
	if err != nil {
		return err
	}
	if err := s.Tables.Drop(ctx, d.Table); err != nil {
		return fmt.Errorf("drop the table of dataset %s: %w", d.Name, err)
	}
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		for _, kind := range []string{kindLast, kindDataset} {
			if err := t.Delete(c.Scope(), kind, id); err != nil && !errors.Is(err, docstore.ErrNotFound) {
				return err
			}
		}
		return nil
	})
}

// Names returns the names of datasets by their ids, of those that are there.
func (s *Service) Names(ctx context.Context, c access.Caller, ids []string) (map[string]string, error) {
	names := make(map[string]string, len(ids))
	err := s.DB.View(ctx, func(t *docstore.Tx) error {
		docs, err := t.Docs(c.Scope(), kindDataset, ids)
		for id, d := range docs {
			var v struct {
				Name string `json:"name"`
				Gone bool   `json:"gone"`
			}
			if err := json.Unmarshal(d.Body, &v); err != nil {
				return fmt.Errorf("dataset %s: %w", id, err)
			}
			if !v.Gone {
				names[id] = v.Name
			}
		}
		return err
	})
	return names, err
}
