package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// Bind ties the directory to an account and mode, or checks that it is tied
// to them: two accounts in one lake could not be told apart. An account that
// is not known ("") fits one that is, if the key is the same as before.
func (s *Store) Bind(ctx context.Context, account string, livemode bool, fingerprint string) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		var had, key string
		var live bool
		err := tx.QueryRowContext(ctx, "select account, livemode, key_fingerprint from binding").Scan(&had, &live, &key)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			_, err = tx.ExecContext(ctx, "insert into binding (one, account, livemode, key_fingerprint) values (1, $1, $2, $3)", account, livemode, fingerprint)
			return err
		case err != nil:
			return err
		case live != livemode:
			return &problem.Error{
				Kind:   problem.Conflict,
				Detail: fmt.Sprintf("this directory holds the %s mode of the account, and the key is for %s mode", mode(live), mode(livemode)),
				Advice: "Use a key of the same mode, or another directory with --dir",
			}
		case had != "" && account != "" && had != account:
			return &problem.Error{
				Kind:   problem.Conflict,
				Detail: fmt.Sprintf("this directory belongs to the Stripe account %s, and the key is for %s", had, account),
				Advice: "Use a key of the same account, or another directory with --dir",
			}
		case had == "" && account != "" && key != fingerprint:
			return &problem.Error{
				Kind:   problem.Conflict,
				Detail: "this directory was made with another key, of an account that Stripe did not tell, and this key is for " + account,
				Advice: "Use the key of before, or another directory with --dir",
			}
		case account == "" && key != fingerprint:
			return &problem.Error{
				Kind:   problem.Conflict,
				Detail: "another key was used with this directory before, and Stripe does not tell whether this one is for the same account",
				Advice: "Give the key the permission to read its account (Connected accounts: Read), or use another directory with --dir",
			}
		}
		if account == "" {
			account = had
		}
		_, err = tx.ExecContext(ctx, "update binding set account = $1, key_fingerprint = $2", account, fingerprint)
		return err
	})
}

func mode(live bool) string {
	if live {
		return "live"
	}
	return "test"
}

// Binding returns the account ("" when unknown) and mode of the directory.
func (s *Store) Binding(ctx context.Context) (account string, livemode bool, err error) {
	err = s.db.QueryRowContext(ctx, "select account, livemode from binding").Scan(&account, &livemode)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return account, livemode, err
}

// Bound reports whether the directory is tied to an account and mode.
func (s *Store) Bound(ctx context.Context) (bool, error) {
	var n int
	err := s.db.QueryRowContext(ctx, "select count(*) from binding").Scan(&n)
	return n > 0, err
}

// Remember keeps what a key may read.
func (s *Store) Remember(ctx context.Context, fingerprint, result string, at time.Time) error {
	_, err := s.db.ExecContext(ctx, `insert into probe (key_fingerprint, result, probed_at) values ($1, $2, $3)
		on conflict (key_fingerprint) do update set result = excluded.result, probed_at = excluded.probed_at`, fingerprint, result, at.UnixMilli())
	return err
}

// Probed returns what Remember kept, "" when there is nothing.
func (s *Store) Probed(ctx context.Context, fingerprint string) (result string, at time.Time, err error) {
	var ms int64
	err = s.db.QueryRowContext(ctx, "select result, probed_at from probe where key_fingerprint = $1", fingerprint).Scan(&result, &ms)
	if errors.Is(err, sql.ErrNoRows) {
		return "", time.Time{}, nil
	}
	return result, time.UnixMilli(ms), err
}
