package mapping

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tributary-data/tributary/internal/expr"
	"github.com/tributary-data/tributary/internal/xdm"
)

// convert makes a value of f, the field in hand, of v (Data Prep, "data
// handling"). Where it can't, it warns, and there is no value.
func (a *application) convert(f *xdm.Field, v expr.Value) *cell {
	if v.IsNull() || !a.spend(cellWork) {
		return nil
	}
	switch f.Kind {
	case xdm.Object:
		return a.object(f, v)
	case xdm.Array:
		return a.array(f, v)
	case xdm.Map:
		return a.dictionary(f, v)
	default:
	}
	text, err := a.scalar(f, v)
	if err != nil {
		a.warn(f, err.Error())
		return nil
	}
	if err := a.limit(f, v, text); err != nil {
		a.warn(f, err.Error())
		if !f.Added {
			a.refuse(err.Error())
		}
		return nil
	}
	a.spend(byteWork * len(text))
	return &cell{text: text}
}

// object copies the members that the field has, by name.
func (a *application) object(f *xdm.Field, v expr.Value) *cell {
	if v.Kind() != expr.Map {
		a.warn(f, kindArticle(v)+" is no object")
		return nil
	}
	c := newCell(f)
	if !a.spend(slotWork * len(f.Fields)) {
		return nil
	}
	for i, below := range f.Fields {
		member, ok := v.Member(below.Name)
		if !ok || member.IsNull() {
			continue
		}
		a.path = append(a.path, step{index: i, field: below})
		c.kids[i] = a.convert(below, member)
		a.path = a.path[:len(a.path)-1]
	}
	return c
}

func (a *application) array(f *xdm.Field, v expr.Value) *cell {
	items := v.Items()
	if v.Kind() != expr.Array {
		items = []expr.Value{v}
	}
	if !a.spend(slotWork * len(items)) {
		return nil
	}
	c := &cell{kids: make([]*cell, len(items))}
	for i, item := range items {
		a.path = append(a.path, step{kind: stepIndex, index: i, field: f.Elem})
		c.kids[i] = a.convert(f.Elem, item)
		a.path = a.path[:len(a.path)-1]
	}
	return c
}

func (a *application) dictionary(f *xdm.Field, v expr.Value) *cell {
	if v.Kind() != expr.Map {
		a.warn(f, kindArticle(v)+" is no map")
		return nil
	}
	c := newCell(f)
	keys, vals := v.Members()
	for i, key := range keys {
		if !a.spend(cellWork + byteWork*len(key)) {
			return nil
		}
		s := step{kind: stepKey, key: key, field: f.Elem}
		a.path = append(a.path, s)
		c.set(s, a.convert(f.Elem, vals[i]))
		a.path = a.path[:len(a.path)-1]
	}
	return c
}

var (
	errYears   = errors.New("a date-time outside the years 1 to 9999")
	errInRange = errors.New("a number outside the range of the type")
)

// scalar returns the JSON text of v as a value of f.
func (a *application) scalar(f *xdm.Field, v expr.Value) ([]byte, error) {
	switch f.Kind {
	case xdm.String:
		s, err := a.text(f, v)
		if err != nil {
			return nil, err
		}
		return expr.TextOf(s).AppendJSON(nil), nil
	case xdm.Boolean:
		b, err := v.ToBool()
		return strconv.AppendBool(nil, b), err
	case xdm.Long, xdm.Int, xdm.Short, xdm.Byte:
		n, err := v.ToInt()
		if most := largest(f.Kind); err == nil && (n > most || n < -most-1) {
			err = errInRange
		}
		return strconv.AppendInt(nil, n, 10), err
	case xdm.Double:
		return double(v)
	case xdm.Date, xdm.DateTime:
		t, err := v.ToTime()
		if err != nil {
			return nil, err
		}
		layout := time.DateOnly
		if f.Kind == xdm.DateTime {
			t, layout = t.UTC(), "2006-01-02T15:04:05.999Z07:00"
		}
		if t.Year() < 1 || t.Year() > 9999 {
			return nil, errYears
		}
		return strconv.AppendQuote(nil, t.Format(layout)), nil
	default:
		return nil, fmt.Errorf("a field of the type %s has no value", f.Kind)
	}
}

func largest(k xdm.Kind) int64 {
	switch k {
	case xdm.Int:
		return math.MaxInt32
	case xdm.Short:
		return math.MaxInt16
	case xdm.Byte:
		return math.MaxInt8
	default:
		return math.MaxInt64
	}
}

// text returns v as the value of a string field.
func (a *application) text(f *xdm.Field, v expr.Value) (string, error) {
	if f.JSON {
		return string(v.AppendJSON(nil)), nil
	}
	if f.Identifier && v.Kind() == expr.Map {
		id, _ := v.Member("id")
		if id.Kind() != expr.Text {
			return "", errors.New("an object without an id is no identifier")
		}
		return id.Text(), nil
	}
	if v.Kind() == expr.Array && a.rule.source.Type == Attribute {
		return "", errors.New("an array is no text")
	}
	return v.Text(), nil
}

// double keeps a number exactly as it is; one that is very long becomes the
// nearest float's shortest form.
func double(v expr.Value) ([]byte, error) {
	n, err := v.ToNumber()
	if err != nil {
		return nil, err
	}
	f, err := n.ToFloat()
	if err != nil {
		return nil, err
	}
	if text := n.AppendJSON(nil); len(text) <= 40 {
		return text, nil
	}
	return strconv.AppendFloat(nil, f, 'g', -1, 64), nil
}

// limit checks a value that has the field's type against what the schema says
// of it.
func (a *application) limit(f *xdm.Field, v expr.Value, text []byte) error {
	l := f.Limits
	if l == nil {
		return nil
	}
	switch f.Kind {
	case xdm.String:
		s, _ := a.text(f, v)
		return a.limitText(f, s)
	case xdm.Boolean, xdm.Date, xdm.DateTime:
		return nil
	default:
	}
	n, _, err := big.ParseFloat(string(text), 10, 2000, big.ToNearestEven)
	if err != nil {
		return errInRange
	}
	if l.Min != nil && n.Cmp(big.NewFloat(*l.Min)) < 0 {
		return fmt.Errorf("a number below %v, the least that the schema allows", *l.Min)
	}
	if l.Max != nil && n.Cmp(big.NewFloat(*l.Max)) > 0 {
		return fmt.Errorf("a number above %v, the most that the schema allows", *l.Max)
	}
	return nil
}

func (a *application) limitText(f *xdm.Field, s string) error {
	l := f.Limits
	n := utf8.RuneCountInString(s)
	a.spend(len(s) * (2 + len(l.Pattern)))
	re := a.program.patterns[f]
	switch {
	case l.MinLength != nil && n < *l.MinLength:
		return fmt.Errorf("a text of less than the %d characters that the schema wants", *l.MinLength)
	case l.MaxLength != nil && n > *l.MaxLength:
		return fmt.Errorf("a text of more than the %d characters that the schema allows", *l.MaxLength)
	case l.Values != nil && !slices.Contains(l.Values, s):
		return fmt.Errorf("not one of the values that the schema allows: %s", strings.Join(l.Values[:min(10, len(l.Values))], ", "))
	case re != nil && !re.MatchString(s):
		return fmt.Errorf("a text that does not match the schema's pattern %s", l.Pattern)
	}
	return nil
}
