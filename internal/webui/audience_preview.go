package webui

import (
	"encoding/json"
	"math"
	"net/http"
)

// audiencePreview is what the API says of a predicate.
type audiencePreview struct {
	At        string   `json:"at"`
	Size      int64    `json:"size"`
	Customers int64    `json:"customers"`
	Share     float64  `json:"share"`
	Missing   []string `json:"missing"`
	Sample    []struct {
		Customer string         `json:"customer"`
		Facts    []audienceFact `json:"facts"`
	} `json:"sample"`
}

// An audienceFact is what a condition found of a customer.
type audienceFact struct {
	Kind     string   `json:"kind"`
	Count    int64    `json:"count"`
	Sum      *int64   `json:"sum"`
	Average  *float64 `json:"average"`
	Currency string   `json:"currency"`
	Newest   string   `json:"newest"`
	Created  string   `json:"created"`
	Country  string   `json:"country"`
	Value    *string  `json:"value"`
	Statuses []string `json:"statuses"`
}

// Total is the sum, 0 where there is none.
func (f audienceFact) Total() int64 {
	if f.Sum == nil {
		return 0
	}
	return *f.Sum
}

// Mean is the average, rounded to a minor unit.
func (f audienceFact) Mean() int64 {
	if f.Average == nil {
		return 0
	}
	return int64(math.Round(*f.Average))
}

// previewAudience shows what the form comes to.
func (r *request) previewAudience(f *audienceForm, wanted json.RawMessage) error {
	status := http.StatusUnprocessableEntity
	if len(f.Faults) == 0 {
		var p audiencePreview
		if err := r.send(http.MethodPost, audienceAPI+"/preview", map[string]any{"predicate": wanted, "copy": f.Copy, "sample": 10}, &p); err != nil {
			f.Fault = r.refusal(err).Text
		} else {
			f.Preview, status = &p, http.StatusOK
		}
	}
	return r.render(status, "audience_form", "page", f)
}
