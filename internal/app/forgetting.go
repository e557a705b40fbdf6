package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tributary-data/tributary/internal/extract"
	"github.com/tributary-data/tributary/internal/idindex"
	"github.com/tributary-data/tributary/internal/lake"
	"github.com/tributary-data/tributary/internal/sqlstore"
	"github.com/tributary-data/tributary/internal/stripe"
)

// owned are the resources that have a customer's objects, each behind those that
// tell whose it is.
var owned = []string{"customers", "charges", "subscriptions", "refunds", "balance_transactions"}

// forgettingAll is forgetting at work.
type forgettingAll struct {
	home   *home
	list   *forgotten
	judge  *judge
	tables []string
	done   Forgot
}

// learn finds what belongs to those who are to be forgotten, and notes it. In a
// trial it counts.
func (f *forgettingAll) learn(ctx context.Context) error {
	for _, resource := range owned {
		seen := map[string]bool{}
		var again []string
		err := f.each(ctx, resource, func(id string, raw []byte) error {
			kind, blank, err := f.verdict(ctx, resource, id, raw)
			if err != nil || kind == 0 {
				return err
			}
			if !seen[id] {
				seen[id] = true
				if blank {
					again = append(again, id)
				}
			}
			return f.list.note(ctx, f.judge.name([]byte(id)), kind)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", resource, err)
		}
		f.done.Blanked += int64(len(again))
		if f.list.dry {
			f.done.Tables = append(f.done.Tables, ForgotTable{resource, int64(len(seen))})
		} else if err := f.home.store.Want(ctx, resource, again, resource); err != nil {
			return err
		}
		err = f.home.store.EachNamed(ctx, resource, func(n sqlstore.Named) error {
			gone, err := f.named(ctx, n)
			switch {
			case !gone || !f.list.dry:
			case n.Told:
				f.done.Events++
			default:
				f.done.Quarantine++
			}
			return err
		})
		if err != nil {
			return err
		}
		if err := f.list.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// verdict says what is to be done about a stored object, 0 for nothing; blank
// says that the rest of it comes back.
func (f *forgettingAll) verdict(ctx context.Context, resource, id string, raw []byte) (kind int, blank bool, err error) {
	l, err := linksOf(resource, raw)
	if err != nil {
		return 0, false, err
	}
	kind, err = f.judge.decide(ctx, resource, []byte(id), l)
	switch {
	case err != nil || kind&sqlstore.ForgetObject != 0:
		return kind & sqlstore.ForgetObject, false, err
	case kind&sqlstore.ForgetBlank == 0:
		return 0, false, nil
	}
	left, err := f.judge.blank.Apply(nil, raw)
	if err != nil || string(left) == string(raw) {
		return 0, false, err
	}
	return sqlstore.ForgetStored, true, nil
}

// named reports whether a text of the database is about what is to be forgotten.
func (f *forgettingAll) named(ctx context.Context, n sqlstore.Named) (bool, error) {
	if kind, err := f.judge.known(ctx, []byte(n.ID)); err != nil || kind&sqlstore.ForgetObject != 0 {
		return err == nil, err
	}
	if n.Raw == nil {
		return false, nil
	}
	l, err := linksOf(n.Resource, n.Raw)
	if err != nil {
		return f.judge.mentions(ctx, string(n.Raw))
	}
	if len(n.ID) == 0 { // decide would note an object without an id
		for _, to := range l.to {
			if kind, err := f.judge.known(ctx, to); err != nil || kind&sqlstore.ForgetObject != 0 {
				return err == nil, err
			}
		}
		return false, nil
	}
	kind, err := f.judge.decide(ctx, n.Resource, []byte(n.ID), l)
	return kind&(sqlstore.ForgetObject|sqlstore.ForgetBlank) != 0, err
}

// each yields what the tables of a resource have: all versions, or the rows of a
// dataset that is kept alone, as far as they say whose they are.
func (f *forgettingAll) each(ctx context.Context, resource string, fn func(id string, raw []byte) error) error {
	if slices.Contains(f.tables, resource+"_history") {
		t, err := f.home.lake.Load(ctx, resource+"_history")
		if err != nil {
			return err
		}
		for row, err := range t.ReadHistory(ctx, 0) {
			if err != nil {
				return err
			}
			if err := fn(strings.Clone(row.ID), []byte(row.Raw)); err != nil {
				return err
			}
		}
		return nil
	}
	if !slices.Contains(f.tables, resource) {
		return nil
	}
	r, _ := stripe.Lookup(resource)
	t, err := f.home.openTables(ctx, r, false)
	if err != nil {
		return err
	}
	defer t.table.Abort()
	fields := ownFields[resource]
	for row, err := range t.table.Fields(ctx, 0, 0, fields...) {
		if err != nil {
			return err
		}
		object := map[string]string{}
		for i, name := range fields {
			if row.Fields[i] != "" {
				object[name] = row.Fields[i]
			}
		}
		raw, err := json.Marshal(object)
		if err == nil {
			err = fn(strings.Clone(row.ID), raw)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ownFields are the fields that say whose an object is, or what is its.
var ownFields = map[string][]string{
	"customers": {"object"}, "charges": {"customer", "balance_transaction", "failure_balance_transaction", "payment_intent", "payment_method", "invoice"},
	"subscriptions": {"customer", "latest_invoice", "default_payment_method"},
	"refunds":       {"charge", "balance_transaction", "failure_balance_transaction", "payment_intent"}, "balance_transactions": {"source", "description"},
}

// remove takes rows, and all that told of them, from the tables of a resource.
func (f *forgettingAll) remove(ctx context.Context, resource string) error {
	if !slices.Contains(f.tables, resource) {
		return nil
	}
	r, _ := stripe.Lookup(resource)
	t, err := f.home.openTables(ctx, r, true)
	if err != nil {
		return err
	}
	defer t.table.Abort()
	if err := t.recover(ctx); err != nil {
		return err
	}
	if err := f.unmark(ctx, t); err != nil {
		return err
	}
	if err := removeRegisters(f.home.dir, resource); err != nil {
		return err
	}
	for _, table := range []struct{ name, column string }{{resource + "_history", "id"}, {resource, "_id"}} {
		if !slices.Contains(f.tables, table.name) {
			continue
		}
		t, err := f.home.lake.Load(ctx, table.name)
		if err != nil {
			return err
		}
		rows, err := t.Forget(ctx, lake.Forget{Column: table.column, Is: f.judge.is, Alone: true, Whole: true})
		if err != nil {
			return err
		}
		f.done.Tables = append(f.done.Tables, ForgotTable{table.name, rows})
	}
	return nil
}

// removeMade takes rows from the datasets that clients push into and dataflows
// fill, where they lie beside the copy: those that name what is to be forgotten.
// Where others remove them, they are left alone.
func (f *forgettingAll) removeMade(ctx context.Context) error {
	requests, err := f.home.store.ForgetRequests(ctx)
	if err != nil || !slices.ContainsFunc(requests, func(r sqlstore.ForgetRequest) bool { return !r.Removed && !r.Derived }) {
		return err
	}
	made := &Forgotten{judge: f.judge}
	for _, name := range f.tables {
		if !strings.HasPrefix(name, recordsPrefix) {
			continue
		}
		t, err := f.home.lake.Load(ctx, name)
		if err != nil {
			return err
		}
		rows, err := t.Forget(ctx, lake.Forget{Is: made.Mentions, Whole: true})
		if err != nil {
			return err
		}
		f.done.Tables = append(f.done.Tables, ForgotTable{name, rows})
	}
	return nil
}

// unmark takes the ids of what is to be forgotten from the places in lists up to
// which was read.
func (f *forgettingAll) unmark(ctx context.Context, t *tables) error {
	c, err := extract.DecodeCheckpoint(t.table.Checkpoint())
	if err != nil {
		return err
	}
	changed := false
	for i := range c.Open {
		if f.judge.is(c.Open[i].After) {
			c.Open[i].Unmark()
			changed = true
		}
	}
	if !changed {
		return nil
	}
	return t.table.Commit(ctx, c.Encode())
}

// clean removes what the database and the index have, and searches the tables
// once more.
func (f *forgettingAll) clean(ctx context.Context) (err error) {
	store := f.home.store
	f.done.Quarantine, f.done.Events, err = store.ForgetIn(ctx, func(n sqlstore.Named) (bool, error) { return f.named(ctx, n) })
	if err != nil {
		return err
	}
	if err := store.Scrub(ctx, f.judge.scrub); err != nil {
		return err
	}
	if err := f.home.emptyIndex(); err != nil {
		return err
	}
	for _, resource := range owned {
		err := f.each(ctx, resource, func(id string, raw []byte) error {
			kind, _, err := f.verdict(ctx, resource, id, raw)
			if kind != 0 {
				f.done.Left++
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return store.Erase(ctx)
}

// emptyIndex makes the index anew: Pebble keeps what is deleted for a while. It
// is filled from the tables when they are opened.
func (h *home) emptyIndex() error {
	index := filepath.Join(h.dir, "index")
	err := h.index.Close()
	h.index = nil
	if err == nil {
		err = os.RemoveAll(index)
	}
	if err == nil {
		h.index, err = idindex.Open(index)
	}
	return err
}
