package lake

import (
	"context"

	"github.com/tributary-data/tributary/internal/problem"
)

// Checkpoint returns the checkpoint of a resource as of its newest commit, ""
// where nothing was committed. It is for those who only read.
func (l *Lake) Checkpoint(ctx context.Context, resource string) (string, error) {
	for _, name := range []string{resource + "_history", resource} {
		t, err := l.Load(ctx, name)
		if problem.KindOf(err) == problem.NotFound {
			continue
		}
		if err != nil {
			return "", err
		}
		return t.Property(propCheckpoint), nil
	}
	return "", nil
}
