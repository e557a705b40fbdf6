package main

import (
	"context"
	"fmt"
	"os"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/report"
)

type reportCmd struct {
	BNPL bnplCmd `cmd:"" name:"bnpl" help:"How buying now and paying later does beside other methods: orders, failures, refunds, fees, customers who come back, and whether it all agrees with the balance."`
}

type bnplCmd struct {
	dirFlag
	From     string `placeholder:"DATE" help:"First day, 2026-01-31, or a time of RFC 3339. Default: the oldest object of the copy."`
	To       string `placeholder:"DATE" help:"End: the first day, or time, that is not in the report any more. Default: after the newest object."`
	TZ       string `name:"tz" default:"UTC" env:"TRIBUTARY_TZ" placeholder:"ZONE" help:"Zone in which days begin, such as Europe/Berlin (default: UTC)."`
	Period   string `enum:"day,week,month" default:"month" help:"What time is cut into: ${enum}."`
	Currency string `placeholder:"CODE" help:"Only charges in this currency."`
	Country  string `placeholder:"CODE" help:"Only buyers in this country, of two letters."`
	Customer string `enum:",new,returning,guest" default:"" help:"Only new or returning customers, or guests."`
	Rates    string `type:"existingfile" placeholder:"FILE" help:"Table of rates to convert sums by: CSV with currency,rate; a rate is how much of --convert-to one unit is worth."`
	Convert  string `name:"convert-to" placeholder:"CODE" help:"Currency that --rates convert to."`
	Section  string `placeholder:"NAME" help:"Only one section: methods, periods, countries, customers, failures, fees, repeat, cohorts, migration, lift, subscriptions, mrr, settlement, misfits, converted, converted_periods."`
	Format   string `enum:"table,json,csv,html" default:"table" help:"How to print it: ${enum}. csv is one section, methods if none is named."`
}

// Run prints the report.
func (c *bnplCmd) Run(ctx context.Context) error {
	p, err := report.ParseParams(c.From, c.To, c.TZ, c.Period, c.Currency, c.Country, c.Customer)
	if err != nil {
		return err
	}
	if p.Section = c.Section; p.Section == "" && c.Format == "csv" {
		p.Section = "methods"
	}
	if p.Rates, err = c.rates(); err != nil {
		return err
	}
	r, err := app.OpenReader(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	made, err := report.Run(ctx, r, p)
	if err != nil {
		return err
	}
	return made.Write(os.Stdout, c.Format)
}

func (c *bnplCmd) rates() (*report.Rates, error) {
	if (c.Rates == "") != (c.Convert == "") {
		return nil, problem.Errorf(problem.Invalid, "--rates and --convert-to go together")
	}
	if c.Rates == "" {
		return nil, nil
	}
	f, err := os.Open(c.Rates)
	if err != nil {
		return nil, fmt.Errorf("--rates: %w", err)
	}
	defer f.Close()
	return report.ParseRates(f, c.Convert)
}
