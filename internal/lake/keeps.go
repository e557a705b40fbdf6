package lake

import (
	"context"

	"github.com/tributary-data/tributary/internal/problem"
)

// KeepsHistory says whether a resource has a history. Its first commit decides:
// asked counts only before that. A dataset that is kept alone carries the
// checkpoint itself.
func (l *Lake) KeepsHistory(ctx context.Context, resource string, asked bool) (bool, error) {
	switch _, err := l.Load(ctx, resource+"_history"); {
	case err == nil:
		return true, nil
	case problem.KindOf(err) != problem.NotFound:
		return false, err
	}
	data, err := l.Load(ctx, resource)
	switch {
	case err == nil:
		return asked && data.Property(propCheckpoint) == "", nil
	case problem.KindOf(err) == problem.NotFound:
		return asked, nil
	}
	return false, err
}
