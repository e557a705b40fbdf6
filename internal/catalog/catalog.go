// Package catalog knows the datasets of a sandbox and the batches of data that
// went into them. The rows themselves are in tables that it has made, grown
// and dropped, but does not read.
package catalog

import (
	"context"
	"errors"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Schemas is where datasets find their schemas.
type Schemas interface {
	// Composition returns the newest state of a schema, by $id, meta:altId or
	// the last step of its path; problem.NotFound.
	Composition(ctx context.Context, c access.Caller, id string) (*xdm.Composition, error)
}

// A Service has the rules of the catalog.
type Service struct {
	DB      *docstore.DB
	Schemas Schemas
	Tables  Tables
	Now     func() time.Time
	// Targets returns who writes into a dataset, by name; as long as there are
	// any, it can't be deleted. It may be nil.
	Targets func(ctx context.Context, c access.Caller, datasetID string) ([]string, error)
	// GrowCopy makes the table of a copy of Stripe follow its schema: passes alone
	// write it. It may be nil: then copies keep the columns that they have.
	GrowCopy func(ctx context.Context, table string, now *xdm.Composition) error
	// InUnion says whether a schema takes part in the union of its class, which
	// a dataset's tag unifiedProfile asks for. It may be nil: then none does.
	InUnion func(ctx context.Context, c access.Caller, schemaID string) (bool, error)
}

// The kinds of documents.
const (
	kindDataset  = "dataset"
	kindBatch    = "batch"
	kindLast     = "lastBatches" // by dataset
	kindSeen     = "seenCommits" // by dataset that is a copy
	kindExternal = "externalId"  // of a batch, in the scope of its organisation
)

func orgScope(c access.Caller) docstore.Scope { return docstore.Scope{Org: c.Org} }

// missing words a document that is not there.
func missing(err error, what, id string) error {
	if errors.Is(err, docstore.ErrNotFound) {
		return problem.Errorf(problem.NotFound, "there is no %s %q", what, id)
	}
	return err
}
