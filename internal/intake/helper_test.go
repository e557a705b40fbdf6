package intake_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/access"
	"github.com/tributary-data/tributary/internal/catalog"
	"github.com/tributary-data/tributary/internal/docstore"
	"github.com/tributary-data/tributary/internal/gateway/gatewaytest"
	"github.com/tributary-data/tributary/internal/intake"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/problem"
	"github.com/tributary-data/tributary/internal/tables"
	"github.com/tributary-data/tributary/internal/xdm"
)

// schemas has one schema, and remembers that it was used.
type schemas struct{ used int }

const schemaID = "https://ns.adobe.com/acme/schemas/0123456789abcdef0123456789abcdef0123456789abcdef"

func (s *schemas) Composition(_ context.Context, _ access.Caller, id string) (*xdm.Composition, error) {
	if id != schemaID {
		return nil, problem.Errorf(problem.NotFound, "there is no schema %q", id)
	}
	return orders(), nil
}

func (s *schemas) MarkUsed(context.Context, access.Caller, string) error { s.used++; return nil }

func orders() *xdm.Composition {
	most := 1000.0
	return &xdm.Composition{ID: schemaID, Title: "Orders", Version: "1.0", Fields: []*xdm.Field{
		{Name: "timestamp", Kind: xdm.DateTime},
		{Name: "_acme", Kind: xdm.Object, Fields: []*xdm.Field{
			{Name: "id", Kind: xdm.String, Required: true},
			{Name: "amount", Kind: xdm.Long},
			{Name: "count", Kind: xdm.Int, Limits: &xdm.Limits{Max: &most}},
			{Name: "paid", Kind: xdm.Boolean},
			{Name: "day", Kind: xdm.Date},
			{Name: "rate", Kind: xdm.Double},
			{Name: "tags", Kind: xdm.Array, Elem: &xdm.Field{Kind: xdm.String}},
			{Name: "labels", Kind: xdm.Map, Elem: &xdm.Field{Kind: xdm.String}},
		}},
	}}
}

func order(i int) string { return fmt.Sprintf(`{"_acme":{"id":"o%d","amount":%d}}`, i, i) }

// A world is a directory with all that a service needs.
type world struct {
	*intake.Service
	catalog *catalog.Service
	tables  *tables.Tables
	lake    *lake.Lake
	db      *docstore.DB
	schemas *schemas
	dataset catalog.Dataset
	ahead   atomic.Int64 // how far the clock is ahead of the host's
	stop    func()
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

type must interface {
	Helper()
	Fatal(args ...any)
}

func check(t must, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func admin() access.Caller { return gatewaytest.Admin("prod") }

// open opens a world, made anew where there is none.
func open(ctx context.Context, t must, dir string, log io.Writer) *world {
	t.Helper()
	w := &world{schemas: &schemas{}}
	var err error
	w.db, err = docstore.Open(ctx, filepath.Join(dir, "docs.db"), w.now)
	check(t, err)
	w.lake, err = lake.Open(ctx, dir)
	check(t, err)
	w.tables = tables.New(w.lake)
	w.catalog = &catalog.Service{DB: w.db, Schemas: w.schemas, Tables: w.tables, Now: w.now}
	w.Service = &intake.Service{
		DB: w.db, Catalog: w.catalog, Schemas: w.schemas, Tables: w.tables, Dir: dir, Now: w.now,
		Log: slog.New(slog.NewTextHandler(log, nil)), Retry: 5 * time.Millisecond,
	}
	all, err := w.catalog.Datasets(ctx, admin())
	check(t, err)
	if len(all) > 0 {
		w.dataset = all[0]
		return w
	}
	w.dataset, err = w.catalog.CreateDataset(ctx, admin(), catalog.Dataset{Name: "Orders", SchemaID: schemaID, ContentType: "application/vnd.adobe.xed+json;version=1"})
	check(t, err)
	return w
}

func (w *world) close(t must) {
	t.Helper()
	if w.stop != nil {
		w.stop()
	}
	check(t, errors.Join(w.lake.Close(), w.db.Close()))
}

// start runs the service until close.
func (w *world) start(ctx context.Context) *world {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	w.stop = func() { cancel(); <-ended; w.stop = nil }
	return w
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := open(t.Context(), t, t.TempDir(), t.Output()).start(context.Background())
	t.Cleanup(func() { w.close(t) })
	return w
}

// until waits for a batch to end.
func (w *world) until(ctx context.Context, t must, id string) catalog.Batch {
	t.Helper()
	for {
		b, err := w.catalog.Batch(ctx, admin(), id)
		check(t, err)
		if b.Done() && b.Status != catalog.Inactive {
			return b
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// rows returns the live rows of the dataset, in order.
func (w *world) rows(t *testing.T) []string {
	t.Helper()
	rows, err := w.tables.Preview(t.Context(), w.dataset.Table, 1_000_000)
	check(t, err)
	out := []string{}
	for _, r := range rows {
		var v any
		check(t, json.Unmarshal(r, &v))
		b, err := json.Marshal(v)
		check(t, err)
		out = append(out, string(b))
	}
	slices.Sort(out)
	return out
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
