package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"slices"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/audience"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/offer"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/registry"
	"github.com/tributary-data/tributary/internal/tables"
	"github.com/tributary-data/tributary/internal/trial"
	"github.com/tributary-data/tributary/internal/xdm"
)

// audiences ties together what keeps audiences, and experiments with them.
func (p *Plane) audiences(rows *tables.Tables) *audience.Service {
	p.Trials.HasAudience = func(ctx context.Context, c access.Caller, id string) (bool, error) {
		_, err := p.Audience.Audience(ctx, c, id)
		if problem.KindOf(err) == problem.NotFound {
			return false, nil
		}
		return err == nil, err
	}
	p.Offers.HasAudience = p.Trials.HasAudience
	p.Decisions.Audience = func(ctx context.Context, sandbox, id, customer string) (bool, error) {
		return p.Audience.Has(ctx, sandbox, id, customer)
	}
	p.Offers.Member = p.Decisions.Audience
	return audience.New(&audience.Service{
		DB: p.DB, Dir: filepath.Join(p.dir, audience.Folder), Operators: p.Access.Operators, OperatorIn: p.Access.OperatorIn,
		Tables: &audienceTables{plane: p, rows: rows}, Now: p.now, Log: p.options.Log,
		Open: func(ctx context.Context, c access.Caller, name string) (audience.Copy, error) {
			dir, _, err := p.copyDir(ctx, c, name)
			if err != nil {
				return nil, err
			}
			return app.OpenReader(ctx, dir)
		},
		Version: func(ctx context.Context, c access.Caller, name string) (string, error) {
			dir, _, err := p.copyDir(ctx, c, name)
			if err != nil {
				return "", err
			}
			return app.CopyVersion(ctx, dir)
		},
		InUse: audienceUse,
	})
}

// audienceUse says what needs an audience: a running experiment that asks only its
// customers, or gives an offer only to them; else an offer.
func audienceUse(t *docstore.Tx, scope docstore.Scope, id string) (use audience.Use, err error) {
	running := func(fits func(experiment.Experiment) bool) error {
		all, err := trial.Running(t, scope)
		if i := slices.IndexFunc(all, fits); i >= 0 {
			use = audience.Use{By: fmt.Sprintf("the running experiment %q", all[i].Name), Running: true}
		}
		return err
	}
	if err := running(func(e experiment.Experiment) bool { return e.Audience == id }); use.Running || err != nil {
		return use, err
	}
	offers, err := offer.For(t, scope, id)
	if len(offers) == 0 || err != nil {
		return use, err
	}
	use.By = fmt.Sprintf("the offer %q", offers[0].Name)
	err = running(func(e experiment.Experiment) bool {
		return slices.ContainsFunc(offers, func(k offer.Kept) bool { return e.Gives(k.ID.String()) })
	})
	return use, err
}

// Audiences returns what reads the audiences of an installation, beside the process
// that keeps them.
func (c *Control) Audiences() *audience.Service {
	return audience.New(&audience.Service{DB: c.DB, Dir: filepath.Join(c.dir, audience.Folder), Now: c.now})
}

// audienceTables are datasets with the members of audiences, each on the same
// schema of its sandbox.
type audienceTables struct {
	plane *Plane
	rows  *tables.Tables
}

// kindAudienceSchema is the document that names the schema in a sandbox.
const kindAudienceSchema = "audienceSchema"

type audienceSchema struct {
	ID string `json:"id"` // $id
}

// Put implements audience.Tables. One commit brings the rows and takes those of
// all batches before.
func (t *audienceTables) Put(ctx context.Context, c access.Caller, a audience.Audience, s *audience.Set) (string, error) {
	d, schema, err := t.dataset(ctx, c, a)
	if err != nil {
		return "", err
	}
	digest := s.Digest(a.Name)
	var replaces []string
	same := false
	err = t.plane.Catalog.EachBatch(ctx, c, d.ID, func(b catalog.Batch) bool {
		same = len(replaces) == 0 && b.Status == catalog.Success && slices.Equal(b.Tags["audienceDigest"], []string{digest})
		replaces = append(replaces, b.ID)
		return b.Status != catalog.Success // what was before that one, it replaced
	})
	if err != nil || same {
		return d.ID, err
	}
	b, err := t.plane.Catalog.CreateBatch(ctx, c, catalog.Batch{
		DatasetID: d.ID, Status: catalog.Active, Started: t.plane.now().UnixMilli(), Tags: map[string][]string{"audienceId": {a.ID}, "audienceDigest": {digest}},
	})
	if err != nil {
		return d.ID, err
	}
	done, err := t.append(ctx, c, d, schema, b.ID, replaces, t.records(c, a, s))
	in := err == nil
	_, noted := t.plane.Catalog.ChangeBatch(context.WithoutCancel(ctx), c, b.ID, func(b *catalog.Batch) error {
		b.Status, b.Completed = catalog.Success, t.plane.now().UnixMilli()
		b.Metrics = &catalog.Metrics{
			InputRecordCount: int64(s.Len()), OutputRecordCount: done.Rows, OutputByteSize: done.Bytes, OutputFileCount: done.Files, DeletedRecordCount: max(done.Removed, 0),
		}
		if b.SnapshotID = done.SnapshotID; !in {
			b.Status = catalog.Failed
			b.Errors = []catalog.BatchError{{Code: "AUDIENCE-1000-500", Description: "the members were not put into the dataset", Rows: []string{}}}
		}
		return nil
	})
	return d.ID, errors.Join(err, noted)
}

func (t *audienceTables) append(ctx context.Context, c access.Caller, d catalog.Dataset, schema *xdm.Composition, batch string, replaces []string, rows iter.Seq[json.RawMessage]) (catalog.Appended, error) {
	checker, err := tables.NewChecker(schema)
	if err != nil {
		return catalog.Appended{}, err
	}
	if err := t.plane.Registry.MarkUsed(ctx, c, d.SchemaID); err != nil {
		return catalog.Appended{}, err
	}
	return t.rows.Append(ctx, d.Table, batch, replaces, func(yield func(json.RawMessage, error) bool) {
		for row := range rows {
			record, bad := checker.Record(row)
			var err error
			if len(bad) > 0 {
				err = problem.Errorf(problem.Conflict, "the schema %s does not take a member of an audience: %s %s", d.SchemaID, bad[0].Path, bad[0].Message)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	})
}

// records yields a record for each member.
func (t *audienceTables) records(c access.Caller, a audience.Audience, s *audience.Set) iter.Seq[json.RawMessage] {
	type member struct {
		Customer string `json:"customer"`
		Audience string `json:"audience"`
		Version  int    `json:"version"`
		JoinedAt string `json:"joinedAt"`
	}
	return func(yield func(json.RawMessage) bool) {
		for n := range s.Len() {
			text, err := json.Marshal(map[string]any{"_" + c.Tenant: map[string]any{"audienceMember": member{
				string(s.ID(n)), a.Name, s.Version, s.Joined(n).Format("2006-01-02T15:04:05Z"),
			}}})
			if err != nil || !yield(text) { // there is nothing in it that can't be written
				return
			}
		}
	}
}

// dataset returns the dataset of an audience and what its schema is, and makes
// both where they are not there.
func (t *audienceTables) dataset(ctx context.Context, c access.Caller, a audience.Audience) (catalog.Dataset, *xdm.Composition, error) {
	if a.State.Dataset != "" {
		d, err := t.plane.Catalog.Dataset(ctx, c, a.State.Dataset)
		if err == nil {
			schema, err := t.plane.Registry.Composition(ctx, c, d.SchemaID)
			return d, schema, err
		}
		if problem.KindOf(err) != problem.NotFound {
			return d, nil, err
		}
	}
	schema, composed, err := t.schema(ctx, c)
	if err != nil {
		return catalog.Dataset{}, nil, fmt.Errorf("the schema of audiences: %w", err)
	}
	all, err := t.plane.Catalog.Datasets(ctx, c)
	if err != nil {
		return catalog.Dataset{}, nil, err
	}
	for _, d := range all { // it was made, and the audience was not told any more
		if slices.Equal(d.Tags["audienceId"], []string{a.ID}) {
			return d, composed, nil
		}
	}
	d, err := t.plane.Catalog.CreateDataset(ctx, c, catalog.Dataset{
		Name: "Audience " + a.Name, Description: "Members of the audience, worked out anew after each pass over the account. What else is put here goes.",
		SchemaID: schema, Tags: map[string][]string{"audienceId": {a.ID}},
	})
	return d, composed, err
}

// schema returns the schema of members in a sandbox.
func (t *audienceTables) schema(ctx context.Context, c access.Caller) (id string, composed *xdm.Composition, err error) {
	var known audienceSchema
	var doc docstore.Doc
	err = t.plane.DB.View(ctx, func(tx *docstore.Tx) error {
		doc, err = tx.Get(c.Scope(), kindAudienceSchema, "members")
		if errors.Is(err, docstore.ErrNotFound) {
			doc = docstore.Doc{Kind: kindAudienceSchema, ID: "members"}
			return nil
		}
		if err != nil {
			return err
		}
		return json.Unmarshal(doc.Body, &known)
	})
	if err != nil {
		return "", nil, err
	}
	if known.ID != "" {
		composed, err := t.plane.Registry.Composition(ctx, c, known.ID)
		if problem.KindOf(err) != problem.NotFound {
			return known.ID, composed, err
		}
	}
	if known.ID, err = t.makeSchema(ctx, c); err != nil {
		return "", nil, err
	}
	if doc.Body, err = json.Marshal(known); err != nil {
		return "", nil, err
	}
	err = t.plane.DB.Do(ctx, func(tx *docstore.Tx) error {
		_, err := tx.Put(c.Scope(), doc)
		return err
	})
	if err != nil && !errors.Is(err, docstore.ErrTaken) && !errors.Is(err, docstore.ErrStale) { // another made one, too: this one serves as well
		return "", nil, err
	}
	composed, err = t.plane.Registry.Composition(ctx, c, known.ID)
	return known.ID, composed, err
}

func (t *audienceTables) makeSchema(ctx context.Context, c access.Caller) (string, error) {
	const class = "https://ns.adobe.com/xdm/data/record"
	field := func(kind, title string) map[string]any { return map[string]any{"type": kind, "title": title} }
	joined := field("string", "Member since")
	joined["format"] = "date-time"
	made, err := t.create(ctx, c, registry.Classes, map[string]any{
		"title": "Member of an audience", "description": "A customer for whom the predicate of an audience holds", "type": "object",
		"allOf": []any{map[string]any{"$ref": class}, map[string]any{"type": "object", "properties": map[string]any{
			"_" + c.Tenant: map[string]any{"type": "object", "properties": map[string]any{"audienceMember": map[string]any{
				"type": "object", "title": "Member of an audience", "properties": map[string]any{
					"customer": field("string", "Customer"), "audience": field("string", "Audience"), "version": field("integer", "Version of the audience"), "joinedAt": joined,
				},
			}}},
		}}},
	})
	if err != nil {
		return "", err
	}
	return t.create(ctx, c, registry.Schemas, map[string]any{
		"title": "Members of audiences", "description": "Who is a member of an audience, and since when", "type": "object",
		"allOf": []any{map[string]any{"$ref": made}},
	})
}

func (t *audienceTables) create(ctx context.Context, c access.Caller, kind registry.Type, body any) (string, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return "", err
	}
	made, err := t.plane.Registry.Create(ctx, c, kind, text)
	if err != nil {
		return "", err
	}
	var of struct {
		ID string `json:"$id"`
	}
	err = json.Unmarshal(made, &of)
	return of.ID, err
}

// Purge implements audience.Tables.
func (t *audienceTables) Purge(ctx context.Context, c access.Caller, dataset string) error {
	d, err := t.plane.Catalog.Dataset(ctx, c, dataset)
	if err != nil {
		return err
	}
	return t.rows.Purge(ctx, d.Table)
}

// Drop implements audience.Tables.
func (t *audienceTables) Drop(ctx context.Context, c access.Caller, dataset string) error {
	err := t.plane.Catalog.DeleteDataset(ctx, c, dataset, catalog.Match{})
	if problem.KindOf(err) == problem.NotFound {
		return nil
	}
	return err
}
