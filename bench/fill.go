package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/flow"
)

// A filler puts documents into the database of an installation.
type filler struct {
	db     *docstore.DB
	caller access.Caller
	puts   []func(t *docstore.Tx) error
}

func (f *filler) item(at int64) flow.Item {
	etag := `"` + uuid.NewString() + `"`
	return flow.Item{
		ID: uuid.NewString(), CreatedAt: at, UpdatedAt: at, CreatedBy: f.caller.User, UpdatedBy: f.caller.User, SandboxID: f.caller.Sandbox.ID, SandboxName: f.caller.Sandbox.Name,
		Org: f.caller.Org, Version: etag, Etag: etag,
	}
}

func (f *filler) put(s docstore.Scope, kind, id, parent string, created int64, v any) {
	f.puts = append(f.puts, func(t *docstore.Tx) error {
		body, err := json.Marshal(v)
		if err != nil {
			return err
		}
		_, err = t.Put(s, docstore.Doc{Kind: kind, ID: id, Parent: parent, Created: time.UnixMilli(created), Body: body})
		return err
	})
}

// fill puts a population into the database of an installation.
func fill(ctx context.Context, dir string, p population) (*stock, error) {
	db, err := docstore.Open(ctx, filepath.Join(dir, "control.db"), time.Now, flow.Indexes()...)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	caller, err := (&access.Service{DB: db}).Operator(ctx)
	if err != nil {
		return nil, err
	}
	f := &filler{db: db, caller: caller}
	s := &stock{population: p}
	here := docstore.Scope{Org: caller.Org, Sandbox: caller.Sandbox.ID}
	now := time.Now()
	begun := now.Add(-time.Duration(p.runs) * p.every).UnixMilli()
	spec := flow.Spec{ID: flow.FlowSpec, Version: "1.0"}
	var accounts []string
	for i := range p.accounts {
		c := flow.Connection{Item: f.item(begun), Spec: flow.Spec{ID: flow.StripeSpec, Version: "1.0"}, Auth: flow.Auth{SpecName: "OAuth2 Refresh Code", Params: map[string]json.RawMessage{}}}
		c.Name, c.State = fmt.Sprintf("shop %03d", i), flow.Enabled
		accounts = append(accounts, c.ID)
		f.put(here, "flow.connection", c.ID, "", c.CreatedAt, c)
	}
	flows := make([]flow.Flow, p.flows)
	for i := range flows {
		flows[i] = flow.Flow{
			Item: f.item(begun + int64(i)), Spec: spec, SourceIDs: []string{uuid.NewString()}, TargetIDs: []string{uuid.NewString()},
			Transformations: []flow.Transformation{{Name: "Mapping"}}, Schedule: &flow.Schedule{Start: "1700000000", Frequency: "hour", Interval: "1", Backfill: "true"},
			Route: flow.Route{ConnectionID: accounts[i%p.accounts], Resource: "charges", DatasetID: uuid.NewString()},
		}
		flows[i].Name, flows[i].State = fmt.Sprintf("charges of shop %03d", i*37%p.flows), []string{flow.Enabled, flow.Disabled}[i%2]
	}
	for i := range p.runs {
		of := &flows[i*31%p.flows]
		r := flow.Run{Item: f.item(begun + int64(i)*p.every.Milliseconds()), FlowID: of.ID, FlowSpec: spec, ProviderRefID: uuid.NewString()}
		r.Metrics = flow.Metrics{Duration: flow.Span{Started: r.CreatedAt, Completed: r.CreatedAt + 500}, Records: flow.Records{Input: 100, Output: 100}}
		r.Metrics.Status.Status = []string{flow.Success, flow.Success, flow.Success, flow.Failed}[i%4]
		for _, name := range []string{"copyActivity", "promotionActivity"} {
			r.Activities = append(r.Activities, flow.Activity{
				ID: uuid.NewString(), Name: name, Updated: r.CreatedAt, Duration: r.Metrics.Duration, Records: r.Metrics.Records, Status: r.Metrics.Status,
				Source: []flow.Party{{ID: uuid.NewString(), Type: "SourceConnection"}}, Target: []flow.Party{{ID: uuid.NewString(), Type: "TargetConnection"}},
			})
		}
		of.LastRun = &flow.LastRun{ID: r.ID, State: r.Metrics.Status.Status, Started: r.CreatedAt, Completed: r.CreatedAt + 500}
		s.runs, s.starts = append(s.runs, r.ID), append(s.starts, r.CreatedAt)
		f.put(here, "flow.run", r.ID, r.FlowID, r.CreatedAt, r)
	}
	for i := range flows {
		v := &flows[i]
		f.put(here, "flow.flow", v.ID, "", v.CreatedAt, v)
		due := now.Add(24*time.Hour + time.Duration(i)*time.Second).UnixMilli() // not while this goes on
		f.put(docstore.Scope{}, "flow.schedule", v.ID, "", v.CreatedAt, map[string]any{"org": caller.Org, "sandbox": caller.Sandbox.ID, "next": due, "paused": v.State != flow.Enabled})
	}
	s.flow, s.run, s.account = flows[p.flows/2].ID, flows[p.flows/2].LastRun.ID, accounts[0]
	for chunk := range slices.Chunk(f.puts, 500) {
		if err := db.Do(ctx, func(t *docstore.Tx) error {
			for _, put := range chunk {
				if err := put(t); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return s, nil
}
