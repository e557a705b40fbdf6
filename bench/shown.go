package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/exposure"
	"github.com/tributary-data/tributary/internal/flow"
	"github.com/tributary-data/tributary/internal/trial"
)

// compare puts an experiment into an installation that began 60 days ago, and shows
// its variants to the customers of a simulated account over 30 days.
func compare(ctx context.Context, dir, account string) error {
	customers, err := customersOf(ctx, account)
	if err != nil {
		return err
	}
	db, err := docstore.Open(ctx, filepath.Join(dir, "control.db"), time.Now, flow.Indexes()...)
	if err != nil {
		return err
	}
	defer db.Close()
	operator, err := (&access.Service{DB: db}).Operator(ctx)
	if err != nil {
		return err
	}
	began := time.Now().AddDate(0, 0, -60).UTC().Truncate(time.Millisecond)
	m := experiment.Measure{Metric: experiment.Revenue, Currency: "eur", Days: 14, Before: 30}
	e := experiment.Experiment{
		ID: uuid.New(), Key: "cart-offer", Name: "An add-on before checkout", State: experiment.Running, Range: experiment.Whole, Measure: m,
		Variants: []experiment.Variant{{Key: "none", Weight: 5000}, {Key: "wrap", Name: "Wrap", Weight: 5000, Value: []byte(`{"show":true}`)}},
		Phases: []experiment.Phase{{
			Number: 1, Salt: "00000000000000000000000000000001", Began: began, Range: experiment.Whole, Measure: m,
			Weights: []experiment.Weight{{Variant: "none", Weight: 5000}, {Variant: "wrap", Weight: 5000}},
		}},
	}
	kept := trial.Experiment{Experiment: e, CreatedBy: operator.User, UpdatedBy: operator.User}
	version := trial.Version{Number: 1, What: "start", By: operator.User, Experiment: e}
	if err := db.Do(ctx, func(t *docstore.Tx) error {
		for _, one := range []struct {
			doc docstore.Doc
			of  any
		}{
			{docstore.Doc{Kind: "experiment", ID: e.ID.String(), Keys: []string{e.Key}, Created: began}, kept},
			{docstore.Doc{Kind: "experimentVersion", ID: e.ID.String() + ".1", Parent: e.ID.String(), Created: began}, version},
		} {
			if one.doc.Body, err = json.Marshal(one.of); err != nil {
				return err
			}
			if _, err := t.Put(operator.Scope(), one.doc); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return err
	}
	at := began
	log := &exposure.Log{Dir: filepath.Join(dir, exposure.Folder), Now: func() time.Time { return at }, Log: slog.New(slog.DiscardHandler)}
	for _, unit := range customers {
		variant, _ := e.Assign(experiment.Holdout{}, unit, nil)
		if err := log.Put(ctx, operator.Sandbox.ID, exposure.Exposure{Experiment: e.ID, Phase: 1, Variant: variant, Unit: unit}); err != nil {
			return err
		}
		at = at.Add(30 * 24 * time.Hour / time.Duration(len(customers)))
	}
	return log.Close()
}

// customersOf lists the ids of a simulated account's customers.
func customersOf(ctx context.Context, account string) (all []string, err error) {
	for after := ""; ; after = all[len(all)-1] {
		path := account + "/v1/customers?limit=100"
		if after != "" {
			path += "&starting_after=" + after
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Authorization", "Bearer sk_test_bench")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		var page struct {
			Data []struct{ ID string }
			More bool `json:"has_more"`
		}
		err = json.NewDecoder(resp.Body).Decode(&page)
		_ = resp.Body.Close() // it was read
		if err != nil {
			return nil, fmt.Errorf("GET %s: %w", path, err)
		}
		for _, c := range page.Data {
			all = append(all, c.ID)
		}
		if !page.More || len(page.Data) == 0 {
			return all, nil
		}
	}
}
