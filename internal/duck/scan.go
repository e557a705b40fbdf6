package duck

import (
	"fmt"
	"time"
)

// scanRow copies values into the places that pointers lead to.
func scanRow(values, into []any) error {
	if len(values) != len(into) {
		return fmt.Errorf("scan %d columns into %d places", len(values), len(into))
	}
	for i, v := range values {
		if err := scanValue(v, into[i]); err != nil {
			return fmt.Errorf("scan column %d: %w", i+1, err)
		}
	}
	return nil
}

func scanValue(v, into any) error {
	switch p := into.(type) {
	case *any:
		*p = v
		return nil
	case *string:
		if v == nil {
			return fmt.Errorf("NULL into a string")
		}
		*p = text(v)
		return nil
	case *int64:
		return assign(p, v)
	case *bool:
		return assign(p, v)
	case *float64:
		return assign(p, v)
	case *time.Time:
		return assign(p, v)
	case **string:
		return scanPointer(p, v)
	case **int64:
		return scanPointer(p, v)
	case **bool:
		return scanPointer(p, v)
	case **float64:
		return scanPointer(p, v)
	case **time.Time:
		return scanPointer(p, v)
	}
	return fmt.Errorf("no way into a %T", into)
}

func assign[T any](p *T, v any) error {
	t, ok := v.(T)
	if !ok {
		return fmt.Errorf("a %T into a %T", v, *p)
	}
	*p = t
	return nil
}

func scanPointer[T any](p **T, v any) error {
	if v == nil {
		*p = nil
		return nil
	}
	var t T
	if err := scanValue(v, &t); err != nil {
		return err
	}
	*p = &t
	return nil
}
