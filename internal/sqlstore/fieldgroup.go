package sqlstore

import (
	"context"
	"database/sql"
	"time"
)

// A FieldGroup is an extension of a resource's schema that is in use.
type FieldGroup struct {
	Resource string
	Title    string
	Version  int    // of those with the same title, from 1 on
	Document string // an XDM field group, JSON
	Created  time.Time
}

// schemaVersion is the version of databases that have the table field_group and
// the examples of drift. Read-only stores may be older.
const schemaVersion = 3

// AddFieldGroup takes an extension into use and returns its version.
func (s *Store) AddFieldGroup(ctx context.Context, resource, title, document string, at time.Time) (version int, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `insert into field_group (resource, title, version, document, created_at)
			select $1, $2, coalesce(max(version), 0) + 1, $3, $4 from field_group where resource = $1 and title = $2
			returning version`, resource, title, document, at.UnixMilli()).Scan(&version)
	})
	return version, err
}

// FieldGroups returns the extensions of a resource's schema in the order in
// which they were taken into use.
func (s *Store) FieldGroups(ctx context.Context, resource string) ([]FieldGroup, error) {
	if have, err := s.version(ctx); err != nil || have < schemaVersion {
		return nil, err
	}
	rows, err := s.db.QueryContext(ctx, "select resource, title, version, document, created_at from field_group where resource = $1 order by number", resource)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []FieldGroup
	for rows.Next() {
		var g FieldGroup
		var ms int64
		if err := rows.Scan(&g.Resource, &g.Title, &g.Version, &g.Document, &ms); err != nil {
			return nil, err
		}
		g.Created = time.UnixMilli(ms).UTC()
		out = append(out, g)
	}
	return out, rows.Err()
}

// version returns the number of migrations that the database has seen.
func (s *Store) version(ctx context.Context) (n int, err error) {
	err = s.db.QueryRowContext(ctx, "pragma user_version").Scan(&n)
	return n, err
}
