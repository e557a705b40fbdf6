package duck

import (
	"fmt"
	"strconv"
	"strings"
)

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func list[T any](items []T, f func(T) string) string {
	out := make([]string, len(items))
	for i, it := range items {
		out[i] = f(it)
	}
	return strings.Join(out, ", ")
}

// empty is a relation without rows that has all the table's columns: a file
// written before a column was added lacks it.
func (t *Table) empty() string {
	return "SELECT " + list(t.Columns, func(c Column) string { return "NULL::" + c.Type + " AS " + ident(c.Name) }) + " WHERE false"
}

// read is a scan of Parquet files. hive_partitioning is off because the names
// of folders are no columns of ours.
func read(files []File, named bool) string {
	s := "read_parquet([" + list(files, func(f File) string { return literal(f.Path) }) + "], hive_partitioning=false, union_by_name=true"
	if named {
		s += ", filename='__file'"
	}
	return s + ")"
}

func sequences(files []File) string {
	return "(VALUES " + list(files, func(f File) string {
		return "(" + literal(f.Path) + ", " + strconv.FormatInt(f.Seq, 10) + ", " + literal(f.Partition) + ")"
	}) + ")"
}

// rows is the relation of the table's live rows: one anti-join for the whole
// table. A row lives unless a delete of its id, in its partition, has a higher
// sequence number than its file (Iceberg specification, "Scan Planning").
func (t *Table) rows() string {
	var newest int64
	for _, d := range t.Deletes {
		newest = max(newest, d.Seq)
	}
	var plain, touched []File
	for _, f := range t.Files {
		if f.Seq >= newest {
			plain = append(plain, f)
		} else {
			touched = append(touched, f)
		}
	}
	parts := []string{t.empty()}
	if len(plain) > 0 {
		parts = append(parts, "SELECT * FROM "+read(plain, false))
	}
	if len(touched) > 0 {
		parts = append(parts, fmt.Sprintf(`SELECT d.* EXCLUDE (__file) FROM %s d JOIN %s f(path, seq, part) ON f.path = d.__file
WHERE NOT EXISTS (SELECT 1 FROM (SELECT e._id AS id, s.part AS part, max(s.seq) AS seq FROM %s e JOIN %s s(path, seq, part) ON s.path = e.__file GROUP BY ALL) x
	WHERE x.id = d._id AND x.part = f.part AND x.seq > f.seq)`,
			read(touched, true), sequences(touched), read(t.Deletes, true), sequences(t.Deletes)))
	}
	return strings.Join(parts, "\nUNION ALL BY NAME\n")
}

// views returns the statements that make the resource's views.
func (r *Resource) views() []string {
	out := []string{
		"CREATE VIEW xdm." + ident(r.Name) + " AS " + r.Dataset.rows(),
		"CREATE VIEW main." + ident(r.Name) + " AS " + r.live(),
	}
	if r.History != nil {
		out = append(out,
			"CREATE VIEW lake."+ident(r.Name)+" AS "+r.History.rows(),
			"CREATE VIEW main."+ident(r.Name+"_history")+" AS "+r.versions())
	}
	return out
}

// body is the struct in the dataset that holds the object's fields.
func (r *Resource) body() string { return "d." + list2(r.Body) }

func list2(path []string) string {
	out := make([]string, len(path))
	for i, p := range path {
		out[i] = ident(p)
	}
	return strings.Join(out, ".")
}

// live selects the objects that are not deleted. What is JSON comes from
// history's raw, exactly as Stripe sent it; the rest from the dataset's columns.
func (r *Resource) live() string {
	var raw []Field
	for _, f := range r.Fields {
		if f.RawOnly || f.Kind == JSON {
			raw = append(raw, f)
		}
	}
	if r.History == nil || len(raw) == 0 {
		return "SELECT " + list(r.Fields, func(f Field) string {
			switch {
			case f.RawOnly:
				return "NULL::" + kindNames[f.Kind] + " AS " + ident(f.Name)
			case f.Kind == JSON:
				return "to_json(" + r.body() + "." + ident(f.Name) + ") AS " + ident(f.Name)
			}
			return r.body() + "." + ident(f.Name) + " AS " + ident(f.Name)
		}) + " FROM xdm." + ident(r.Name) + " d WHERE NOT d._deleted"
	}
	i := 0
	columns := list(r.Fields, func(f Field) string {
		if f.RawOnly || f.Kind == JSON {
			i++
			return fromRaw(f, "h.j", i) + " AS " + ident(f.Name)
		}
		return r.body() + "." + ident(f.Name) + " AS " + ident(f.Name)
	})
	return fmt.Sprintf("SELECT %s FROM xdm.%s d LEFT JOIN (SELECT seq, %s AS j FROM lake.%s) h ON h.seq = d._seq WHERE NOT d._deleted",
		columns, ident(r.Name), extract(raw), ident(r.Name))
}

// extract parses raw once for several fields. TRY makes a text that DuckDB
// takes for invalid null, and does not let it spoil the query.
func extract(fields []Field) string {
	return "TRY(json_extract(raw, [" + list(fields, func(f Field) string {
		return literal(`$."` + strings.ReplaceAll(f.Name, `"`, `\"`) + `"`)
	}) + "]))"
}

// fromRaw turns the i-th extracted value into the field's type.
func fromRaw(f Field, values string, i int) string {
	v := values + "[" + strconv.Itoa(i) + "]"
	switch f.Kind {
	case JSON:
		return "nullif(" + v + ", 'null'::JSON)"
	case Varchar:
		return "TRY(" + v + "->>'$')"
	case BigInt, Boolean, Double:
	}
	return "TRY_CAST(nullif(" + v + ", 'null'::JSON) AS " + kindNames[f.Kind] + ")"
}

// versions selects every version: the columns of history, then the object's
// own except those that history has already.
func (r *Resource) versions() string {
	taken := map[string]bool{}
	for _, c := range r.History.Columns {
		taken[c.Name] = true
	}
	var own []Field
	for _, f := range r.Fields {
		if !taken[f.Name] {
			own = append(own, f)
		}
	}
	if len(own) == 0 {
		return "SELECT * FROM lake." + ident(r.Name)
	}
	i := 0
	return fmt.Sprintf("SELECT h.* EXCLUDE (j), %s FROM (SELECT *, %s AS j FROM lake.%s) h",
		list(own, func(f Field) string { i++; return fromRaw(f, "h.j", i) + " AS " + ident(f.Name) }), extract(own), ident(r.Name))
}
