package registry

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/tributary-data/tributary/internal/jsondoc"
	"github.com/tributary-data/tributary/internal/xdm"
)

// integers are the integer kinds from the smallest up, with their bounds.
var integers = []struct {
	kind     xdm.Kind
	min, max float64
}{
	{xdm.Byte, -1 << 7, 1<<7 - 1},
	{xdm.Short, -1 << 15, 1<<15 - 1},
	{xdm.Int, -1 << 31, 1<<31 - 1},
	{xdm.Long, -1<<53 + 1, 1<<53 - 1},
}

// largest is what 64 bits hold; a bound beyond a long's own is taken for it.
const largest = 1 << 63

// integerKind returns the smallest integer that holds a node's bounds; without
// bounds that is an int.
func integerKind(n *jsondoc.Object) (xdm.Kind, error) {
	low, high, err := integerBounds(n)
	if err != nil {
		return 0, err
	}
	switch {
	case low == nil && high == nil:
		return xdm.Int, nil
	case low == nil:
		low = new(min(*high, integers[2].min))
	case high == nil:
		high = new(max(*low, integers[2].max))
	}
	for _, i := range integers {
		if *low >= i.min && *high <= i.max || *low == i.min && *high == i.max+1 {
			return i.kind, nil
		}
	}
	return xdm.Long, nil
}

func integerBounds(n *jsondoc.Object) (low, high *float64, err error) {
	if low, err = number(n, "minimum"); err != nil {
		return nil, nil, err
	}
	if high, err = number(n, "maximum"); err != nil {
		return nil, nil, err
	}
	for _, b := range []*float64{low, high} {
		if b != nil && (*b < -largest || *b > largest) {
			return nil, nil, fmt.Errorf("no integer holds %v", *b)
		}
	}
	return low, high, nil
}

// limits returns what narrows the values of a node, nil if nothing does.
func limits(n *jsondoc.Object, kind xdm.Kind) (*xdm.Limits, error) {
	var l xdm.Limits
	var err error
	if l.Min, err = number(n, "minimum"); err != nil {
		return nil, err
	}
	if l.Max, err = number(n, "maximum"); err != nil {
		return nil, err
	}
	if l.MinLength, err = length(n, "minLength"); err != nil {
		return nil, err
	}
	if l.MaxLength, err = length(n, "maxLength"); err != nil {
		return nil, err
	}
	if v, ok := n.Lookup("pattern"); ok {
		if l.Pattern, ok = v.(string); !ok {
			return nil, fmt.Errorf("pattern must be a string")
		}
		if _, err := regexp.Compile(l.Pattern); err != nil {
			return nil, fmt.Errorf("pattern %q can't be used: %w", l.Pattern, err)
		}
	}
	if l.Values, err = values(n); err != nil {
		return nil, err
	}
	if err := fit(n, &l, kind); err != nil {
		return nil, err
	}
	if l.Min == nil && l.Max == nil && l.MinLength == nil && l.MaxLength == nil && l.Pattern == "" && l.Values == nil {
		return nil, nil //nolint:nilnil // there are no limits, and nothing is wrong
	}
	return &l, nil
}

// fit checks that limits go with a kind and with each other, and drops those
// that only say which integer it is.
func fit(n *jsondoc.Object, l *xdm.Limits, kind xdm.Kind) error {
	isNumber := kind == xdm.Double
	for _, i := range integers {
		if i.kind != kind {
			continue
		}
		isNumber = true
		low, high := l.Min, l.Max
		if low != nil && (*low == i.min || kind == xdm.Long && *low < i.min) {
			l.Min = nil
		}
		if high != nil && (*high == i.max || low != nil && *low == i.min && *high == i.max+1 || kind == xdm.Long && *high > i.max) {
			l.Max = nil
		}
	}
	switch {
	case !isNumber && (n.Has("minimum") || n.Has("maximum")):
		return fmt.Errorf("minimum and maximum belong to numbers")
	case kind != xdm.String && (l.MinLength != nil || l.MaxLength != nil || l.Pattern != "" || n.Has("enum")):
		return fmt.Errorf("minLength, maxLength, pattern and enum belong to strings")
	case l.Min != nil && l.Max != nil && *l.Min > *l.Max:
		return fmt.Errorf("minimum is above maximum")
	case l.MinLength != nil && l.MaxLength != nil && *l.MinLength > *l.MaxLength:
		return fmt.Errorf("minLength is above maxLength")
	}
	return nil
}

func length(n *jsondoc.Object, name string) (*int, error) {
	v, ok := n.Lookup(name)
	if !ok {
		return nil, nil //nolint:nilnil // there is no such limit, and nothing is wrong
	}
	num, ok := v.(json.Number)
	if !ok {
		return nil, fmt.Errorf("%s must be a number", name)
	}
	i, err := num.Int64()
	if err != nil || i < 0 || i > 1<<31 {
		return nil, fmt.Errorf("%s must be a whole number that is not negative", name)
	}
	return new(int(i)), nil
}

// values returns the texts of enum, sorted.
func values(n *jsondoc.Object) ([]string, error) {
	v, ok := n.Lookup("enum")
	if !ok {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return nil, fmt.Errorf("enum must be an array of values")
	}
	var all []string
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			return nil, fmt.Errorf("the values of enum must be strings")
		}
		all = append(all, s)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}
