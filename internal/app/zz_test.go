package app_test

import (
	"testing"
	"time"
	"bytes"
	"fmt"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/stripesim"
)

func TestZZ(t *testing.T) {
	c := serve(t, stripesim.Config{Seed: 4, Counts: stripesim.Counts{Charges: 500, Customers: 200, Subscriptions: 40, Prices: 100}, Expand: expansions}, nil)
	for range 2 {
	t0 := time.Now()
	complete(t, c.pass(t))
	t.Log("sync", time.Since(t0))
	}
	t0 := time.Now()
	r, err := app.OpenReader(t.Context(), c.dir)
	if err != nil { t.Fatal(err) }
	t.Log("open", time.Since(t0))
	for _, x := range stripesim.Resources() {
		t0 := time.Now()
		rows, err := r.Query(t.Context(), fmt.Sprintf("select * from %s", x))
		if err != nil { t.Fatal(err) }
		var b bytes.Buffer
		n, _ := duck.Write(&b, rows, "ndjson")
		rows.Close()
		t.Log("view", x, n, time.Since(t0))
		t0 = time.Now()
		rows, err = r.Query(t.Context(), fmt.Sprintf(`select d._id, d._deleted, h.id, h.raw, to_json(d."_%s"."%s_data")::varchar from xdm.%s d left join lake.%[3]s h on h.seq = d._seq`, "tributary", x, x))
		if err != nil { t.Log(err); continue }
		for rows.Next() { }
		rows.Close()
		t.Log("xdm", x, n, time.Since(t0))
	}
	t0 = time.Now()
	want, _ := expected(c.sim, "charges")
	t.Log("expected", time.Since(t0))
	t0 = time.Now()
	for _, w := range want { decode(w.json) }
	t.Log("decode", time.Since(t0))
	t0 = time.Now()
	tables(t, c.dir)
	t.Log("tables", time.Since(t0))
	t0 = time.Now()
	differences(t.Context(), c.sim, c.dir)
	t.Log("differences", time.Since(t0))
}
