package duck

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// list renders n values as a DuckDB list.
func list(n int, value func(i int) string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(value(i))
	}
	b.WriteByte(']')
	return b.String()
}

// sqlType returns the DuckDB type of a column.
func sqlType(c Column) (string, error) {
	switch c.Type {
	case "string":
		return "VARCHAR", nil
	case "long":
		return "BIGINT", nil
	case "int":
		return "INTEGER", nil
	case "double":
		return "DOUBLE", nil
	case "float":
		return "FLOAT", nil
	case "boolean":
		return "BOOLEAN", nil
	case "timestamptz":
		return "TIMESTAMP WITH TIME ZONE", nil
	case "timestamp":
		return "TIMESTAMP", nil
	case "date":
		return "DATE", nil
	}
	parts := make([]string, len(c.Fields))
	for i, f := range c.Fields {
		t, err := sqlType(f)
		if err != nil {
			return "", fmt.Errorf("%s: %w", c.Name, err)
		}
		parts[i] = t
	}
	switch {
	case c.Type == "list" && len(parts) == 1:
		return parts[0] + "[]", nil
	case c.Type == "map" && len(parts) == 2:
		return "MAP(" + parts[0] + ", " + parts[1] + ")", nil
	case c.Type == "struct" && len(parts) > 0:
		for i, f := range c.Fields {
			parts[i] = quote(f.Name) + " " + parts[i]
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")", nil
	}
	return "", fmt.Errorf("column %s has the type %s, which is not known here", c.Name, c.Type)
}

// readParquet returns a table function over files. Each column gets the name
// that as returns for it.
func readParquet(files []File, columns []Column, as func(Column) string) (string, error) {
	var rows int64
	for _, f := range files {
		rows += f.Rows
	}
	var b strings.Builder
	b.WriteString("read_parquet(")
	b.WriteString(list(len(files), func(i int) string { return literal(files[i].Path) }))
	// hive_partitioning off: a directory named like created_month=2026-01 is
	// no column. Given a schema, DuckDB opens no file to plan a query, and so
	// has to be told the number of rows.
	fmt.Fprintf(&b, ", hive_partitioning=false, explicit_cardinality=%d, schema=MAP{", max(rows, 1))
	for i, c := range columns {
		t, err := sqlType(c)
		if err != nil {
			return "", err
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%d: {name: %s, type: %s, default_value: NULL}", c.ID, literal(as(c)), literal(t))
	}
	b.WriteString("})")
	return b.String(), nil
}

func columnName(c Column) string { return c.Name }

// scan returns a query for the live rows of a table, all columns of it.
func scan(t Table) (string, error) {
	if err := local(t); err != nil {
		return "", err
	}
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quote(c.Name)
	}
	if len(t.Files) == 0 {
		return empty(t.Columns)
	}
	rows, err := readParquet(t.Files, t.Columns, columnName)
	if err != nil {
		return "", err
	}
	deletes := effective(t)
	if len(deletes) == 0 {
		return "SELECT " + strings.Join(names, ", ") + " FROM " + rows, nil
	}
	return antiJoin(t, deletes, names, rows)
}

func empty(columns []Column) (string, error) {
	parts := make([]string, len(columns))
	for i, c := range columns {
		t, err := sqlType(c)
		if err != nil {
			return "", err
		}
		parts[i] = "CAST(NULL AS " + t + ") AS " + quote(c.Name)
	}
	return "SELECT " + strings.Join(parts, ", ") + " WHERE false", nil
}

func local(t Table) error {
	for _, f := range slices.Concat(t.Files, t.Deletes) {
		if strings.Contains(f.Path, "://") {
			return &problem.Error{
				Kind:   problem.Invalid,
				Detail: "the table's files are in an object store, which the embedded engine can't read: " + f.Path,
				Advice: "Query it with an engine that reads Iceberg tables",
			}
		}
	}
	return nil
}

// effective returns the delete files that can hide a row: those that concern a
// file with a lower sequence number.
func effective(t Table) []File {
	var out []File
	for _, d := range t.Deletes {
		if slices.ContainsFunc(t.Files, func(f File) bool {
			return f.Seq < d.Seq && (d.Partition == "" || d.Partition == f.Partition)
		}) {
			out = append(out, d)
		}
	}
	return out
}

// antiJoin returns rows without those that a delete hides: every file of rows
// and of deletes is mapped to its sequence number and partition by its
// position in the list, the deletes are reduced to the highest number for each
// partition and id, and one join leaves out what has a higher one.
func antiJoin(t Table, deletes []File, names []string, rows string) (string, error) {
	key := cmp.Or(t.Key, "_id")
	i := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == key })
	if i < 0 {
		return "", fmt.Errorf("a table with delete files has no column %s", key)
	}
	id, seq, part := quote(key), free(t.Columns, "__seq"), free(t.Columns, "__part")
	gone, err := readParquet(deletes, t.Columns[i:i+1], columnName)
	if err != nil {
		return "", err
	}
	numbers := map[string]int{} // of the partitions
	for _, f := range t.Files {
		if _, ok := numbers[f.Partition]; !ok {
			numbers[f.Partition] = len(numbers)
		}
	}
	var every []string
	for n := range len(numbers) {
		every = append(every, strconv.Itoa(n))
	}
	fileSeq := list(len(t.Files), func(i int) string { return strconv.FormatInt(t.Files[i].Seq, 10) })
	filePart := list(len(t.Files), func(i int) string { return strconv.Itoa(numbers[t.Files[i].Partition]) })
	goneSeq := list(len(deletes), func(i int) string { return strconv.FormatInt(deletes[i].Seq, 10) })
	goneParts := list(len(deletes), func(i int) string {
		if p := deletes[i].Partition; p != "" {
			return "[" + strconv.Itoa(numbers[p]) + "]"
		}
		return "[" + strings.Join(every, ",") + "]"
	})
	const nth = "[file_index::BIGINT + 1]"
	all := strings.Join(names, ", ")
	if len(numbers) == 1 {
		return fmt.Sprintf(`SELECT %[1]s FROM (SELECT %[1]s, (%[2]s::BIGINT[])%[3]s AS %[4]s FROM %[5]s) d
ANTI JOIN (SELECT %[6]s, max((%[7]s::BIGINT[])%[3]s) AS %[4]s FROM %[8]s GROUP BY %[6]s) x
ON x.%[6]s = d.%[6]s AND x.%[4]s > d.%[4]s`, all, fileSeq, nth, seq, rows, id, goneSeq, gone), nil
	}
	return fmt.Sprintf(`SELECT %[1]s FROM (SELECT %[1]s, (%[2]s::BIGINT[])%[3]s AS %[4]s, (%[5]s::BIGINT[])%[3]s AS %[6]s FROM %[7]s) d
ANTI JOIN (SELECT %[8]s, %[6]s, max(%[4]s) AS %[4]s
  FROM (SELECT %[8]s, unnest((%[9]s::BIGINT[][])%[3]s) AS %[6]s, (%[10]s::BIGINT[])%[3]s AS %[4]s FROM %[11]s) GROUP BY %[8]s, %[6]s) x
ON x.%[8]s = d.%[8]s AND x.%[6]s = d.%[6]s AND x.%[4]s > d.%[4]s`,
		all, fileSeq, nth, seq, filePart, part, rows, id, goneParts, goneSeq, gone), nil
}

// free returns a name, quoted, that no column has.
func free(columns []Column, name string) string {
	for slices.ContainsFunc(columns, func(c Column) bool { return strings.EqualFold(c.Name, name) }) {
		name += "_"
	}
	return quote(name)
}
