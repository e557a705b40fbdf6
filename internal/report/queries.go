package report

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// Queries returns the sections of a report without their rows: the queries that
// would make them. What is worked out from another section's query is none.
func Queries(ctx context.Context, s Source, p Params) ([]*Section, error) {
	if err := p.complete(ctx, s); err != nil {
		return nil, err
	}
	var all []*Section
	for _, d := range p.specs() {
		if !asked(p.Section, d.name) {
			continue
		}
		section, _, err := p.plan(d)
		if err != nil {
			return nil, err
		}
		all = append(all, section)
	}
	if len(all) == 0 {
		return nil, problem.Errorf(problem.NotFound, "the report has no section %q", p.Section)
	}
	return all, nil
}

// asked says whether a section's query is asked for by the name of a section: ""
// for all, and what is converted by what it is made of.
func asked(wanted, name string) bool {
	return wanted == "" || wanted == name || wanted == map[string]string{"methods": "converted", "periods": "converted_periods"}[name]
}

// queries returns what Queries does, of a report that has all sections.
func (r *Report) queries(section string) ([]*Section, error) {
	all := slices.DeleteFunc(slices.Clone(r.Sections), func(s *Section) bool { return !asked(section, s.Name) })
	if len(all) == 0 {
		return nil, problem.Errorf(problem.NotFound, "the report has no section %q", section)
	}
	return all, nil
}

// A spaced copy has its views in a schema where a sandbox is queried.
type spaced interface{ Space() string }

// tables are what the queries read of a copy.
var tables = regexp.MustCompile(`\b(from|join) (xdm\.charges|refunds|balance_transactions|subscriptions|prices|customers)\b`)

// In rewrites a query for the place where a copy's views are queried: they may
// stand in a schema, and its tables in another one beside it.
func In(of any, query string) string {
	s, ok := of.(spaced)
	if !ok {
		return query
	}
	return in(s.Space(), query)
}

func in(space, query string) string {
	if space == "" {
		return query
	}
	lines := strings.Split(query, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "--") {
			continue
		}
		lines[i] = tables.ReplaceAllStringFunc(line, func(found string) string {
			word, name, _ := strings.Cut(found, " ")
			if of, ok := strings.CutPrefix(name, "xdm."); ok {
				return word + " " + space + "_xdm." + of
			}
			return word + " " + space + "." + name
		})
	}
	return strings.Join(lines, "\n")
}
