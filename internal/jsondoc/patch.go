package jsondoc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
)

// Bounds of a patch.
const (
	maxOperations = 1000
	maxCopied     = 10 << 20 // bytes of JSON that all its copies together may add
)

// Operations are those that JSON Patch (RFC 6902) knows.
var Operations = []string{"add", "remove", "replace", "move", "copy", "test"}

// An Operation is one step of a patch.
type Operation struct {
	Op    string
	Path  string // JSON Pointer (RFC 6901)
	From  string // of move and copy
	Value any    // of add, replace and test
}

// ParsePatch reads a patch: an array of operations, or one that stands alone.
// Operations are written in any case; those that are not among the allowed
// ones are refused, as is all that is no patch, with a problem.Invalid.
func ParsePatch(data []byte, allowed ...string) ([]Operation, error) {
	v, err := Parse(data)
	if err != nil {
		return nil, invalid("the patch is not valid JSON: %v", err)
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	if len(list) > maxOperations {
		return nil, invalid("the patch has %d operations: at most %d are taken at once", len(list), maxOperations)
	}
	var ops []Operation
	for i, e := range list {
		op, err := parseOperation(e, allowed)
		if err != nil {
			return nil, invalid("operation %d of the patch: %v", i+1, err)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

func parseOperation(v any, allowed []string) (Operation, error) {
	o, ok := v.(*Object)
	if !ok {
		return Operation{}, fmt.Errorf(`an object with "op" and "path" is expected`)
	}
	op := Operation{Op: strings.ToLower(o.Text("op"))}
	if len(allowed) == 0 {
		allowed = Operations
	}
	if !slices.Contains(allowed, op.Op) {
		return Operation{}, fmt.Errorf("unsupported operation '%s': %s are supported", o.Text("op"), strings.Join(allowed, ", "))
	}
	var err error
	if op.Path, err = pointer(o, "path"); err != nil {
		return Operation{}, err
	}
	switch op.Op {
	case "move", "copy":
		op.From, err = pointer(o, "from")
	case "add", "replace", "test":
		if op.Value, ok = o.Lookup("value"); !ok {
			err = fmt.Errorf(`missing field "value"`)
		}
	}
	return op, err
}

// pointer returns a member that is a JSON Pointer.
func pointer(o *Object, name string) (string, error) {
	v, ok := o.Lookup(name)
	if !ok {
		return "", fmt.Errorf("missing field %q", name)
	}
	s, ok := v.(string)
	if !ok || s != "" && s[0] != '/' {
		return "", fmt.Errorf("%q is no JSON Pointer: it begins with a slash, such as /title", name)
	}
	for i := strings.IndexByte(s, '~'); i >= 0; {
		if i+1 == len(s) || s[i+1] != '0' && s[i+1] != '1' {
			return "", fmt.Errorf("%q is no JSON Pointer: ~ is written ~0, and a slash in a name ~1", name)
		}
		next := strings.IndexByte(s[i+1:], '~')
		if next < 0 {
			break
		}
		i += 1 + next
	}
	return s, nil
}

// Steps returns the names that a JSON Pointer goes through.
func Steps(pointer string) []string {
	if pointer == "" {
		return nil
	}
	steps := strings.Split(pointer[1:], "/")
	for i, s := range steps {
		steps[i] = strings.ReplaceAll(strings.ReplaceAll(s, "~1", "/"), "~0", "~")
	}
	return steps
}

// Pointer writes steps as a JSON Pointer.
func Pointer(steps ...string) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(s, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// Patch applies the operations to a value, all or none: the value itself is
// left as it is, and what comes of it is returned. An operation that does not
// apply is a problem.Invalid that names it.
func Patch(v any, ops []Operation) (any, error) {
	p := &patch{root: Clone(v)}
	for i, op := range ops {
		if err := p.apply(op); err != nil {
			return nil, invalid("operation %d of the patch (%s %s): %v", i+1, op.Op, op.Path, err)
		}
	}
	return p.root, nil
}

type patch struct {
	root   any
	copied int
}

func (p *patch) apply(op Operation) error {
	switch op.Op {
	case "add":
		return p.add(op.Path, Clone(op.Value))
	case "remove":
		return p.remove(op.Path)
	case "replace":
		return p.replace(op.Path, Clone(op.Value))
	case "test":
		v, err := p.get(op.Path)
		if err == nil && !Equal(v, op.Value) {
			err = fmt.Errorf("the value there is another one")
		}
		return err
	}
	v, err := p.get(op.From)
	if err != nil {
		return fmt.Errorf("from %s: %w", op.From, err)
	}
	if op.Op == "copy" {
		text, err := Marshal(v)
		if err != nil {
			return err
		}
		if p.copied += len(text); p.copied > maxCopied {
			return fmt.Errorf("the patch copies more than %d bytes", maxCopied)
		}
		return p.add(op.Path, Clone(v))
	}
	if op.Path == op.From {
		return nil
	}
	if strings.HasPrefix(op.Path, op.From+"/") {
		return fmt.Errorf("nothing can be moved into itself")
	}
	if err := p.remove(op.From); err != nil {
		return fmt.Errorf("from %s: %w", op.From, err)
	}
	return p.add(op.Path, v)
}

func (p *patch) get(path string) (any, error) {
	v := p.root
	for _, step := range Steps(path) {
		var err error
		if v, err = child(v, step); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func child(v any, step string) (any, error) {
	switch v := v.(type) {
	case *Object:
		if c, ok := v.Lookup(step); ok {
			return c, nil
		}
	case []any:
		if i, err := index(step, len(v)-1); err == nil {
			return v[i], nil
		}
	}
	return nil, fmt.Errorf("there is no %q", step)
}

// index reads a place in an array, from 0 to last.
func index(step string, last int) (int, error) {
	i, err := strconv.Atoi(step)
	if err != nil || i < 0 || i > last || strconv.Itoa(i) != step {
		return 0, fmt.Errorf("%q is no place in the array: those are 0 to %d", step, last)
	}
	return i, nil
}

// change hands the parent of a path to fn, which returns the parent as it
// shall be, and puts that in its place.
func (p *patch) change(path string, fn func(parent any, last string) (any, error)) error {
	steps := Steps(path)
	if len(steps) == 0 {
		return fmt.Errorf("the document as a whole can't be removed")
	}
	last := steps[len(steps)-1]
	above := Pointer(steps[:len(steps)-1]...)
	parent, err := p.get(above)
	if err != nil {
		return err
	}
	changed, err := fn(parent, last)
	if err != nil {
		return err
	}
	if _, ok := changed.([]any); ok {
		return p.put(above, changed) // an array that grew is another one
	}
	return nil
}

// put sets what stands at a path that exists.
func (p *patch) put(path string, v any) error {
	if path == "" {
		p.root = v
		return nil
	}
	steps := Steps(path)
	parent, err := p.get(Pointer(steps[:len(steps)-1]...))
	if err != nil {
		return err
	}
	last := steps[len(steps)-1]
	switch parent := parent.(type) {
	case *Object:
		parent.Set(last, v)
	case []any:
		i, err := index(last, len(parent)-1)
		if err != nil {
			return err
		}
		parent[i] = v
	}
	return nil
}

func (p *patch) add(path string, v any) error {
	if strings.Count(path, "/")+depth(v) > MaxDepth {
		return fmt.Errorf("it would nest the document deeper than %d levels", MaxDepth)
	}
	if path == "" {
		p.root = v
		return nil
	}
	return p.change(path, func(parent any, last string) (any, error) {
		switch parent := parent.(type) {
		case *Object:
			parent.Set(last, v)
			return parent, nil
		case []any:
			if last == "-" {
				return append(parent, v), nil
			}
			i, err := index(last, len(parent))
			if err != nil {
				return nil, err
			}
			return slices.Insert(parent, i, v), nil
		}
		return nil, fmt.Errorf("what %q should be added to is neither an object nor an array", last)
	})
}

func (p *patch) remove(path string) error {
	return p.change(path, func(parent any, last string) (any, error) {
		if _, err := child(parent, last); err != nil {
			return nil, err
		}
		if o, ok := parent.(*Object); ok {
			o.Delete(last)
			return o, nil
		}
		list := parent.([]any) // child found it there
		i, err := index(last, len(list)-1)
		if err != nil {
			return nil, err
		}
		return slices.Delete(list, i, i+1), nil
	})
}

func (p *patch) replace(path string, v any) error {
	if _, err := p.get(path); err != nil {
		return err
	}
	if strings.Count(path, "/")+depth(v) > MaxDepth {
		return fmt.Errorf("it would nest the document deeper than %d levels", MaxDepth)
	}
	return p.put(path, v)
}

func depth(v any) int {
	deepest := 0
	switch v := v.(type) {
	case *Object:
		for _, c := range v.All() {
			deepest = max(deepest, depth(c))
		}
	case []any:
		for _, c := range v {
			deepest = max(deepest, depth(c))
		}
	default:
		return 0
	}
	return deepest + 1
}

func invalid(format string, args ...any) error {
	return problem.Errorf(problem.Invalid, format, args...)
}

// Diff returns operations that make b of a: the members and elements that
// differ, as far down as both have them.
func Diff(a, b any) []Operation { return diff(nil, nil, a, b) }

func diff(ops []Operation, at []string, a, b any) []Operation {
	if Equal(a, b) {
		return ops
	}
	x, isObject := a.(*Object)
	y, ok := b.(*Object)
	if isObject && ok {
		for name, v := range x.All() {
			path := append(slices.Clip(at), name)
			if w, ok := y.Lookup(name); ok {
				ops = diff(ops, path, v, w)
			} else {
				ops = append(ops, Operation{Op: "remove", Path: Pointer(path...), Value: v})
			}
		}
		for name, w := range y.All() {
			if !x.Has(name) {
				ops = append(ops, Operation{Op: "add", Path: Pointer(append(slices.Clip(at), name)...), Value: w})
			}
		}
		return ops
	}
	list, isList := a.([]any)
	other, ok := b.([]any)
	if !isList || !ok {
		return append(ops, Operation{Op: "replace", Path: Pointer(at...), Value: b})
	}
	for i := range min(len(list), len(other)) {
		ops = diff(ops, append(slices.Clip(at), strconv.Itoa(i)), list[i], other[i])
	}
	for i := len(list) - 1; i >= len(other); i-- {
		ops = append(ops, Operation{Op: "remove", Path: Pointer(append(slices.Clip(at), strconv.Itoa(i))...), Value: list[i]})
	}
	for i := len(list); i < len(other); i++ {
		ops = append(ops, Operation{Op: "add", Path: Pointer(append(slices.Clip(at), "-")...), Value: other[i]})
	}
	return ops
}
