package sqlstore

import (
	"context"
	"time"

	"github.com/tributary-data/tributary/internal/dataset"
)

// HeldAfter returns up to n ids of a resource that stand in quarantine, in the
// order of ids, from the one behind after on. Those without an id are not among
// them; they are the texts of "".
func (s *Store) HeldAfter(ctx context.Context, resource, after string, n int) ([]string, error) {
	return s.texts(ctx, "select distinct id from quarantine where resource = $1 and id > $2 order by id limit $3", resource, after, n)
}

// A HeldText is one text of an object that stands in quarantine.
type HeldText struct {
	Digest string // tells it from the object's other texts
	Raw    []byte
	SeenAt time.Time
}

// HeldTexts returns what stands in quarantine of an object, oldest first.
func (s *Store) HeldTexts(ctx context.Context, resource, id string) ([]HeldText, error) {
	rows, err := s.db.QueryContext(ctx, "select digest, raw, seen_at from quarantine where resource = $1 and id = $2 order by seen_at, digest", resource, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []HeldText
	for rows.Next() {
		var h HeldText
		var ms int64
		if err := rows.Scan(&h.Digest, &h.Raw, &ms); err != nil {
			return nil, err
		}
		h.SeenAt = time.UnixMilli(ms).UTC()
		out = append(out, h)
	}
	return out, rows.Err()
}

// Release takes texts of an object out of the quarantine, and not its others.
func (s *Store) Release(ctx context.Context, resource, id string, digests ...string) error {
	return s.each(ctx, "delete from quarantine where digest = $1 and resource = $2 and id = $3", digests, resource, id)
}

// RefusedAgain writes down why a text that stands in quarantine is refused now.
func (s *Store) RefusedAgain(ctx context.Context, resource, id, digest string, bad *dataset.Rejected) error {
	_, err := s.db.ExecContext(ctx, "update quarantine set path = $1, reason = $2 where resource = $3 and id = $4 and digest = $5",
		valid(bad.Path), valid(bad.Reason), resource, id, digest)
	return err
}
