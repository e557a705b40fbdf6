package main

import (
	"testing"

	"github.com/tributary-data/tributary/internal/app"
)

func TestParseBound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]app.Bound{
		"":     {},
		"9000": {Reads: 9000, Set: true},
		"1":    {Reads: 1, Set: true},
		"0.9":  {Share: 0.9, Set: true},
		"1.0":  {Share: 1, Set: true},
	} {
		if got, err := parseBound(text); got != want || err != nil {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "-1", "0.0", "-0.5", "90%", "1e3", "NaN", "x", "1.0e999"} {
		if got, err := parseBound(text); err == nil {
			t.Errorf("%q: %+v", text, got)
		}
	}
}

func TestEvery(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[int64]string{900: "15m", 86400: "24h", 90: "1m30s", 3600: "1h", 5: "5s", 600: "10m"} {
		if got := every(seconds); got != want {
			t.Errorf("%d s: %s, want %s", seconds, got, want)
		}
	}
}
