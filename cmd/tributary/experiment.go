package main

import (
	"context"
	"net/url"
	"os"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/analysis"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/control"
)

type experimentCmd struct {
	Results experimentResultsCmd `cmd:"" help:"What an experiment came to: effects with intervals, guardrails, segments, and what may be concluded."`
	Power   experimentPowerCmd   `cmd:"" help:"How many units and days an experiment needs to find an effect."`
}

type experimentResultsCmd struct {
	controlFlags
	Experiment string `arg:"" help:"Its key or id."`
	Sandbox    string `placeholder:"NAME" help:"Sandbox of the experiment (default: the installation's first)."`
	Phase      string `placeholder:"N" help:"Number of the phase (default: the newest)."`
	AsOf       string `name:"as-of" placeholder:"TIME" help:"As of a time of RFC 3339 or a date (default: now, or as late as the copy has everything)."`
	Copy       string `placeholder:"NAME" help:"Copy that tells what was bought; needed where the sandbox has several."`
	Format     string `enum:"table,json,csv,html" default:"table" help:"How to print it: ${enum}."`
}

// Run prints the result.
func (c *experimentResultsCmd) Run(ctx context.Context) error {
	return c.as(ctx, func(open *control.Control, by access.Caller) (err error) {
		if c.Sandbox != "" {
			if by.Sandbox, err = open.Access.Sandbox(ctx, by.Org, c.Sandbox, ""); err != nil {
				return err
			}
		}
		id, err := open.ExperimentID(ctx, by, c.Experiment)
		if err != nil {
			return err
		}
		ask, err := analysis.ParseAsk(id, c.Phase, c.AsOf, c.Copy)
		if err != nil {
			return err
		}
		r, err := open.Analysis().Result(ctx, by, ask)
		if err != nil {
			return err
		}
		return r.Write(os.Stdout, c.Format)
	})
}

type experimentPowerCmd struct {
	dirFlag
	Lift   string `placeholder:"SHARE" help:"Effect that is to be found, as a share of the baseline: 0.05."`
	Effect string `placeholder:"NUMBER" help:"The same as an absolute difference, money in minor units."`
	Alpha  string `placeholder:"P" help:"Rate of false alarms, two-sided (default: 0.05)."`
	Power  string `placeholder:"P" help:"Probability of finding the effect (default: 0.8)."`
	Share  string `placeholder:"P" help:"Share of the units that the variant gets (default: 0.5)."`
	Part   string `placeholder:"P" help:"Share of the units that come which are in the two variants: less with an audience, a layer, a holdout or more variants (default: 1)."`
	Days   string `placeholder:"N" help:"Horizon: for how many days each unit is watched."`
	PerDay string `name:"units-per-day" placeholder:"N" help:"New units that come in a day (default: as they came in the baseline's days)."`

	Mean       string `group:"Baseline that you know:" placeholder:"NUMBER" help:"Mean of the metric for each unit."`
	SD         string `group:"Baseline that you know:" name:"sd" placeholder:"NUMBER" help:"Its standard deviation."`
	Proportion string `group:"Baseline that you know:" placeholder:"P" help:"Share of units, instead of mean and deviation."`
	Explained  string `group:"Baseline that you know:" placeholder:"P" help:"Share of the variance that what units did before explains."`

	Metric   string `group:"Baseline from the copy:" placeholder:"NAME" help:"revenue, conversion, orderValue, orders or items."`
	Currency string `group:"Baseline from the copy:" placeholder:"CODE" help:"Currency whose orders count."`
	Before   string `group:"Baseline from the copy:" placeholder:"N" help:"Days before that are looked at, to take out what was known."`
	Items    string `group:"Baseline from the copy:" placeholder:"KEY" help:"Key of the metadata that counts items."`
	Unit     string `group:"Baseline from the copy:" placeholder:"KEY" help:"Key of the metadata that has the unit (default: the customer)."`
	Last     string `group:"Baseline from the copy:" placeholder:"N" help:"Of so many days, best of as many as units will come for (default: 28)."`

	Format string `enum:"table,json,csv" default:"table" help:"How to print it: ${enum}."`
}

// Run prints the need.
func (c *experimentPowerCmd) Run(ctx context.Context) error {
	q := url.Values{}
	for name, value := range map[string]string{
		"lift": c.Lift, "effect": c.Effect, "alpha": c.Alpha, "power": c.Power, "share": c.Share, "part": c.Part, "days": c.Days, "unitsPerDay": c.PerDay,
		"mean": c.Mean, "sd": c.SD, "proportion": c.Proportion, "explained": c.Explained,
		"metric": c.Metric, "currency": c.Currency, "before": c.Before, "items": c.Items, "unit": c.Unit, "last": c.Last,
	} {
		if value != "" {
			q.Set(name, value)
		}
	}
	f, err := analysis.ParseForecast(q)
	if err != nil {
		return err
	}
	n, err := c.need(ctx, f)
	if err != nil {
		return err
	}
	return n.Write(os.Stdout, c.Format)
}

func (c *experimentPowerCmd) need(ctx context.Context, f analysis.Forecast) (*analysis.Need, error) {
	if f.Baseline != nil {
		return analysis.Plan(f.Baseline, f.Wish)
	}
	fresh, err := app.FreshUntil(ctx, c.Dir, "charges", "refunds")
	if err != nil {
		return nil, err
	}
	r, err := app.OpenReader(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return f.Measured(ctx, r, time.Now(), fresh)
}
