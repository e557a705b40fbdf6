package webui

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/jsondoc"
)

// judgedRows is how many objects the whole mapping is tried on at every step.
const judgedRows = 10

// body is the rule as Data Prep takes it.
func (one rule) body() map[string]any {
	m := map[string]any{}
	maps.Copy(m, one.Kept)
	m["sourceType"], m["source"], m["destination"] = one.kind(), one.Source, one.Target
	return m
}

func (one rule) kind() string {
	switch {
	case one.Expression:
		return "EXPRESSION"
	case one.Static:
		return "STATIC"
	}
	return "ATTRIBUTE"
}

// A ruleNote is what is to be said of a rule, and where in its source that is.
type ruleNote struct {
	Text  string
	At    string // line:column of the place; empty where none is known
	Line  string // of the source, or what stands around the place in it
	Caret string // blanks up to the place, and a mark
}

var placeInMessage = regexp.MustCompile(`^line (\d+), column (\d+): `)

// noteOf reads the message of a fault, and finds its place in the source.
func noteOf(source, message string) ruleNote {
	n := ruleNote{Text: message}
	m := placeInMessage.FindStringSubmatch(message)
	if m == nil {
		return n
	}
	line, err1 := strconv.Atoi(m[1])
	column, err2 := strconv.Atoi(m[2])
	lines := strings.Split(source, "\n")
	if err1 != nil || err2 != nil || line < 1 || line > len(lines) || column < 1 {
		return n
	}
	n.At = m[1] + ":" + m[2]
	const around = 60
	text := []rune(strings.TrimRight(lines[line-1], "\r"))
	column = min(column, len(text)+1)
	from, to := max(0, column-1-around), min(len(text), column-1+around)
	before, cut := text[from:column-1], ""
	if from > 0 {
		cut = "…"
	}
	n.Line = cut + string(text[from:to])
	if to < len(text) {
		n.Line += "…"
	}
	blank := slices.Clone(before)
	for i, c := range blank {
		if c != '\t' {
			blank[i] = ' '
		}
	}
	n.Caret = strings.Repeat(" ", len([]rune(cut))) + string(blank) + "^"
	return n
}

// A ruleView is a rule as the editor shows it.
type ruleView struct {
	Rule  rule
	State string // ok, warning, error
	Notes []ruleNote
	Field *targetNode // nil where the schema has none
	Key   string
	Hint  bool // its target has a recommendation that it does not follow
}

// A ruleFault is one that Data Prep tells.
type ruleFault struct {
	Destination string `json:"destination"`
	Exception   string `json:"exception"`
	Source      string `json:"source"`
	SourceType  string `json:"sourceType"`
}

// judged is what Data Prep says of rules.
type judged struct {
	Rows    []ruleView
	Missing []string // required fields that nothing is mapped to
	Refused []string // why objects of the sample would be refused as a whole
	Errors  int
	Doc     *jsondoc.Object // the schema
}

// judge asks what is wrong with rules, and tries them on some objects.
func (r *request) judge(schema string, s *sourceSample, rules []rule) (*judged, error) {
	set := mappingSetBody("", schema, rules)
	var got struct {
		Response []struct {
			Errors []ruleFault `json:"errors"`
		} `json:"validationResponse"`
		Unmapped []string `json:"unmappedRequired"`
		Output   struct {
			Schema *jsondoc.Object `json:"jsonSchema"`
		} `json:"outputSchema"`
	}
	err := r.call(call{Method: http.MethodPost, Path: prepAPI + "/mappingSets/validate", Query: url.Values{"expandSchema": {"true"}}, Body: set}, &got)
	if err != nil {
		return nil, err
	}
	j := &judged{Missing: got.Unmapped, Doc: got.Output.Schema, Rows: make([]ruleView, len(rules))}
	last := map[string]int{}
	for i, one := range rules {
		j.Rows[i] = ruleView{Rule: one, State: "ok", Key: targetKey(one.Target)}
		last[strings.TrimSpace(one.Target)] = i
	}
	for i, entry := range got.Response[:min(len(got.Response), len(rules))] {
		row := &j.Rows[i]
		for _, f := range entry.Errors {
			row.Notes = append(row.Notes, noteOf(row.Rule.Source, f.Exception))
			// One that gives way to a later rule of the same target does no harm.
			if last[strings.TrimSpace(row.Rule.Target)] == i || placeInMessage.MatchString(f.Exception) || !strings.HasSuffix(f.Exception, "and wins") {
				row.State = "error"
			} else if row.State == "ok" {
				row.State = "warning"
			}
		}
		if row.State == "error" {
			j.Errors++
		}
	}
	return j, r.tryOn(j, set, s)
}

// tryOn maps some objects, and notes which rules fail for how many of them.
func (r *request) tryOn(j *judged, set map[string]any, s *sourceSample) error {
	if s == nil || len(s.Rows) == 0 || len(j.Rows) == 0 {
		return nil
	}
	rows := s.Rows[:min(len(s.Rows), judgedRows)]
	mapped, err := r.mapRows(set, rows)
	if err != nil {
		if isFailure(err) {
			j.Refused = []string{r.refusal(err).Text}
			return nil
		}
		return err
	}
	type failing struct {
		count int
		why   string
	}
	of := map[string]*failing{} // by source and target
	name := func(source, target string) string { return source + "\x00" + targetKey(target) }
	known := map[string]bool{}
	for _, row := range j.Rows {
		known[name(row.Rule.Source, row.Rule.Target)] = true
	}
	for _, m := range mapped {
		seen := map[string]bool{}
		for _, f := range m.Errors {
			key := name(f.Source, f.Destination)
			if !known[key] {
				text := strings.Trim(f.Destination+": "+f.Exception, ": ")
				if len(j.Refused) < 5 && !slices.Contains(j.Refused, text) {
					j.Refused = append(j.Refused, text)
				}
				continue
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			if of[key] == nil {
				of[key] = &failing{why: f.Exception}
			}
			of[key].count++
		}
	}
	for i := range j.Rows {
		row := &j.Rows[i]
		if f := of[name(row.Rule.Source, row.Rule.Target)]; f != nil && row.State == "ok" {
			row.State = "warning"
			n := noteOf(row.Rule.Source, f.why)
			n.Text = r.t("It fails for %d of %d objects: %s", f.count, len(rows), f.why)
			row.Notes = append(row.Notes, n)
		}
	}
	return nil
}

// A mappedRow is what a mapping makes of an object.
type mappedRow struct {
	Data   *jsondoc.Object `json:"data"`
	Errors []ruleFault     `json:"errors"`
}

// mapRows maps objects of a sample.
func (r *request) mapRows(set map[string]any, rows []json.RawMessage) ([]mappedRow, error) {
	var got []mappedRow
	err := r.send(http.MethodPost, prepAPI+"/mappingSets/preview", map[string]any{"data": rows, "mappingSet": set}, &got)
	return got, err
}

// reads are the keys of the source fields that a rule reads.
func (one rule) reads() []string {
	switch {
	case one.Static:
		return nil
	case !one.Expression:
		return []string{sourceKey(one.Source)}
	}
	e, err := expr.Compile(one.Source)
	if err != nil {
		return nil
	}
	var all []string
	for _, path := range e.Fields() {
		all = append(all, keyOf(path))
	}
	return all
}
