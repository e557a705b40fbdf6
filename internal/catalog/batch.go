package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Status is how far a batch is.
type Status string

// The statuses that our batches go through: loading, loaded, staging, active,
// success; or failed, aborted, abandoned; retrying where a step is tried again;
// inactive and deleted after a success that was taken back.
const (
	Loading Status = "loading"
	Loaded  Status = "loaded"
	Staging Status = "staging"
	Active  Status = "active"
	Success Status = "success"
	Failed  Status = "failed"
	Aborted Status = "aborted"
	// Abandoned batches were never completed.
	Abandoned Status = "abandoned"
	Retrying  Status = "retrying"
	Inactive  Status = "inactive"
	Deleted   Status = "deleted"
)

// A Batch is one unit of data that goes into a dataset. Its JSON is how it is
// stored.
type Batch struct {
	ID         string              `json:"id"`                   // ULID; CreateBatch gives one where it is empty
	ExternalID string              `json:"externalId,omitempty"` // the client's own id, unique in its organisation
	DatasetID  string              `json:"dataSetId"`
	Status     Status              `json:"status"`
	Tags       map[string][]string `json:"tags,omitempty"`
	// InputFormat is what the client sends; nil for commits of a copy.
	InputFormat *InputFormat `json:"inputFormat,omitempty"`
	Replay      *Replay      `json:"replay,omitempty"`
	Metrics     *Metrics     `json:"metrics,omitempty"` // nil until there is something to count
	Errors      []BatchError `json:"errors,omitempty"`
	Started     int64        `json:"started,omitempty"`   // ms; when processing began
	Completed   int64        `json:"completed,omitempty"` // ms; when it ended, well or not
	SnapshotID  int64        `json:"snapshotId,omitempty"`
	// ErrorDiagnostics asks for files that say what was wrong with which row.
	ErrorDiagnostics bool `json:"enableErrorDiagnostics,omitempty"`
	// PartialPercent is the share of rows that may fail before all do; nil
	// where none may.
	PartialPercent *int `json:"partialIngestionPercent,omitempty"`

	CreatedClient string `json:"createdClient"`
	CreatedUser   string `json:"createdUser"`
	UpdatedUser   string `json:"updatedUser"`

	// What the store says; a caller's values are not kept. Created counts
	// where it is set when the batch is made.
	Created time.Time `json:"-"`
	Updated time.Time `json:"-"`
	Version string    `json:"-"` // 1.0.0 and so on, one up with each change
}

// An InputFormat says how to read the files of a batch.
type InputFormat struct {
	Format          string `json:"format"` // json, parquet or csv
	IsMultiLineJSON bool   `json:"isMultiLineJson,omitempty"`
	Delimiter       string `json:"delimiter,omitempty"`
	Quote           string `json:"quote,omitempty"`
	Escape          string `json:"escape,omitempty"`
	Charset         string `json:"charset,omitempty"`
	Header          *bool  `json:"header,omitempty"`
	NullMarker      string `json:"nullMarker,omitempty"`
}

// A Replay names batches whose rows the new batch replaces.
type Replay struct {
	Predecessors             []string `json:"predecessors,omitempty"`
	PredecessorsByExternalID []string `json:"predecessorsByExternalId,omitempty"`
	Reason                   string   `json:"reason,omitempty"`
}

// Metrics count what went in and what came out.
type Metrics struct {
	InputByteSize     int64 `json:"inputByteSize"`
	InputFileCount    int64 `json:"inputFileCount"`
	InputRecordCount  int64 `json:"inputRecordCount"`
	OutputRecordCount int64 `json:"outputRecordCount"`
	FailedRecordCount int64 `json:"failedRecordCount"`
	OutputByteSize    int64 `json:"outputByteSize"`
	OutputFileCount   int64 `json:"outputFileCount"`
	PartitionCount    int64 `json:"partitionCount"`
	// DeletedRecordCount is how many rows of earlier batches went: those that
	// the batch replaced, and those that were deleted.
	DeletedRecordCount int64 `json:"deletedRecordCount,omitempty"`
}

// A BatchError is one reason why a batch failed, or why rows of it did.
type BatchError struct {
	Code        string   `json:"code"`
	Description string   `json:"description"`
	Rows        []string `json:"rows"` // single ones, or ranges: 3-5
}

// Done says whether nothing happens to the batch any more by itself.
func (b Batch) Done() bool {
	return slices.Contains([]Status{Success, Failed, Aborted, Abandoned, Inactive, Deleted}, b.Status)
}

// External is where the organisation keeps whose batch has an external id.
type external struct {
	Sandbox string `json:"sandbox"`
	Batch   string `json:"batch"`
}

// CreateBatch makes a batch of the caller. Its dataset must be there and not
// be a copy of Stripe, else it is problem.Invalid; an external id that another
// batch of the organisation has is problem.Conflict and docstore.ErrTaken.
func (s *Service) CreateBatch(ctx context.Context, c access.Caller, b Batch) (Batch, error) {
	if b.ID == "" {
		b.ID = newBatchID(s.Now(), nil)
	}
	if b.Status == "" {
		b.Status = Loading
	}
	b.CreatedClient, b.CreatedUser, b.UpdatedUser = c.Client, c.User, c.User
	var made Batch
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		d, err := dataset(t, c.Scope(), b.DatasetID)
		if problem.KindOf(err) == problem.NotFound {
			return problem.Errorf(problem.Invalid, "there is no dataset %q", b.DatasetID)
		}
		if err != nil {
			return err
		}
		if d.Mirror {
			return &problem.Error{
				Kind:   problem.Invalid,
				Detail: fmt.Sprintf("the dataset %q is a copy of Stripe: nothing else goes into it", d.Name),
				Advice: "Make a dataset of your own on the schema " + d.SchemaID,
			}
		}
		if err := claim(t, c, b); err != nil {
			return err
		}
		made, err = createBatch(t, c.Scope(), b)
		return err
	})
	return made, err
}

// claim takes a batch's external id for it. One whose batch is gone with its
// sandbox is free again.
func claim(t *docstore.Tx, c access.Caller, b Batch) error {
	if b.ExternalID == "" {
		return nil
	}
	if !docstore.Storable(b.ExternalID) {
		return invalid("externalId: %q is not UTF-8, or has a NUL", b.ExternalID)
	}
	d, err := t.Get(orgScope(c), kindExternal, b.ExternalID)
	switch {
	case errors.Is(err, docstore.ErrNotFound):
		d = docstore.Doc{Kind: kindExternal, ID: b.ExternalID}
	case err != nil:
		return err
	default:
		var who external
		if err := json.Unmarshal(d.Body, &who); err != nil {
			return err
		}
		_, err := t.Get(docstore.Scope{Org: c.Org, Sandbox: who.Sandbox}, kindBatch, who.Batch)
		if err == nil {
			return &problem.Error{
				Kind:   problem.Conflict,
				Detail: fmt.Sprintf("another batch has the external id %q", b.ExternalID),
				Err:    docstore.ErrTaken,
			}
		}
		if !errors.Is(err, docstore.ErrNotFound) {
			return err
		}
	}
	return t.Store(orgScope(c), d, external{c.Sandbox.ID, b.ID})
}

func createBatch(t *docstore.Tx, s docstore.Scope, b Batch) (Batch, error) {
	d, err := t.Write(s, docstore.Doc{Kind: kindBatch, ID: b.ID, Parent: b.DatasetID, Created: b.Created}, b)
	if errors.Is(err, docstore.ErrTaken) {
		return Batch{}, &problem.Error{Kind: problem.Conflict, Detail: fmt.Sprintf("there is a batch %q already", b.ID), Err: err}
	}
	if err != nil {
		return Batch{}, err
	}
	if b, err = batchOf(d); err != nil {
		return Batch{}, err
	}
	return b, noteLast(t, s, "", b)
}

// ChangeBatch changes a batch in one transaction; the store may run change
// again. Id, dataset, external id and who made it stay as they are.
func (s *Service) ChangeBatch(ctx context.Context, c access.Caller, id string, change func(*Batch) error) (Batch, error) {
	var b Batch
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		d, err := findBatch(t, c, id)
		if err != nil {
			return err
		}
		old, err := batchOf(d)
		if err != nil {
			return err
		}
		b, err = batchOf(d) // shares nothing with old
		if err != nil {
			return err
		}
		if err := change(&b); err != nil {
			return err
		}
		b.ID, b.DatasetID, b.ExternalID = old.ID, old.DatasetID, old.ExternalID
		b.CreatedClient, b.CreatedUser, b.UpdatedUser = old.CreatedClient, old.CreatedUser, c.User
		if d, err = t.Write(c.Scope(), d, b); err != nil {
			return err
		}
		if b, err = batchOf(d); err != nil {
			return err
		}
		return noteLast(t, c.Scope(), old.Status, b)
	})
	return b, err
}

// Batch returns a batch by its id, or by $ and its external id;
// problem.NotFound.
func (s *Service) Batch(ctx context.Context, c access.Caller, id string) (Batch, error) {
	var b Batch
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		d, err := findBatch(t, c, id)
		if err != nil {
			return err
		}
		b, err = batchOf(d)
		return err
	})
	return b, err
}

func findBatch(t *docstore.Tx, c access.Caller, id string) (docstore.Doc, error) {
	asked := id
	if name, ok := strings.CutPrefix(id, "$"); ok {
		d, err := t.Get(orgScope(c), kindExternal, name)
		if err != nil {
			return docstore.Doc{}, missing(err, "batch", asked)
		}
		var who external
		if err := json.Unmarshal(d.Body, &who); err != nil {
			return docstore.Doc{}, err
		}
		id = who.Batch // of another sandbox it is not found in this one
	}
	d, err := t.Get(c.Scope(), kindBatch, id)
	return d, missing(err, "batch", asked)
}

func batchOf(d docstore.Doc) (Batch, error) {
	var b Batch
	if err := json.Unmarshal(d.Body, &b); err != nil {
		return Batch{}, fmt.Errorf("batch %s: %w", d.ID, err)
	}
	b.Created, b.Updated, b.Version = d.Created, d.Updated, version(d.Revision)
	return b, nil
}

// version words a revision, which counts from 1.
func version(revision int64) string { return fmt.Sprintf("1.0.%d", revision-1) }

// EachBatch calls visit with the batches of the sandbox, newest first, until
// it returns false; those of one dataset if one is named.
func (s *Service) EachBatch(ctx context.Context, c access.Caller, datasetID string, visit func(Batch) bool) error {
	return s.eachBatch(ctx, c, datasetID, true, visit)
}

func (s *Service) eachBatch(ctx context.Context, c access.Caller, datasetID string, newest bool, visit func(Batch) bool) error {
	page := docstore.Page{Parent: datasetID, Newest: newest, Limit: pageSize}
	for {
		var docs []docstore.Doc
		err := s.DB.Do(ctx, func(t *docstore.Tx) (err error) {
			docs, err = t.List(c.Scope(), kindBatch, page)
			return err
		})
		if err != nil {
			return err
		}
		for _, d := range docs {
			b, err := batchOf(d)
			if err != nil {
				return err
			}
			if !visit(b) {
				return nil
			}
		}
		if len(docs) < pageSize {
			return nil
		}
		page.After = docs[len(docs)-1].Mark()
	}
}

// pageSize is how many documents are read at once.
const pageSize = 500
