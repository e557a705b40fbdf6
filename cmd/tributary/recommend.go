package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/offer"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/recommend"
)

type recommendCmd struct {
	Evaluate evaluateCmd `cmd:"" help:"Try recommendations on the newest orders of the copy, made of the older ones, beside the best sellers: one item after the other is taken out of an order, and looked for among what is recommended for the rest."`
}

type evaluateCmd struct {
	dirFlag
	Key           string  `placeholder:"KEY" help:"Key of the charges' metadata that names the items of an order."`
	ItemFormat    string  `name:"item-format" enum:",list,json" default:"" help:"What stands there: list (with commas) or json (ids, or objects such as Adobe Commerce's order items). Default: json where it begins like it."`
	Subscriptions bool    `help:"Take the prices of a subscription for an order, too."`
	K             int     `name:"k" default:"3" help:"How many items are recommended."`
	Split         float64 `default:"0.2" help:"Share of the orders, the newest, that is held out."`
	MinSupport    int     `name:"min-support" default:"2" help:"Orders that an item, or two items together, need to count."`
	Prior         float64 `default:"20" help:"How many orders must speak before what they say outweighs the average."`
	Format        string  `enum:"table,json" default:"table" help:"How to print it: ${enum}."`
}

// Run prints how well it went.
func (c *evaluateCmd) Run(ctx context.Context) error {
	reading := offer.Reading{Metadata: c.Key, Format: c.ItemFormat, Subscriptions: c.Subscriptions}
	if c.Key == "" && !c.Subscriptions {
		return problem.Errorf(problem.Invalid, "--key says which key of the charges' metadata names the items of an order; or take --subscriptions")
	}
	r, err := app.OpenReader(ctx, c.Dir)
	if err != nil {
		return err
	}
	defer r.Close()
	var orders []recommend.Order
	read, err := offer.Orders(ctx, r, reading, true, func(o recommend.Order) { orders = append(orders, o) })
	if err != nil {
		return err
	}
	e, err := recommend.Evaluate(orders, recommend.Options{MinSupport: c.MinSupport, Prior: c.Prior}, c.K, c.Split)
	if err != nil {
		return &problem.Error{Kind: problem.Invalid, Detail: fmt.Sprintf("%d orders name items: %v", read.Orders, err), Advice: "Look at the metadata of your charges, or at --k and --split"}
	}
	if c.Format == "json" {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		return out.Encode(e)
	}
	return printEvaluation(os.Stdout, read, e)
}

func printEvaluation(out io.Writer, read offer.Read, e *recommend.Evaluation) error {
	fmt.Fprintf(out, "%d orders name items", read.Orders)
	if read.CutShort > 0 {
		fmt.Fprintf(out, ", %d of them not to their end", read.CutShort)
	}
	if read.Without > 0 {
		fmt.Fprintf(out, "; %d more have the key, and name none", read.Without)
	}
	fmt.Fprintf(out, "; %d make the model (%d items), those from %s on are held out.\n", e.Trained, e.Items, e.From.Format(time.DateOnly))
	fmt.Fprintf(out, "Of %d orders with two items or more, %d items were taken out, one at a time.\n\n", e.Orders, e.Asked)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "\thit rate@%d\t95 %% interval\tMRR\t95 %% interval\tcoverage\t\n", e.K)
	for _, r := range e.Results {
		fmt.Fprintf(t, "%s\t%.3f\t%.3f – %.3f\t%.3f\t%.3f – %.3f\t%.0f %%\t\n", r.Name, r.HitRate.Value, r.HitRate.Low, r.HitRate.High, r.MRR.Value, r.MRR.Low, r.MRR.High, 100*r.Coverage)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nRecommendations find %+.3f more than the best sellers do (95 %% interval %+.3f – %+.3f).\n", e.Gain.Value, e.Gain.Low, e.Gain.High)
	return err
}
