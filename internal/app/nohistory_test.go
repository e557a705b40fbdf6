package app_test

import (
	"testing"

	"github.com/tributary-data/tributary/internal/stripesim"
)

// Whether a copy keeps history is decided by its first pass, whatever later
// ones ask for.
func TestHistoryIsDecidedOnce(t *testing.T) {
	t.Parallel()
	for name, without := range map[string]bool{"with": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, tiny(51), nil)
			s := c.pass(t)
			s.NoHistory = without
			complete(t, s)
			n := len(present(c.sim)[stripesim.Charges])
			s = c.pass(t)
			s.NoHistory = !without
			report := complete(t, s)
			for _, r := range report.Resources {
				if r.Inserted > 0 {
					t.Errorf("%s: %d objects are taken for new", r.Resource, r.Inserted)
				}
			}
			rows := selected(t, reader(t, c.dir), "select count(*) n, count(distinct _id) ids from xdm.charges")
			if got := rows[0]; got["n"] != got["ids"] {
				t.Errorf("%v rows of %v objects, of %d", got["n"], got["ids"], n)
			}
			if _, kept := c.rows(t)["charges_history"]; kept == without {
				t.Errorf("there is a history: %t", kept)
			}
		})
	}
}
