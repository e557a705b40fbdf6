package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/tributary-data/tributary/internal/chart"
	"github.com/tributary-data/tributary/internal/money"
	"github.com/tributary-data/tributary/internal/problem"
)

// Formats are the names that Write knows.
var Formats = []string{"table", "json", "csv", "html"}

// Write prints a report in one of Formats.
//
//	table  for a terminal: the sections that fit one, in few columns
//	json   an object with parameters, reconciliation, notes and sections; a row is an object with a
//	       member for each column: money in minor units of the row's currency, shares of 1;
//	       currencyColumn names the column with the currency of the row's money
//	csv    one section, with a header: the one that was wanted, else methods; money with its decimals
//	html   one file with charts that needs nothing else
func (r *Report) Write(w io.Writer, format string) error {
	switch format {
	case "table":
		return r.table(w)
	case "json":
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(r)
	case "csv":
		section := r.section("methods")
		if section == nil {
			section = r.Sections[0]
		}
		return section.csv(w)
	case "html":
		return r.html(w)
	}
	return problem.Errorf(problem.Invalid, "there is no format %q: table, json, csv or html", format)
}

// MarshalJSON writes what Write's json says.
func (r *Report) MarshalJSON() ([]byte, error) {
	type parameters struct {
		From     string `json:"from"`
		To       string `json:"to"`
		Zone     string `json:"tz"`
		Period   Period `json:"period"`
		Currency string `json:"currency,omitempty"`
		Country  string `json:"country,omitempty"`
		Customer string `json:"customer,omitempty"`
		Convert  string `json:"convert,omitempty"`
	}
	p := r.Params
	v := parameters{p.From.UTC().Format(time.RFC3339), p.To.UTC().Format(time.RFC3339), p.Zone, p.Period, p.Currency, p.Country, p.Customer, ""}
	if p.Rates != nil {
		v.Convert = p.Rates.Target
	}
	return plain(struct {
		Parameters     parameters      `json:"parameters"`
		Reconciliation *Reconciliation `json:"reconciliation,omitempty"`
		Notes          []string        `json:"notes"`
		Sections       []*Section      `json:"sections"`
		Charts         []chart.Chart   `json:"charts,omitempty"`
	}{v, r.Reconciliation, r.Notes, r.Sections, r.drawn})
}

// plain encodes as JSON without escapes for HTML: SQL is full of < and >.
func plain(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// MarshalJSON writes a section with its rows as objects.
func (s *Section) MarshalJSON() ([]byte, error) {
	names := make([]string, len(s.Columns))
	for i, c := range s.Columns {
		names[i] = strconv.Quote(c.Name) + ":"
	}
	rows := make([]json.RawMessage, len(s.Rows))
	for i, r := range s.Rows {
		b := []byte{'{'}
		for k, name := range names {
			if k > 0 {
				b = append(b, ',')
			}
			var err error
			if b, err = appendValue(append(b, name...), rounded(r[k])); err != nil {
				return nil, err
			}
		}
		rows[i] = append(b, '}')
	}
	return plain(struct {
		Name       string            `json:"name"`
		Title      string            `json:"title"`
		Definition string            `json:"definition"`
		Query      string            `json:"query"`
		Currency   string            `json:"currencyColumn,omitempty"`
		Columns    []Column          `json:"columns"`
		Rows       []json.RawMessage `json:"rows"`
		Total      int               `json:"total,omitempty"`
	}{s.Name, s.Title, s.Definition, s.Query, s.currency, s.Columns, rows, s.total})
}

// appendValue writes a value of a row. Most are numbers, of which there may be
// many thousands.
func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case float64:
		text, err := json.Marshal(v)
		return append(b, text...), err
	}
	text, err := plain(v)
	return append(b, text...), err
}

// rounded gives floats the six decimals that are the same however the engine
// has split its work; what is no number, such as the ratio of two zeros, is nil.
func rounded(v any) any {
	f, ok := v.(float64)
	if !ok {
		return v
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return math.Round(f*1e6) / 1e6
}

// csv writes the section. Money is decimal, in the currency that the row names.
func (s *Section) csv(w io.Writer) error {
	c := csv.NewWriter(w)
	c.UseCRLF = true
	line := make([]string, len(s.Columns))
	for i, column := range s.Columns {
		line[i] = column.Name
	}
	if err := c.Write(line); err != nil {
		return err
	}
	for _, r := range s.Rows {
		for i, column := range s.Columns {
			line[i] = cell(column.Kind, r[i], s.text(r, s.currency))
		}
		if err := c.Write(line); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// cell is a value for machines: no groups of digits, no signs of units.
func cell(kind Kind, v any, currency string) string {
	switch v := rounded(v).(type) {
	case string:
		return v
	case int64:
		if kind == Money {
			return amount(v, currency)
		}
		return strconv.FormatInt(v, 10)
	case float64:
		if kind == Mean {
			exponent, _ := money.Exponent(currency)
			return strconv.FormatFloat(v/math.Pow10(exponent), 'f', exponent+2, 64)
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// amount is money with its decimals and without its currency.
func amount(minor int64, currency string) string {
	text := money.Format(minor, currency)
	return text[:len(text)-len(currency)-1]
}
