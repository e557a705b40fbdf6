package webui

import (
	"net/url"
	"strings"
)

// tablesView is what can be queried, and how much of it at once.
type tablesView struct {
	Tables []sqlTable `json:"items"`
	Limits struct {
		Rows    int64 `json:"rows"`
		Bytes   int64 `json:"bytes"`
		Seconds int64 `json:"seconds"`
		Queries int64 `json:"queries"`
	} `json:"limits"`
}

// A sqlTable is a table or a view.
type sqlTable struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Rows    int64  `json:"rows"`
	Exact   bool   `json:"rowsExact"`
	Sample  string `json:"sample"`
	Dataset string `json:"datasetId"`
	Columns []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"columns"`
}

// SamplePath opens a query of its first rows.
func (t sqlTable) SamplePath() string { return sqlPath(t.Sample) }

// sqlPath is where the page opens with a query.
func sqlPath(query string) string { return Base + "/sql?" + url.Values{"q": {query}}.Encode() }

// A fieldPath is a field of a table.
type fieldPath struct{ Path, Type string }

// Fields lists the columns, and the fields of structs by their paths.
func (t sqlTable) Fields() []fieldPath {
	var all []fieldPath
	for _, c := range t.Columns {
		all = structFields(plainName(c.Name), c.Type, all)
	}
	return all
}

// maxStructFields is how many fields of a table the page lists.
const maxStructFields = 400

// structFields adds the fields of a type, as DuckDB writes it:
// STRUCT(id VARCHAR, "a b" STRUCT(…)[], m MAP(VARCHAR, BIGINT)).
func structFields(path, kind string, all []fieldPath) []fieldPath {
	inside, found := strings.CutPrefix(kind, "STRUCT(")
	if !found || !strings.HasSuffix(inside, ")") {
		if len(all) < maxStructFields {
			all = append(all, fieldPath{path, shortType(kind)})
		}
		return all
	}
	for _, part := range split(strings.TrimSuffix(inside, ")"), ',') {
		words := split(strings.TrimSpace(part), ' ')
		all = structFields(path+"."+words[0], strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(part), words[0])), all)
	}
	return all
}

// split cuts a text at what stands in no parentheses and no quotes.
func split(text string, at byte) []string {
	var parts []string
	depth, begin, quoted := 0, 0, false
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == at && depth == 0:
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}

// shortType leaves out what is in a struct.
func shortType(kind string) string {
	if open := strings.IndexByte(kind, '('); open >= 0 && len(kind) > 40 {
		return kind[:open] + "(…)" + kind[strings.LastIndexByte(kind, ')')+1:]
	}
	return kind
}

// plainName quotes the name of a column where SQL would not take it otherwise.
func plainName(name string) string {
	for i, c := range name {
		if c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9') {
			return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
		}
	}
	return name
}

// showTables is the part of the page with the tables, and a page without scripts.
func (r *request) showTables() error {
	v := r.sqlView("")
	v.Tables = &tablesView{}
	if err := r.get(sqlAPI+"/tables", nil, v.Tables); err != nil {
		return err
	}
	if r.partial() {
		return r.part("sql", "sql-tables", *v.Tables)
	}
	return r.show("sql", v)
}
