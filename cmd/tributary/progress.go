package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripe"
)

// A progressView shows a running pass: one line for each resource, repainted,
// on a terminal; elsewhere a line when a resource is done, and now and then.
type progressView struct {
	out      *os.File
	on       bool
	terminal bool
	lines    int // painted and to be painted over
	done     map[string]bool
	last     time.Duration
}

func newProgressView(out *os.File, on bool) *progressView {
	return &progressView{out: out, on: on, terminal: term.IsTerminal(int(out.Fd())), done: map[string]bool{}}
}

// plainEvery is the time between two lines where there is no terminal.
const plainEvery = 10 * time.Second

func (v *progressView) show(p app.Progress) {
	switch {
	case !v.on:
	case v.terminal:
		v.paint(p)
	default:
		v.print(p)
	}
}

func (v *progressView) paint(p app.Progress) {
	var b strings.Builder
	if v.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.lines)
	}
	v.lines = 0
	width, _, err := term.GetSize(int(v.out.Fd()))
	if err != nil || width < 2 {
		width = 80
	}
	put := func(s string) {
		// A line that wraps could not be painted over.
		fmt.Fprintf(&b, "\x1b[2K%s\n", s[:min(len(s), width-1)])
		v.lines++
	}
	for _, r := range p.Resources {
		put(line(r, p.Elapsed))
	}
	if p.Floor > 0 {
		put(fmt.Sprintf("%s of about %s that the rate limits ask for", p.Elapsed.Round(time.Second), p.Floor.Round(time.Second)))
	}
	fmt.Fprint(v.out, b.String())
}

func line(r app.ResourceProgress, elapsed time.Duration) string {
	s := fmt.Sprintf("%-21s %10s objects %8s/s  %6s pages", r.Resource, count(r.Counts.Read), count(perSecond(r.Counts.Read, elapsed)), count(r.Requests))
	if r.Refused > 0 {
		s += fmt.Sprintf(", %s refused", count(r.Refused))
	}
	switch {
	case errors.Is(r.Err, context.Canceled):
		return s + "  stopped"
	case r.Err != nil:
		return s + "  failed"
	case r.Done:
		return s + "  done"
	case r.Trouble != nil:
		return s + "  " + retrying(r.Trouble)
	case r.Rate > 0:
		s += fmt.Sprintf("  (limit %.3g/s)", r.Rate)
	}
	if left := r.Left(elapsed); left > 0 {
		s += fmt.Sprintf("  about %s left", left)
	}
	return s
}

// retrying says why a request is tried again.
func retrying(e *stripe.Error) string {
	why := fmt.Sprintf("HTTP %d", e.Status)
	switch e.Status {
	case 0:
		why = "no answer"
	case http.StatusOK:
		why = "an answer of no use"
	}
	return fmt.Sprintf("after %s, try %d", why, e.Tries+1)
}

func perSecond(n int64, d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64(float64(n) / d.Seconds())
}

func (v *progressView) print(p app.Progress) {
	for _, r := range p.Resources {
		if r.Done && !v.done[r.Resource] {
			v.done[r.Resource] = true
			fmt.Fprintln(v.out, line(r, p.Elapsed))
		}
	}
	if p.Elapsed-v.last < plainEvery {
		return
	}
	v.last = p.Elapsed
	for _, r := range p.Resources {
		if !r.Done {
			fmt.Fprintln(v.out, line(r, p.Elapsed))
		}
	}
}

// close leaves the last state on the screen.
func (v *progressView) close() {
	if v.on && v.terminal && v.lines > 0 {
		fmt.Fprintln(v.out)
	}
}

// count writes a number with thousands separated.
func count(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// printText prints the report for people.
func printText(w io.Writer, r *app.Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "resource\tread\tnew\tchanged\tdeleted\tunchanged\tquarantined\trequests\trefused\tseconds\tstatus\t")
	for _, s := range r.Resources {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f\t%s\t\n", s.Resource, count(s.Read), count(s.Inserted), count(s.Updated),
			count(s.Deleted), count(s.Unchanged), count(s.Quarantined), count(s.Requests), count(s.Refused), float64(s.Duration)/1000, s.Status)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	mode := "test"
	if r.Livemode {
		mode = "live"
	}
	account := r.Account
	if account == "" {
		account = "(the key may not see its account's id)"
	}
	fmt.Fprintf(w, "\nAccount %s, %s mode: %s in %s", account, mode, r.Status, seconds(r.Duration))
	if r.Floor > 0 {
		fmt.Fprintf(w, " (the rate limits allow no less than %s)", seconds(r.Floor))
	}
	fmt.Fprintf(w, ".\nReads: %s now, %s in 30 days; Stripe allows this account %s.", count(r.Budget.Requests), count(r.Budget.Used), count(r.Budget.Allowance))
	if r.Budget.Forecast > 0 {
		fmt.Fprintf(w, " At this pace, a pass every %s: about %s.", every(r.Budget.Every), count(r.Budget.Forecast))
	}
	fmt.Fprintln(w)
	var quarantined, warnings, suppressed int64
	for _, s := range r.Resources {
		suppressed += s.Suppressed
		quarantined += s.Quarantined
		warnings += s.Warnings
	}
	if err := printProofs(w, r); err != nil {
		return err
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, note)
	}
	for _, trouble := range r.Troubles() {
		fmt.Fprintln(w, trouble)
	}
	if quarantined > 0 {
		fmt.Fprintf(w, "In quarantine, not ingested: %s; see tributary query \"select resource, id, path, reason from quarantine\"\n", count(quarantined))
	}
	if suppressed > 0 {
		fmt.Fprintf(w, "Read and not kept, of customers whose data was removed: %s\n", count(suppressed))
	}
	if r.Held > 0 {
		fmt.Fprintf(w, "In quarantine since earlier passes: %s; tributary replay --quarantine tries them again\n", count(r.Held))
	}
	if warnings > 0 {
		fmt.Fprintf(w, "Null in the dataset, for a type that the schema does not have there: %s; the history has them as they came.\n", count(warnings))
	}
	if d := r.Drift; d != nil {
		var parts []string
		for _, part := range []struct {
			n    int
			what string
		}{{d.Fields, "new field"}, {d.Types, "new type"}, {d.Values, "new value"}} {
			switch {
			case part.n == 1:
				parts = append(parts, "1 "+part.what)
			case part.n > 1:
				parts = append(parts, count(int64(part.n))+" "+part.what+"s")
			}
		}
		fmt.Fprintf(w, "Stripe sent what the schemas do not know, %s: tributary drift\n", strings.Join(parts, ", "))
	}
	if r.Stopped {
		fmt.Fprintln(w, "Stopped. What was read is kept; the next sync goes on from there.")
	}
	return nil
}

func seconds(ms int64) string { return fmt.Sprintf("%.1f s", float64(ms)/1000) }
