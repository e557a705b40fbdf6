// Package flow is the Flow Service: connections to a source, dataflows from
// there to datasets, their schedules and their runs. It has the rules, keeps
// the documents, and answers the HTTP calls; package runner does what a run is.
package flow

import (
	"context"
	"io"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/dataprep"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/secret"
)

// Ids of what can be connected, and of how data flows, as the platform knows
// them.
const (
	StripeSpec   = "cc2c31d6-7b8c-4581-b49f-5c8698aa3ab3"
	DataLakeSpec = "c604ff05-7f1a-43c0-8e18-33bf874cb11c"
	FlowSpec     = "6499120c-0b15-42dc-936e-847ea3c24d72"
)

// Kinds of documents.
const (
	kindConnection = "flow.connection"
	kindSource     = "flow.source"
	kindTarget     = "flow.target"
	kindFlow       = "flow.flow"
	kindRun        = "flow.run" // its parent is the flow
)

// Datasets are those of the catalog.
type Datasets interface {
	// Dataset returns a dataset; problem.NotFound.
	Dataset(ctx context.Context, c access.Caller, id string) (catalog.Dataset, error)
}

// Mappings are the mapping sets of Data Prep.
type Mappings interface {
	// Set returns a version of a set, or the newest one; problem.NotFound.
	Set(ctx context.Context, c access.Caller, id string, version int) (dataprep.Set, error)
}

// A Service keeps the connections, dataflows and runs of all sandboxes.
type Service struct {
	DB       *docstore.DB
	Keys     *secret.Keys // seal credentials
	Datasets Datasets
	Mappings Mappings
	Stripe   Stripe
	// Operator returns who runs run as: an administrator in a sandbox, by the
	// ids of the organisation and the sandbox; problem.NotFound for a sandbox that
	// nobody enters.
	Operator func(ctx context.Context, org, sandbox string) (access.Caller, error)
	// VerifyOnCreate asks Stripe about the credentials of a new connection and
	// refuses those that Stripe refuses.
	VerifyOnCreate bool
	// Wait is how long a caller waits for Stripe; 0 for 30 s.
	Wait time.Duration
	Now  func() time.Time
	// LeaseFor is how long a lease is good; 0 for LeaseFor.
	LeaseFor time.Duration
	Random   io.Reader // for ids and etags; nil for crypto/rand
	// Queued, if set, is told after a run was put down that wants to be done, and,
	// with the zero Ref, after a flow was written that may be due: Due knows.
	Queued func(ctx context.Context, r Ref)
	// Dropped, if set, is told of a run that shall end because its flow is gone.
	Dropped func(ctx context.Context, r Ref)
}

// A Ref names a run.
type Ref struct {
	Org     string
	Sandbox string // id
	Run     string
}

func scope(c access.Caller) docstore.Scope {
	return docstore.Scope{Org: c.Org, Sandbox: c.Sandbox.ID}
}
