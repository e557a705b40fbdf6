package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/problem"
)

// A Copy is a table that passes over a Stripe account fill.
type Copy struct {
	Table    string // charges, …
	Name     string // of its dataset: Stripe Charges, …
	SchemaID string // of its dataset
}

// passes is who made the batches of copies.
const passes = "tributary"

// Tags of these batches.
const (
	snapshotTag = "tributary/snapshot" // the commit's
	commitsTag  = "tributary/commits"  // what is to be said of several
)

// Adopt makes a dataset of each copy that has none yet in the sandbox, and
// takes in what was committed to it.
func (s *Service) Adopt(ctx context.Context, c access.Caller, copies []Copy) error {
	for _, m := range copies {
		schema, err := s.Schemas.Composition(ctx, c, m.SchemaID)
		if err != nil {
			return fmt.Errorf("dataset %s: %w", m.Name, err)
		}
		now := s.Now()
		d := Dataset{
			ID: newObjectID(now), ViewID: newObjectID(now), Name: m.Name, Description: "A copy of " + m.Table + " at Stripe, kept up to date by passes.",
			SchemaID: schema.ID, ContentType: usualContentType, Table: m.Table, Mirror: true, CreatedClient: passes, CreatedUser: passes, UpdatedUser: passes,
		}
		err = s.DB.Do(ctx, func(t *docstore.Tx) error {
			_, err := t.Find(scope(c), kindDataset, m.Table)
			if errors.Is(err, docstore.ErrNotFound) {
				_, err = put(t, scope(c), docstore.Doc{Kind: kindDataset, ID: d.ID, Keys: []string{m.Table}}, d)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("dataset %s: %w", m.Name, err)
		}
	}
	return s.Import(ctx, c)
}

// Import makes a batch of each commit to the copies in the sandbox that has
// none yet.
func (s *Service) Import(ctx context.Context, c access.Caller) error {
	all, err := s.Datasets(ctx, c)
	if err != nil {
		return err
	}
	for _, d := range all {
		if !d.Mirror {
			continue
		}
		if err := s.importCommits(ctx, c, d); err != nil {
			return fmt.Errorf("dataset %s: %w", d.Name, err)
		}
	}
	return nil
}

// A seen is how far the commits of a copy have become batches.
type seen struct {
	SnapshotID int64 `json:"snapshotId"` // the last one
	Rows       int64 `json:"rows"`       // what the batches so far add up to
}

func (s *Service) importCommits(ctx context.Context, c access.Caller, d Dataset) error {
	commits, rows, err := s.commits(ctx, d.Table)
	if err != nil || len(commits) == 0 {
		return err
	}
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		doc, err := t.Get(scope(c), kindSeen, d.ID)
		if errors.Is(err, docstore.ErrNotFound) {
			doc, err = docstore.Doc{Kind: kindSeen, ID: d.ID, Body: []byte("{}")}, nil
		}
		if err != nil {
			return err
		}
		var have seen
		if err := json.Unmarshal(doc.Body, &have); err != nil {
			return err
		}
		fresh := unseen(commits, have)
		if len(fresh) == 0 {
			return nil
		}
		for _, b := range batchesOf(d, have, fresh, rows) {
			if _, err := createBatch(t, scope(c), b); err != nil {
				return err
			}
		}
		_, err = put(t, scope(c), doc, seen{commits[len(commits)-1].SnapshotID, rows})
		return err
	})
}

// commits returns the commits of a table and how many rows it has after the
// last of them; none if another commit came while they were read, and there
// will be another time.
func (s *Service) commits(ctx context.Context, table string) ([]Commit, int64, error) {
	for range 3 {
		commits, err := s.Tables.Commits(ctx, table)
		if err != nil || len(commits) == 0 {
			if problem.KindOf(err) == problem.NotFound {
				err = nil // it has yet to be made
			}
			return nil, 0, err
		}
		stats, err := s.Tables.Stats(ctx, table)
		if err != nil {
			return nil, 0, err
		}
		if stats.SnapshotID == commits[len(commits)-1].SnapshotID {
			return commits, stats.Rows, nil
		}
	}
	return nil, 0, nil
}

// unseen returns the commits that came after those that are batches already.
func unseen(commits []Commit, have seen) []Commit {
	for i, k := range commits {
		if k.SnapshotID == have.SnapshotID {
			return commits[i+1:]
		}
	}
	return commits
}

// batchesOf returns a batch for each commit. Where commits before them have
// expired without having been seen, one more comes first, which has what is
// missing to the rows that the table has now.
func batchesOf(d Dataset, have seen, fresh []Commit, rows int64) []Batch {
	gap := rows - have.Rows
	for _, k := range fresh {
		gap -= k.Added - k.Deleted
	}
	var all []Batch
	first := fresh[0]
	if first.Parent != have.SnapshotID && (first.Parent != 0 || gap != 0) {
		first.Time = first.Time.Add(-time.Millisecond)
		b := d.commitBatch(first, "before")
		b.Tags = map[string][]string{commitsTag: {"expired before the catalog saw them; the counts are what they come to together"}}
		b.Metrics = &Metrics{InputRecordCount: max(0, gap), OutputRecordCount: max(0, gap), DeletedRecordCount: max(0, -gap)}
		all = append(all, b)
	}
	for _, k := range fresh {
		b := d.commitBatch(k, "")
		b.SnapshotID = k.SnapshotID
		b.Tags = map[string][]string{snapshotTag: {strconv.FormatInt(k.SnapshotID, 10)}}
		b.Metrics = &Metrics{
			InputRecordCount: k.Added, OutputRecordCount: k.Added, DeletedRecordCount: k.Deleted,
			OutputByteSize: k.Bytes, OutputFileCount: k.Files, PartitionCount: min(1, k.Files),
		}
		all = append(all, b)
	}
	return all
}

// commitBatch returns the batch of a commit; the same commit has the same id
// whenever it is asked for.
func (d Dataset) commitBatch(k Commit, note string) Batch {
	sum := sha256.Sum256([]byte(d.ID + " " + strconv.FormatInt(k.SnapshotID, 10) + note))
	at := k.Time.UTC().Truncate(time.Millisecond)
	return Batch{
		ID: newBatchID(k.Time, sum[:10]), DatasetID: d.ID, Status: Success, Started: at.UnixMilli(), Completed: at.UnixMilli(), Created: at,
		CreatedClient: passes, CreatedUser: passes, UpdatedUser: passes,
	}
}
