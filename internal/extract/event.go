package extract

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/stripe"
)

// EventOverlap is how far behind the cursor events are read again, in seconds:
// an event can show up after later ones, with its older `created`.
const EventOverlap = 600

// Retention is how long Stripe lists events, in seconds, less a day to be
// sure. A cursor older than that has lost events.
const Retention = 29 * 24 * 3600

// A touch says that an event's object names an object of a resource.
type touch struct {
	resource string
	path     string // dotted, to the id (or the object that has it)
}

// touches says which objects an event is about, by the event's type; a type
// that ends in a dot stands for all that begin with it. Events are hints only:
// what they name is read anew at the pinned version, because their own
// snapshots are rendered in the account's version of that moment.
// Sources: Stripe's list of event types, and its rule that an event about a
// part of an object implies none about the whole.
var touches = []struct {
	kind string
	of   []touch
}{
	{"charge.dispute.", []touch{{"charges", "charge"}}},
	{"charge.refund.updated", []touch{{"refunds", "id"}, {"charges", "charge"}}},
	{"charge.", []touch{{"charges", "id"}}},
	{"refund.", []touch{{"refunds", "id"}, {"charges", "charge"}}},
	{"review.", []touch{{"charges", "charge"}}},
	{"customer.subscription.", []touch{{"subscriptions", "id"}}},
	{"customer.discount.", []touch{{"customers", "customer"}, {"subscriptions", "subscription"}}},
	{"customer.source.", []touch{{"customers", "customer"}}},
	{"customer.tax_id.", []touch{{"customers", "customer"}}},
	{"customer.", []touch{{"customers", "id"}}},
	{"customer_cash_balance_transaction.", []touch{{"customers", "customer"}}},
	{"cash_balance.", []touch{{"customers", "customer"}}},
	{"subscription_schedule.", []touch{{"subscriptions", "subscription"}}},
	{"invoice.", []touch{{"customers", "customer"}, {"subscriptions", "subscription"}, {"charges", "charge"}}},
	{"price.", []touch{{"prices", "id"}}},
	{"plan.", []touch{{"prices", "id"}}},
}

// touched returns what an event of that type names.
func touched(kind string) []touch {
	for _, t := range touches {
		if t.kind == kind || strings.HasSuffix(t.kind, ".") && strings.HasPrefix(kind, t.kind) {
			return t.of
		}
	}
	return nil
}

// listed are the types asked for when one page does not hold all events: those
// that say something of our resources, in groups as large as Stripe allows.
var listed = []string{
	"charge.captured", "charge.expired", "charge.failed", "charge.pending", "charge.refunded", "charge.succeeded", "charge.updated",
	"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
	"charge.refund.updated", "refund.created", "refund.updated", "refund.failed", "review.opened", "review.closed",
	"price.created", "price.updated",

	"price.deleted", "plan.created", "plan.updated", "plan.deleted",
	"customer.created", "customer.updated", "customer.deleted",
	"customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted", "customer.subscription.paused",
	"customer.subscription.resumed", "customer.subscription.trial_will_end", "customer.subscription.pending_update_applied", "customer.subscription.pending_update_expired",
	"customer.discount.created", "customer.discount.updated", "customer.discount.deleted",
	"customer.tax_id.created", "customer.tax_id.updated",

	"customer.tax_id.deleted", "customer.source.created", "customer.source.updated", "customer.source.deleted", "customer.source.expiring",
	"customer_cash_balance_transaction.created", "cash_balance.funds_available",
	"subscription_schedule.aborted", "subscription_schedule.canceled", "subscription_schedule.completed", "subscription_schedule.created",
	"subscription_schedule.released", "subscription_schedule.updated",
	"invoice.paid", "invoice.payment_failed", "invoice.finalized", "invoice.voided", "invoice.marked_uncollectible", "invoice.created", "invoice.updated",
}

// typesAtOnce is how many types one request may name.
const typesAtOnce = 20

// A Ref names an object that an event is about.
type Ref struct {
	Resource string
	ID       string
	At       int64 // created of the newest such event
}

// An Event is what is kept of one: enough to know it again.
type Event struct {
	ID      string
	Created int64
}

// Changes are the events of a window, taken apart.
type Changes struct {
	Refs    []Ref          // each object once
	Events  []Event        // those that were not known
	Ignored map[string]int // types that say nothing of our resources, with counts
}

// ReadEvents lists the events created at or after from, at the pinned version,
// and says what they touch. known events are passed over. One page is asked
// for without a filter; only if there is more, the types that matter.
func ReadEvents(ctx context.Context, c *stripe.Client, from int64, known func(id string) bool) (Changes, error) {
	w := changes{known: known, refs: map[Ref]int64{}, seen: map[string]bool{}, ignored: map[string]int{}}
	window := url.Values{"created[gte]": {strconv.FormatInt(from, 10)}}
	more, err := w.page(ctx, c, window)
	if err != nil {
		return Changes{}, err
	}
	if more {
		for types := range slices.Chunk(listed, typesAtOnce) {
			q := url.Values{"created[gte]": window["created[gte]"], "types[]": types}
			if err := w.all(ctx, c, q); err != nil {
				return Changes{}, err
			}
		}
	}
	return w.done(), nil
}

type changes struct {
	known   func(string) bool
	refs    map[Ref]int64
	seen    map[string]bool
	ignored map[string]int
	events  []Event
	last    string // id of the last event of the page
}

func (w *changes) all(ctx context.Context, c *stripe.Client, q url.Values) error {
	for {
		more, err := w.page(ctx, c, q)
		if err != nil || !more {
			return err
		}
		if q.Get("starting_after") == w.last {
			return fmt.Errorf("the list of events does not go on after %s", w.last)
		}
		q.Set("starting_after", w.last)
	}
}

func (w *changes) page(ctx context.Context, c *stripe.Client, q url.Values) (more bool, err error) {
	page, err := c.Events(ctx, q)
	if err != nil {
		return false, fmt.Errorf("events: %w", err)
	}
	defer page.Release()
	for _, it := range page.List.Items {
		w.last = string(it.ID)
		if err := w.take(it.Raw); err != nil {
			return false, err
		}
	}
	return page.List.HasMore && len(page.List.Items) > 0, nil
}

func (w *changes) take(raw []byte) error {
	var e struct {
		ID      string
		Type    string
		Created int64
		Data    struct{ Object map[string]json.RawMessage }
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return fmt.Errorf("event %s: %w", e.ID, err)
	}
	if w.seen[e.ID] {
		return nil
	}
	w.seen[e.ID] = true
	if w.known(e.ID) {
		return nil
	}
	w.events = append(w.events, Event{e.ID, e.Created})
	of := touched(e.Type)
	if of == nil {
		w.ignored[e.Type]++
	}
	for _, t := range of {
		if id := idOf(e.Data.Object[t.path]); id != "" {
			r := Ref{Resource: t.resource, ID: id}
			w.refs[r] = max(w.refs[r], e.Created)
		}
	}
	return nil
}

// idOf takes an id, or the id of an object in its place.
func idOf(raw json.RawMessage) string {
	var id string
	if json.Unmarshal(raw, &id) == nil {
		return id
	}
	var object struct{ ID string }
	if json.Unmarshal(raw, &object) == nil {
		return object.ID
	}
	return ""
}

func (w *changes) done() Changes {
	c := Changes{Events: w.events, Ignored: w.ignored}
	for r, at := range w.refs {
		r.At = at
		c.Refs = append(c.Refs, r)
	}
	return c
}
