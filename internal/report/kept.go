package report

import (
	"cmp"
	"fmt"
	"time"

	"github.com/tributary-data/tributary/internal/shelf"
)

// maxCells bounds the values of all reports that are kept: some ten MB.
const maxCells = 500_000

// key names what a report is about.
func (p *Params) key() string {
	second := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return fmt.Sprint(t.Unix())
	}
	return fmt.Sprintf("%q", []string{second(p.From), second(p.To), cmp.Or(p.Zone, "UTC"), string(cmp.Or(p.Period, Month)), p.Currency, p.Country, p.Customer, p.Section})
}

// kept returns a report that was made of this state of the copy, nil for none. A
// section is also found in a report that has all; one with rates is never kept.
func (s *Service) kept(at shelf.Snapshot, p Params) *Report {
	if p.Rates != nil {
		return nil
	}
	if r, ok := s.shelf.Get(at, p.key()); ok {
		return r
	}
	name := p.Section
	p.Section = ""
	r, ok := s.shelf.Get(at, p.key())
	if !ok || r.section(name) == nil {
		return nil
	}
	part := &Report{Params: r.Params, Notes: r.Notes, Sections: []*Section{r.section(name)}}
	part.Params.Section = name
	return part
}

// keep puts a report there for the parameters that it was asked by, and for those
// that it has.
func (s *Service) keep(at shelf.Snapshot, asked Params, r *Report) {
	if asked.Rates != nil {
		return
	}
	cells := 0
	for _, section := range r.Sections {
		cells += len(section.Rows) * len(section.Columns)
	}
	s.shelf.Put(at, r, cells, asked.key(), r.Params.key())
}
