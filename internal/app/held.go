package app

import (
	"context"

	"github.com/tributary-data/tributary/internal/sqlstore"
)

// A HeldRow is an object that stands in quarantine; its place is behind which the
// next page begins.
type HeldRow = sqlstore.HeldRow

// A HeldPlace is a place in the order in which Quarantined pages.
type HeldPlace = sqlstore.HeldPlace

// Quarantined returns up to n of what stands in quarantine of the copy in dir, of
// one resource unless that is "", behind a place, and whether there is more. The
// order is by resource, id and text, so that it stays while objects come again.
// Texts are read if raw says so; then a page ends early where they are long.
func Quarantined(ctx context.Context, dir, resource string, after HeldPlace, n int, raw bool) ([]HeldRow, bool, error) {
	if err := mustExist(dir); err != nil {
		return nil, false, err
	}
	if resource != "" {
		if _, err := chosen([]string{resource}); err != nil {
			return nil, false, err
		}
	}
	s, err := sqlstore.OpenReadOnly(ctx, databasePath(dir))
	if err != nil {
		return nil, false, err
	}
	defer s.Close()
	return s.HeldPage(ctx, resource, after, n, raw)
}
