package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/stripe"
)

func TestLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		edit func(*app.ResourceProgress)
		end  string
	}{
		{"at work", func(r *app.ResourceProgress) { r.Rate, r.PagesLeft = 15, 20 }, "  10 pages  (limit 15/s)  about 20s left"},
		{"refused", func(r *app.ResourceProgress) { r.Refused = 1200 }, "10 pages, 1,200 refused"},
		{"Stripe fails", func(r *app.ResourceProgress) { r.Trouble = &stripe.Error{Status: 502, Tries: 2} }, "  after HTTP 502, try 3"},
		{"nobody answers", func(r *app.ResourceProgress) { r.Trouble = &stripe.Error{Tries: 1} }, "  after no answer, try 2"},
		{"nonsense", func(r *app.ResourceProgress) { r.Trouble = &stripe.Error{Status: 200, Tries: 1} }, "  after an answer of no use, try 2"},
		{"done after trouble", func(r *app.ResourceProgress) { r.Done, r.Trouble = true, &stripe.Error{} }, "  done"},
		{"stopped", func(r *app.ResourceProgress) { r.Done, r.Err = true, fmt.Errorf("charges: %w", context.Canceled) }, "  stopped"},
		{"failed", func(r *app.ResourceProgress) { r.Done, r.Err = true, errors.New("no") }, "  failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := app.ResourceProgress{Resource: "charges", Requests: 10}
			r.Counts.Read = 5000
			tt.edit(&r)
			got := line(r, 10*time.Second)
			if !strings.HasPrefix(got, "charges                    5,000 objects      500/s      10 pages") || !strings.HasSuffix(got, tt.end) {
				t.Errorf("%q", got)
			}
		})
	}
}
