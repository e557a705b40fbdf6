package duck

import "testing"

func TestExplained(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query, inner, head string
	}{
		{"select 1", "select 1", ""},
		{"explain select 1", "select 1", "EXPLAIN "},
		{"-- x\n/* /* y */ */ EXPLAIN/**/ANALYZE\n select 1", "select 1", "EXPLAIN ANALYZE "},
		{"explain (format json) select 1", " select 1", "EXPLAIN (format json) "},
		{"explain analyze (FORMAT json) copy x to y", " copy x to y", "EXPLAIN ANALYZE (FORMAT json) "},
		{"explain ( analyze) delete from x", " delete from x", "EXPLAIN ( analyze) "},
		{"explain (format json, analyze true) from x", " from x", "EXPLAIN (format json, analyze true) "},
		{"explain (select 1)", "(select 1)", "EXPLAIN "},
		// what DuckDB reads otherwise than somebody who looks for a bracket or the end of a line
		{"explain (format json /* ) select 1 -- */ ) select 2", "(format json /* ) select 1 -- */ ) select 2", "EXPLAIN "},
		{"explain (format 'x) select 1 -- ') select 2", "(format 'x) select 1 -- ') select 2", "EXPLAIN "},
		{"--\rselect 2 as\nexplain from x", "--\rselect 2 as\nexplain from x", ""},
		{"explain --\rselect 2, b from\n(select 1 b)", "select 2, b from\n(select 1 b)", "EXPLAIN "},
		{"explainer", "explainer", ""},
		{"explain_x", "explain_x", ""},
		{"explainé", "explainé", ""},
		{"explain", "", "EXPLAIN "},
		{"/* explain", "/* explain", ""},
		{"", "", ""},
	}
	for _, tc := range tests {
		inner, head, ok := explained(tc.query)
		if inner != tc.inner || head != tc.head || ok != (tc.head != "") {
			t.Errorf("%q: %q %q %v, want %q %q", tc.query, inner, head, ok, tc.inner, tc.head)
		}
	}
}

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1.5 GiB": 3 << 29, "512 MiB": 512 << 20, "953.6 MiB": 999922073, "0 bytes": 0, "x": 0, "5 apples": 0, "": 0,
	} {
		if got := parseSize(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
