//go:build cgo

package duck

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tributary-data/tributary/internal/problem"
)

// What was kept can be asked by every query until it is dropped, and is made
// by a query alone.
func TestKeep(t *testing.T) {
	t.Parallel()
	d, _, _ := small(t)
	count := func(query string) (n int64, err error) {
		rows, err := d.Query(t.Context(), query)
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for rows.Next() {
			n = rows.Values()[0].(int64)
		}
		return n, rows.Err()
	}
	for _, query := range []string{"select amount, tip from charges", "select amount, 1 as tip from charges", "select length(id) as amount, reason as tip from quarantine"} {
		drop, err := d.Keep(t.Context(), `odd "name`, query)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := count(`select count(*) from "odd ""name" where amount is not null`); n != 2 || err != nil {
			t.Errorf("%s: %d %v", query, n, err)
		}
		if err := drop(); err != nil {
			t.Fatal(err)
		}
		if _, err := count(`select count(*) from "odd ""name"`); err == nil {
			t.Errorf("%s: it is there after it was dropped", query)
		}
	}
	for _, query := range []string{"drop view charges", "select 1; select 2", "select * from read_csv('/etc/passwd')", "select \x00", "selec", ""} {
		if _, err := d.Keep(t.Context(), "kept", query); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q: %v", query, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := time.AfterFunc(20*time.Millisecond, cancel)
	defer stop.Stop()
	if _, err := d.Keep(ctx, "kept", "select sum(a.range * b.range) from range(1000000) a, range(1000000) b"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
