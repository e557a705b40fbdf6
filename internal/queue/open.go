package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	_ "modernc.org/sqlite" // the driver sqlite

	"github.com/tributary-data/tributary/internal/problem"
)

// Open opens the queue and brings its tables up to date: in the PostgreSQL of
// that URL (postgres://…), in a schema of their own, or, if the database is
// empty, in the file jobs.db of dir. Processes may have it open beside each
// other.
func Open(ctx context.Context, dir, database string, log *slog.Logger) (*Queue, error) {
	open, name := openPostgres, database
	if database == "" {
		open, name = openFile, filepath.Join(dir, "jobs.db")
	}
	q, err := open(ctx, name, quieted(log))
	if err != nil {
		return nil, err
	}
	q.log = log
	return q, nil
}

func openFile(ctx context.Context, name string, log *slog.Logger) (*Queue, error) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	const options = "_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(10000)&_txlock=immediate"
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: name}).EscapedPath(), RawQuery: options}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // SQLite has one writer
	if err := repeat(ctx, func() error { return migrate(ctx, riversqlite.New(db), "", log) }); err != nil {
		_ = db.Close()
		return nil, &problem.Error{
			Detail: fmt.Sprintf("the queue of runs, %s, can't be opened", name), Err: err,
			Advice: "if the file is damaged, remove it together with those whose names begin with its name: nothing is lost, it is filled again",
		}
	}
	return assemble(riversqlite.New(db), "", log, db.Close)
}

func openPostgres(ctx context.Context, database string, log *slog.Logger) (*Queue, error) {
	config, err := pgxpool.ParseConfig(database)
	if err != nil {
		// Without the cause: it quotes the URL, which may hold a password.
		return nil, &problem.Error{
			Kind: problem.Invalid, Detail: "the database's URL can't be read",
			Advice: "write it as postgres://user:password@host:5432/name, and special characters of the password as %XX; files that it names must exist",
		}
	}
	config.MaxConns = 4 // beside the one that listens
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 10 * time.Second
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	shut := func() error { pool.Close(); return nil }
	if err := pool.Ping(ctx); err != nil {
		_ = shut()
		return nil, unreachable(config.ConnConfig, err)
	}
	var schema string
	err = repeat(ctx, func() (err error) {
		if schema, err = makeSchema(ctx, pool); err != nil {
			return err
		}
		return migrate(ctx, riverpgxv5.New(pool), schema, log)
	})
	if err != nil {
		_ = shut()
		return nil, fmt.Errorf("open the queue of runs in PostgreSQL: %w", err)
	}
	return assemble(riverpgxv5.New(pool), schema, log, shut)
}

// assemble puts a queue together from River's driver of a database.
func assemble[Tx any](driver riverdriver.Driver[Tx], schema string, log *slog.Logger, shut func() error) (*Queue, error) {
	q := &Queue{close: shut, tries: 8, grace: 20 * time.Second}
	q.worker = func(c *river.Config) (client, error) {
		c.Logger, c.Schema = log, schema
		return river.NewClient(driver, c)
	}
	var err error
	if q.client, err = q.worker(&river.Config{}); err != nil {
		_ = shut()
		return nil, err
	}
	return q, nil
}

func migrate[Tx any](ctx context.Context, driver riverdriver.Driver[Tx], schema string, log *slog.Logger) error {
	m, err := rivermigrate.New(driver, &rivermigrate.Config{Schema: schema, Logger: log})
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// attempts are made to bring the tables up to date. Each migration is one
// transaction; one that fails because another process was faster finds it done
// the next time. There are fewer migrations than attempts.
const attempts = 20

func repeat(ctx context.Context, step func() error) error {
	var err error
	for range attempts {
		if err = step(); err == nil || ctx.Err() != nil || problem.KindOf(err) != problem.Internal {
			return err
		}
	}
	return err
}

var plain = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,39}$`)

// makeSchema returns the name of the schema for River's tables and makes it if
// need be: river, or what the schema that the URL chooses (search_path) is
// called and _river, so that two installations in one database have a queue
// each.
func makeSchema(ctx context.Context, pool *pgxpool.Pool) (string, error) {
	var current *string
	if err := pool.QueryRow(ctx, "select current_schema()").Scan(&current); err != nil {
		return "", err
	}
	if current == nil || !plain.MatchString(*current) {
		return "", &problem.Error{
			Kind: problem.Invalid, Detail: "the database's URL chooses no schema that the queue of runs could be put beside",
			Advice: "let search_path name one that exists, of at most 40 letters in lower case, digits and underscores",
		}
	}
	schema := "river"
	if *current != "public" {
		schema = *current + "_river"
	}
	var exists bool
	if err := pool.QueryRow(ctx, "select exists (select from pg_namespace where nspname = $1)", schema).Scan(&exists); err != nil || exists {
		return schema, err
	}
	_, err := pool.Exec(ctx, "create schema "+pgx.Identifier{schema}.Sanitize())
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "42501" { // insufficient_privilege
		return "", &problem.Error{
			Kind: problem.Forbidden, Detail: fmt.Sprintf("the user of the database may not make the schema %s, which holds the queue of runs", schema),
			Advice: fmt.Sprintf("as an administrator of that database, run: create schema %s authorization \"%s\"", schema, pool.Config().ConnConfig.User),
		}
	}
	return schema, err
}

// unreachable says why a connection was refused. Of the URL it names the
// host alone.
func unreachable(c *pgx.ConnConfig, err error) error {
	detail := fmt.Sprintf("no connection to the database at %s port %d", c.Host, c.Port)
	if refused := (*pgconn.ConnectError)(nil); errors.As(err, &refused) {
		err = refused.Unwrap() // without user and name
	}
	return &problem.Error{
		Kind: problem.Unavailable, Detail: detail, Err: err,
		Advice: "check that it runs, that this machine may connect to it, and the user, password and name in its URL",
	}
}
