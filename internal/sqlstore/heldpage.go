package sqlstore

import (
	"context"

	"github.com/tributary-data/tributary/internal/dataset"
)

// A HeldPlace is a row of the quarantine by what tells it from others. The zero
// HeldPlace lies before all of them.
type HeldPlace struct{ Resource, ID, Digest string }

// A HeldRow is a row of the quarantine.
type HeldRow struct {
	dataset.Rejected
	Place HeldPlace
}

// maxPage is how many bytes of texts a page has, or one text that is longer.
const maxPage = 8 << 20

// HeldPage returns up to n rows of the quarantine behind a place, in the order of
// places, and whether there are more: of one resource, or of all for "". Raw is
// nil unless it is asked for.
func (s *Store) HeldPage(ctx context.Context, resource string, after HeldPlace, n int, raw bool) (page []HeldRow, more bool, err error) {
	text := "''"
	if raw {
		text = "raw"
	}
	query := "select digest, resource, id, path, reason, " + text + `, request_id, run_id, seen_at from quarantine
		where (resource, id, digest) > ($1, $2, $3) and ($4 = '' or resource = $4) order by resource, id, digest limit $5`
	rows, err := s.db.QueryContext(ctx, query, after.Resource, after.ID, after.Digest, resource, n+1)
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	size := 0
	for rows.Next() {
		var r HeldRow
		if r.Rejected, err = scanQuarantine(rows, &r.Place.Digest); err != nil {
			return nil, false, err
		}
		size += len(r.Raw)
		if len(page) == n || size > maxPage && len(page) > 0 {
			return page, true, nil
		}
		r.Place.Resource, r.Place.ID = r.Resource, r.ID
		if !raw {
			r.Raw = nil
		}
		page = append(page, r)
	}
	return page, false, rows.Err()
}
