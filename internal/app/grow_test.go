package app_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// A schema grows while passes write and queries read: nothing is in anybody's
// way, new columns have what Stripe sends from then on, and are null in the
// rows from before.
func TestGrowWhileWriting(t *testing.T) {
	t.Parallel()
	k := &kept{copied: serve(t, hookedAccount(31), nil)}
	k.hold(t)
	k.turn(t)
	var ids []string
	for truth := range k.sim.Oracle(stripesim.Charges) {
		ids = append(ids, truth.ID)
	}
	const growths = 4
	var wg sync.WaitGroup
	wg.Go(func() {
		var fields []*xdm.Field
		for i := range growths {
			fields = append(fields, &xdm.Field{Name: fmt.Sprint("brand_new", i), Kind: xdm.Int}, &xdm.Field{Name: "outcome", Kind: xdm.Object, Fields: []*xdm.Field{{Name: fmt.Sprint("mood", i), Kind: xdm.DateTime}}})
			if _, err := k.keeper.Grow(t.Context(), "charges", fmt.Sprint("Mine ", i), fields[2*i:]); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Go(func() {
		for range growths {
			if n := k.one(t, "select count(*) from charges"); n != int64(len(ids)) {
				t.Errorf("%d charges", n)
			}
		}
	})
	for i := range growths {
		if err := k.sim.Mutate(stripesim.Charges, ids[i], func(o map[string]any) { o["description"] = fmt.Sprint("changed ", i) }); err != nil {
			t.Fatal(err)
		}
		k.turn(t)
	}
	wg.Wait()
	last := ids[growths]
	if err := k.sim.Mutate(stripesim.Charges, last, func(o map[string]any) {
		o["brand_new0"] = 7
		o["outcome"] = map[string]any{"mood3": "2026-01-31T12:00:00Z"}
	}); err != nil {
		t.Fatal(err)
	}
	k.turn(t)
	k.turn(t)
	if n := k.one(t, "select count(*) from xdm.charges where _id = '"+last+"' and _tributary.charges_data.brand_new0 = 7 and _tributary.charges_data.outcome.mood3 = '2026-01-31T12:00:00Z'"); n != 1 {
		t.Error("the new columns do not have what Stripe sends")
	}
	for i := range growths {
		if n := k.one(t, fmt.Sprintf("select count(*) from xdm.charges where _tributary.charges_data.brand_new%d is null and _tributary.charges_data.outcome.mood%d is null", i, i)); n < int64(len(ids)-1) {
			t.Errorf("column %d is null in %d of %d rows", i, n, len(ids))
		}
	}
	if again, err := k.keeper.Grow(t.Context(), "charges", "Mine again", []*xdm.Field{{Name: "brand_new0", Kind: xdm.Long}}); err != nil || len(again.Added) != 0 {
		t.Errorf("what is there already: %+v %v", again, err)
	}
	if _, err := k.keeper.Grow(t.Context(), "charges", "Otherwise", []*xdm.Field{{Name: "brand_new0", Kind: xdm.String}}); err == nil {
		t.Error("a field changed its type")
	}
}
