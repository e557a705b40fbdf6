package sqlapi

import (
	"context"
	"net/url"
	"strings"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/problem"
)

// Engines is what other programs need to read a table.
type Engines struct {
	Name    string // as a query here names it
	State   app.TableState
	Hidden  bool // locations are left out
	Engines []Engine
}

// An Engine is a program that reads Iceberg tables.
type Engine struct {
	Name    string
	Reads   string // Yes, Documented, Care or No: the table as it is now
	Note    string
	Snippet string
}

// How an engine reads a table.
const (
	Yes        = "yes"        // tested with each release
	Documented = "documented" // by the engine's documentation; not tested here
	Care       = "care"       // the note says which
	No         = "no"         // not before the table was maintained
)

// place stands in snippets for what the caller may not see.
const place = "<location>"

// EnginesOf returns how a dataset, by its id, or a table of a copy, by its name in
// queries, is read by others. Where it is shows only to who may manage datasets.
func (s *Service) EnginesOf(ctx context.Context, c access.Caller, id, table string) (Engines, error) {
	e := Engines{Hidden: !c.May(c.Sandbox.Name, access.AnyOf(access.ManageDatasets))}
	v, err := s.view(ctx, c, 0)
	if err != nil {
		return e, err
	}
	switch {
	case (id == "") == (table == ""):
		return e, problem.Errorf(problem.Invalid, "either dataset, an id, or table, a name that /tables lists, has to be given")
	case id != "":
		d, err := s.Datasets.Dataset(ctx, c, id)
		if err != nil {
			return e, err
		}
		e.Name = v.names[d.ID]
		if e.State, err = v.dataset(ctx, d); err != nil {
			return e, err
		}
	default:
		e.Name = table
		if e.State, err = v.copied(ctx, table); err != nil {
			return e, err
		}
	}
	metadata, folder := local(e.State.Metadata), local(e.State.Location)
	if e.Hidden {
		e.State.Metadata, e.State.Location, metadata, folder = "", "", place, place
	}
	e.Engines = engines(e.State, metadata, folder)
	if e.Hidden { // files are in it
		e.Engines[1].Snippet = ""
	}
	return e, nil
}

// copied returns the state of a table of a copy: charges, acct_1_live.charges.
func (v *view) copied(ctx context.Context, table string) (app.TableState, error) {
	schema, name, ok := strings.Cut(table, ".")
	if !ok {
		schema, name = "", table
	}
	for _, k := range v.copies {
		if k.Name != schema && (schema != "" || len(v.copies) > 1) {
			continue
		}
		state, err := v.s.copyState(ctx, k)
		if err != nil {
			return app.TableState{}, err
		}
		if t, ok := state.Tables[name]; ok {
			return t, nil
		}
	}
	return app.TableState{}, problem.Errorf(problem.NotFound, "there is no table %q of a copy in this sandbox", table)
}

// local returns the path of a file's URI, as programs on this machine want it.
func local(uri string) string {
	if u, err := url.Parse(uri); err == nil && u.Scheme == "file" {
		return u.Path
	}
	return uri
}

// engines words how each engine reads a table in its state. What each reads is
// what its documentation says or the tests of this repository have shown.
func engines(t app.TableState, metadata, folder string) []Engine {
	deletes := t.Deletes > 0
	const merged = "The table has delete files, which the engine applies."
	const plain = "The table has no delete files: each row of its files counts."
	note := map[bool]string{true: merged, false: plain}[deletes]
	click := Engine{
		Name: "ClickHouse", Reads: Yes, Note: plain + " Fields of structs need the subquery: SELECT … FROM (SELECT * FROM icebergLocal(…)).",
		Snippet: "clickhouse local -q \"SELECT count() FROM icebergLocal(" + text(folder) + ")\"",
	}
	py := Engine{
		Name: "pyiceberg", Reads: Documented, Note: plain,
		Snippet: "from pyiceberg.table import StaticTable\nt = StaticTable.from_metadata(" + double(metadata) + ")\nprint(t.scan().to_arrow().num_rows)",
	}
	if deletes {
		click.Reads, click.Note = Care, "A bare count() leaves delete files out unless the setting optimize_trivial_count_query is 0."
		click.Snippet = "clickhouse local -q \"SELECT count() FROM icebergLocal(" + text(folder) + ") SETTINGS optimize_trivial_count_query = 0\""
		py.Reads, py.Note = No, "pyiceberg does not apply equality deletes: it would show rows that were replaced. Run `tributary maintain` before."
	}
	files := Engine{
		Name: "DuckDB without extension", Reads: Yes, Note: "A view over the files of this very commit: take it anew behind the next one.", Snippet: fileView(t),
	}
	if files.Snippet == "" {
		files.Reads, files.Note = No, "The table has delete files, no files, or more than can be pasted. Run `tributary maintain` before."
	}
	return []Engine{
		{
			Name: "DuckDB", Reads: Documented, Note: note + " The extension iceberg is needed.",
			Snippet: "INSTALL iceberg;\nLOAD iceberg;\nSELECT count(*) FROM iceberg_scan(" + text(metadata) + ");",
		},
		files,
		{
			Name: "Spark", Reads: Documented, Note: note,
			Snippet: "# spark-sql --packages org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.6.1\nspark.read.format(\"iceberg\").load(" + double(metadata) + ").count()",
		},
		{
			Name: "Trino", Reads: Documented, Note: note + " iceberg.register-table-procedure.enabled=true is needed.",
			Snippet: "CALL iceberg.system.register_table(schema_name => 'stripe', table_name => " + text(t.Name) + ", table_location => " + text(folder) + ");\nSELECT count(*) FROM iceberg.stripe." + t.Name + ";",
		},
		click, py,
	}
}

// fileView is a view over a list of files, for a DuckDB that can't be given the
// extension; "" where there are too many to paste. Which delete file hides rows
// of which file is more than such a view can say: it is for tables without.
func fileView(t app.TableState) string {
	const most = 50
	if n := len(t.Table.Files); n == 0 || n > most || len(t.Table.Deletes) > 0 {
		return ""
	}
	var files []string
	for _, f := range t.Table.Files {
		files = append(files, text(f.Path))
	}
	return "CREATE VIEW " + t.Name + " AS SELECT * FROM read_parquet([" + strings.Join(files, ", ") + "], hive_partitioning = false, union_by_name = true);"
}

func text(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func double(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
