package webui

import (
	"net/url"
	"strconv"
	"time"
)

// Layout of a time in a control of the type datetime-local.
const controlTime = "2006-01-02T15:04"

// every is how long one unit of a frequency is; once has none.
var every = map[string]time.Duration{"once": 0, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}

// A frequency is a choice of how often.
type frequency struct{ Value, Title string }

var frequencies = []frequency{{"once", "Once"}, {"minute", "Minute"}, {"hour", "Hour"}, {"day", "Day"}, {"week", "Week"}}

var _ = words("Once", "Minute", "Hour", "Day", "Week")

// A schedule is what the form about it says.
type schedule struct {
	Frequency string
	Interval  string // as typed
	Start     string // as the control has it; UTC
	Shown     string // what the control began with: that means now
	Backfill  bool
	// Begun says that the start has passed: it stays, and so does what the first
	// run reads.
	Begun       bool
	Frequencies []frequency
	Least       int // interval of minutes
}

// scheduleView is what the step shows in which the schedule is made.
type scheduleView struct {
	Draft    *draft
	Steps    []stepView
	Faults   formFaults
	Schedule schedule
	Forecast string // where the forecast is asked for, below Base
}

func (r *request) showSchedule() error {
	d, ok, err := r.enter("schedule")
	if err != nil || !ok {
		return err
	}
	s := schedule{Frequency: d.Frequency, Backfill: d.Backfill, Frequencies: frequencies}
	s.begin(r.ui.Now(), d.Start)
	if d.Interval > 0 {
		s.Interval = strconv.Itoa(d.Interval)
	}
	if s.Frequency == "" {
		s.Frequency = "once"
	}
	s.fill()
	return r.show("workflow_schedule", r.scheduleView(d, s, nil))
}

func (r *request) scheduleView(d *draft, s schedule, wrong formFaults) *scheduleView {
	return &scheduleView{Draft: d, Steps: d.steps("schedule"), Schedule: s, Faults: wrong, Forecast: d.path("schedule/forecast")}
}

// begin shows a start, in seconds since 1970; 0 for now.
func (s *schedule) begin(now time.Time, start int64) {
	s.Shown = now.UTC().Format(controlTime)
	s.Start = s.Shown
	if start > 0 {
		s.Start = time.Unix(start, 0).UTC().Format(controlTime)
	}
}

// fill fills in the usual interval.
func (s *schedule) fill() {
	s.Least = 1
	if s.Frequency == "minute" {
		s.Least = leastMinutes
	}
	if s.Interval == "" {
		s.Interval = strconv.Itoa(s.Least)
	}
}

// leastMinutes is the least interval of a dataflow that runs by the minute.
const leastMinutes = 15

// readSchedule reads the form. interval is 0 for once, start 0 for now.
func (r *request) readSchedule() (s schedule, interval int, start int64, wrong formFaults) {
	s = schedule{
		Frequency: r.form("frequency"), Interval: r.form("interval"), Start: r.form("start"), Shown: r.form("shown"), Backfill: r.form("backfill") == "on",
		Frequencies: frequencies,
	}
	if _, ok := every[s.Frequency]; !ok {
		wrong.add("frequency", r.t("Choose how often the dataflow runs."))
	}
	if s.Frequency != "once" {
		n, err := strconv.Atoi(s.Interval)
		switch {
		case err != nil || n < 1:
			wrong.add("interval", r.t("The interval is a whole number from 1 on."))
		case s.Frequency == "minute" && n < leastMinutes:
			wrong.add("interval", r.t("The interval is at least %d minutes.", leastMinutes))
		}
		interval = n
	}
	if s.Start != "" && s.Start != s.Shown {
		at, err := time.Parse(controlTime, s.Start)
		switch now := r.ui.Now().UTC().Truncate(time.Minute); {
		case err != nil:
			wrong.add("start", r.t("The start is no date and time, such as %s.", s.Shown))
		case at.Before(now):
			wrong.add("start", r.t("The start lies in the past: now it is %s UTC.", now.Format("2006-01-02 15:04")))
		case at.After(now):
			start = at.Unix()
		}
	}
	s.Least = 1
	if s.Frequency == "minute" {
		s.Least = leastMinutes
	}
	return s, interval, start, wrong
}

func (r *request) takeSchedule() error {
	d, ok, err := r.enter("schedule")
	if err != nil || !ok {
		return err
	}
	s, interval, start, wrong := r.readSchedule()
	if len(wrong) > 0 {
		return r.again("workflow_schedule", "main", r.scheduleView(d, s, wrong))
	}
	d, err = r.changeDraft(func(d *draft) error {
		d.Frequency, d.Interval, d.Start, d.Backfill = s.Frequency, interval, start, s.Backfill
		return nil
	})
	if err != nil {
		return err
	}
	return r.redirect(d.path("review"))
}

// A forecast is what a schedule reads in 30 days, against what Stripe allows.
type forecast struct {
	Passes int64 `json:"passes"`
	Idle   struct {
		Reads int64 `json:"reads"`
	} `json:"idle"`
	Measured *struct {
		Reads int64 `json:"reads"`
	} `json:"measured"`
	Used      int64   `json:"used"`
	Allowance int64   `json:"allowance"`
	Fits      bool    `json:"fits"`
	Share     float64 `json:"share"`

	Once    bool   `json:"-"`
	Failure string `json:"-"`
}

// Reads is the number to reckon with.
func (f forecast) Reads() int64 {
	if f.Measured != nil {
		return max(f.Idle.Reads, f.Measured.Reads)
	}
	return f.Idle.Reads
}

// showForecast says what the schedule that the form has now would read.
func (r *request) showForecast() error {
	d, ok, err := r.enter("schedule")
	if err != nil || !ok {
		return err
	}
	return r.forecast(d.Connection, d.ResourcePath)
}

func (r *request) forecast(connection, resource string) error {
	n, _ := strconv.Atoi(r.query("interval"))
	unit, ok := every[r.query("frequency")]
	if ok && unit > 0 && (n < 1 || n > 1_000_000) {
		return r.part("workflow_schedule", "forecast", forecast{Failure: r.t("The interval is a whole number from 1 on.")})
	}
	f := forecast{Once: unit == 0}
	if !f.Once {
		query := url.Values{"connectionId": {connection}, "resources": {resource}, "frequency": {r.query("frequency")}, "interval": {strconv.Itoa(n)}}
		if err := r.get(copiesAPI+"/forecast", query, &f); err != nil {
			f.Failure = r.fault(err).Text
		}
	}
	return r.part("workflow_schedule", "forecast", f)
}
