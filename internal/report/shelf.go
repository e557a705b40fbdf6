package report

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"
)

// maxCells bounds the values of all reports that are kept: some ten MB.
const maxCells = 500_000

// A shelf keeps reports that were made, each for one state of one copy. What is
// asked of another state of the copy finds nothing there, and takes the place of
// what was kept of the older one. The zero value is empty.
type shelf struct {
	mu  sync.Mutex
	all []*kept // the one that was not looked at for longest first
}

// kept is a report with what it answers.
type kept struct {
	copy, state string
	keys        []string // of the parameters that it was asked by, and of those it has
	report      *Report
	cells       int
}

// key names what a report is about. A report with rates has none: they are not
// worked out without the copy.
func (p *Params) key() string {
	if p.Rates != nil {
		return ""
	}
	second := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return fmt.Sprint(t.Unix())
	}
	return fmt.Sprintf("%q", []string{second(p.From), second(p.To), cmp.Or(p.Zone, "UTC"), string(cmp.Or(p.Period, Month)), p.Currency, p.Country, p.Customer, p.Section})
}

// get returns the report of a state of a copy by its parameters, nil for none. A
// section is also found in a report that has all.
func (s *shelf) get(of Snapshot, p *Params) *Report {
	if r := s.find(of, p.key()); r != nil || p.Section == "" || p.Rates != nil {
		return r
	}
	whole := *p
	whole.Section = ""
	r := s.find(of, whole.key())
	if r == nil {
		return nil
	}
	section := r.section(p.Section)
	if section == nil {
		return nil
	}
	part := &Report{Params: r.Params, Notes: r.Notes, Sections: []*Section{section}}
	part.Params.Section = p.Section
	return part
}

func (s *shelf) find(of Snapshot, key string) *Report {
	if of.State == "" || key == "" {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.all, func(k *kept) bool { return k.copy == of.Copy && k.state == of.State && slices.Contains(k.keys, key) })
	if i < 0 {
		return nil
	}
	k := s.all[i]
	s.all = append(slices.Delete(s.all, i, i+1), k)
	return k.report
}

// put keeps a report, which must not be changed any more.
func (s *shelf) put(of Snapshot, asked string, r *Report) {
	if of.State == "" || asked == "" {
		return
	}
	k := &kept{copy: of.Copy, state: of.State, keys: []string{asked, r.Params.key()}, report: r}
	for _, section := range r.Sections {
		k.cells += len(section.Rows) * len(section.Columns)
	}
	if k.cells > maxCells {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = slices.DeleteFunc(s.all, func(other *kept) bool {
		return other.copy == k.copy && (other.state != k.state || slices.Contains(other.keys, asked))
	})
	s.all = append(s.all, k)
	sum := 0
	for i, one := range slices.Backward(s.all) {
		if sum += one.cells; sum > maxCells {
			s.all = slices.Delete(s.all, 0, i+1)
			break
		}
	}
}
