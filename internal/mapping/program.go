package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A SourceType says what the source of a mapping is.
type SourceType uint8

// The types of sources.
const (
	Attribute  SourceType = iota // a path of the source record: data.items[*].id
	Expression                   // a calculated field
	Static                       // a text, which is the value
)

// A Mapping is one line of a mapping set for any schema: what is written, and
// where, a dotted XDM path from the top of the record.
type Mapping struct {
	Type        SourceType
	Source      string
	Destination string
}

// A Fault is what is wrong with a mapping, whatever the record.
type Fault struct {
	Mapping int // index in the set
	Kind    FaultKind
	Err     error // of a text that can't be read: an *expr.Error with the place
}

func (f Fault) Error() string { return f.Err.Error() }

// FaultKind says what a Fault is about.
type FaultKind uint8

// The kinds of faults. A set with one of the first two is no mapping set; with
// the others it can be kept, but those mappings write nothing.
const (
	FaultSource      FaultKind = iota // the source is no path or expression
	FaultDestination                  // the destination is no path
	FaultUnknown                      // the schema has no such field
	FaultType                         // the source never fits the field
	FaultOverridden                   // a later mapping has the same destination
)

// maxIndex bounds the indexes in destinations: what stands before them is
// filled with nulls.
const maxIndex = 1000

// A Program is a compiled set of mappings for records of one schema. Several
// goroutines may use it.
type Program struct {
	fields   []*xdm.Field
	rules    []rule // in the order in which they write
	patterns map[*xdm.Field]*regexp.Regexp
}

// A rule is a compiled mapping.
type rule struct {
	mapping int
	source  Mapping
	to      []step
	from    *expr.Expr // nil for a Static
	static  expr.Value
	stars   int  // [*] in an attribute's path
	whole   bool // the attribute's path ends with [*]: the array as it is
	erases  bool // a null takes away what was copied with the parent
	cost    int
}

// A step leads from a field to one below it.
type step struct {
	kind  stepKind
	index int        // of stepField, among the fields; of stepIndex
	key   string     // of stepKey
	field *xdm.Field // where it leads
}

type stepKind uint8

const (
	stepField stepKind = iota
	stepKey
	stepIndex
	stepEach // [*]
)

// Assemble compiles mappings into records of schema c. The faults, in the
// order of the set, are what is wrong with them; the program does without the
// mappings that have one.
func Assemble(c *xdm.Composition, mappings []Mapping) (*Program, []Fault) {
	p := &Program{fields: c.Fields, patterns: map[*xdm.Field]*regexp.Regexp{}}
	p.findPatterns(c.Fields)
	var faults []Fault
	last := map[string]int{} // index in rules, by canonical destination
	for i, m := range mappings {
		r, path, err := p.rule(i, m)
		if err != nil {
			faults = append(faults, *err)
			continue
		}
		if at, twice := last[path]; twice {
			faults = append(faults, Fault{
				Mapping: p.rules[at].mapping, Kind: FaultOverridden,
				Err: fmt.Errorf("mapping %d has the same destination, %s, and wins", i+1, path),
			})
			p.rules[at] = *r
			continue
		}
		last[path] = len(p.rules)
		p.rules = append(p.rules, *r)
	}
	// Parents write before their children, and all elements before single ones.
	slices.SortStableFunc(p.rules, func(a, b rule) int {
		return cmp.Or(len(a.to)-len(b.to), eaches(b.to)-eaches(a.to), a.mapping-b.mapping)
	})
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Mapping - b.Mapping })
	return p, faults
}

func eaches(steps []step) int {
	n := 0
	for _, s := range steps {
		if s.kind == stepEach {
			n++
		}
	}
	return n
}

func (p *Program) findPatterns(fields []*xdm.Field) {
	for _, f := range fields {
		if f.Limits != nil && f.Limits.Pattern != "" {
			if re, err := regexp.Compile(f.Limits.Pattern); err == nil { // what we can't read, the dataset's check does
				p.patterns[f] = re
			}
		}
		p.findPatterns(f.Fields)
		if f.Elem != nil {
			p.findPatterns([]*xdm.Field{f.Elem})
		}
	}
}

func (p *Program) rule(i int, m Mapping) (r *rule, destination string, fault *Fault) {
	fail := func(kind FaultKind, err error) (*rule, string, *Fault) {
		return nil, "", &Fault{Mapping: i, Kind: kind, Err: err}
	}
	path, err := p.destination(m.Destination)
	if err != nil {
		return fail(FaultDestination, err)
	}
	r = &rule{mapping: i, source: m, cost: 64 + len(m.Source)}
	if err := r.read(); err != nil {
		return fail(FaultSource, err)
	}
	if r.to, err = p.resolve(path); err != nil {
		return fail(FaultUnknown, err)
	}
	if err := p.fits(r); err != nil {
		return fail(FaultType, err)
	}
	return r, path.String(), nil
}

// read compiles the source.
func (r *rule) read() error {
	if r.source.Type == Static {
		r.static = expr.TextOf(strings.ToValidUTF8(r.source.Source, "\ufffd"))
		return nil
	}
	if strings.TrimSpace(r.source.Source) == "" {
		return errors.New("the source is missing")
	}
	if r.source.Type == Attribute {
		path, err := expr.ParsePath(r.source.Source)
		if err != nil {
			return err
		}
		for _, s := range path {
			if s.All {
				r.stars++
			}
		}
		r.whole = path[len(path)-1].All
	}
	e, err := expr.Compile(r.source.Source)
	if err != nil {
		return err
	}
	r.from, r.erases = e, e.Calls("nullify")
	return nil
}

// destination reads a path. The namespace of a tenant may have characters that
// stand in no other name.
func (p *Program) destination(text string) (expr.Path, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return nil, errors.New("the destination is missing")
	}
	for _, f := range p.fields {
		if text == f.Name {
			return expr.Path{{Name: f.Name}}, nil
		}
		rest, ok := strings.CutPrefix(text, f.Name+".")
		if !ok || strings.Contains(f.Name, ".") {
			continue
		}
		path, err := expr.ParsePath(rest)
		return append(expr.Path{{Name: f.Name}}, path...), err
	}
	return expr.ParsePath(text)
}

// resolve finds the fields of a path.
func (p *Program) resolve(path expr.Path) ([]step, error) {
	at := &xdm.Field{Kind: xdm.Object, Fields: p.fields}
	steps := make([]step, 0, len(path))
	for i, s := range path {
		next := step{index: s.Index, key: s.Name}
		switch here := path[:i].String(); {
		case at.Kind == xdm.Object && s.Name != "":
			next.index = slices.IndexFunc(at.Fields, func(f *xdm.Field) bool { return f.Name == s.Name })
			if next.index < 0 {
				return nil, fmt.Errorf("the schema has no field %s", path[:i+1])
			}
			next.field = at.Fields[next.index]
		case at.Kind == xdm.Map && s.Name != "":
			next.kind, next.field = stepKey, at.Elem
		case at.Kind == xdm.Array && s.Name == "":
			if next.kind, next.field = stepIndex, at.Elem; s.All {
				next.kind = stepEach
			}
			if s.Index > maxIndex {
				return nil, fmt.Errorf("%s: an index of more than %d", path[:i+1], maxIndex)
			}
		case at.Kind == xdm.Array:
			return nil, fmt.Errorf("the schema has no field %s: %s is an array, whose elements are %s[*]", path[:i+1], here, here)
		case s.Name == "":
			return nil, fmt.Errorf("the schema has no field %s: %s is no array but %s", path[:i+1], here, article(kindWord(at)))
		default:
			return nil, fmt.Errorf("the schema has no field %s: %s is %s", path[:i+1], here, article(kindWord(at)))
		}
		steps = append(steps, next)
		at = next.field
	}
	return steps, nil
}

// fits refuses a source that never has a value for its field.
func (p *Program) fits(r *rule) error {
	f := r.to[len(r.to)-1].field
	if r.source.Type == Static {
		a := &application{program: p, left: expr.MaxWork}
		a.write(r)
		for _, w := range a.result.Warnings {
			return fmt.Errorf("the text is no %s: %s", f.Kind, w.Reason)
		}
		return nil
	}
	types, only := r.from.Result(), true // null is
	for k := expr.Null + 1; k <= expr.Map; k++ {
		if types.Has(k) && canBe(k, f) {
			return nil
		}
		only = only && !types.Has(k)
	}
	if only {
		return nil
	}
	return fmt.Errorf("%s is never %s, which the field is", types, article(f.Kind.String()))
}

// canBe says whether a value of kind k may be converted to the field.
func canBe(k expr.Kind, f *xdm.Field) bool {
	switch f.Kind {
	case xdm.String, xdm.Array:
		return true
	case xdm.Object, xdm.Map:
		return k == expr.Map
	case xdm.Date, xdm.DateTime:
		return k == expr.Text || k == expr.Time
	case xdm.Boolean:
		return k == expr.Bool || k == expr.Int || k == expr.Text
	case xdm.Long, xdm.Int, xdm.Short, xdm.Byte, xdm.Double:
		return k == expr.Int || k == expr.Decimal || k == expr.Text
	}
	return false
}

// Unfilled returns the required fields that no mapping writes although others
// write to the object that holds them: every record would be refused.
func (p *Program) Unfilled() []string {
	var names []string
	var visit func(prefix []step, name string, fields []*xdm.Field)
	visit = func(prefix []step, name string, fields []*xdm.Field) {
		for i, f := range fields {
			at := append(slices.Clip(prefix), step{index: i, field: f})
			full := name + f.Name
			if f.Required && !f.Added && !p.touches(at, true) {
				names = append(names, full)
			}
			if f.Kind == xdm.Object && p.touches(at, false) {
				visit(at, full+".", f.Fields)
			}
		}
	}
	visit(nil, "", p.fields)
	return names
}

// touches says whether a rule writes below the place, or, if whole, to it or
// to all that it is part of.
func (p *Program) touches(at []step, whole bool) bool {
	return slices.ContainsFunc(p.rules, func(r rule) bool {
		n := min(len(r.to), len(at))
		if !whole && len(r.to) <= len(at) {
			return false
		}
		return slices.EqualFunc(r.to[:n], at[:n], func(a, b step) bool { return a.field == b.field })
	})
}
