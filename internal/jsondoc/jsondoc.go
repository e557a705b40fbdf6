// Package jsondoc reads and writes JSON documents whose members keep their
// order, and changes them by JSON Patch.
//
// A value is *Object, []any, string, json.Number, bool or nil.
package jsondoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
)

// MaxDepth is how deep objects and arrays may lie in each other.
const MaxDepth = 100

// An Object has members in the order in which they came. The zero Object is
// empty and can be used.
type Object struct {
	names  []string
	values map[string]any
}

// Of returns an object of pairs of name and value.
func Of(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// Get returns a member, nil if there is none.
func (o *Object) Get(name string) any { return o.values[name] }

// Lookup returns a member and whether there is one.
func (o *Object) Lookup(name string) (any, bool) {
	v, ok := o.values[name]
	return v, ok
}

// Has says whether there is such a member.
func (o *Object) Has(name string) bool {
	_, ok := o.values[name]
	return ok
}

// Text returns a member that is a string, else "".
func (o *Object) Text(name string) string {
	s, _ := o.values[name].(string)
	return s
}

// Object returns a member that is an object, else nil.
func (o *Object) Object(name string) *Object {
	c, _ := o.values[name].(*Object)
	return c
}

// List returns a member that is an array, else nil.
func (o *Object) List(name string) []any {
	l, _ := o.values[name].([]any)
	return l
}

// Texts returns the strings of a member that is an array.
func (o *Object) Texts(name string) []string {
	var all []string
	for _, v := range o.List(name) {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// Set gives a member a value; a new one comes last.
func (o *Object) Set(name string, v any) {
	if o.values == nil {
		o.values = make(map[string]any)
	}
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = v
}

// Delete removes members.
func (o *Object) Delete(names ...string) {
	for _, name := range names {
		if _, ok := o.values[name]; ok {
			delete(o.values, name)
			i := slices.Index(o.names, name)
			o.names = slices.Delete(o.names, i, i+1)
		}
	}
}

// Len returns the number of members.
func (o *Object) Len() int { return len(o.names) }

// All visits the members in order. They may be set meanwhile, but not deleted.
func (o *Object) All() iter.Seq2[string, any] {
	return func(yield func(string, any) bool) {
		for _, name := range o.names {
			if !yield(name, o.values[name]) {
				return
			}
		}
	}
}

// Clone returns a copy that shares nothing with the value.
func Clone(v any) any {
	switch v := v.(type) {
	case *Object:
		c := &Object{}
		for name, m := range v.All() {
			c.Set(name, Clone(m))
		}
		return c
	case []any:
		c := make([]any, len(v))
		for i, e := range v {
			c[i] = Clone(e)
		}
		return c
	}
	return v
}

// Equal says whether two values are the same, whatever the order of members.
// Numbers are the same if they are written the same.
func Equal(a, b any) bool {
	switch a := a.(type) {
	case *Object:
		b, ok := b.(*Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		for name, v := range a.All() {
			if w, ok := b.Lookup(name); !ok || !Equal(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, Equal)
	}
	switch b.(type) {
	case *Object, []any:
		return false
	}
	return a == b
}

// Plain returns the value as encoding/json decodes it: with maps for objects.
func Plain(v any) any {
	switch v := v.(type) {
	case *Object:
		m := make(map[string]any, v.Len())
		for name, e := range v.All() {
			m[name] = Plain(e)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, e := range v {
			l[i] = Plain(e)
		}
		return l
	}
	return v
}

// Parse reads one document. A name that stands twice in an object and more
// levels than MaxDepth are errors.
func Parse(data []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := read(d, 0)
	if errors.Is(err, io.EOF) {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text stands behind the document")
	}
	return v, nil
}

func read(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	open, ok := t.(json.Delim)
	if !ok {
		return t, nil
	}
	if depth == MaxDepth {
		return nil, fmt.Errorf("it is nested deeper than %d levels", MaxDepth)
	}
	if open == '[' {
		list := []any{}
		for d.More() {
			v, err := read(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	o := &Object{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := t.(string) // the decoder refuses other names
		if o.Has(name) {
			return nil, fmt.Errorf("%q stands twice in one object", name)
		}
		v, err := read(d, depth+1)
		if err != nil {
			return nil, err
		}
		o.Set(name, v)
	}
	_, err = d.Token()
	return o, err
}

// UnmarshalJSON reads an object as Parse does.
func (o *Object) UnmarshalJSON(data []byte) error {
	v, err := Parse(data)
	if err != nil {
		return err
	}
	read, ok := v.(*Object)
	if !ok {
		return errors.New("an object is expected here")
	}
	*o = *read
	return nil
}

// MarshalJSON writes the object.
func (o *Object) MarshalJSON() ([]byte, error) { return Marshal(o) }

// Marshal writes a value, without blanks.
func Marshal(v any) ([]byte, error) {
	w := &writer{}
	w.text = json.NewEncoder(&w.Buffer)
	w.text.SetEscapeHTML(false)
	if err := w.value(v); err != nil {
		return nil, err
	}
	return w.Bytes(), nil
}

type writer struct {
	bytes.Buffer
	text *json.Encoder
}

func (w *writer) value(v any) error {
	switch v := v.(type) {
	case *Object:
		if v == nil {
			break
		}
		w.WriteByte('{')
		for i, name := range v.names {
			if i > 0 {
				w.WriteByte(',')
			}
			if err := w.value(name); err != nil {
				return err
			}
			w.WriteByte(':')
			if err := w.value(v.values[name]); err != nil {
				return err
			}
		}
		w.WriteByte('}')
		return nil
	case []any:
		w.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				w.WriteByte(',')
			}
			if err := w.value(e); err != nil {
				return err
			}
		}
		w.WriteByte(']')
		return nil
	}
	if err := w.text.Encode(v); err != nil {
		return err
	}
	w.Truncate(w.Len() - 1) // the encoder ends a line
	return nil
}
