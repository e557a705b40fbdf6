package mapping

import (
	"strconv"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Result is what a record became.
type Result struct {
	// Record is the XDM record as compact JSON text, its fields in the order of
	// the schema; what was written of it when it is refused, nil if that is
	// nothing.
	Record []byte
	// Warnings are fields that are null because their mapping failed, at most
	// 100 of them; Nulled counts all.
	Warnings []Warning
	Nulled   int
	// Refused says why the record can't be written; nil if it can.
	Refused *Warning
}

// A Warning says why a field has no value.
type Warning struct {
	Mapping int    // index in the set; -1 if it is not about one
	Path    string // of the field, with indexes
	Reason  string // has no value of the record
}

const maxWarnings = 100

// MaxRecordWork bounds what one record may cost, in the unit of expr.MaxWork.
const MaxRecordWork = 2 * expr.MaxWork

// Apply maps one source record. Env.Work, if set, bounds it further; it is
// what several records may cost together.
func (p *Program) Apply(env *expr.Env) Result {
	a := &application{program: p, left: MaxRecordWork}
	if env.Work != nil {
		a.left = min(a.left, *env.Work)
	}
	before := a.left
	a.apply(env)
	if env.Work != nil {
		*env.Work -= before - a.left
	}
	return a.result
}

// An application is a program at work on one record.
type application struct {
	program *Program
	env     expr.Env
	left    int // of the work
	root    *cell
	path    []step // the place in hand
	rule    *rule
	result  Result
}

func (a *application) apply(env *expr.Env) {
	a.env = *env
	a.env.Work = &a.left
	if env.Record.Kind() != expr.Map {
		a.result.Refused = &Warning{Mapping: -1, Reason: "the record is " + kindArticle(env.Record) + ", not an object"}
		return
	}
	for i := range a.program.rules {
		if !a.spend(a.program.rules[i].cost) {
			return
		}
		a.write(&a.program.rules[i])
		a.rule, a.path = nil, a.path[:0]
	}
	if a.root == nil {
		a.refuse("no mapping has a value for it")
		return
	}
	a.complete(a.program.fields, a.root)
	if a.spend(0) {
		a.result.Record = a.root.appendJSON(nil, &xdm.Field{Kind: xdm.Object, Fields: a.program.fields})
	}
}

func kindArticle(v expr.Value) string {
	if v.IsNull() {
		return "null"
	}
	return article(v.Kind().String())
}

// spend takes work, and refuses the record when there is none left.
func (a *application) spend(work int) bool {
	if a.left -= work; a.left < 0 {
		a.refuse("mapping it takes more work than is allowed")
		return false
	}
	return true
}

// write does what one rule says.
func (a *application) write(r *rule) {
	a.rule = r
	v := r.static
	if r.from != nil {
		var err error
		if v, err = r.from.Eval(&a.env); err != nil {
			// An explicit mapping that failed is not answered by what its
			// parent copied.
			a.path = append(a.path, r.to...)
			a.warn(r.to[len(r.to)-1].field, err.Error())
			a.root = a.erase(a.root, r.to)
			return
		}
	}
	if v.IsNull() {
		if r.erases {
			a.root = a.erase(a.root, r.to)
		}
		return
	}
	a.root = a.put(a.root, &xdm.Field{Kind: xdm.Object, Fields: a.program.fields}, r.to, v)
}

// put writes v along steps into what stands at a place so far, and returns
// what stands there then; nil is nothing.
func (a *application) put(old *cell, f *xdm.Field, steps []step, v expr.Value) *cell {
	if v.IsNull() {
		return old
	}
	if len(steps) == 0 {
		return a.convert(f, a.gathered(f, v))
	}
	s := steps[0]
	if s.kind == stepEach {
		return a.pair(old, steps, v)
	}
	a.path = append(a.path, s)
	defer func() { a.path = a.path[:len(a.path)-1] }()
	now := a.put(old.child(s), s.field, steps[1:], v)
	if now == nil && old.child(s) == nil {
		return old
	}
	c := old
	if c == nil {
		c = newCell(f)
		a.spend(cellWork + slotWork*len(c.kids))
	}
	if s.kind == stepIndex && s.index >= len(c.kids) && !a.spend(slotWork*(s.index+1-len(c.kids))) {
		return old
	}
	c.set(s, now)
	return c
}

// pair writes the elements of v to the elements of an array, one to one; what
// is no array counts as an array of one.
func (a *application) pair(old *cell, steps []step, v expr.Value) *cell {
	items := v.Items()
	if v.Kind() != expr.Array {
		items = []expr.Value{v}
	}
	each := steps[0]
	one := append([]step{{kind: stepIndex, field: each.field}}, steps[1:]...)
	for i, item := range items {
		if !a.spend(16) {
			return old
		}
		one[0].index = i
		old = a.put(old, &xdm.Field{Kind: xdm.Array, Elem: each.field}, one, item)
	}
	return old
}

// gathered makes one list of what a path with [*] found, for a destination
// without: list of all names.
func (a *application) gathered(f *xdm.Field, v expr.Value) expr.Value {
	extra := a.rule.stars - eaches(a.rule.to)
	if extra <= 0 || v.Kind() != expr.Array {
		return v
	}
	depth := 0
	for at := f; at.Kind == xdm.Array; at = at.Elem {
		depth++
	}
	for range extra - max(depth, 1) {
		var flat []expr.Value
		for _, item := range v.Items() {
			switch item.Kind() {
			case expr.Null:
			case expr.Array:
				flat = append(flat, item.Items()...)
			default:
				flat = append(flat, item)
			}
		}
		if !a.spend(48 * len(flat)) {
			return expr.Value{}
		}
		v = expr.ArrayOf(flat)
	}
	if a.rule.whole {
		return v
	}
	var full []expr.Value
	for _, item := range v.Items() {
		if !item.IsNull() {
			full = append(full, item)
		}
	}
	if !a.spend(48 * len(full)) {
		return expr.Value{}
	}
	return expr.ArrayOf(full)
}

// complete refuses a record that lacks a required field of an object that it
// has.
func (a *application) complete(fields []*xdm.Field, c *cell) {
	for i, f := range fields {
		a.path = append(a.path, step{index: i, field: f})
		kid := c.kids[i]
		switch {
		case kid == nil && f.Required && !f.Added:
			a.refuse("is required and has no value")
		case kid != nil:
			a.completeValue(f, kid)
		}
		a.path = a.path[:len(a.path)-1]
	}
}

func (a *application) completeValue(f *xdm.Field, c *cell) {
	switch f.Kind {
	case xdm.Object:
		a.complete(f.Fields, c)
	case xdm.Array, xdm.Map:
		if !holdsObjects(f.Elem) {
			return
		}
		for i, kid := range c.kids {
			if kid == nil {
				continue
			}
			s := step{kind: stepIndex, index: i, field: f.Elem}
			if f.Kind == xdm.Map {
				s = step{kind: stepKey, key: c.keys[i], field: f.Elem}
			}
			a.path = append(a.path, s)
			a.completeValue(f.Elem, kid)
			a.path = a.path[:len(a.path)-1]
		}
	default:
	}
}

func holdsObjects(f *xdm.Field) bool {
	for f.Elem != nil {
		f = f.Elem
	}
	return f.Kind == xdm.Object
}

// warn notes that the field in hand has no value, and refuses the record where
// it must have one.
func (a *application) warn(f *xdm.Field, reason string) {
	a.result.Nulled++
	if len(a.result.Warnings) < maxWarnings {
		a.result.Warnings = append(a.result.Warnings, a.warning(reason))
	}
	if (f.Required || f.Money) && !f.Added {
		a.refuse(reason)
	}
}

// refuse notes the first reason why the record can't be written.
func (a *application) refuse(reason string) {
	if a.result.Refused == nil {
		w := a.warning(reason)
		a.result.Refused = &w
	}
}

func (a *application) warning(reason string) Warning {
	w := Warning{Mapping: -1, Path: placeOf(a.path), Reason: reason}
	if a.rule != nil {
		w.Mapping = a.rule.mapping
	}
	return w
}

func placeOf(steps []step) string {
	path := make(expr.Path, len(steps))
	for i, s := range steps {
		switch s.kind {
		case stepField:
			path[i].Name = s.field.Name
		case stepKey:
			path[i].Name = s.key
		case stepIndex:
			path[i].Index = s.index
		case stepEach:
			path[i].All = true
		}
		if s.kind <= stepKey && path[i].Name == "" { // a key that is empty
			path[i].Name = strconv.Quote("")
		}
	}
	return path.String()
}
