//go:build cgo

package duck

import (
	"context"
	"fmt"
	"strings"

	duckdb "github.com/duckdb/duckdb-go-bindings"
)

// OpenGuarded is Open for queries of people who may read these tables and
// nothing else of the machine: no query and no message tells where files are,
// how the database is set up or how its views are made, and queries have no more
// than the limits.
//
// Limits do not bound a single value, and a function that builds one can't be
// interrupted: run such queries in a process that can be ended.
func OpenGuarded(ctx context.Context, c Catalog, l Limits) (*DB, error) {
	g := &guard{limits: l}
	d, err := openWith(ctx, c, g)
	return d, g.discreet(err)
}

// guarded sets the limits of a guarded database.
func (d *DB) guarded() error {
	if d.guard == nil {
		return nil
	}
	d.guard.hide(d.temp)
	for _, folder := range folders(d.files) {
		d.guard.hide(folder)
	}
	l := d.guard.limits
	return d.exec(fmt.Sprintf("SET GLOBAL memory_limit = '%dMiB'; SET GLOBAL threads = %d; SET GLOBAL max_temp_directory_size = '%dMiB'",
		max(64, l.Memory>>20), max(1, l.Threads), l.Temp>>20))
}

func (d *DB) discreet(err error) error { return d.guard.discreet(err) }

// A Shown is a view that can be queried.
type Shown struct {
	Schema  string       `json:"schema"` // main, xdm, lake, or that of a space
	Name    string       `json:"name"`
	Columns []ColumnType `json:"columns"`
}

// Views lists all views with their columns, in the order of their names.
func (d *DB) Views(ctx context.Context) ([]Shown, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, err := prepare(d.setup, `SELECT c.schema_name, c.table_name, c.column_name, c.data_type FROM duckdb_columns() c
		WHERE NOT c.internal AND c.database_name = 'memory' AND EXISTS (FROM duckdb_views() v WHERE v.schema_name = c.schema_name AND v.view_name = c.table_name)
		ORDER BY c.schema_name, c.table_name, c.column_index`)
	if err != nil {
		return nil, err
	}
	defer s.close()
	rows, err := s.run(ctx, d.setup)
	if err != nil {
		return nil, err
	}
	defer rows.finish()
	var all []Shown
	for rows.Next() {
		var schema, name, column, kind string
		if err := rows.Scan(&schema, &name, &column, &kind); err != nil {
			return nil, err
		}
		if n := len(all); n == 0 || all[n-1].Schema != schema || all[n-1].Name != name {
			all = append(all, Shown{Schema: schema, Name: name})
		}
		at := &all[len(all)-1]
		at.Columns = append(at.Columns, ColumnType{column, kind})
	}
	return all, rows.Err()
}

// String writes a type as DuckDB does.
func (t *dataType) String() string {
	parts := make([]string, len(t.children))
	for i, c := range t.children {
		parts[i] = c.String()
		if i < len(t.names) {
			parts[i] = plainOr(t.names[i]) + " " + parts[i]
		}
	}
	switch t.kind {
	case duckdb.TypeList:
		return parts[0] + "[]"
	case duckdb.TypeArray:
		return fmt.Sprintf("%s[%d]", parts[0], t.size)
	case duckdb.TypeMap:
		return "MAP(" + strings.Join(parts, ", ") + ")"
	case duckdb.TypeStruct:
		return "STRUCT(" + strings.Join(parts, ", ") + ")"
	case duckdb.TypeUnion:
		return "UNION(" + strings.Join(parts, ", ") + ")"
	case duckdb.TypeDecimal:
		return "DECIMAL"
	case duckdb.TypeEnum:
		return "ENUM"
	}
	if t.json {
		return "JSON"
	}
	if name, ok := plainTypes[t.kind]; ok {
		return name
	}
	return t.unknown
}

// plainOr writes a name as it is, or quoted.
func plainOr(name string) string {
	for i, c := range name {
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return quote(name)
		}
	}
	return name
}

var plainTypes = map[duckdb.Type]string{
	duckdb.TypeBoolean: "BOOLEAN", duckdb.TypeTinyInt: "TINYINT", duckdb.TypeSmallInt: "SMALLINT", duckdb.TypeInteger: "INTEGER", duckdb.TypeBigInt: "BIGINT",
	duckdb.TypeUTinyInt: "UTINYINT", duckdb.TypeUSmallInt: "USMALLINT", duckdb.TypeUInteger: "UINTEGER", duckdb.TypeUBigInt: "UBIGINT",
	duckdb.TypeHugeInt: "HUGEINT", duckdb.TypeUHugeInt: "UHUGEINT", duckdb.TypeFloat: "FLOAT", duckdb.TypeDouble: "DOUBLE", duckdb.TypeVarchar: "VARCHAR",
	duckdb.TypeBlob: "BLOB", duckdb.TypeUUID: "UUID", duckdb.TypeSQLNull: "NULL", duckdb.TypeTimestamp: "TIMESTAMP", duckdb.TypeTimestampTZ: "TIMESTAMP WITH TIME ZONE",
	duckdb.TypeTimestampS: "TIMESTAMP_S", duckdb.TypeTimestampMS: "TIMESTAMP_MS", duckdb.TypeTimestampNS: "TIMESTAMP_NS",
	duckdb.TypeDate: "DATE", duckdb.TypeTime: "TIME", duckdb.TypeInterval: "INTERVAL",
}
