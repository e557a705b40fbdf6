package extract

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tributary-data/tributary/internal/problem"
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

// What an invoice, and what is a part of one, names: since version 2025-03-31
// the subscription stands below parent.
var (
	ofInvoice = []touch{
		{"customers", "customer"},
		{"subscriptions", "subscription"},
		{"subscriptions", "parent.subscription_details.subscription"},
		{"charges", "charge"},
	}
	ofInvoiceItem = []touch{{"subscriptions", "subscription"}, {"subscriptions", "parent.subscription_details.subscription"}}
)

// touches says which objects an event is about, by the event's type; a type
// that ends in a dot stands for all that begin with it, and the first that fits
// counts. Events are hints only: what they name is read anew at the pinned
// version, because their own snapshots are rendered in the account's version of
// that moment.
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
	{"radar.early_fraud_warning.", []touch{{"charges", "charge"}}},
	{"customer.subscription.", []touch{{"subscriptions", "id"}}},
	{"customer.discount.", []touch{{"customers", "customer"}, {"subscriptions", "subscription"}}},
	{"customer.source.", []touch{{"customers", "customer"}}},
	{"customer.tax_id.", []touch{{"customers", "customer"}, {"customers", "owner.customer"}}},
	{"customer.", []touch{{"customers", "id"}}},
	{"customer_cash_balance_transaction.", []touch{{"customers", "customer"}}},
	{"cash_balance.", []touch{{"customers", "customer"}}},
	{"credit_note.", []touch{{"customers", "customer"}}},
	{"subscription_schedule.", []touch{{"subscriptions", "subscription"}, {"subscriptions", "released_subscription"}}},
	// Announcements: nothing has changed yet.
	{"invoice.upcoming", nil},
	{"invoice.will_be_due", nil},
	{"invoice.sent", nil},
	{"invoice.", ofInvoice},
	{"invoice_payment.paid", []touch{{"charges", "payment.charge"}}},
	{"invoiceitem.", ofInvoiceItem},
	{"price.", []touch{{"prices", "id"}}},
	{"plan.", []touch{{"prices", "id"}}},
}

// touched returns what an event of that type names, nil for nothing of ours.
func touched(kind string) []touch {
	for _, t := range touches {
		if t.kind == kind || strings.HasSuffix(t.kind, ".") && strings.HasPrefix(kind, t.kind) {
			return t.of
		}
	}
	return nil
}

// listed are the types asked for when one page does not hold all events: all
// that the table of touches knows, in groups of at most 20, as Stripe allows.
// The types that show objects of one resource stand in one group, so that its
// list has them in their order.
var listed = [][]string{
	{
		"charge.captured", "charge.expired", "charge.failed", "charge.pending", "charge.refunded", "charge.succeeded", "charge.updated",
		"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed", "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
		"charge.refund.updated", "refund.created", "refund.updated", "refund.failed",
		"review.opened", "review.closed", "radar.early_fraud_warning.created", "radar.early_fraud_warning.updated",
	},
	{
		"price.created", "price.updated", "price.deleted", "plan.created", "plan.updated", "plan.deleted",
		"customer.created", "customer.updated", "customer.deleted",
		"customer.subscription.created", "customer.subscription.updated", "customer.subscription.deleted", "customer.subscription.paused",
		"customer.subscription.resumed", "customer.subscription.trial_will_end", "customer.subscription.pending_update_applied", "customer.subscription.pending_update_expired",
		"customer.discount.created", "customer.discount.updated", "customer.discount.deleted",
	},
	{
		"customer.tax_id.created", "customer.tax_id.updated", "customer.tax_id.deleted",
		"customer.source.created", "customer.source.updated", "customer.source.deleted", "customer.source.expiring",
		"customer_cash_balance_transaction.created", "cash_balance.funds_available",
		"credit_note.created", "credit_note.updated", "credit_note.voided", "invoice_payment.paid",
		"subscription_schedule.aborted", "subscription_schedule.canceled", "subscription_schedule.completed", "subscription_schedule.created",
		"subscription_schedule.expiring", "subscription_schedule.released", "subscription_schedule.updated",
	},
	{
		"invoice.created", "invoice.deleted", "invoice.finalization_failed", "invoice.finalized", "invoice.marked_uncollectible",
		"invoice.overdue", "invoice.overpaid", "invoice.paid", "invoice.payment_action_required", "invoice.payment_attempt_required",
		"invoice.payment_failed", "invoice.payment_succeeded", "invoice.updated", "invoice.voided",
		"invoiceitem.created", "invoiceitem.deleted",
	},
}

// EventTypes returns the types of events that say something of our resources.
func EventTypes() []string { return slices.Concat(listed...) }

// ReadEvents lists the events created at or after from, in unix seconds, and
// hands them to put, a page at a time, in the order of Stripe's list: newest
// first. An event may come twice. One page is asked for without a filter; only
// if there is more, the types that say something of our resources.
func ReadEvents(ctx context.Context, c *stripe.Client, from int64, put func([]Notice) error) error {
	window := strconv.FormatInt(from, 10)
	_, more, err := readEvents(ctx, c, url.Values{"created[gte]": {window}}, put)
	if err != nil || !more {
		return err
	}
	for _, types := range listed {
		q := url.Values{"created[gte]": {window}, "types[]": types}
		passed := map[string]bool{}
		for more := true; more; {
			var last string
			if last, more, err = readEvents(ctx, c, q, put); err != nil {
				return err
			}
			if more && passed[last] {
				return problem.Errorf(problem.Unavailable, "events: the list comes to %s again and again", last)
			}
			passed[last] = true
			q.Set("starting_after", last)
		}
	}
	return nil
}

// readEvents reads one page. last is the id of its last event.
func readEvents(ctx context.Context, c *stripe.Client, q url.Values, put func([]Notice) error) (last string, more bool, err error) {
	page, err := c.Events(ctx, q)
	if err != nil {
		return "", false, fmt.Errorf("events: %w", err)
	}
	defer page.Release()
	notices := make([]Notice, 0, len(page.List.Items))
	for _, it := range page.List.Items {
		n, err := ParseNotice(it.Raw)
		if err != nil && n.ID == "" {
			return "", false, fmt.Errorf("events: %w", err)
		}
		// One that shows no object names none: it must not stop the others.
		notices = append(notices, n)
		last = n.ID
	}
	if len(notices) == 0 {
		return "", false, nil
	}
	return last, page.List.HasMore, put(notices)
}
