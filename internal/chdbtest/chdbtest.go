// Package chdbtest asks ClickHouse, as a library in Node.js, what it reads in the
// files that a test has written. ClickHouse's reader of Iceberg and Parquet shares
// no code with ours, so what both say is what the files say.
package chdbtest

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/need"
)

// Modules is the environment variable that names the folder in which npm has
// installed the package chdb.
const Modules = "TRIBUTARY_TEST_CHDB"

// limit bounds one query, the start of ClickHouse included.
const limit = 3 * time.Minute

//go:embed query.js
var script string

// Query returns the rows of a SELECT in their order, by column name. Numbers are
// json.Number with all their digits, decimals too; dates and times are text, times
// in UTC; NULL is nil; what is no number in a floating-point column is text ("nan").
//
// The query opens files below dir only, by absolute path or relative to it:
//
//	select count() as n from icebergLocal('/…/lake/stripe/charges')
//	select * from file('part.parquet')
//
// The test is skipped or fails without chdb, see package need, and fails if
// ClickHouse refuses the query.
func Query(t testing.TB, dir, sql string) []map[string]any {
	t.Helper()
	rows, err := query(t.Context(), need.Dir(t, Modules), dir, sql)
	if err != nil {
		t.Fatalf("clickhouse: %v\n%s", err, sql)
	}
	return rows
}

// query starts a ClickHouse of its own for each call: one that has opened a table
// keeps what it knows of the table's files.
func query(ctx context.Context, modules, dir, sql string) ([]map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var answer, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, "node", "-e", script, modules, dir)
	cmd.Env = append(os.Environ(), "TZ=UTC")
	cmd.Stdin = strings.NewReader(sql)
	cmd.Stdout, cmd.Stderr = &answer, &complaint
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(complaint.Bytes()))
	}
	return rows(&answer)
}

func rows(r io.Reader) ([]map[string]any, error) {
	var all []map[string]any
	d := json.NewDecoder(r)
	d.UseNumber()
	for {
		var row map[string]any
		err := d.Decode(&row)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("row %d: %w", len(all), err)
		}
		all = append(all, row)
	}
}
