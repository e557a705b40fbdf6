package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/docstore"
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
			_, err := t.Find(c.Scope(), kindDataset, m.Table)
			if errors.Is(err, docstore.ErrNotFound) {
				_, err = t.Write(c.Scope(), docstore.Doc{Kind: kindDataset, ID: d.ID, Keys: []string{m.Table}}, d)
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
	SnapshotID int64 `json:"snapshotId"` // the table's when they did
	Commit     int64 `json:"commit"`     // the last of those that were listed; a rewrite may follow it
	Rows       int64 `json:"rows"`       // what the batches so far add up to
}

func (s *Service) importCommits(ctx context.Context, c access.Caller, d Dataset) error {
	commits, stats, err := s.commits(ctx, d.Table)
	if err != nil || stats.SnapshotID == 0 {
		return err
	}
	at := s.Now()
	return s.DB.Do(ctx, func(t *docstore.Tx) error {
		doc, err := t.Get(c.Scope(), kindSeen, d.ID)
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
		if have.SnapshotID == stats.SnapshotID {
			return nil
		}
		for _, b := range batchesOf(d, have, commits, stats, at) {
			if _, err := createBatch(t, c.Scope(), b); err != nil {
				return err
			}
		}
		now := seen{SnapshotID: stats.SnapshotID, Commit: have.Commit, Rows: stats.Rows}
		if n := len(commits); n > 0 {
			now.Commit = commits[n-1].SnapshotID
		}
		return t.Store(c.Scope(), doc, now)
	})
}

// commits returns the commits of a table and what they come to; nothing if
// other commits came while they were read, and there will be another time.
func (s *Service) commits(ctx context.Context, table string) ([]Commit, Stats, error) {
	for range 3 {
		before, err := s.Tables.Stats(ctx, table)
		if err != nil {
			return nil, Stats{}, none(err) // it has yet to be made
		}
		commits, err := s.Tables.Commits(ctx, table)
		if err != nil {
			return nil, Stats{}, none(err)
		}
		after, err := s.Tables.Stats(ctx, table)
		if err != nil {
			return nil, Stats{}, none(err)
		}
		if before == after {
			return commits, after, nil
		}
	}
	return nil, Stats{}, nil
}

// batchesOf returns a batch for each commit that has none yet. Where commits
// before them have expired without having been seen, one more comes first,
// which has what is missing to the rows that the table has now.
func batchesOf(d Dataset, have seen, commits []Commit, stats Stats, now time.Time) []Batch {
	fresh, known := commits, false
	if i := slices.IndexFunc(commits, func(k Commit) bool { return k.SnapshotID == have.Commit }); i >= 0 {
		fresh, known = commits[i+1:], true
	}
	gap := stats.Rows - have.Rows
	for _, k := range fresh {
		gap -= k.Added - k.Deleted
	}
	first := Commit{SnapshotID: stats.SnapshotID, Time: now.Add(time.Millisecond)} // where all have expired
	if len(fresh) > 0 {
		first = fresh[0]
	}
	var all []Batch
	follows := first.Parent == 0 || first.Parent == have.SnapshotID || first.Parent == have.Commit
	orphans := len(fresh) == 0 && have.SnapshotID == 0 && stats.Files > 0 // files that would be of no batch
	if !known && (gap != 0 || !follows || orphans) {
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
