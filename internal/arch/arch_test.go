// Package arch holds the table of who may import whom, as a test.
package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/tributary-data/tributary/"
	root   = "../.."
)

var rules = rulebook{
	code: map[string][]string{
		// Values: what the rest is made of.
		"internal/problem":    {},
		"internal/money":      {},
		"internal/rawjson":    {"internal/problem"},
		"internal/jsondoc":    {"internal/problem"},
		"internal/atomicfile": {},
		"internal/shelf":      {},
		"internal/stats":      {},
		"internal/expr":       {"internal/problem", "internal/rawjson"},
		// Vocabularies.
		"internal/xdm":     {"internal/problem"},
		"internal/privacy": {"internal/problem", "internal/rawjson"},
		"internal/stripe":  {"internal/problem", "internal/rawjson"},
		// What to make, where it lands, what to read.
		"internal/dataset": {"internal/rawjson", "internal/xdm"},
		"internal/mapping": {"internal/dataset", "internal/expr", "internal/problem", "internal/rawjson", "internal/xdm"},
		"internal/extract": {"internal/problem", "internal/rawjson", "internal/stripe"},
		// The data plane.
		"internal/ingest": {
			"internal/dataset", "internal/extract", "internal/idindex", "internal/mapping",
			"internal/privacy", "internal/problem", "internal/rawjson", "internal/stripe", "internal/xdm",
		},
		// The rim: one technology each.
		"internal/lake":     {"internal/dataset", "internal/problem", "internal/rawjson", "internal/xdm"},
		"internal/idindex":  {},
		"internal/sqlstore": {"internal/dataset", "internal/problem"},
		"internal/duck":     {"internal/problem"},
		"internal/exposure": {"internal/atomicfile", "internal/problem"},
		// The table of exposures for queries.
		"internal/exposure/shown": {"internal/duck", "internal/exposure"},
		// Experiments, without who keeps and asks for them.
		"internal/experiment": {"internal/problem"},
		// Experiments as documents, and the keys for decisions.
		"internal/trial": {"internal/access", "internal/docstore", "internal/experiment", "internal/gateway", "internal/problem"},
		// Pictures of numbers.
		"internal/chart": {},
		// Who gets which variant, told to shops.
		"internal/decision": {"internal/access", "internal/experiment", "internal/exposure", "internal/gateway", "internal/problem", "internal/trial"},
		// What goes with a cart, and what is offered with it.
		"internal/recommend": {"internal/stats"},
		// A Stripe that shares nothing with what reads it: else both could err alike.
		"internal/stripesim": {"internal/money"},
		// The edge to which Stripe sends.
		"internal/hook": {"internal/extract", "internal/stripe"},
		// The services around the lake: who may do what, where documents are kept, the door.
		"internal/docstore":  {},
		"internal/lease":     {"internal/docstore"},
		"internal/access":    {"internal/atomicfile", "internal/docstore", "internal/problem"},
		"internal/accessapi": {"internal/access", "internal/gateway", "internal/problem"},
		"internal/gateway":   {"internal/access", "internal/jsondoc", "internal/problem"},
		"internal/registry":  {"internal/access", "internal/docstore", "internal/gateway", "internal/jsondoc", "internal/problem", "internal/xdm"},
		"internal/dataprep": {
			"internal/access", "internal/docstore", "internal/expr", "internal/gateway", "internal/mapping", "internal/problem", "internal/xdm",
		},
		"internal/tables": {"internal/catalog", "internal/lake", "internal/problem", "internal/rawjson", "internal/xdm"},
		"internal/intake": {
			"internal/access", "internal/catalog", "internal/docstore", "internal/gateway", "internal/lake", "internal/problem", "internal/tables", "internal/xdm",
		},
		"internal/flow": {
			"internal/access", "internal/catalog", "internal/dataprep", "internal/docstore", "internal/gateway", "internal/jsondoc", "internal/problem",
			"internal/rawjson", "internal/secret", "internal/stripe", "internal/xdm",
		},
		"internal/copies":  {"internal/access", "internal/docstore", "internal/flow", "internal/gateway", "internal/lease", "internal/problem", "internal/stripe"},
		"internal/erasure": {"internal/access", "internal/docstore", "internal/gateway", "internal/jsondoc", "internal/lease", "internal/problem", "internal/secret"},
		"internal/source":  {"internal/flow", "internal/problem", "internal/stripe"},
		// Where dataflows and the data plane meet.
		"internal/runner": {
			"internal/access", "internal/alert", "internal/app", "internal/catalog", "internal/copies", "internal/dataprep", "internal/expr", "internal/flow", "internal/gateway", "internal/mapping",
			"internal/problem", "internal/queue", "internal/stripe", "internal/tables", "internal/xdm",
		},
		"internal/catalog":    {"internal/access", "internal/docstore", "internal/gateway", "internal/problem", "internal/xdm"},
		"internal/dataaccess": {"internal/access", "internal/catalog", "internal/gateway", "internal/problem"},
		"internal/monitor":    {"internal/access", "internal/docstore", "internal/flow", "internal/gateway", "internal/problem"},
		"internal/insights":   {"internal/access", "internal/catalog", "internal/gateway", "internal/problem"},
		"internal/report":     {"internal/access", "internal/chart", "internal/duck", "internal/gateway", "internal/money", "internal/problem", "internal/shelf", "internal/stats"},
		"internal/audience": {
			"internal/access", "internal/atomicfile", "internal/docstore", "internal/duck", "internal/gateway", "internal/lake", "internal/problem", "internal/report",
		},
		"internal/offer": {
			"internal/access", "internal/atomicfile", "internal/docstore", "internal/duck", "internal/gateway", "internal/problem", "internal/recommend",
		},
		"internal/sqlworker":       {"internal/duck", "internal/exposure", "internal/exposure/shown", "internal/problem"},
		"internal/analysis":        {"internal/access", "internal/chart", "internal/duck", "internal/experiment", "internal/exposure", "internal/exposure/shown", "internal/gateway", "internal/money", "internal/problem", "internal/report", "internal/shelf", "internal/stats"},
		"internal/analysis/trials": {"internal/analysis", "internal/experiment"},
		"internal/sqlapi": {
			"internal/access", "internal/app", "internal/catalog", "internal/duck", "internal/exposure/shown", "internal/gateway", "internal/problem", "internal/sqlworker", "internal/xdm",
		},
		"internal/queue":  {"internal/problem"},
		"internal/secret": {"internal/atomicfile", "internal/problem"},
		"internal/audit":  {"internal/access", "internal/docstore", "internal/gateway", "internal/problem", "internal/stripe"},
		"internal/alert":  {"internal/access", "internal/docstore", "internal/gateway", "internal/problem", "internal/secret"},
		"internal/guard":  {"internal/access", "internal/docstore", "internal/gateway", "internal/problem"},
		// The server, and what an operator sees of it.
		"internal/telemetry": {"internal/gateway", "internal/stripe"},
		"internal/server":    {"internal/problem"},
		// The pages: a client of the services' API, in the same process.
		"internal/webui":        {"internal/access", "internal/chart", "internal/docstore", "internal/expr", "internal/gateway", "internal/jsondoc", "internal/money", "internal/problem", "internal/secret", "internal/webui/assets"},
		"internal/webui/assets": {},
		// What ties it together, and the edges.
		"internal/app": {
			"internal/atomicfile", "internal/dataset", "internal/duck", "internal/extract", "internal/hook", "internal/idindex", "internal/ingest",
			"internal/lake", "internal/mapping", "internal/money", "internal/privacy", "internal/problem", "internal/rawjson",
			"internal/sqlstore", "internal/stripe", "internal/xdm",
		},

		"internal/control": {
			"internal/access", "internal/accessapi", "internal/alert", "internal/analysis", "internal/app", "internal/audience", "internal/audit", "internal/catalog", "internal/copies", "internal/dataaccess", "internal/dataprep", "internal/decision", "internal/docstore", "internal/erasure",
			"internal/experiment", "internal/exposure", "internal/flow", "internal/gateway", "internal/guard", "internal/insights", "internal/intake", "internal/lake", "internal/monitor", "internal/offer", "internal/problem", "internal/registry",
			"internal/queue", "internal/report", "internal/runner", "internal/secret", "internal/shelf", "internal/source", "internal/sqlapi", "internal/sqlworker", "internal/tables", "internal/telemetry", "internal/trial", "internal/webui", "internal/xdm",
		},
		"cmd/tributary": {
			"internal/access", "internal/alert", "internal/analysis", "internal/app", "internal/audience", "internal/control", "internal/docstore", "internal/duck", "internal/erasure", "internal/experiment", "internal/exposure", "internal/exposure/shown", "internal/guard", "internal/money",
			"internal/offer", "internal/problem", "internal/recommend",
			"internal/report", "internal/secret", "internal/server", "internal/sqlworker", "internal/stripe", "internal/telemetry",
			"internal/stripesim", "internal/webui",
		},
		"bench": {
			"internal/access", "internal/analysis", "internal/analysis/trials", "internal/app", "internal/audience", "internal/docstore", "internal/duck", "internal/experiment", "internal/exposure", "internal/flow", "internal/money", "internal/problem", "internal/stats", "internal/stripe", "internal/stripesim",
			"internal/trial", "internal/webui",
		},
		"internal/arch": {},
	},
	tests: map[string][]string{
		"internal/dataprep":  {"internal/gateway/gatewaytest", "internal/openapitest", "internal/stripesim"},
		"internal/webui":     {"internal/access/oidctest", "internal/app", "internal/browsertest", "internal/control", "internal/experiment", "internal/runner", "internal/stripe", "internal/stripesim"},
		"internal/monitor":   {"internal/docstore/docstoretest", "internal/gateway/gatewaytest"},
		"internal/flow":      {"internal/docstore/docstoretest", "internal/gateway/gatewaytest", "internal/openapitest", "internal/source", "internal/stripesim"},
		"internal/source":    {"internal/stripesim"},
		"internal/recommend": {"internal/stripesim"},
		"internal/control":   {"internal/extract", "internal/jsondoc", "internal/lake", "internal/stripe", "internal/stripesim"},
		"internal/tables":    {"internal/chdbtest", "internal/duck", "internal/need", "internal/parquettest"},
		"internal/intake":    {"internal/gateway/gatewaytest"},
		"internal/gateway":   {"internal/gateway/gatewaytest"},
		"internal/docstore":  {"internal/docstore/docstoretest", "internal/leaktest"},
		"internal/lease":     {"internal/docstore/docstoretest"},
		"internal/registry":  {"internal/docstore/docstoretest", "internal/gateway/gatewaytest", "internal/openapitest"},
		"internal/stripe":    {"internal/stripesim"},
		"internal/mapping":   {"internal/money", "internal/stripe", "internal/stripesim"},
		"internal/extract":   {"internal/stripesim"},
		"internal/report":    {"internal/app", "internal/gateway/gatewaytest", "internal/stripe", "internal/stripesim"},
		"internal/audience":  {"internal/app", "internal/docstore/docstoretest", "internal/gateway/gatewaytest", "internal/stripe", "internal/stripesim"},
		"internal/analysis":  {"internal/analysis/trials", "internal/app", "internal/gateway/gatewaytest", "internal/stripe", "internal/stripesim"},
		"internal/ingest":    {"internal/duck", "internal/lake", "internal/sqlstore", "internal/stripesim"},
		"internal/lake":      {"internal/duck", "internal/mapping"},
		"internal/duck":      {"internal/dataset", "internal/lake", "internal/rawjson", "internal/xdm"},
		"internal/app":       {"internal/stripesim"},
		"internal/access":    {"internal/docstore/docstoretest"},
		"internal/copies":    {"internal/docstore/docstoretest", "internal/gateway/gatewaytest"},
		"internal/decision":  {"internal/docstore"},
		"internal/offer":     {"internal/docstore/docstoretest", "internal/gateway/gatewaytest"},
		"internal/alert":     {"internal/docstore/docstoretest", "internal/gateway/gatewaytest", "internal/guard"},
		"internal/accessapi": {"internal/docstore/docstoretest", "internal/openapitest"},
		// What keeps secrets is tested with all that could give them away.
		"internal/telemetry": {"internal/access", "internal/audit", "internal/docstore", "internal/guard", "internal/secret", "internal/server"},
		"cmd/tributary":      {"internal/dataset", "internal/exposure", "internal/lake", "internal/sqlstore", "internal/xdm"},
	},
	testOnly: map[string][]string{
		"internal/need":                  {},
		"internal/browsertest":           {"internal/need"},
		"internal/childtest":             {},
		"internal/copytest":              {"internal/app", "internal/stripe", "internal/stripesim"},
		"internal/access/oidctest":       {},
		"internal/logtest":               {},
		"internal/chdbtest":              {"internal/need"},
		"internal/parquettest":           {},
		"internal/leaktest":              {"internal/need", "internal/parquettest"},
		"internal/openapitest":           {},
		"internal/gateway/gatewaytest":   {"internal/access", "internal/gateway", "internal/problem"},
		"internal/docstore/docstoretest": {"internal/docstore", "internal/need"},
		"internal/catalog/catalogtest":   {"internal/access", "internal/catalog", "internal/docstore", "internal/problem", "internal/xdm"},
	},
	libraries: map[string][]string{
		"github.com/chromedp":           {"internal/browsertest"},
		"github.com/apache/iceberg-go":  {"internal/lake"},
		"github.com/apache/arrow-go":    {"internal/lake", "internal/parquettest"},
		"github.com/uptrace/bun":        {"internal/lake"},
		"modernc.org/sqlite":            {"internal/docstore", "internal/lake", "internal/leaktest", "internal/queue", "internal/sqlstore"},
		"github.com/go-jose/go-jose":    {"internal/access", "internal/access/oidctest"},
		"github.com/coreos/go-oidc":     {"internal/access"},
		"golang.org/x/oauth2":           {"internal/access"},
		"github.com/jackc/pgx":          {"internal/docstore", "internal/leaktest", "internal/queue"},
		"github.com/riverqueue":         {"internal/queue"},
		"github.com/cockroachdb/pebble": {"internal/idindex"},
		"github.com/duckdb":             {"internal/duck"},
		"github.com/alecthomas/kong":    {"cmd/tributary"},
		"golang.org/x/term":             {"cmd/tributary"},
		"github.com/klauspost/compress": {"internal/lake", "internal/stripe"},
		"golang.org/x/text":             {"internal/webui"},
		"golang.org/x/time":             {"internal/audit", "internal/guard", "internal/stripe"},
		"github.com/tink-crypto":        {"internal/secret"},
		"github.com/prometheus":         {"internal/telemetry"},
		"go.opentelemetry.io":           {"internal/telemetry"},
		"github.com/stripe":             {}, // Stripe is read with net/http alone
	},
	testLibraries: []string{"testing", "github.com/getkin/kin-openapi", "github.com/oasdiff/yaml", "net/http/httptest", "github.com/google/go-cmp", "pgregory.net/rapid"},
}

func TestImports(t *testing.T) {
	t.Parallel()
	watchSources(t)
	out, err := goList(t)
	if err != nil {
		t.Fatal(err)
	}
	var packages []listed
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	for _, v := range rules.violations(packages) {
		t.Error(v)
	}
}

func goList(t *testing.T) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return nil, fmt.Errorf("go list: %w: %s", err, exit.Stderr)
	}
	return out, err
}

// watchSources reads the folders that `go list` reads, so that go test's cache of
// results knows what this result depends on.
func watchSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		if errors.Is(err, fs.ErrNotExist) { // gone since its folder was read
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The rules that matter most, asked of the table itself.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, product := range []string{"internal/extract", "internal/mapping", "internal/ingest", "internal/lake", "internal/app"} {
		if reaches(rules.code, "internal/stripesim", product) {
			t.Errorf("the simulator may import %s, which it is the measure of", product)
		}
		if reaches(rules.code, product, "internal/stripesim") {
			t.Errorf("%s may import the simulator", product)
		}
	}
	for name := range rules.code {
		if reaches(rules.code, name, name) {
			t.Errorf("%s may import itself by way of others", name)
		}
	}
}

// reaches reports whether from may import to, by way of others too.
func reaches(table map[string][]string, from, to string) bool {
	seen := map[string]bool{}
	open := slices.Clone(table[from])
	for len(open) > 0 {
		name := open[0]
		open = open[1:]
		if name == to {
			return true
		}
		if !seen[name] {
			seen[name] = true
			open = append(open, table[name]...)
		}
	}
	return false
}
