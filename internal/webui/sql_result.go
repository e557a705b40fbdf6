package webui

import (
	"encoding/json"
	"regexp"
	"time"
)

// Bounds of a result on the page; the file has all of it.
const (
	sqlCells = 40_000
	sqlText  = 300 // characters of a value
)

// sqlAnswer is what the API answers to a query.
type sqlAnswer struct {
	Columns []struct {
		Name string `json:"name"`
		Type string `json:"type"`
	} `json:"columns"`
	Rows        [][]json.RawMessage `json:"rows"`
	Truncated   bool                `json:"truncated"`
	TruncatedBy string              `json:"truncatedBy"`
	DurationMS  int64               `json:"durationMs"`
	Snapshot    struct {
		At string `json:"at"`
	} `json:"snapshot"`
}

// A sqlResult is the rows of a query as the page shows them.
type sqlResult struct {
	Columns []sqlColumn
	Rows    [][]sqlCell
	Count   int // rows of the answer
	Left    int // rows of it that are not shown
	Cut     string
	Took    time.Duration
	At      string
}

// A sqlColumn is one of a result.
type sqlColumn struct {
	Name, Type string
	Number     bool
}

// A sqlCell is a value.
type sqlCell struct {
	Text string
	Null bool
}

// Long says that it takes more than a line.
func (c sqlCell) Long() bool { return len(c.Text) > 80 }

// Class is that of its place in the table.
func (c sqlCell) Class(of sqlColumn) string {
	switch {
	case c.Long():
		return "long"
	case of.Number:
		return "num"
	}
	return ""
}

var numeric = regexp.MustCompile(`^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL)`)

func (r *request) sqlResult(a *sqlAnswer) (*sqlResult, error) {
	out := &sqlResult{Count: len(a.Rows), Took: time.Duration(a.DurationMS) * time.Millisecond, At: a.Snapshot.At}
	if a.Truncated {
		out.Cut = a.TruncatedBy
	}
	for _, c := range a.Columns {
		out.Columns = append(out.Columns, sqlColumn{c.Name, shortType(c.Type), numeric.MatchString(c.Type)})
	}
	rows := a.Rows
	if most := max(sqlCells/max(len(a.Columns), 1), 1); len(rows) > most {
		out.Left = len(rows) - most
		rows = rows[:most]
	}
	for _, row := range rows {
		line := make([]sqlCell, len(row))
		for i, v := range row {
			var err error
			if line[i], err = sqlValue(v, a.Columns[i].Type == "JSON"); err != nil {
				return nil, err
			}
		}
		out.Rows = append(out.Rows, line)
	}
	return out, nil
}

// sqlValue returns a value as it is read: texts without quotes, the others as
// JSON has them, so that no digit is lost.
func sqlValue(v json.RawMessage, isJSON bool) (sqlCell, error) {
	text := string(v)
	if text == "null" {
		return sqlCell{Null: true}, nil
	}
	if text[0] == '"' && !isJSON {
		if err := json.Unmarshal(v, &text); err != nil {
			return sqlCell{}, err
		}
	}
	return sqlCell{Text: shortened(text, sqlText)}, nil
}

// shortened cuts a text that is longer than so many characters.
func shortened(text string, most int) string {
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most]) + "…"
	}
	return text
}
