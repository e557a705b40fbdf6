package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/tributary-data/tributary/internal/dataset"
	"github.com/tributary-data/tributary/internal/problem"
)

// Privacy is what is kept of a directory's privacy rules. The zero value means
// that there never were any.
type Privacy struct {
	Version int64  // counts the changes
	Done    int64  // the version that all that is stored went through
	Rules   string // JSON
	KeyID   string // tells the key of hash rules from others; "" when none was needed yet
}

// Privacy returns the rules in force.
func (s *Store) Privacy(ctx context.Context) (Privacy, error) {
	var p Privacy
	// A reader may meet a database from before there were rules.
	known, err := s.texts(ctx, "select name from sqlite_schema where type = 'table' and name = 'privacy'")
	if err != nil || len(known) == 0 {
		return p, err
	}
	err = s.db.QueryRowContext(ctx, "select version, done, rules, key_id from privacy").Scan(&p.Version, &p.Done, &p.Rules, &p.KeyID)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return p, err
}

// SetPrivacy puts rules in force. What is stored has not gone through them
// until PrivacyDone says so.
func (s *Store) SetPrivacy(ctx context.Context, rules, keyID string) error {
	_, err := s.db.ExecContext(ctx, `insert into privacy (one, version, done, rules, key_id) values (1, 1, 0, $1, $2)
		on conflict (one) do update set version = privacy.version + 1, rules = excluded.rules, key_id = excluded.key_id`, rules, keyID)
	return err
}

// PrivacyDone says that all that is stored went through the rules of version.
func (s *Store) PrivacyDone(ctx context.Context, version int64) error {
	_, err := s.db.ExecContext(ctx, "update privacy set done = $1", version)
	return err
}

// rewriteRows is how many objects of the quarantine are in memory at once.
const rewriteRows = 20

// RewriteQuarantine gives every object in quarantine the text and reason that
// change leaves in it, all or nothing, and returns how many changed. Objects
// that become alike become one.
func (s *Store) RewriteQuarantine(ctx context.Context, change func(*dataset.Rejected)) (changed int64, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		var last, end int64
		if err := tx.QueryRowContext(ctx, "select coalesce(max(rowid), 0) from quarantine").Scan(&end); err != nil {
			return err
		}
		for last < end {
			ids, objects, err := quarantinePart(ctx, tx, last, end)
			if err != nil || len(ids) == 0 {
				return err
			}
			last = ids[len(ids)-1]
			for i := range objects {
				before := slices.Clone(objects[i].Raw)
				change(&objects[i])
				if slices.Equal(before, objects[i].Raw) {
					continue
				}
				changed++
				if _, err := tx.ExecContext(ctx, "delete from quarantine where rowid = $1", ids[i]); err != nil {
					return err
				}
				if _, err := tx.ExecContext(ctx, putQuarantine, quarantineRow(&objects[i])...); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return changed, err
}

func quarantinePart(ctx context.Context, tx *sql.Tx, after, end int64) (ids []int64, objects []dataset.Rejected, err error) {
	rows, err := tx.QueryContext(ctx, "select rowid, "+quarantineColumns+" from quarantine where rowid > $1 and rowid <= $2 order by rowid limit $3", after, end, rewriteRows)
	if err != nil {
		return nil, nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		r, err := scanQuarantine(rows, &id)
		if err != nil {
			return nil, nil, err
		}
		ids, objects = append(ids, id), append(objects, r)
	}
	return ids, objects, rows.Err()
}

// ForgetDrift removes what was seen at a path of a resource's objects.
func (s *Store) ForgetDrift(ctx context.Context, resource, path string) error {
	_, err := s.db.ExecContext(ctx, "delete from drift where resource = $1 and path = $2", resource, path)
	return err
}

// Erase removes what was deleted from the files of the database as well: from
// pages that are free, and from the log.
func (s *Store) Erase(ctx context.Context) error {
	if _, err := s.db.ExecContext(ctx, "vacuum"); err != nil {
		return err
	}
	var busy, logged, copied int64
	if err := s.db.QueryRowContext(ctx, "pragma wal_checkpoint(truncate)").Scan(&busy, &logged, &copied); err != nil {
		return err
	}
	if busy != 0 {
		return &problem.Error{
			Kind: problem.Unavailable, Detail: "another program holds on to an old state of tributary.db, so what was deleted can't be erased from its log",
			Advice: "Run again when it has ended",
		}
	}
	return nil
}
