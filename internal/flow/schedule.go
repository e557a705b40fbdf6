package flow

// A Schedule says when a flow runs. Its JSON is how it is stored and shown:
// all members are texts.
type Schedule struct {
	Start     string `json:"startTime"` // epoch seconds
	Frequency string `json:"frequency"` // once, minute, hour, day or week
	Interval  string `json:"interval,omitempty"`
	Backfill  string `json:"backfill,omitempty"` // true or false
}
