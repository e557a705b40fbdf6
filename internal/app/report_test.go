package app

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Resources that fail for one reason are told in one sentence.
func TestTroubles(t *testing.T) {
	t.Parallel()
	said := func(resource, message string) ResourceReport {
		return ResourceReport{Resource: resource, Error: &ErrorReport{Message: message}}
	}
	r := &Report{Resources: []ResourceReport{said("charges", "events: no"), said("refunds", "full"), said("customers", "events: no"), {Resource: "prices"}}}
	if diff := cmp.Diff([]string{"charges, customers: events: no", "refunds: full"}, r.Troubles()); diff != "" {
		t.Error(diff)
	}
}

func TestConclude(t *testing.T) {
	t.Parallel()
	good := ResourceReport{Resource: "customers", Inserted: 1}
	tests := []struct {
		name     string
		stopped  bool
		refunds  ResourceReport
		want     Status // of refunds
		pass     Status
		troubles []string
	}{
		{"complete", false, ResourceReport{}, Complete, Complete, nil},
		{"named by its error", false, ResourceReport{err: errors.New("refunds created before x: no")}, Failed, Partial, []string{"refunds created before x: no"}},
		{"not named by its error", false, ResourceReport{err: errors.New("no")}, Failed, Partial, []string{"refunds: no"}},
		{"some of it landed", false, ResourceReport{Unchanged: 1, err: errors.New("no")}, Partial, Partial, []string{"refunds: no"}},
		{"stopped before it began", true, ResourceReport{err: context.Canceled}, Partial, Partial, nil},
		{"quarantine", false, ResourceReport{Quarantined: 1}, Partial, Partial, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.refunds.Resource = "refunds"
			r := &Report{Resources: []ResourceReport{tt.refunds, good}, Stopped: tt.stopped}
			r.conclude()
			if got := r.Resources[0].Status; got != tt.want || r.Status != tt.pass {
				t.Errorf("refunds %s, all %s; want %s, %s", got, r.Status, tt.want, tt.pass)
			}
			if diff := cmp.Diff(tt.troubles, r.Troubles()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
