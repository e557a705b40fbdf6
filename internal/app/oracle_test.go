package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/app"
	"github.com/tributary-data/tributary/internal/duck"
	"github.com/tributary-data/tributary/internal/stripesim"
	"github.com/tributary-data/tributary/internal/xdm"
)

// differences says how the copy in dir differs from the account, a line each:
// of every object its id, its JSON in the history, its record in the dataset
// and its row in the view, and what stands in quarantine. Deleted customers and
// prices must be tombstones. Other objects can't be deleted at Stripe; of those
// that were wiped all the same nothing is expected. It reads nothing but the
// tables and the simulator's own state.
func differences(ctx context.Context, sim *stripesim.Sim, dir string) []string {
	return differencesBut(ctx, sim, dir, nil)
}

// differencesBut is differences where of each object what kept returns of it is
// expected, "" for nothing.
func differencesBut(ctx context.Context, sim *stripesim.Sim, dir string, kept func(r stripesim.Resource, id, json string) string) []string {
	r, err := app.OpenReader(ctx, dir)
	if err != nil {
		return []string{"the copy can't be read: " + err.Error()}
	}
	defer r.Close()
	c := &comparison{sim: sim, reader: r, kept: kept}
	for _, resource := range stripesim.Resources() {
		if err := c.resource(ctx, resource); err != nil {
			c.say("%s: %v", resource, err)
		}
	}
	if err := c.quarantine(ctx); err != nil {
		c.say("quarantine: %v", err)
	}
	return c.said
}

type comparison struct {
	sim      *stripesim.Sim
	reader   *app.Reader
	kept     func(r stripesim.Resource, id, json string) string // nil: all is
	rejected []verbatim                                         // objects that did not land and must stand in quarantine
	said     []string
}

type verbatim struct {
	resource stripesim.Resource
	raw      string
}

func (c *comparison) say(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

// A wanted object is one that the copy must hold.
type wanted struct {
	json     string
	verbatim bool
	fields   map[string]any
	landed   bool
	shown    bool
}

func (c *comparison) resource(ctx context.Context, r stripesim.Resource) error {
	schema, err := xdm.Stripe(string(r), app.DefaultTenant)
	if err != nil {
		return err
	}
	want, gone := expected(c.sim, r)
	for id, o := range want {
		if c.kept == nil {
			break
		}
		if o.json = c.kept(r, id, o.json); o.json == "" {
			delete(want, id)
		}
	}
	body := &xdm.Field{Kind: xdm.Object, Fields: schema.Fields}
	rows, err := c.reader.Query(ctx, fmt.Sprintf(
		`select d._id, d._deleted, h.id, h.raw, to_json(d."_%s"."%s")::varchar from xdm.%s d left join lake.%[3]s h on h.seq = d._seq`,
		schema.Tenant, schema.Group, r))
	if err != nil {
		return err
	}
	defer rows.Close()
	seen := map[string]bool{}
	for rows.Next() {
		var id string
		var tombstone bool
		var version, raw, record *string
		if err := rows.Scan(&id, &tombstone, &version, &raw, &record); err != nil {
			return err
		}
		o := want[id]
		switch {
		case seen[id]:
			c.say("%s %s stands twice in the dataset", r, id)
		case o == nil && gone[id] == unheard:
			c.say("%s %s is in the dataset and not in the account", r, id)
		case gone[id] == removed && !tombstone:
			c.say("%s %s is deleted and not marked so", r, id)
		case o != nil && tombstone:
			c.say("%s %s is marked deleted and is in the account", r, id)
		case version == nil || *version != id || raw == nil || record == nil:
			c.say("%s %s has no version of its own in the history", r, id)
		case o != nil:
			o.landed = true
			if err := c.object(r, id, o, body, *raw, *record); err != nil {
				return fmt.Errorf("%s: %w", id, err)
			}
		}
		seen[id] = true
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if err := c.view(ctx, r, schema, want, seen); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		switch o := want[id]; {
		case !o.landed && o.verbatim:
			c.rejected = append(c.rejected, verbatim{r, o.json})
		case !o.landed:
			c.say("%s %s is missing", r, id)
		case !o.shown:
			c.say("%s %s is missing in the view", r, id)
		}
	}
	return nil
}

// A fate is what became of an object that is not in the account.
type fate int

const (
	unheard fate = iota // it never was, or nobody could know
	wiped               // without a word
	removed             // with an event
)

// expected returns the objects that the copy of a resource must hold, and those
// that it may hold besides.
func expected(sim *stripesim.Sim, r stripesim.Resource) (want map[string]*wanted, gone map[string]fate) {
	want, gone = map[string]*wanted{}, map[string]fate{}
	take := func(truths iter.Seq[stripesim.Truth]) {
		for t := range truths {
			want[t.ID] = &wanted{json: string(t.JSON), verbatim: t.Verbatim}
		}
	}
	take(sim.Oracle(r))
	for t := range sim.Deleted(r) {
		switch {
		case !t.Listed:
		case r == stripesim.Customers, r == stripesim.Prices:
			gone[t.ID] = removed
		default:
			gone[t.ID] = wiped
		}
	}
	if r == stripesim.Prices {
		take(sim.InlinePrices())
		were := func(subscription []byte) { // its prices may have been read in time
			for _, id := range pricesOf(subscription) {
				if want[id] == nil && gone[id] == unheard {
					gone[id] = wiped
				}
			}
		}
		for t := range sim.Deleted(stripesim.Subscriptions) {
			were(t.JSON)
		}
		for _, id := range sim.Changed(stripesim.Subscriptions) {
			for _, v := range sim.Versions(stripesim.Subscriptions, id) {
				were(v.JSON)
			}
		}
	}
	return want, gone
}

func pricesOf(subscription []byte) []string {
	var s struct {
		Items struct {
			Data []struct{ Price struct{ ID string } }
		}
	}
	if json.Unmarshal(subscription, &s) != nil {
		return nil
	}
	var ids []string
	for _, item := range s.Items.Data {
		ids = append(ids, item.Price.ID)
	}
	return ids
}

// object compares the stored JSON and the record of one object.
func (c *comparison) object(r stripesim.Resource, id string, o *wanted, body *xdm.Field, raw, record string) error {
	state, err := decode(o.json)
	if err != nil {
		return fmt.Errorf("the account's object: %w", err)
	}
	stored := state
	if !sameText(raw, o.json) {
		if stored, err = decode(raw); err != nil {
			return fmt.Errorf("raw: %w", err)
		}
	}
	o.fields, _ = state.(map[string]any)
	where := fmt.Sprintf("%s %s", r, id)
	c.diff(where+" raw", stored, state)
	got, err := decode(record)
	if err != nil {
		return fmt.Errorf("record: %w", err)
	}
	c.diff(where+" record", unpack(body, got), project(body, state))
	return nil
}

// view compares `select * from <resource>`, as the query command prints it.
func (c *comparison) view(ctx context.Context, r stripesim.Resource, schema *xdm.Schema, want map[string]*wanted, stored map[string]bool) error {
	rows, err := c.reader.Query(ctx, "select * from "+string(r))
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	if _, err := duck.Write(&out, rows, "ndjson"); err != nil {
		return err
	}
	known := map[string]*xdm.Field{}
	for _, f := range schema.Fields {
		known[f.Name] = f
	}
	seen := map[string]bool{}
	for line := range strings.Lines(out.String()) {
		v, err := decode(line)
		if err != nil {
			return fmt.Errorf("view: %w", err)
		}
		row, _ := v.(map[string]any)
		id, _ := row["id"].(string)
		switch o := want[id]; {
		case seen[id] || !stored[id]:
			c.say("%s %s is in the view twice or not in the dataset", r, id)
		case o != nil && o.landed:
			o.shown = true
			for _, name := range columns {
				c.diff(fmt.Sprintf("%s %s view.%s", r, id, name), shown(known[name], row[name]), column(known[name], o.fields[name]))
			}
			for name := range o.fields {
				if !slices.Contains(columns, name) && nameable(name, columns) {
					c.say("%s %s: the view has no column %q", r, id, name)
				}
			}
		}
		seen[id] = true
	}
	return nil
}

// nameable says whether a field can be a column beside the others: SQL knows no
// case, no NUL and no empty name, and a dot leads into an object.
func nameable(name string, columns []string) bool {
	return name != "" && !strings.ContainsAny(name, "\x00.") &&
		!slices.ContainsFunc(columns, func(c string) bool { return strings.EqualFold(c, name) })
}

// quarantine checks that exactly the objects that did not land stand there.
func (c *comparison) quarantine(ctx context.Context) error {
	rows, err := c.reader.Query(ctx, "select resource, id, path, reason, raw from quarantine")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var resource, id, path, reason, raw string
		if err := rows.Scan(&resource, &id, &path, &reason, &raw); err != nil {
			return err
		}
		i := slices.IndexFunc(c.rejected, func(v verbatim) bool {
			return string(v.resource) == resource && strings.TrimSpace(v.raw) == strings.TrimSpace(raw)
		})
		switch {
		case i < 0:
			c.say("%s %s is in quarantine (%s %s)", resource, id, path, reason)
		case reason == "":
			c.say("%s %s is in quarantine without a reason", resource, id)
		}
		if i >= 0 {
			c.rejected = slices.Delete(c.rejected, i, i+1)
		}
	}
	for _, v := range c.rejected {
		c.say("%s is neither in the dataset nor in quarantine: %.100s", v.resource, v.raw)
	}
	return rows.Err()
}

// sameText says whether two JSON texts differ in white space at most.
func sameText(a, b string) bool {
	var x, y bytes.Buffer
	return json.Compact(&x, []byte(a)) == nil && json.Compact(&y, []byte(b)) == nil && bytes.Equal(x.Bytes(), y.Bytes())
}

func decode(text string) (any, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("text after the end of %.100q", text)
	}
	return v, nil
}

// project is what the record of an object must hold at f: absent where the
// object has null or, in an optional field, a wrong type.
func project(f *xdm.Field, v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case map[string]any:
		out := map[string]any{}
		switch {
		case f.JSON:
			return v
		case f.Kind == xdm.Object:
			for _, sub := range f.Fields {
				put(out, sub.Name, project(sub, v[sub.Name]))
			}
			return out
		case f.Kind == xdm.Map:
			for k, e := range v {
				put(out, k, project(f.Elem, e))
			}
			return out
		}
	case []any:
		switch {
		case f.JSON:
			return v
		case f.Kind == xdm.Array:
			out := make([]any, len(v))
			for i, e := range v {
				out[i] = project(f.Elem, e)
			}
			return out
		}
	case json.Number:
		_, err := strconv.ParseInt(v.String(), 10, 64)
		switch {
		case f.JSON, f.Kind == xdm.Long && err == nil:
			return v
		case f.Kind == xdm.Double:
			return float(v)
		}
	case string:
		if f.Kind == xdm.String {
			return v
		}
	case bool:
		if f.Kind == xdm.Boolean || f.JSON {
			return v
		}
	}
	return nil
}

func put(m map[string]any, key string, v any) {
	if v != nil {
		m[key] = v
	}
}

func float(n json.Number) any {
	v, err := n.Float64()
	if err != nil {
		return n
	}
	return v
}

// unpack brings a record read from the dataset into the form of project.
func unpack(f *xdm.Field, v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			sub := f.Elem
			if i := slices.IndexFunc(f.Fields, func(s *xdm.Field) bool { return s.Name == k }); i >= 0 {
				sub = f.Fields[i]
			}
			put(out, k, unpack(sub, e))
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = unpack(f.Elem, e)
		}
		return out
	case json.Number:
		if f.Kind == xdm.Double {
			return float(v)
		}
	case string:
		if f.JSON {
			if inner, err := decode(v); err == nil {
				return inner
			}
			return "not JSON: " + v
		}
	}
	return v
}

// column is what the view must show of a top-level field; f is nil for one
// that the schema does not know.
func column(f *xdm.Field, v any) any {
	if f == nil || f.JSON || f.Kind == xdm.Object || f.Kind == xdm.Array || f.Kind == xdm.Map {
		return v
	}
	return project(f, v)
}

// shown brings a value of the view into the form of column.
func shown(f *xdm.Field, v any) any {
	if n, ok := v.(json.Number); ok && f != nil && f.Kind == xdm.Double {
		return float(n)
	}
	return v
}

// diff says where got is not want. Of one value it names the first few places.
func (c *comparison) diff(path string, got, want any) {
	if same(got, want) {
		return
	}
	if g, w := elements(got), elements(want); g != nil && w != nil && len(g) == len(w) {
		for i := range g {
			c.diff(fmt.Sprintf("%s[%d]", path, i), g[i], w[i])
		}
		return
	}
	g, okGot := got.(map[string]any)
	w, okWant := want.(map[string]any)
	if !okGot || !okWant {
		c.say("%s: %s, want %s", path, brief(got), brief(want))
		return
	}
	said := 0
	for _, k := range slices.Sorted(maps.Keys(merged(g, w))) {
		gv, inGot := g[k]
		wv, inWant := w[k]
		if inGot == inWant && same(gv, wv) {
			continue
		}
		if said++; said > 3 {
			return
		}
		if inGot != inWant {
			c.say("%s.%s: present is %t, want %t", path, k, inGot, inWant)
			continue
		}
		c.diff(path+"."+k, gv, wv)
	}
}

func elements(v any) []any {
	list, _ := v.([]any)
	return list
}

func merged(a, b map[string]any) map[string]any {
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

func brief(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	if len(text) > 120 {
		return string(text[:120]) + "…"
	}
	return string(text)
}

// same compares decoded JSON; numbers by value, exactly.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !same(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case json.Number:
		b, ok := b.(json.Number)
		if !ok || a == b {
			return ok
		}
		x, okX := new(big.Rat).SetString(a.String())
		y, okY := new(big.Rat).SetString(b.String())
		return okX && okY && x.Cmp(y) == 0
	}
	return a == b
}
