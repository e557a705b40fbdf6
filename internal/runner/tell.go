package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/alert"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/flow"
)

// lateAfter is how late a run may begin before that is worth an alert.
const lateAfter = 10 * time.Minute

// tell puts an alert of the run's down. What fails of it is logged: it is no
// reason to fail a run.
func (j *job) tell(ctx context.Context, e alert.Event) {
	if j.Alerts == nil {
		return
	}
	e.Flow, e.FlowName, e.Run, e.Resource = j.Flow.ID, j.Flow.Name, j.Run.ID, j.Flow.Route.Resource
	if err := j.Alerts.Tell(context.WithoutCancel(ctx), j.Caller, e); err != nil {
		j.Log.ErrorContext(ctx, "an alert was lost", "kind", string(e.Kind), "run", j.Run.ID, "error", err)
	}
}

func (j *job) tellStart(ctx context.Context) {
	j.tell(ctx, alert.Event{Kind: alert.RunStart})
	if late := j.began.Sub(time.UnixMilli(j.Run.Ask.At)); late > lateAfter {
		j.tell(ctx, alert.Event{
			Kind: alert.RunDelay, Key: "delay:" + j.Flow.ID,
			Text: fmt.Sprintf("The run was due at %s and began %s later.", time.UnixMilli(j.Run.Ask.At).UTC().Format(time.RFC3339), late.Round(time.Second)),
		})
	}
}

func (j *job) tellEnd(ctx context.Context, run flow.Run, f *failure) {
	e := alert.Event{Kind: alert.RunSuccess}
	o := j.outcome
	switch {
	case f != nil:
		e.Kind, e.Key, e.Text = alert.RunFailure, "failure:"+j.Flow.ID+":"+f.code, f.Error()
	case o.Input+o.Deleted == 0:
		e.Kind = alert.RunNoData
	default:
		e.Text = fmt.Sprintf("%d records read, %d rows written, %d failed, %d deleted.", o.Input, o.Output, o.Failed, o.Deleted)
	}
	body, err := json.Marshal(run.View())
	if err == nil {
		e.Body = body
	}
	j.tell(ctx, e)
}

// tellPass tells what a pass found out about the account.
func (j *job) tellPass(ctx context.Context, report *app.Report) {
	if report == nil {
		return
	}
	budget := alert.Event{Kind: alert.ReadBudget, Key: "budget:" + report.Account, Text: strings.Join(report.Budget.Warnings, "\n"), Over: len(report.Budget.Warnings) == 0}
	j.tell(ctx, budget)
	if d := report.Drift; d != nil {
		j.tell(ctx, alert.Event{
			Kind: alert.Drift, Key: "drift:" + report.RunID,
			Text: fmt.Sprintf("Stripe sent what the schemas do not know: %d fields, %d types, %d values. They are kept in the history; `tributary drift` names them.", d.Fields, d.Types, d.Values),
		})
	}
}
