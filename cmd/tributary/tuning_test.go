package main

import "testing"

func TestLimitFor(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		live, want int64
	}{
		{"nothing yet", 0, memoryLimit},
		{"a copy of an account", 40 << 20, memoryLimit},
		{"a million customers", 100 << 20, 232 << 20},
		{"four million exposures", 300 << 20, 632 << 20},
	} {
		if got := limitFor(uint64(c.live)); got != c.want { //nolint:gosec // as above
			t.Errorf("%s: %d MiB, want %d", c.name, got>>20, c.want>>20)
		}
	}
}
