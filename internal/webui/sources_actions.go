package webui

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// flowAction is what a button does to a dataflow by its action of that name.
func flowAction(op string) func(*request) error {
	return func(r *request) error {
		path := flowAPI + "/flows/" + escape(r.http.PathValue("flow")) + "/action?op=" + op
		if err := r.send(http.MethodPost, path, nil, nil); err != nil {
			return err
		}
		if r.form("back") == "flow" {
			return r.redirect("/dataflows/" + escape(r.http.PathValue("flow")) + "?done=flow-" + op + "d")
		}
		return r.redirect("/sources/dataflows?done=flow-" + op + "d")
	}
}

func (r *request) deleteFlow() error {
	if err := r.send(http.MethodDelete, flowAPI+"/flows/"+escape(r.http.PathValue("flow")), nil, nil); err != nil && !missing(err, http.StatusNotFound) {
		return err
	}
	return r.redirect("/sources/dataflows?done=flow-deleted")
}

// runView is the form that asks for a run of a dataflow that runs once.
type runView struct {
	Flow            *flowItem
	Start, From, To string // as the controls have them; UTC
	Now             string
	Once            bool
	Disabled        bool
	Faults          formFaults
}

func (r *request) runView() (*runView, error) {
	f, err := r.flow(r.http.PathValue("flow"))
	if err != nil {
		return nil, err
	}
	v := &runView{Flow: f, Now: r.ui.Now().UTC().Format(controlTime)}
	v.Once = f.Schedule != nil && f.Schedule.Frequency == "once"
	v.Disabled = f.State != "enabled"
	return v, nil
}

func (r *request) showRun() error {
	v, err := r.runView()
	if err != nil {
		return err
	}
	return r.show("flow_run", v)
}

// runNow asks for a run, perhaps of a window of creation times alone.
func (r *request) runNow() error {
	v, err := r.runView()
	if err != nil {
		return err
	}
	v.Start, v.From, v.To = r.form("start"), r.form("from"), r.form("to")
	params := map[string]any{}
	read := func(control, name, text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		at, err := time.Parse(controlTime, text)
		if err != nil {
			v.Faults.add(control, r.t("This is no date and time, such as %s.", v.Now))
			return time.Time{}
		}
		params[name] = strconv.FormatInt(at.Unix(), 10)
		return at
	}
	read("start", "startTime", v.Start)
	from, to := read("from", "windowStartTime", v.From), read("to", "windowEndTime", v.To)
	switch {
	case len(v.Faults) > 0:
	case (v.From == "") != (v.To == ""):
		v.Faults.add("to", r.t("A range has both a start and an end. Without a range the run reads everything."))
	case v.From != "" && !to.After(from):
		v.Faults.add("to", r.t("The end of the range is not after its start."))
	}
	if len(v.Faults) == 0 {
		err := r.send(http.MethodPost, flowAPI+"/runs", map[string]any{"flowId": v.Flow.ID, "params": params}, nil)
		if err == nil {
			return r.redirect("/dataflows/" + escape(v.Flow.ID) + "?done=run-begun")
		}
		v.Faults = append(v.Faults, r.fault(err))
	}
	return r.again("flow_run", "main", v)
}

// subscribeView is the form that asks to be told of a dataflow.
type subscribeView struct {
	Flow   *flowItem
	Kinds  []struct{ Kind, Title string }
	Chosen []string
	Faults formFaults
}

// Wants says whether a kind is ticked.
func (v *subscribeView) Wants(kind string) bool { return slices.Contains(v.Chosen, kind) }

func (r *request) showSubscribe() error {
	f, err := r.flow(r.http.PathValue("flow"))
	if err != nil {
		return err
	}
	return r.show("flow_alerts", &subscribeView{Flow: f, Kinds: alertKinds, Chosen: []string{"run-failure"}})
}

func (r *request) subscribe() error {
	f, err := r.flow(r.http.PathValue("flow"))
	if err != nil {
		return err
	}
	v := &subscribeView{Flow: f, Kinds: alertKinds}
	if v.Chosen = r.wantedAlerts(); len(v.Chosen) == 0 {
		v.Faults.add("alerts", r.t("Choose what you want to be told."))
		return r.again("flow_alerts", "main", v)
	}
	if err := r.send(http.MethodPost, alertAPI+"/subscriptions", subscriptionBody(f.Name, f.ID, v.Chosen), nil); err != nil {
		v.Faults = append(v.Faults, r.fault(err))
		return r.again("flow_alerts", "main", v)
	}
	return r.redirect("/sources/dataflows?done=subscribed")
}
