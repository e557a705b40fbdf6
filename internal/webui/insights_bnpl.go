package webui

import (
	"encoding/json"
	"html/template"
	"maps"
	"math"
	"net/url"
	"strings"

	"golang.org/x/text/number"

	"github.com/tributary-data/tributary/internal/chart"
	"github.com/tributary-data/tributary/internal/money"
)

// bnplAnswer is the report as the API has it.
type bnplAnswer struct {
	Parameters     map[string]string `json:"parameters"`
	Reconciliation struct {
		Reconciled   bool     `json:"reconciled"`
		Statement    string   `json:"statement"`
		Transactions int64    `json:"transactions"`
		Currencies   []string `json:"currencies"`
		Waiting      int64    `json:"waiting"`
	} `json:"reconciliation"`
	Notes    []string      `json:"notes"`
	Sections []bnplNumbers `json:"sections"`
	Charts   []chart.Chart `json:"charts"`
}

// bnplNumbers is a section of the report.
type bnplNumbers struct {
	Name       string `json:"name"`
	Title      string `json:"title"`
	Definition string `json:"definition"`
	Currency   string `json:"currencyColumn"`
	Columns    []struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
	} `json:"columns"`
	Rows  []map[string]any `json:"rows"`
	Total int              `json:"total"` // of rows, where they are not all here
}

// bnplReport is what the page shows of it.
type bnplReport struct {
	From, To string // RFC 3339
	Zone     string
	Answer   *bnplAnswer
	Notes    []string
	Tiles    []bnplTile
	Charts   []bnplChart
	Sections []bnplSection
}

// A bnplTile is a number that says most, of the currency with the most orders.
type bnplTile struct{ Label, Value, Note, Path string }

// A bnplChart is a picture, and where its numbers and their query are.
type bnplChart struct {
	Title, Section, Currency, Path string
	SVG                            template.HTML
	Legend                         []chart.Entry
}

// A bnplSection is a table.
type bnplSection struct {
	Name, Title, Definition string
	Path, File              string // of the query that made it, and of all rows as a file
	Head                    []bnplHead
	Rows                    [][]string
	Left                    int
}

// A bnplHead is the head of a column.
type bnplHead struct {
	Text   string
	Number bool
}

// bnplRows is how many rows of a section the page shows; the file has all.
const bnplRows = 25

func (r *request) bnplReport(a *bnplAnswer, of string) (*bnplReport, error) {
	p := a.Parameters
	v := &bnplReport{From: p["from"], To: p["to"], Zone: p["tz"], Answer: a}
	for _, note := range a.Notes {
		v.Notes = append(v.Notes, r.t(note))
	}
	shown := url.Values{"tz": {p["tz"]}, "from": {p["from"]}, "to": {p["to"]}, "period": {p["period"]}}
	for _, name := range []string{"currency", "country", "customer"} {
		if p[name] != "" {
			shown.Set(name, p[name])
		}
	}
	if of != "" {
		shown.Set("copy", of)
	}
	for i := range a.Charts {
		c := &a.Charts[i]
		title := r.t(chartTitles[c.Section], strings.ToUpper(c.Currency))
		if c.Section == "cohorts" || c.Section == "migration" {
			title = r.t(chartTitles[c.Section])
		}
		v.Charts = append(v.Charts, bnplChart{title, c.Section, c.Currency, queryPath(shown, c.Section), c.SVG(title, r.t), c.Legend(r.t)})
	}
	for i := range a.Sections {
		s := &a.Sections[i]
		one, err := r.bnplSection(s)
		if err != nil {
			return nil, err
		}
		one.Path = queryPath(shown, s.Name)
		shown.Set("section", s.Name)
		one.File = Base + "/insights/bnpl/csv?" + shown.Encode()
		shown.Del("section")
		v.Sections = append(v.Sections, one)
		if s.Name == "methods" && len(a.Charts) > 0 {
			v.Tiles = r.bnplTiles(s, a.Charts[0].Currency, one.Path)
		}
	}
	return v, nil
}

// queryPath opens the query that made a section, for what the report is about.
// The query itself would make an address longer than proxies take.
func queryPath(shown url.Values, section string) string {
	q := url.Values{"report": {"bnpl"}, "section": {section}}
	maps.Copy(q, shown)
	return Base + "/sql?" + q.Encode()
}

func (r *request) bnplSection(s *bnplNumbers) (bnplSection, error) {
	v := bnplSection{Name: s.Name, Title: r.t(s.Title), Definition: s.Definition}
	for _, c := range s.Columns {
		v.Head = append(v.Head, bnplHead{r.t(strings.ReplaceAll(c.Name, "_", " ")), c.Kind != "text"})
	}
	v.Left = max(s.Total-len(s.Rows), 0)
	for _, row := range s.Rows {
		line := make([]string, len(s.Columns))
		currency, _ := row[s.Currency].(string)
		for i, c := range s.Columns {
			var err error
			if line[i], err = r.bnplValue(c.Kind, row[c.Name], currency); err != nil {
				return v, err
			}
		}
		v.Rows = append(v.Rows, line)
	}
	return v, nil
}

// bnplValue prints a value of a kind of column. Money is in its currency's units,
// without the currency, which has a column.
func (r *request) bnplValue(kind string, v any, currency string) (string, error) {
	p := r.print()
	switch v := v.(type) {
	case string:
		return v, nil
	case json.Number:
		switch kind {
		case "count":
			return formatInteger(p, v)
		case "money":
			text, err := formatMoney(p, v, currency)
			return strings.TrimSuffix(text, " "+strings.ToUpper(currency)), err
		}
		f, err := v.Float64()
		if err != nil {
			return "", err
		}
		switch kind {
		case "mean":
			exponent, _ := money.Exponent(currency)
			return p.Sprint(number.Decimal(f/math.Pow10(exponent), number.Scale(exponent))), nil
		case "share":
			return p.Sprint(number.Percent(f, number.Scale(1))), nil
		}
		return p.Sprint(number.Decimal(f, number.Scale(1))), nil
	}
	return "–", nil
}

// bnplTiles are what most want to know first, of one currency.
func (r *request) bnplTiles(s *bnplNumbers, currency, path string) []bnplTile {
	of := func(class, column, kind string) string {
		for _, row := range s.Rows {
			if row["currency"] == currency && row["class"] == class && row["method"] == "all" {
				if text, err := r.bnplValue(kind, row[column], currency); err == nil {
					return text
				}
			}
		}
		return "–"
	}
	code := strings.ToUpper(currency)
	return []bnplTile{
		{r.t("Orders"), of("all", "orders", "count"), code, path},
		{r.t("Orders paid later"), of("bnpl", "share_orders", "share"), r.t("%s of orders", of("bnpl", "orders", "count")), path},
		{r.t("Paid later"), of("bnpl", "gross", "money"), r.t("%s, before refunds", code), path},
		{r.t("Average order, paid later"), of("bnpl", "average", "mean"), r.t("%s, %s to %s", code, of("bnpl", "average_low", "mean"), of("bnpl", "average_high", "mean")), path},
		{r.t("Average order, cards"), of("card", "average", "mean"), r.t("%s, %s to %s", code, of("card", "average_low", "mean"), of("card", "average_high", "mean")), path},
	}
}
