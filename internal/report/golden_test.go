package report_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tributary-data/tributary/internal/copytest"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/report"
	"github.com/tributary-data/tributary/internal/stripesim"
)

var update = flag.Bool("update", false, "write the golden files anew")

// shop is a small account that is always the same.
func shop(t testing.TB) *stripesim.Sim {
	t.Helper()
	sim, err := stripesim.New(stripesim.Config{
		Seed: 8, Start: present.AddDate(0, -3, 0), End: present, Now: present, Frozen: true, Variety: true,
		Counts: stripesim.Counts{Charges: 40, Customers: 10, Subscriptions: 12, Prices: 40},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sim
}

// What is printed of a small account, in every format.
func TestGolden(t *testing.T) {
	little.Hold(t)
	t.Parallel()
	_, dir := little.Copy(t)
	source := copytest.Open(t, dir)
	p, err := report.ParseParams("2026-03-10", "2026-05-01", "Europe/Berlin", "month", "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	p.Rates, err = report.ParseRates(strings.NewReader("currency,rate\nusd,1\neur,1.0834\ngbp,1.27\njpy,0.0067\nkwd,3.25\n"), "USD")
	if err != nil {
		t.Fatal(err)
	}
	r, err := report.Run(t.Context(), source, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range report.Formats {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			var got bytes.Buffer
			if err := r.Write(&got, format); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", "report."+format)
			if *update {
				if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
				t.Errorf("go test -run TestGolden -update writes it:\n%s", diff)
			}
			if format == "html" && (strings.Contains(got.String(), "<script") || strings.Contains(got.String(), "src=") || strings.Contains(got.String(), "href=\"http")) {
				t.Error("the page has a script, or something from elsewhere")
			}
		})
	}
}

// Every section says the query that made it, which gives the same rows again
// as it stands.
func TestQueries(t *testing.T) {
	long(t)
	little.Hold(t)
	t.Parallel()
	_, dir := little.Copy(t)
	source := copytest.Open(t, dir)
	r, err := report.Run(t.Context(), source, report.Params{Zone: "Asia/Kolkata", From: present.AddDate(0, -2, 0), To: present})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Sections {
		if s.Definition == "" || strings.Contains(s.Definition, "$") || strings.Contains(s.Query, "$from") {
			t.Errorf("%s: %s", s.Name, s.Definition)
		}
		rows, err := source.Query(t.Context(), s.Query)
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
		_ = rows.Close()
		if s.Name != "mrr" && n != len(s.Rows) {
			t.Errorf("%s: %d rows, the report has %d", s.Name, n, len(s.Rows))
		}
	}
}

// A report that kept its attempts has the numbers of the queries that it shows.
func TestKept(t *testing.T) {
	long(t)
	lives[0].Hold(t)
	t.Parallel()
	_, dir := lives[0].Copy(t)
	source := copytest.Open(t, dir)
	p, err := report.ParseParams("2025-01-01", "2026-05-01", "Europe/Berlin", "week", "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	var said [2]bytes.Buffer
	for i, s := range []report.Source{source, struct{ report.Source }{source}} {
		r, err := report.Run(t.Context(), s, p)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Write(&said[i], "json"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(said[0].String(), said[1].String()); diff != "" {
		t.Error(diff)
	}
	if rows, err := source.Query(t.Context(), "select * from report_attempts"); err == nil {
		_ = rows.Close()
		t.Error("the attempts are still there")
	}
}

// A refund that is made after the end of a period belongs to its charge's
// period, which says so.
func TestLateRefund(t *testing.T) {
	t.Parallel()
	april := time.Date(2026, 4, 30, 21, 59, 59, 0, time.UTC) // 23:59:59 in Berlin
	sim, err := stripesim.New(stripesim.Config{Seed: 1, Start: april, End: april.Add(time.Second), Now: april.Add(48 * time.Hour), Frozen: true})
	if err != nil {
		t.Fatal(err)
	}
	draft := stripesim.Draft{Created: april, Method: "klarna", Amount: 9000, Status: "succeeded"}
	charge, err := sim.Create(stripesim.Charges, draft)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []stripesim.Draft{
		{Charge: charge, Amount: 100, Created: april},
		{Charge: charge, Amount: 1000, Created: april.Add(time.Second)}, // the first second of May
		{Charge: charge, Amount: 2000, Created: april.Add(24 * time.Hour)},
	} {
		if _, err := sim.Create(stripesim.Refunds, d); err != nil {
			t.Fatal(err)
		}
	}
	source := copytest.Of(t, sim)
	for name, c := range map[string]struct {
		zone, from, to  string
		refunded, later any
		rows            int
		net             any
	}{
		"April in Berlin":       {"Europe/Berlin", "2026-04-01", "2026-05-01", int64(3100), int64(3000), 1, int64(5900)},
		"May in Berlin":         {"Europe/Berlin", "2026-05-01", "2026-06-01", nil, nil, 0, nil},
		"both months in Berlin": {"Europe/Berlin", "2026-04-01", "2026-06-01", int64(3100), int64(3000), 1, int64(5900)},
		"April in UTC":          {"UTC", "2026-04-01", "2026-05-01", int64(3100), int64(2000), 1, int64(5900)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := report.ParseParams(c.from, c.to, c.zone, "month", "", "", "")
			if err != nil {
				t.Fatal(err)
			}
			p.Section = "periods"
			r, err := report.Run(t.Context(), source, p)
			if err != nil {
				t.Fatal(err)
			}
			rows := values(r.Sections[0], "class", "bnpl", "method", "all")
			if len(rows) != c.rows {
				t.Fatalf("%d rows: %v", len(rows), rows)
			}
			for _, row := range rows {
				if row["refunded"] != c.refunded || row["refunded_later"] != c.later || row["net"] != c.net || row["period"] != "2026-04-01" {
					t.Errorf("%v", row)
				}
			}
		})
	}
}

// values returns rows as maps: those that have the values that are named.
func values(s *report.Section, having ...any) []map[string]any {
	var out []map[string]any
	for _, r := range s.Rows {
		row := map[string]any{}
		for i, c := range s.Columns {
			row[c.Name] = r[i]
		}
		fits := true
		for i := 0; i < len(having); i += 2 {
			fits = fits && row[having[i].(string)] == having[i+1]
		}
		if fits {
			out = append(out, row)
		}
	}
	return out
}

// empty is a reader of tables that nothing was copied to.
func empty(t *testing.T) report.Source {
	t.Helper()
	db, err := duck.Open(t.Context(), duck.Catalog{Resources: []duck.Resource{{Name: "charges", Fields: []duck.Field{{Name: "id", Kind: duck.Varchar}}}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
