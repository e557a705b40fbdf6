package lake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// MaintainOptions say how much Maintain keeps. The zero value is the default.
type MaintainOptions struct {
	// KeepFor is how long a file stays that is not, or not yet, part of the
	// table: what was replaced, for readers that still use it, and what looks
	// left behind by a crash but may be in the making. Zero means an hour,
	// negative not at all: nobody else may then use the lake.
	KeepFor time.Duration
	// TargetBytes is the size to which data files are merged; zero means
	// 128 MiB.
	TargetBytes int64
	// Partition is how a dataset shall be partitioned; "" leaves it as it is.
	// Where it is another way the whole table is rewritten, in one commit; on
	// disk there must be room for it twice more.
	Partition Partitioning
	// MonthRows is the number of rows above which PartitionAuto means
	// PartitionMonth; zero means 5 million.
	MonthRows int64
}

// A MaintainReport says what Maintain did to one table.
type MaintainReport struct {
	FilesBefore, FilesAfter int   // data files
	DeleteFiles             int   // applied and dropped
	RowsRemoved             int64 // rows that the delete files hid
	BytesBefore, BytesAfter int64 // of data and delete files
	SnapshotsRemoved        int
	FilesRemoved            int // from disk
	BytesRemoved            int64
	Partition               Partitioning // what it was rewritten to; "" if it was not
}

// Maintain makes the table small and fast to read: it drops the rows that
// delete files hide, so that no delete file is left, merges small data files
// and manifests, forgets old snapshots, and removes files that no remaining
// snapshot uses. It must run in the table's writer lane, or beside other
// processes that write: where they are faster, it begins again, and after
// a few times it ends with a problem of kind Stale.
//
// Short of a new partitioning, it rewrites in steps of about half a gigabyte, each a commit of its own, and
// holds a few batches of rows in memory. A crash costs the step in hand; what
// that leaves on disk is removed by a later call.
func (t *Table) Maintain(ctx context.Context, opts MaintainOptions) (MaintainReport, error) {
	keep := opts.KeepFor
	switch {
	case keep == 0:
		keep = time.Hour
	case keep < 0:
		keep = 0
	}
	var report MaintainReport
	for attempt := 0; ; attempt++ {
		m := maintenance{t: t, opts: opts, target: cmp.Or(opts.TargetBytes, targetBytes), ids: markIDs, spill: spillBytes}
		m.report.BytesBefore = t.Bytes()
		err := m.run(ctx, keep)
		report.add(m.report)
		if err == nil {
			report.BytesAfter = t.Bytes()
			return report, nil
		}
		if !outrun(err) || attempt == maintainAttempts || !pause(ctx, attempt) {
			return report, fault(err, "maintain "+t.Name())
		}
		if err := t.refresh(ctx); err != nil {
			return report, err
		}
	}
}

// maintainAttempts bounds how often Maintain begins again because others
// commit: what it has done until then stays done.
const maintainAttempts = 3

// add adds what a later attempt did.
func (r *MaintainReport) add(m MaintainReport) {
	if r.FilesBefore == 0 {
		r.FilesBefore, r.BytesBefore = m.FilesBefore, m.BytesBefore
	}
	r.FilesAfter, r.Partition = m.FilesAfter, cmp.Or(m.Partition, r.Partition)
	r.DeleteFiles += m.DeleteFiles
	r.RowsRemoved += m.RowsRemoved
	r.SnapshotsRemoved += m.SnapshotsRemoved
	r.FilesRemoved += m.FilesRemoved
	r.BytesRemoved += m.BytesRemoved
}

// A maintenance is one call of Maintain.
type maintenance struct {
	t      *Table
	opts   MaintainOptions
	target int64 // bytes of a file
	ids    int64 // deleted ids in memory at once
	spill  int64 // bytes of rows that are sorted by month at once
	report MaintainReport

	data    []*stored
	deletes []*stored

	// beforeCommit, if set, is called before the commit of a new partitioning:
	// tests stop there.
	beforeCommit func() error
}

// A stored file is a live file of the snapshot that is being maintained.
type stored struct {
	iceberg.DataFile
	seq      int64
	snapshot int64 // of the commit that added it
	part     string
	dead     bitmap // rows of a data file that delete files hide; nil if none
}

func storedFile(e iceberg.ManifestEntry) stored {
	return stored{DataFile: e.DataFile(), seq: e.SequenceNum(), snapshot: e.SnapshotID(), part: partition(e.DataFile())}
}

func (m *maintenance) run(ctx context.Context, keep time.Duration) error {
	before := m.t.tbl.Metadata().Snapshots()
	if err := m.list(ctx); err != nil {
		return err
	}
	m.report.FilesBefore, m.report.DeleteFiles = len(m.data), len(m.deletes)
	if err := m.mark(ctx); err != nil {
		return err
	}
	if err := m.arrange(ctx); err != nil {
		return err
	}
	m.report.FilesAfter = int(m.t.DataFiles())

	if m.t.SnapshotID() != 0 {
		if err := m.t.expire(ctx, 1, keep); err != nil {
			return err
		}
	}
	for _, s := range before {
		if m.t.tbl.SnapshotByID(s.SnapshotID) == nil {
			m.report.SnapshotsRemoved++
		}
	}
	swept, err := m.t.sweep(ctx, "", keep)
	m.report.FilesRemoved, m.report.BytesRemoved = swept.files, swept.bytes
	return err
}

// arrange rewrites what needs it, and leaves no delete file.
func (m *maintenance) arrange(ctx context.Context) error {
	rows := -m.report.RowsRemoved
	for _, f := range m.data {
		rows += f.Count()
	}
	to, err := m.opts.wanted(m.t, rows)
	if err != nil {
		return err
	}
	if to != m.t.Partition() {
		m.report.Partition = to
		return m.repartition(ctx, to)
	}
	for _, step := range m.steps() {
		if err := m.rewrite(ctx, step); err != nil {
			return err
		}
	}
	return m.dropDeletes(ctx)
}

// list reads what the table consists of, data files in the order of seq.
func (m *maintenance) list(ctx context.Context) error {
	for e, err := range m.t.entries(ctx) {
		if err != nil {
			return err
		}
		f := storedFile(e)
		switch {
		case f.ContentType() == iceberg.EntryContentData:
			m.data = append(m.data, &f)
		case m.t.ours(f.DataFile):
			m.deletes = append(m.deletes, &f)
		default:
			return foreign(f.DataFile)
		}
	}
	slices.SortStableFunc(m.data, func(a, b *stored) int {
		return cmp.Or(cmp.Compare(a.part, b.part), cmp.Compare(m.t.firstSeq(a), m.t.firstSeq(b)), cmp.Compare(a.seq, b.seq))
	})
	return nil
}

// Bounds of one step of a rewrite.
const (
	stepTargets = 4 // input, in files of the target size
	fewFiles    = 4 // neighbours that are not worth merging
)

// steps returns the groups of files to rewrite, those of a step in one commit:
// a table that is partitioned has many small ones.
func (m *maintenance) steps() [][][]*stored {
	var steps [][][]*stored
	var size int64
	for i, group := range m.groups() {
		if i == 0 || size >= stepTargets*m.target {
			steps, size = append(steps, nil), 0
		}
		steps[len(steps)-1] = append(steps[len(steps)-1], group)
		for _, f := range group {
			size += f.FileSizeBytes()
		}
	}
	return steps
}

// groups returns the files to rewrite: files with dead rows, and runs of small
// files. Only neighbours share a group, so that the files of a history stay in
// the order of seq.
func (m *maintenance) groups() [][]*stored {
	var groups [][]*stored
	var run []*stored
	var size int64
	flush := func() {
		dead := slices.ContainsFunc(run, func(f *stored) bool { return f.dead != nil })
		if dead || len(run) > fewFiles || len(run) > 1 && size >= m.target {
			groups = append(groups, run)
		}
		run, size = nil, 0
	}
	for i, f := range m.data {
		if i > 0 && f.part != m.data[i-1].part || size >= stepTargets*m.target {
			flush()
		}
		if f.dead == nil && f.FileSizeBytes() >= m.target/2 {
			flush()
			continue
		}
		run = append(run, f)
		size += f.FileSizeBytes()
	}
	flush()
	return groups
}

// replace commits the exchange of old files for new ones. Nobody else may have
// committed since list: what was read could be out of date.
func (m *maintenance) replace(ctx context.Context, old []*stored, added Files) error {
	return m.exchange(ctx, m.t.tbl.NewTransaction(), old, added)
}

// exchange is replace in a transaction that may do more.
func (m *maintenance) exchange(ctx context.Context, tx *table.Transaction, old []*stored, added Files) error {
	rewrite := tx.NewRewrite(nil)
	for _, f := range old {
		rewrite.DeleteFile(f.DataFile)
	}
	for _, df := range added.data {
		rewrite.AddDataFile(df)
	}
	if err := rewrite.Commit(ctx); err != nil {
		return err
	}
	// NewRewrite adds a mapping of names to field ids, which our files carry
	// themselves.
	if err := tx.RemoveProperties([]string{"schema.name-mapping.default"}); err != nil {
		return err
	}
	return m.settle(ctx, tx, old, added)
}

// settle commits tx and looks after the files that it exchanged.
func (m *maintenance) settle(ctx context.Context, tx *table.Transaction, old []*stored, added Files) error {
	next, err := tx.Commit(ctx)
	if err != nil {
		return fmt.Errorf("replace %d files: %w", len(old), err)
	}
	m.t.tbl = next
	m.t.cat.disk.release(added)
	for _, f := range old {
		// Readers in flight have it for KeepFor from now on. An error here would
		// have the caller remove files that are part of the table.
		_ = m.t.cat.disk.touch(f.FilePath())
	}
	return nil
}

// dropDeletes drops the delete files: every row they hide is gone.
func (m *maintenance) dropDeletes(ctx context.Context) error {
	if len(m.deletes) == 0 {
		return nil
	}
	return m.replace(ctx, m.deletes, Files{})
}
