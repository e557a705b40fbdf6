package webui

import (
	"net/http"
	"slices"
	"strconv"
	"time"
)

// flowScheduleView is the form that changes a dataflow's schedule.
type flowScheduleView struct {
	Flow     *flowItem
	Etag     string
	Faults   formFaults
	Schedule schedule
	Forecast string
	Draft    bool // it has no schedule yet
	Fixed    bool // it ran once, and that can't be changed
}

func (r *request) flowScheduleView() (*flowScheduleView, error) {
	f, err := r.flow(r.http.PathValue("flow"))
	if err != nil {
		return nil, err
	}
	v := &flowScheduleView{Flow: f, Etag: f.Etag}
	if f.Schedule == nil {
		v.Draft = true
		return v, nil
	}
	seconds, err := strconv.ParseInt(f.Schedule.Start, 10, 64)
	if err != nil {
		return nil, err
	}
	now := r.ui.Now()
	v.Schedule = schedule{Frequency: f.Schedule.Frequency, Interval: f.Schedule.Interval, Backfill: f.Schedule.Backfill != "false", Frequencies: frequencies}
	v.Schedule.begin(now, seconds)
	v.Schedule.Begun = !time.Unix(seconds, 0).After(now)
	v.Schedule.fill()
	v.Fixed = v.Schedule.Begun && f.Schedule.Frequency == "once"
	if v.Schedule.Begun {
		v.Schedule.Frequencies = slices.DeleteFunc(slices.Clone(frequencies), func(f frequency) bool { return f.Value == "once" })
	}
	return v, nil
}

func (r *request) showFlowSchedule() error {
	v, err := r.flowScheduleView()
	if err != nil {
		return err
	}
	return r.show("flow_schedule", v)
}

// changeFlowSchedule changes the schedule. What can't change once the start has
// passed is not sent, so that the rest can.
func (r *request) changeFlowSchedule() error {
	v, err := r.flowScheduleView()
	if err != nil {
		return err
	}
	begun := v.Schedule.Begun
	v.Etag = r.form("etag") // reads the form
	if begun {
		r.http.PostForm.Del("start")
	}
	s, interval, start, wrong := r.readSchedule()
	if begun {
		s.Start, s.Shown, s.Backfill, s.Begun = v.Schedule.Start, v.Schedule.Shown, v.Schedule.Backfill, true
	}
	s.Frequencies = v.Schedule.Frequencies
	v.Schedule, v.Faults = s, wrong
	if len(wrong) > 0 {
		return r.again("flow_schedule", "main", v)
	}
	times := map[string]any{"frequency": s.Frequency}
	if s.Frequency != "once" {
		times["interval"] = interval
	}
	if !begun {
		if start == 0 {
			start = r.ui.Now().Unix()
		}
		times["startTime"] = strconv.FormatInt(start, 10)
		if s.Frequency != "once" {
			times["backfill"] = s.Backfill
		}
	}
	err = r.call(call{
		Method: http.MethodPatch, Path: flowAPI + "/flows/" + escape(v.Flow.ID), Header: http.Header{"If-Match": {v.Etag}},
		Body: []any{map[string]any{"op": "replace", "path": "/scheduleParams", "value": times}},
	}, nil)
	if err != nil {
		v.Faults = append(v.Faults, r.fault(err))
		return r.again("flow_schedule", "main", v)
	}
	return r.redirect("/dataflows/" + escape(v.Flow.ID) + "?done=schedule-changed")
}
