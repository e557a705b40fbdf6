package analysis

import (
	"context"
	"embed"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/experiment"
	"github.com/tributary-data/tributary/internal/report"
)

//go:embed sql/*.sql
var files embed.FS

const day = 86400 // seconds

// definition returns what the head of a file says, without the marks of comments.
func definition(file string) string {
	head, _ := split(file)
	lines := strings.Split(head, "\n")
	for i, l := range lines {
		lines[i] = strings.TrimPrefix(strings.TrimPrefix(l, "--"), " ")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// split cuts a file into its head of comments and the SQL below it.
func split(file string) (head, body string) {
	text, err := files.ReadFile("sql/" + file + ".sql")
	if err != nil {
		panic(err) // the code names a file that is not there
	}
	rest := string(text)
	for strings.HasPrefix(rest, "--") {
		line, after, _ := strings.Cut(rest, "\n")
		head, rest = head+line+"\n", after
	}
	return head, strings.TrimSpace(rest)
}

var placeholder = regexp.MustCompile(`\$[a-z_]+`)

// unitValues are the SQL that stands for the placeholders of the files.
func unitValues(u experiment.Unit, m experiment.Measure, at time.Time) map[string]string {
	v := map[string]string{
		"unit": "c.customer", "items": "null::bigint", "currency": literal(m.Currency),
		"horizon": strconv.Itoa(m.Days * day), "before": strconv.Itoa(m.Before * day), "as_of": strconv.FormatInt(at.Unix(), 10),
		"class": report.Class(),
	}
	if u.Metadata != "" {
		v["unit"] = metadata(u.Metadata)
	}
	if m.Items != "" {
		text := metadata(m.Items)
		v["items"] = "case when regexp_full_match(" + text + ", '[0-9]{1,9}') then " + text + "::bigint end"
	}
	return v
}

// shownValues are unitValues of the units that a phase was shown to.
func shownValues(e experiment.Experiment, p experiment.Phase, at time.Time) map[string]string {
	v := unitValues(e.Unit, p.Measure, at)
	which, keys := "case x.variant", make([]string, len(p.Weights))
	for i, w := range p.Weights {
		keys[i] = literal(w.Variant)
		which += " when " + keys[i] + " then " + strconv.Itoa(i)
	}
	v["variant"], v["variants"] = which+" end", strings.Join(keys, ", ")
	v["experiment"], v["phase"] = literal(e.ID.String()), strconv.Itoa(int(p.Number))
	return v
}

func metadata(key string) string { return "map_extract_value(c.metadata, " + literal(key) + ")" }

// outcomes returns outcomes.sql over the units that another file says, with the rows
// that a third one says.
func outcomes(units, rows string, v map[string]string) (string, error) {
	head, body := split("outcomes")
	_, who := split(units)
	about, last := split(rows)
	head += about
	// First the fragments, so that they are filled, too.
	text, unknown := strings.NewReplacer("$units", who, "$select", last).Replace(body), ""
	text = placeholder.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := v[name[1:]]
		if !ok {
			unknown = name
		}
		return value
	})
	if unknown != "" {
		return "", fmt.Errorf("nothing stands for %s", unknown)
	}
	return head + text + "\n", nil
}

// literal quotes a text for SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// A Cell is the units of a variant that have the same classes of payment from
// before, and whose horizon ended on the same day.
type Cell struct {
	Variant     int   // its place among the phase's weights
	Day         int64 // UTC day, since 1970
	Last, First string
	Sums        Sums
}

// read runs outcomes.sql.
func read(ctx context.Context, s Source, query string) (cells []Cell, err error) {
	rows, err := s.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		c, err := cellOf(rows.Values())
		if err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	return cells, rows.Err()
}

func cellOf(values []any) (c Cell, err error) {
	if len(values) != 5+int(quantities)+len(products) {
		return c, fmt.Errorf("outcomes.sql has %d columns", len(values))
	}
	number := func(i int) wide {
		switch v := values[i].(type) {
		case int64:
			return times(v, 1)
		case *big.Int:
			if w, ok := wideOf(v); ok {
				return w
			}
		}
		err = fmt.Errorf("outcomes.sql, column %d: a %T is no sum", i, values[i])
		return wide{}
	}
	c.Variant, c.Day, c.Sums.N = int(number(0).big().Int64()), number(1).big().Int64(), number(4).big().Int64()
	c.Last, _ = values[2].(string)
	c.First, _ = values[3].(string)
	for i := range c.Sums.sum {
		c.Sums.sum[i] = number(5 + i)
	}
	for i := range c.Sums.product {
		c.Sums.product[i] = number(5 + int(quantities) + i)
	}
	return c, err
}
