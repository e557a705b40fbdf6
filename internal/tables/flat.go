package tables

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A Flat makes records of rows of text, such as those of a CSV file: each
// column has a place in the record, and its text becomes a value of the type
// that the schema says.
type Flat struct {
	k    *Checker
	root *place
}

// A place is a node of the record that rows are written into.
type place struct {
	name   string // as the key of a JSON object
	rule   *rule
	column int // of a scalar; -1 for an object
	kids   []*place
}

// Columns returns the names of all fields that a row of text can fill, in the
// order of the schema: what the columns of a file without a header are.
func (k *Checker) Columns() []string {
	var names []string
	var walk func(at string, f *xdm.Field)
	walk = func(at string, f *xdm.Field) {
		for _, kid := range f.Fields {
			switch kid.Kind {
			case xdm.Object:
				walk(at+kid.Name+".", kid)
			case xdm.Array, xdm.Map:
			default:
				names = append(names, at+kid.Name)
			}
		}
	}
	walk("", k.root.Field)
	return names
}

// Flat returns what makes records of rows whose columns are fields by dotted
// path, or their own name where only one field has it. A column that is no
// field, or that is one twice, is problem.Invalid.
func (k *Checker) Flat(columns []string) (*Flat, error) {
	f := &Flat{k: k, root: &place{rule: k.root, column: -1}}
	all := k.Columns()
	taken := map[string]bool{}
	for i, name := range columns {
		path := strings.TrimSpace(name)
		if !slices.Contains(all, path) {
			var fits []string
			for _, one := range all {
				if strings.HasSuffix(one, "."+path) && path != "" {
					fits = append(fits, one)
				}
			}
			switch {
			case len(fits) > 1:
				return nil, problem.Errorf(problem.Invalid, "column %d, %q, could be any of the fields %s: write the whole path", i+1, name, strings.Join(fits, ", "))
			case len(fits) == 0:
				return nil, problem.Errorf(problem.Invalid, "column %d, %q, is no field of the schema that a row of text can fill", i+1, name)
			}
			path = fits[0]
		}
		if taken[path] {
			return nil, problem.Errorf(problem.Invalid, "two columns are the field %s", path)
		}
		taken[path] = true
		f.root.put(strings.Split(path, "."), i)
	}
	return f, nil
}

// put makes a place for a column. Names with a dot in them can't be reached.
func (p *place) put(path []string, column int) {
	i := slices.IndexFunc(p.kids, func(k *place) bool { return k.name == path[0] })
	if i < 0 {
		r := p.rule.fields[path[0]]
		if r == nil {
			return
		}
		i = len(p.kids)
		p.kids = append(p.kids, &place{name: path[0], rule: r, column: -1})
	}
	if len(path) == 1 {
		p.kids[i].column = column
		return
	}
	p.kids[i].put(path[1:], column)
}

// Record makes a record of the cells of a row, nil where there is none, and
// checks it. The text of an optional field that does not become its type is
// left out and told of as a warning; that of a required field is a violation.
func (f *Flat) Record(cells []*string) (record json.RawMessage, violations, warnings []Violation) {
	w := flattening{cells: cells}
	out, _ := w.object(nil, f.root, nil)
	if len(w.violations) > 0 {
		return nil, w.violations, w.warnings
	}
	record, violations = f.k.Record(out)
	return record, violations, w.warnings
}

type flattening struct {
	cells                []*string
	violations, warnings []Violation
}

// object appends an object; filled says whether there is anything in it.
func (w *flattening) object(dst []byte, p *place, path []string) (_ []byte, filled bool) {
	dst = append(dst, '{')
	for _, kid := range p.kids {
		before := len(dst)
		if filled {
			dst = append(dst, ',')
		}
		name, _ := json.Marshal(kid.name) // a string always has a JSON form
		dst = append(append(dst, name...), ':')
		var some bool
		if kid.column >= 0 {
			dst, some = w.scalar(dst, kid, append(path, kid.name))
		} else {
			dst, some = w.object(dst, kid, append(path, kid.name))
		}
		if !some {
			dst = dst[:before]
			continue
		}
		filled = true
	}
	return append(dst, '}'), filled
}

func (w *flattening) scalar(dst []byte, p *place, path []string) ([]byte, bool) {
	if p.column >= len(w.cells) || w.cells[p.column] == nil {
		return dst, false
	}
	text := *w.cells[p.column]
	out, ok := convert(dst, p.rule.Kind, text)
	if ok {
		return out, true
	}
	v := Violation{Path: strings.Join(path, "."), Keyword: "type", Message: "expected " + expected[p.rule.Kind] + ", found " + short([]byte(text))}
	if p.rule.Required {
		w.violations = append(w.violations, v)
	} else {
		w.warnings = append(w.warnings, v)
	}
	return dst, false
}

// convert appends text as a JSON value of a kind, if it can become one.
func convert(dst []byte, kind xdm.Kind, text string) ([]byte, bool) {
	trimmed := strings.TrimSpace(text)
	switch kind {
	case xdm.String:
		b, err := json.Marshal(text)
		return append(dst, b...), err == nil
	case xdm.Boolean:
		switch trimmed {
		case "y", "yes", "Y", "YES", "on", "ON", "true", "TRUE", "1":
			return append(dst, "true"...), true
		case "n", "N", "no", "NO", "off", "OFF", "false", "FALSE", "0":
			return append(dst, "false"...), true
		}
		return dst, false
	case xdm.Long, xdm.Int, xdm.Short, xdm.Byte:
		v, err := strconv.ParseInt(trimmed, 10, 64)
		if err != nil || v < least(kind) || v > most(kind) {
			return dst, false
		}
		return strconv.AppendInt(dst, v, 10), true
	case xdm.Double:
		v, err := strconv.ParseFloat(trimmed, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || strings.ContainsAny(trimmed, "xX_pP") {
			return dst, false
		}
		return strconv.AppendFloat(dst, v, 'g', -1, 64), true
	case xdm.Date, xdm.DateTime:
		t, ok := guessInstant(trimmed)
		if !ok || t.Year() < 1 || t.Year() > 9999 {
			return dst, false
		}
		form := instantForm
		if kind == xdm.Date {
			form = time.DateOnly
		}
		return t.AppendFormat(dst, `"`+form+`"`), true
	default:
	}
	return dst, false
}
