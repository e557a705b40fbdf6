package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/money"
)

// printProofs prints what the reconciles of a pass came to: a table, and the
// sums of money on both sides.
func printProofs(w io.Writer, r *app.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	n, suppressed := 0, int64(0)
	for _, s := range r.Resources {
		p := s.Proof
		if p == nil {
			continue
		}
		if n++; n == 1 {
			fmt.Fprintf(w, "\nReconciled with Stripe (%s), what was created before %s:\n", p.Reason, p.Before.Format(time.DateTime+" UTC"))
			fmt.Fprintln(t, "resource\tin Stripe\tin the lake\tmissing\tstale\textra\trepaired\theld\tquarantined\tnow\t")
		}
		suppressed += p.Suppressed
		now, lake := "equal", count(p.Lake)
		switch {
		case p.Unread != "":
			now, lake = "not compared", "?"
		case !p.Equal:
			now = "differs"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", s.Resource, count(p.Stripe), lake, count(p.Missing), count(p.Stale),
			count(p.Extra), count(p.Repaired), count(p.Held), count(p.Quarantined), now)
	}
	if err := t.Flush(); err != nil || n == 0 {
		return err
	}
	if suppressed > 0 {
		fmt.Fprintf(w, "In Stripe beside these, of customers whose data was removed: %s\n", count(suppressed))
	}
	fmt.Fprintln(t, "sum of\tin Stripe\tin the lake\t\t")
	for _, s := range r.Resources {
		if s.Proof == nil || s.Proof.Unread != "" {
			continue
		}
		for _, sum := range s.Proof.Sums {
			now := "equal"
			if sum.Stripe != sum.Lake {
				now = "differs"
			}
			fmt.Fprintf(t, "%s.%s\t%s\t%s\t%s\t\n", s.Resource, sum.Field, money.Format(sum.Stripe, sum.Currency), money.Format(sum.Lake, sum.Currency), now)
		}
	}
	fmt.Fprintln(w)
	return t.Flush()
}
