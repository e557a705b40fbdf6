package duck

import "testing"

func TestExplained(t *testing.T) {
	t.Parallel()
	tests := []struct {
		query, inner string
		ok           bool
	}{
		{"select 1", "select 1", false},
		{"explain select 1", "select 1", true},
		{"-- x\n/* /* y */ */ EXPLAIN/**/ANALYZE\n select 1", "select 1", true},
		{"explain (format json) select 1", " select 1", true},
		{"explain analyze (FORMAT json) copy x to y", " copy x to y", true},
		{"explain ( analyze) delete from x", " delete from x", true},
		{"explain (select 1)", "(select 1)", true},
		{"explainer", "explainer", false},
		{"explain_x", "explain_x", false},
		{"explainé", "explainé", false},
		{"explain", "", true},
		{"/* explain", "/* explain", false},
		{"", "", false},
	}
	for _, tc := range tests {
		inner, ok := explained(tc.query)
		if inner != tc.inner || ok != tc.ok {
			t.Errorf("%q: %q %v, want %q %v", tc.query, inner, ok, tc.inner, tc.ok)
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
