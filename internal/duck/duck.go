// Package duck answers SQL over the lake with an embedded, read-only DuckDB. It
// is the only package that knows DuckDB.
//
// # What a query sees
//
//	charges           live objects; a column per top-level field of the object
//	charges_history   every version: the columns of the history table, and the
//	                  object's own where the names differ
//	xdm.charges       the dataset as stored
//	lake.charges      the history as stored
//	ds_…              the records of a dataset of a dataflow, or that clients push into, as stored;
//	                  also xdm.ds_…
//	quarantine        objects that could not be ingested
//	drift             what was seen that the schemas do not know
//
// and the same for every other resource. Integers are BIGINT, strings VARCHAR,
// booleans BOOLEAN, objects and arrays JSON; what an object lacks is NULL.
// Columns of JSON are taken from the raw text of the history, so nothing
// unknown is lost in them; DuckDB may write a value in another form (1e2 as
// 100.0, \u00e9 as é). What is no valid Unicode in raw is U+FFFD there.
//
// Nothing else can be read, and nothing can be written: no file outside the
// tables, no network, no extension, no setting. A database that was opened
// with OpenGuarded is for queries of people who may not know the machine, too.
package duck

import (
	"iter"
	"time"
)

// A Catalog is what there is to query: a snapshot of each table, as files.
type Catalog struct {
	Resources []Resource
	// Spaces are further copies, each with views of its own.
	Spaces  []Space
	Records []Records
	// Names are further names of tables as stored.
	Names []Name
	Drift []Drift
	// Quarantine yields what stands in quarantine, until its first error. It is
	// called once, by the first query that names the table: it can be long. Nil
	// for nothing.
	Quarantine iter.Seq2[Quarantined, error] `json:"-"`
}

// A Resource is the pair of tables of one Stripe resource.
type Resource struct {
	Name    string // charges
	Dataset Table  // with the columns _id, _seq and _deleted
	// Body is the path of the object's fields in the dataset: _tributary,
	// charges_data.
	Body []string
	// History has the columns seq and raw, and a row for the seq of every row
	// of the dataset. Nil when no history is kept.
	History *Table
	// Fields are the top-level fields of the object, in the order of the
	// view's columns. What the dataset lacks is read from the history.
	Fields []Field
}

// A Space is a copy whose views stand in schemas of its own: acct_1_live.charges,
// acct_1_live_xdm.charges and acct_1_live_lake.charges are what charges,
// xdm.charges and lake.charges are of the Catalog's own Resources.
type Space struct {
	Name      string // acct_1_live
	Resources []Resource
}

// A Name is a view in the schema main of what the schema xdm has under another
// name.
type Name struct {
	View  string // charges_data
	Table string // ds_0123…, charges
}

// Records are a table of records that are no Stripe objects.
type Records struct {
	Name  string // as a view in the schemas xdm and main
	Table Table
}

// A Table is one snapshot of an Iceberg table. The zero Table stands for one
// that was not created yet.
type Table struct {
	Columns []Column
	Files   []File
	Deletes []File // with one column, Key
	Key     string // the column that Deletes are about; "" is _id
}

// A Column is a field of a table. Files are matched with it by ID at the top
// level and by name below; what an older file lacks reads as NULL.
type Column struct {
	ID     int
	Name   string   // "element" in a list; "key" and "value" in a map
	Type   string   // Iceberg's: string, long, int, double, float, boolean, timestamptz, timestamp, date, struct, list, map
	Fields []Column // of a struct, list or map
}

// A File is a Parquet file. A row is gone when a delete file of its partition,
// or of the partition "", has its key and a higher Seq than the row's own file.
type File struct {
	Path      string // local
	Seq       int64  // data sequence number
	Partition string // equal for the files of one partition
	Rows      int64  // for planning a query; may be about right
}

// A Loaded column is one of a table that Load makes.
type Loaded struct {
	Name string
	Text bool // VARCHAR with string values; else BIGINT with int64 values
}

// A Field is a top-level field of a Stripe object.
type Field struct {
	Name string
	Kind Kind
}

// Kind is the type of a field's column.
type Kind uint8

// The kinds, named as DuckDB's types.
const (
	BigInt Kind = iota
	Varchar
	Boolean
	Double
	JSON // objects, arrays, and fields of an unknown type
)

// A Quarantined is a row of the table quarantine.
type Quarantined struct {
	Resource, ID, Path, Reason, Raw, RequestID, RunID string

	SeenAt time.Time
}

// A Drift is a row of the table drift.
type Drift struct {
	Resource, Path, Kind, Seen string

	Count     int64
	FirstSeen time.Time
	LastSeen  time.Time
	Example   string // id of an object
}
