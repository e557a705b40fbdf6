// Package duck answers SQL over the lake's files with an embedded DuckDB. It
// is the only package that knows DuckDB, and it reads only: the files it is
// told of, through views that apply what was replaced or deleted.
package duck

import "time"

// A Catalog is what a query may see.
type Catalog struct {
	// Root is the directory below which all files lie; nothing else can be
	// read.
	Root       string
	Resources  []Resource
	Quarantine []Quarantined
	Drift      []Drift
}

// A Resource is a Stripe resource with its two tables.
type Resource struct {
	Name    string
	Fields  []Field  // of the object, in order
	Body    []string // path of columns that leads to the object in the dataset
	Dataset Table
	History *Table // nil: none is kept
}

// Kind is the type of a view's column.
type Kind uint8

// The kinds, with DuckDB's names.
const (
	BigInt Kind = iota
	Varchar
	Boolean
	Double
	JSON
)

var kindNames = [...]string{"BIGINT", "VARCHAR", "BOOLEAN", "DOUBLE", "JSON"}

// A Field is a top-level field of the object.
type Field struct {
	Name string
	Kind Kind
	// RawOnly fields are not in the dataset: they were seen in objects, and no
	// schema knows them.
	RawOnly bool
}

// A Table is one snapshot of an Iceberg table.
type Table struct {
	Columns []Column
	Files   []File
	Deletes []File // equality deletes on _id
}

// A Column is a column as DuckDB reads it.
type Column struct{ Name, Type string }

// A File is a Parquet file with its data sequence number: a delete hides rows
// of files with a lower one, within its partition.
type File struct {
	Path      string
	Seq       int64
	Partition string
}

// A Quarantined is one row of the table quarantine.
type Quarantined struct {
	Resource, ID, Path, Reason, Raw, RequestID, RunID string
	SeenAt                                            time.Time
}

// A Drift is one row of the table drift.
type Drift struct {
	Resource, Path, Kind, Seen string
	Count                      int64
	FirstSeen, LastSeen        time.Time
}
