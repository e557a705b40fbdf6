// Package intake takes in the files that clients push: it stages them on the
// disk, and promotes what is in them to the rows of a dataset, a batch at a
// time, all of it or nothing, whatever happens to the process meanwhile.
package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// Catalog is where batches and datasets are.
type Catalog interface {
	Dataset(ctx context.Context, c access.Caller, id string) (catalog.Dataset, error)
	CreateBatch(ctx context.Context, c access.Caller, b catalog.Batch) (catalog.Batch, error)
	ChangeBatch(ctx context.Context, c access.Caller, id string, change func(*catalog.Batch) error) (catalog.Batch, error)
	// Batch takes the id, or $ and the external id.
	Batch(ctx context.Context, c access.Caller, id string) (catalog.Batch, error)
}

// Schemas are what records are held against.
type Schemas interface {
	Composition(ctx context.Context, c access.Caller, id string) (*xdm.Composition, error)
	// MarkUsed says that there is data of the schema.
	MarkUsed(ctx context.Context, c access.Caller, schemaID string) error
}

// A Service has the rules of batch ingestion. Run does the work that signals
// ask for; one process alone may run it on a directory.
type Service struct {
	DB      *docstore.DB
	Catalog Catalog
	Schemas Schemas
	Tables  catalog.Tables
	Dir     string // of the installation: files are below staging and diagnostics
	Now     func() time.Time
	Log     *slog.Logger
	Workers int           // batches that are promoted at once; 0 for 2
	Idle    time.Duration // without a file, after which a batch is abandoned; 0 for a week
	Retry   time.Duration // first pause after a failure that is not the data's; 0 for a second
	// At, if set, is told how far a promotion is: tests stop there.
	At func(Point)

	mu       sync.Mutex
	wakeup   chan struct{}
	writing  map[string]map[[2]int64]bool // ranges of large files that are being written, by file
	landing  map[string]bool              // files that are being uploaded, as strays are called
	notAgain map[string]time.Time         // when a task that failed is tried again
	pauses   map[string]time.Duration
}

// A Point is a place in a promotion.
type Point string

// The points, in their order.
const (
	AtClosed    Point = "no more files are taken"
	AtLoaded    Point = "the batch is loaded"
	AtStaging   Point = "the batch is staging"
	AtRows      Point = "rows were read"
	AtActive    Point = "the batch is active"
	AtCommitted Point = "the rows are in"
	AtDiagnosed Point = "the diagnostics are in place"
	AtDone      Point = "the batch says how it ended"
	AtReverted  Point = "the rows are out"
)

// The points of an upload.
const (
	AtStored   Point = "a file is on the disk"
	AtReplaced Point = "a file has the place of another"
	AtPiece    Point = "a piece is on the disk"
)

func (s *Service) at(p Point) {
	if s.At != nil {
		s.At(p)
	}
}

// Kinds of documents.
const (
	kindGate = "intakeBatch" // by batch: whether it takes files
	kindFile = "intakeFile"  // by batch and path; its parent is the batch
	kindTask = "intakeTask"  // in the installation's scope: what is to be done
	// kindLoading, in the installation's scope, too: batches that take files.
	kindLoading = "intakeLoading"
)

func scope(c access.Caller) docstore.Scope { return docstore.Scope{Org: c.Org, Sandbox: c.Sandbox.ID} }

// A gate is shut once a signal says that the client is done.
type gate struct {
	Shut bool `json:"shut"`
}

// safe are ids that may be names of directories.
var safe = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)

// key names a batch among those of all sandboxes; it is a name of a directory.
func key(s docstore.Scope, batch string) string {
	sum := sha256.Sum256([]byte(s.Org + "\x00" + s.Sandbox + "\x00" + batch))
	h := hex.EncodeToString(sum[:])
	if safe.MatchString(batch) {
		return batch + "." + h[:12]
	}
	return h[:40]
}

func (s *Service) staging(sc docstore.Scope, batch string) string {
	return filepath.Join(s.Dir, "staging", key(sc, batch))
}

// A Request makes a batch.
type Request struct {
	DatasetID      string
	ExternalID     string
	Format         catalog.InputFormat
	Replay         *catalog.Replay
	Tags           map[string][]string
	Diagnostics    *bool // nil: as the dataset says
	PartialPercent *int  // 0 to 100; nil and 0: no row may fail
}

// Create makes a batch that takes files.
func (s *Service) Create(ctx context.Context, c access.Caller, r Request) (catalog.Batch, error) {
	if r.DatasetID == "" {
		return catalog.Batch{}, missingField("datasetId")
	}
	d, err := s.dataset(ctx, c, r.DatasetID)
	if err != nil {
		return catalog.Batch{}, err
	}
	if err := checkFormat(&r.Format); err != nil {
		return catalog.Batch{}, err
	}
	if p := r.PartialPercent; p != nil && (*p < 0 || *p > 100) {
		return catalog.Batch{}, problem.Errorf(problem.Invalid, "partialIngestionPercent is %d: it must be from 0 to 100", *p)
	}
	if err := s.checkReplay(ctx, c, d, r.Replay); err != nil {
		return catalog.Batch{}, err
	}
	b := catalog.Batch{
		DatasetID: r.DatasetID, ExternalID: r.ExternalID, Status: catalog.Loading, Tags: r.Tags, InputFormat: &r.Format, Replay: r.Replay,
		ErrorDiagnostics: d.ErrorDiagnostics, PartialPercent: r.PartialPercent,
	}
	if r.Diagnostics != nil {
		b.ErrorDiagnostics = *r.Diagnostics
	}
	if r.PartialPercent != nil {
		b.ErrorDiagnostics = true
	}
	b.ID = catalog.NewBatchID(s.Now())
	if err := s.note(ctx, c, b.ID); err != nil {
		return catalog.Batch{}, err
	}
	made, err := s.Catalog.CreateBatch(ctx, c, b)
	if err != nil {
		err = errors.Join(err, s.DB.Do(ctx, func(t *docstore.Tx) error { return forget(t, scope(c), b.ID) }))
	}
	return made, err
}

func missingField(name string) error {
	return problem.Errorf(problem.Invalid, "%s is missing: it is required", name)
}

// dataset returns a dataset that clients may push into.
func (s *Service) dataset(ctx context.Context, c access.Caller, id string) (catalog.Dataset, error) {
	d, err := s.Catalog.Dataset(ctx, c, id)
	if problem.KindOf(err) == problem.NotFound {
		return d, problem.Errorf(problem.Invalid, "datasetId: there is no dataset %q in this sandbox", id)
	}
	if err == nil && d.Mirror {
		err = &problem.Error{
			Kind:   problem.Invalid,
			Detail: fmt.Sprintf("the dataset %q is a copy of Stripe, and nothing else may go into it", d.Name),
			Advice: "Make a dataset of your own on the same schema, and push into that",
		}
	}
	return d, err
}

// checkFormat fills in what a format leaves open.
func checkFormat(f *catalog.InputFormat) error {
	f.Format = strings.ToLower(f.Format)
	if !slices.Contains([]string{"json", "parquet", "csv"}, f.Format) {
		if f.Format == "" {
			return missingField("inputFormat.format")
		}
		return problem.Errorf(problem.Invalid, "inputFormat.format is %q: it must be json, parquet or csv", f.Format)
	}
	if f.Format != "json" && f.IsMultiLineJSON {
		return problem.Errorf(problem.Invalid, "inputFormat.isMultiLineJson goes with the format json only")
	}
	if f.Format != "csv" {
		return nil
	}
	_, err := csvFormat(f)
	return err
}

// checkReplay checks the batches that a new one is to replace.
func (s *Service) checkReplay(ctx context.Context, c access.Caller, d catalog.Dataset, r *catalog.Replay) error {
	if r == nil {
		return nil
	}
	if len(r.Predecessors) > 0 && len(r.PredecessorsByExternalID) > 0 {
		return problem.Errorf(problem.Invalid, "replay names predecessors by id and by external id: name them in one way")
	}
	if len(r.Predecessors)+len(r.PredecessorsByExternalID) > 1000 {
		return problem.Errorf(problem.Invalid, "replay names more than 1000 predecessors")
	}
	for _, id := range predecessors(r) {
		b, err := s.Catalog.Batch(ctx, c, id)
		switch {
		case problem.KindOf(err) == problem.NotFound || err == nil && b.DatasetID != d.ID:
			return problem.Errorf(problem.Invalid, "replay: there is no batch %q of the dataset %s", id, d.ID)
		case err != nil:
			return err
		case !b.Done():
			return problem.Errorf(problem.Invalid, "replay: the batch %q is %s: it can be replaced when it has ended", id, b.Status)
		}
	}
	return nil
}

// predecessors returns the ids that Catalog.Batch takes.
func predecessors(r *catalog.Replay) []string {
	if r == nil {
		return nil
	}
	ids := slices.Clone(r.Predecessors)
	for _, e := range r.PredecessorsByExternalID {
		ids = append(ids, "$"+strings.TrimPrefix(e, "$"))
	}
	return ids
}

// loading returns a batch that takes files for the dataset.
func (s *Service) loading(ctx context.Context, c access.Caller, batch, datasetID string) (catalog.Batch, error) {
	b, err := s.find(ctx, c, batch, datasetID)
	if err == nil && b.Status != catalog.Loading {
		err = wrongState(b, "it takes no more files")
	}
	return b, err
}

func (s *Service) find(ctx context.Context, c access.Caller, batch, datasetID string) (catalog.Batch, error) {
	b, err := s.Catalog.Batch(ctx, c, batch)
	if err != nil {
		return b, err
	}
	if b.DatasetID != datasetID {
		return b, problem.Errorf(problem.NotFound, "the batch %s is not of the dataset %q", b.ID, datasetID)
	}
	return b, nil
}

func wrongState(b catalog.Batch, so string) error {
	return gateway.Fail(http.StatusBadRequest, "", "Bad request", "the batch %s is %s: %s", b.ID, b.Status, so)
}

// errShut says that a signal was given meanwhile.
var errShut = errors.New("the batch takes no more files")

// Forget removes what is on the disk of a sandbox that goes, and what was to
// be done there. The documents of its scope are the caller's to remove,
// afterwards.
func (s *Service) Forget(ctx context.Context, sc docstore.Scope) error {
	var batches []docstore.Doc
	err := s.DB.Do(ctx, func(t *docstore.Tx) error {
		var err error
		if batches, err = t.List(sc, kindGate, docstore.Page{}); err != nil {
			return err
		}
		for _, b := range batches {
			if err := t.Delete(docstore.Scope{}, kindTask, key(sc, b.ID)); err != nil && !errors.Is(err, docstore.ErrNotFound) {
				return err
			}
		}
		return nil
	})
	for _, b := range batches {
		err = errors.Join(err, removeAll(s.staging(sc, b.ID)), removeAll(s.diagnostics(sc, b.ID)))
	}
	return err
}
