package flow

import (
	"context"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/dataprep"
)

// A lease is the right to work on a run. It stands in the installation's own
// scope, under the run's id, for as long as the run is not finished: so it is
// the list of what is to be done, too.
//
//	{"org":"…@AdobeOrg","sandbox":"…","flow":"…","at":1760000000000,"generation":2,"holder":"host-4711-ab12","until":1760000060000}
type lease struct {
	Org        string `json:"org"`
	Sandbox    string `json:"sandbox"`
	Flow       string `json:"flow"`
	At         int64  `json:"at"` // when the run shall begin, epoch ms
	Generation int    `json:"generation"`
	Holder     string `json:"holder,omitempty"` // empty: nobody works on it
	Until      int64  `json:"until,omitempty"`  // epoch ms: whoever is silent till then has lost it
	// Stop says that the run shall end: its flow is gone.
	Stop bool `json:"stop,omitempty"`
}

// Times of leases.
const (
	LeaseFor   = 60 * time.Second
	RenewEvery = 15 * time.Second
)

// A Plan is all that a run needs.
type Plan struct {
	Caller     access.Caller // the operator, in the run's sandbox
	Run        Run
	Flow       Flow
	Connection Connection
	Credentials
	Dataset catalog.Dataset
	Set     dataprep.Set
	// Wanted are the resources that the enabled flows of the same account read,
	// this one's among them.
	Wanted []string
	// Since bounds the times of creation of what the flow takes: zero for none.
	// It is for flows that shall not backfill.
	Since time.Time
}

// A Job is a run that wants to be done.
type Job struct {
	Ref
	Generation int
	At         time.Time
}

// A Verdict is how a try at a run ended.
type Verdict struct {
	// Stop, if set, disables the flow for this reason: no later run will do
	// better.
	Stop string
}

var _ = context.Background
