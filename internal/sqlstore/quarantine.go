package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"iter"
	"strings"
	"time"

	"github.com/tributary-data/tributary/internal/dataset"
)

const (
	putQuarantine = `insert into quarantine (resource, id, digest, path, reason, raw, request_id, run_id, seen_at)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		on conflict (resource, id, digest) do update set path = excluded.path, reason = excluded.reason,
			request_id = excluded.request_id, run_id = excluded.run_id, seen_at = excluded.seen_at`
	quarantineColumns = "resource, id, path, reason, raw, request_id, run_id, seen_at"
)

// Quarantine keeps objects that could not be ingested. An object that stands
// there already, with the same text, is noted again with the newer run.
func (s *Store) Quarantine(ctx context.Context, rejected []dataset.Rejected) error {
	return s.repeat(ctx, putQuarantine, len(rejected), func(i int) []any { return quarantineRow(&rejected[i]) })
}

func quarantineRow(r *dataset.Rejected) []any {
	text := r.Raw
	if len(text) == 0 { // withheld: tell it from others by what is known
		text = []byte(r.Path + "\x00" + r.Reason)
	}
	sum := sha256.Sum256(text)
	return []any{
		r.Resource, valid(r.ID), hex.EncodeToString(sum[:16]), valid(r.Path), valid(r.Reason),
		valid(string(r.Raw)), r.RequestID, r.RunID, r.SeenAt.UnixMilli(),
	}
}

// scanQuarantine reads the quarantineColumns of a row, behind those that first
// takes.
func scanQuarantine(rows *sql.Rows, first ...any) (dataset.Rejected, error) {
	var r dataset.Rejected
	var ms int64
	err := rows.Scan(append(first, &r.Resource, &r.ID, &r.Path, &r.Reason, &r.Raw, &r.RequestID, &r.RunID, &ms)...)
	r.SeenAt = time.UnixMilli(ms).UTC()
	return r, err
}

// valid makes text fit for readers that take UTF-8 at its word.
func valid(text string) string { return strings.ToValidUTF8(text, "\ufffd") }

// Held returns the ids of a resource that stand in quarantine.
func (s *Store) Held(ctx context.Context, resource string) ([]string, error) {
	return s.texts(ctx, "select distinct id from quarantine where resource = $1 and id <> ''", resource)
}

// Settle takes objects out of the quarantine, whatever their text was.
func (s *Store) Settle(ctx context.Context, resource string, ids []string) error {
	return s.each(ctx, "delete from quarantine where id = $1 and resource = $2", ids, resource)
}

// QuarantineCounts returns how many objects of each resource stand in
// quarantine; each text without an id counts for one.
func (s *Store) QuarantineCounts(ctx context.Context) (map[string]int64, error) {
	rows, err := s.db.QueryContext(ctx, "select resource, count(distinct case id when '' then digest else id end) from quarantine group by resource")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	counts := map[string]int64{}
	for rows.Next() {
		var resource string
		var n int64
		if err := rows.Scan(&resource, &n); err != nil {
			return nil, err
		}
		counts[resource] = n
	}
	return counts, rows.Err()
}

// Quarantined yields what stands in quarantine, oldest first, until the first
// error. The store must not be used meanwhile.
func (s *Store) Quarantined(ctx context.Context) iter.Seq2[dataset.Rejected, error] {
	return func(yield func(dataset.Rejected, error) bool) {
		rows, err := s.db.QueryContext(ctx, "select "+quarantineColumns+" from quarantine order by seen_at, resource, id, digest")
		if err != nil {
			yield(dataset.Rejected{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			if r, err := scanQuarantine(rows); !yield(r, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(dataset.Rejected{}, err)
		}
	}
}

// Want asks for objects to be fetched by id; cause names the resource that
// refers to them. It is the resource itself for objects that are known and
// must be read once more. Asking twice does nothing.
func (s *Store) Want(ctx context.Context, resource string, ids []string, cause string) error {
	return s.each(ctx, `insert into wanted (id, resource, cause) values ($1, $2, $3)
		on conflict (resource, id) do update set cause = excluded.cause where excluded.cause = excluded.resource`, ids, resource, cause)
}

// Wanted returns the ids that were asked for and not fetched yet.
func (s *Store) Wanted(ctx context.Context, resource string) ([]string, error) {
	return s.texts(ctx, "select id from wanted where resource = $1 order by id", resource)
}

// Contested returns those of the wanted ids that are known and must be read
// once more.
func (s *Store) Contested(ctx context.Context, resource string) ([]string, error) {
	return s.texts(ctx, "select id from wanted where resource = $1 and cause = $1 order by id", resource)
}

// Unwant forgets ids that were fetched.
func (s *Store) Unwant(ctx context.Context, resource string, ids []string) error {
	return s.each(ctx, "delete from wanted where id = $1 and resource = $2", ids, resource)
}

// each runs a statement for every id, its first argument, in one transaction.
func (s *Store) each(ctx context.Context, query string, ids []string, more ...any) error {
	return s.repeat(ctx, query, len(ids), func(i int) []any { return append([]any{ids[i]}, more...) })
}

func (s *Store) texts(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var t string
		if err := rows.Scan(&t); err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}
