package duck

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// Limits bound what the queries of a guarded database take, together.
type Limits struct {
	Memory  int64 `json:"memory"`  // bytes of DuckDB's buffers; single values may take more beside them
	Threads int   `json:"threads"` // that compute
	Temp    int64 `json:"temp"`    // bytes on the disk, of what does not fit in memory
}

// A guard keeps from queries what is nobody's business but that of who runs the
// machine: above all, where files are. A nil guard keeps nothing.
type guard struct {
	limits Limits
	places []string // folders that no message may name, longest first
}

// guardedFunctions are the table functions that a query may call under a guard.
// All others tell of the database, or take the name of a table as text.
var guardedFunctions = map[string]bool{
	"range": true, "generate_series": true, "unnest": true, "repeat": true, "repeat_row": true, "json_each": true, "json_tree": true,
}

// table says whether a table function may be called.
func (g *guard) table(name string) bool {
	if g == nil {
		return functions[strings.ToLower(name)]
	}
	return guardedFunctions[strings.ToLower(name)]
}

// tellingFunctions are functions that tell of the database and its machine, or
// look into a query that is given as text.
var tellingFunctions = map[string]bool{
	"current_setting": true, "getenv": true, "getvariable": true, "get_block_size": true, "json_serialize_plan": true,
	"json_execute_serialized_sql": true, "write_log": true, "parse_duckdb_log_message": true, "nextval": true, "currval": true,
}

// systemPrefixes begin the names of what the database tells of itself.
var systemPrefixes = []string{"duckdb_", "pragma_", "sqlite_", "pg_"}

// systemName says whether a name is one of those. What only describes columns
// gives nothing away.
func systemName(name string) bool {
	name = strings.ToLower(name)
	return name != "pg_typeof" && slices.ContainsFunc(systemPrefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// columnsOnly are the views of the standard that name tables and columns.
var columnsOnly = map[string]bool{"tables": true, "columns": true, "schemata": true}

// check refuses a node of a query that would look at the database itself.
func (g *guard) check(n map[string]any) error {
	if g == nil {
		return nil
	}
	text := func(name string) string {
		t, _ := n[name].(string)
		return strings.ToLower(t)
	}
	switch n["type"] {
	case "FUNCTION":
		name := text("function_name")
		if tellingFunctions[name] || systemName(name) {
			return invalid("the function "+name+" can't be used here: it tells of the server and not of the data", "")
		}
	case "BASE_TABLE", "SHOW_REF":
		name, schema, catalog := strings.Trim(text("table_name"), `"`), text("schema_name"), text("catalog_name")
		standard := schema == "information_schema" && columnsOnly[name]
		if systemName(name) || catalog == "system" || schema == "pg_catalog" || schema == "information_schema" && !standard {
			return invalid("the table "+name+" can't be read here: it tells of the server and not of the data",
				"SHOW ALL TABLES lists what can be read, and so do information_schema.tables and information_schema.columns")
		}
	}
	return nil
}

// checkExplain refuses to run a query for its plan: that names the files which
// were read. head is what stands before the query.
func (g *guard) checkExplain(head string) error {
	if g != nil && strings.Contains(strings.ToLower(head), "analyze") {
		return invalid("EXPLAIN ANALYZE can't be used here", "EXPLAIN shows the plan")
	}
	return nil
}

// hide adds a folder to those that no message may name.
func (g *guard) hide(folder string) {
	if folder != "" && folder != "." && folder != "/" && !slices.Contains(g.places, folder) {
		g.places = append(g.places, folder)
	}
}

// discreet returns an error without the names of folders, and without DuckDB's
// advice about settings, which nobody can change here.
func (g *guard) discreet(err error) error {
	p, ok := errors.AsType[*problem.Error](err)
	if g == nil || !ok {
		return err
	}
	said := *p
	said.Detail, _, _ = strings.Cut(p.Detail, "\n\nPossible solutions:")
	for _, folder := range g.places {
		said.Detail = strings.ReplaceAll(said.Detail, folder+"/", "")
		said.Detail = strings.ReplaceAll(said.Detail, folder, "…")
	}
	return &said
}

// folders returns the folders of files, each before those that it lies in.
func folders(files []string) []string {
	seen := map[string]bool{}
	for _, f := range files {
		for at := filepath.Dir(f); len(at) > 1 && !seen[at]; at = filepath.Dir(at) {
			seen[at] = true
		}
	}
	var all []string
	for at := range seen {
		all = append(all, at)
	}
	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return all
}
