package duck

import (
	"fmt"
	"slices"
	"strings"
)

// A view is one resource's part of the catalog, as SQL.
type view struct {
	name     string
	space    space
	dataset  string // xdm.<name>
	versions string // lake.<name>; "" when there is no history
	history  string // <name>_history
	// full is the view <name> with its JSON columns taken from the history.
	// light, of the same columns and types, has NULL in them and needs no
	// join; it serves queries that use none of them. It is "" when full needs
	// no join either.
	full, light string
	// In the plan of a query over full, joined stands wherever the join does,
	// and used wherever the text of the history is read.
	joined, used string
}

// A space has the names of the schemas that a copy's views stand in.
type space struct{ main, xdm, lake string }

var ownSpace = space{"main", "xdm", "lake"}

func spaceOf(name string) space { return space{name, name + "_xdm", name + "_lake"} }

func makeView(s space, r Resource) (v view, err error) {
	if len(r.Dataset.Columns) == 0 {
		r.Dataset.Columns = noDataset
	}
	if r.History != nil && len(r.History.Columns) == 0 {
		r.History = &Table{Columns: noHistory}
	}
	v = view{name: r.Name, space: s, joined: "__seq:" + s.main + "." + r.Name, used: "__raw:" + s.main + "." + r.Name}
	if v.dataset, err = scan(r.Dataset); err != nil {
		return v, fmt.Errorf("dataset of %s: %w", r.Name, err)
	}
	body := find(r.Dataset.Columns, r.Body)
	fields := distinct(r.Fields, nil)
	if r.History == nil {
		v.full = live(s, r, fields, body, "", "")
		return v, nil
	}
	if v.versions, err = scan(*r.History); err != nil {
		return v, fmt.Errorf("history of %s: %w", r.Name, err)
	}
	v.history = historyView(s, r.Name, *r.History, r.Fields)
	join, err := v.join(*r.History)
	if err != nil {
		return v, fmt.Errorf("history of %s: %w", r.Name, err)
	}
	v.full = live(s, r, fields, body, `j."__json"`, join)
	v.light = live(s, r, fields, body, `CAST(NULL AS VARCHAR) AS "__json"`, "")
	return v, nil
}

// distinct leaves out fields whose names differ from an earlier one, or from
// one that is taken, in case only: SQL could not tell them apart. A name with a
// NUL it could not even hold.
func distinct(fields []Field, taken []Column) []Field {
	seen := map[string]bool{"": true, "__json": true, "__documents": true, "__texts": true}
	for _, c := range taken {
		seen[strings.ToLower(c.Name)] = true
	}
	var out []Field
	for _, f := range fields {
		key := strings.ToLower(f.Name)
		if !seen[key] && !strings.Contains(key, "\x00") {
			seen[key] = true
			out = append(out, f)
		}
	}
	return out
}

// find returns the columns at path, none when there is no such path.
func find(columns []Column, path []string) []Column {
	for _, name := range path {
		i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == name })
		if i < 0 {
			return nil
		}
		columns = columns[i].Fields
	}
	return columns
}

// join returns what brings the raw text of each live object, repaired, as
// j."__json".
func (v *view) join(history Table) (string, error) {
	as := map[string]string{"seq": v.joined, "raw": v.used}
	var columns []Column
	for _, c := range history.Columns {
		if as[c.Name] != "" {
			columns = append(columns, c)
		}
	}
	if len(columns) != 2 {
		return "", fmt.Errorf("there are no columns seq and raw")
	}
	if len(history.Files) == 0 {
		return `LEFT JOIN (SELECT CAST(NULL AS BIGINT) AS "__seq", CAST(NULL AS VARCHAR) AS "__json" WHERE false) j ON j."__seq" = d."_seq"`, nil
	}
	rows, err := readParquet(history.Files, columns, func(c Column) string { return as[c.Name] })
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(`LEFT JOIN (SELECT %s AS "__seq", %s AS "__json" FROM %s) j ON j."__seq" = d."_seq"`,
		quote(v.joined), repaired(quote(v.used)), rows), nil
}

// live returns the view of the objects that are not deleted. Fields that are
// scalars in the dataset come from there, all others from text, the object's
// JSON, or where that is "" from the dataset as far as it has them.
func live(s space, r Resource, fields []Field, body []Column, text, join string) string {
	path := []string{"d"}
	for _, p := range r.Body {
		path = append(path, quote(p))
	}
	var x extraction
	stored, shown := []string{}, []string{}
	for _, f := range fields {
		i := slices.IndexFunc(body, func(c Column) bool { return c.Name == f.Name })
		at := "NULL"
		if i >= 0 {
			at = strings.Join(append(slices.Clip(path), quote(f.Name)), ".")
		}
		switch scalar := i >= 0 && f.Kind != JSON && len(body[i].Fields) == 0; {
		case text != "" && !scalar:
			shown = append(shown, x.take(f)+" AS "+quote(f.Name))
			continue
		case f.Kind == JSON:
			at = "to_json(" + at + ")"
		}
		stored = append(stored, "TRY_CAST("+at+" AS "+f.Kind.sql()+") AS "+quote(f.Name))
		shown = append(shown, quote(f.Name))
	}
	if text != "" {
		stored = append(stored, text)
	}
	return fmt.Sprintf(`SELECT %s FROM (SELECT *%s FROM (SELECT %s FROM %s.%s d %s WHERE NOT d."_deleted"))`,
		strings.Join(shown, ", "), x.columns(), strings.Join(stored, ", "), quote(s.xdm), quote(r.Name), join)
}

func (k Kind) sql() string {
	switch k {
	case BigInt:
		return "BIGINT"
	case Double:
		return "DOUBLE"
	case Boolean:
		return "BOOLEAN"
	case JSON:
		return "JSON"
	case Varchar:
	}
	return "VARCHAR"
}

// An extraction takes fields out of the text "__json", all at once: each call
// of a JSON function parses the text again and holds on to that memory. What
// is no JSON gives NULL, and does not disturb the rows beside it.
type extraction struct{ documents, texts []string }

// take returns the expression for a field.
func (x *extraction) take(f Field) string {
	// A JSON pointer, which can name any key.
	pointer := literal("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(f.Name))
	if f.Kind == JSON {
		x.documents = append(x.documents, pointer)
		return fmt.Sprintf(`nullif("__documents"[%d], 'null'::JSON)`, len(x.documents))
	}
	x.texts = append(x.texts, pointer)
	text := fmt.Sprintf(`"__texts"[%d]`, len(x.texts))
	switch f.Kind {
	case BigInt:
		// A cast alone would round 12.5.
		return "CASE WHEN regexp_full_match(" + text + ", '-?[0-9]+') THEN TRY_CAST(" + text + " AS BIGINT) END"
	case Double:
		return "TRY_CAST(" + text + " AS DOUBLE)"
	case Boolean:
		return "CASE " + text + " WHEN 'true' THEN true WHEN 'false' THEN false END"
	case Varchar, JSON:
	}
	return text
}

// columns returns what take's expressions refer to, each after a comma.
func (x *extraction) columns() string {
	out := ""
	if len(x.documents) > 0 {
		out += `, TRY(json_extract("__json", [` + strings.Join(x.documents, ", ") + `])) AS "__documents"`
	}
	if len(x.texts) > 0 {
		out += `, TRY(json_extract_string("__json", [` + strings.Join(x.texts, ", ") + `])) AS "__texts"`
	}
	return out
}

// historyView returns every version with the object's own fields beside the
// table's columns, which keep their names.
func historyView(s space, name string, history Table, all []Field) string {
	var x extraction
	var shown []string
	for _, c := range history.Columns {
		expr := quote(c.Name)
		if c.Type == "timestamptz" {
			expr = "CAST(" + expr + " AS TIMESTAMP) AS " + expr // the session's zone is UTC
		}
		shown = append(shown, expr)
	}
	for _, f := range distinct(all, history.Columns) {
		shown = append(shown, x.take(f)+" AS "+quote(f.Name))
	}
	return fmt.Sprintf(`SELECT %s FROM (SELECT *%s FROM (SELECT *, %s AS "__json" FROM %s.%s))`,
		strings.Join(shown, ", "), x.columns(), repaired(`"raw"`), quote(s.lake), quote(name))
}

// repaired replaces lone surrogate escapes, which JSON allows and Unicode
// does not, by U+FFFD: DuckDB would refuse the whole text. It takes a text
// apart only when there is a surrogate in it.
func repaired(raw string) string {
	return strings.ReplaceAll(`CASE WHEN contains(RAW, '\ud') OR contains(RAW, '\uD') THEN
  array_to_string(list_transform(
    regexp_extract_all(RAW, '\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|[^\\]+'),
    lambda part: CASE WHEN length(part) = 6 AND regexp_matches(part, '^\\u[dD][89a-fA-F]') THEN '\ufffd' ELSE part END), '')
ELSE RAW END`, "RAW", raw)
}

// The columns, as far as views need them, of tables that are not there yet.
var (
	noDataset = []Column{
		{ID: 1, Name: "_id", Type: "string"},
		{ID: 2, Name: "_seq", Type: "long"},
		{ID: 3, Name: "_deleted", Type: "boolean"},
	}
	noHistory = []Column{
		{ID: 1, Name: "id", Type: "string"},
		{ID: 2, Name: "seq", Type: "long"},
		{ID: 3, Name: "op", Type: "string"},
		{ID: 4, Name: "seen_at", Type: "timestamptz"},
		{ID: 5, Name: "source", Type: "string"},
		{ID: 6, Name: "run_id", Type: "string"},
		{ID: 7, Name: "account", Type: "string"},
		{ID: 8, Name: "livemode", Type: "boolean"},
		{ID: 9, Name: "api_version", Type: "string"},
		{ID: 10, Name: "hash", Type: "string"},
		{ID: 11, Name: "created", Type: "long"},
		{ID: 12, Name: "raw", Type: "string"},
	}
)
