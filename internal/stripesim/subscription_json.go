package stripesim

// shownItems is how many items a subscription shows; the rest is paged.
const shownItems = 10

// subscription renders s. priceOf overrides the price at a list position where
// it was changed since, or returns nil.
func (w *world) subscription(e *enc, s *subscription, v view, priceOf func(pos int) *node) {
	r := s.rng
	from, to := w.subscriptionPeriod(s)
	e.open('{')
	e.long("id", &w.ids, idSubscription, "sub_", s.key)
	e.str("object", "subscription")
	e.nulls("application", "application_fee_percent")
	e.obj("automatic_tax")
	e.null("disabled_reason")
	tax := r.chance(0.1)
	e.bool("enabled", tax)
	if tax {
		issuer(e, "liability")
	} else {
		e.null("liability")
	}
	e.close('}')
	e.int("billing_cycle_anchor", s.created)
	e.null("billing_cycle_anchor_config")
	thresholds(e, r.chance(0.02))
	ending := s.ended == 0 && r.chance(0.05)
	if ending {
		e.int("cancel_at", to)
	} else {
		e.null("cancel_at")
	}
	e.bool("cancel_at_period_end", ending)
	s.cancellation(e, ending, &r)
	invoiced := r.chance(0.1)
	if invoiced {
		e.str("collection_method", "send_invoice")
	} else {
		e.str("collection_method", "charge_automatically")
	}
	e.int("created", s.created)
	e.str("currency", s.currency.code)
	e.int("current_period_end", to)
	e.int("current_period_start", from)
	w.subscriptionOwner(e, s, invoiced)
	w.subscriptionDiscount(e, s, &r)
	e.intOrNull("ended_at", s.ended)
	e.obj("invoice_settings")
	e.null("account_tax_ids")
	issuer(e, "issuer")
	e.close('}')
	w.embedItems(e, s, v, priceOf)
	w.latestInvoice(e, s)
	e.bool("livemode", w.live)
	e.obj("metadata")
	if r.chance(0.3) {
		e.str("plan", []string{"Basis", "Прем", "프리미엄"}[r.below(3)])
		e.str("seats", "")
	}
	e.close('}')
	e.nulls("next_pending_invoice_item_invoice", "on_behalf_of")
	w.subscriptionTail(e, s, priceOf, &r)
}

func (w *world) subscriptionTail(e *enc, s *subscription, priceOf func(pos int) *node, r *rng) {
	if s.status == "active" && r.chance(0.03) {
		e.obj("pause_collection")
		e.str("behavior", "keep_as_draft")
		e.null("resumes_at")
		e.close('}')
	} else {
		e.null("pause_collection")
	}
	e.obj("payment_settings")
	e.nulls("payment_method_options", "payment_method_types")
	e.str("save_default_payment_method", []string{"off", "on_subscription"}[r.below(2)])
	e.close('}')
	e.nulls("pending_invoice_item_interval", "pending_setup_intent", "pending_update")
	if s.items == 1 {
		it := w.item(s, 0)
		e.key("plan")
		w.livePlan(e, &it, priceOf)
		if it.price.metered {
			e.null("quantity")
		} else {
			e.int("quantity", it.quantity)
		}
	} else {
		e.nulls("plan", "quantity")
	}
	e.null("schedule")
	start := s.created
	if r.chance(0.06) {
		start -= 30 * daySeconds
	}
	e.int("start_date", start)
	e.str("status", s.status)
	e.nulls("test_clock", "transfer_data")
	trial := s.status == "trialing" || r.chance(0.15)
	end := s.created + 14*daySeconds
	if s.status == "trialing" {
		end = w.end + int64(1+r.below(14))*daySeconds
	}
	if trial {
		e.int("trial_end", end)
	} else {
		e.null("trial_end")
	}
	e.obj("trial_settings")
	e.obj("end_behavior")
	e.str("missing_payment_method", "create_invoice")
	e.close('}')
	e.close('}')
	if trial {
		e.int("trial_start", s.created)
	} else {
		e.null("trial_start")
	}
	e.close('}')
}

func (w *world) subscriptionPeriod(s *subscription) (from, to int64) {
	it := w.item(s, 0)
	at := w.end
	if s.ended > 0 {
		at = s.ended
	}
	return s.period(&it.price, at)
}

func issuer(e *enc, k string) {
	e.obj(k)
	e.str("type", "self")
	e.close('}')
}

func thresholds(e *enc, set bool) {
	if !set {
		e.null("billing_thresholds")
		return
	}
	e.obj("billing_thresholds")
	e.int("amount_gte", 100000)
	e.bool("reset_billing_cycle_anchor", false)
	e.close('}')
}

func (s *subscription) cancellation(e *enc, ending bool, r *rng) {
	switch {
	case s.status == "canceled":
		e.int("canceled_at", max(s.ended-int64(r.below(5*daySeconds)), s.created))
	case ending:
		e.int("canceled_at", s.created+60)
	default:
		e.null("canceled_at")
	}
	e.obj("cancellation_details")
	if s.status == "canceled" {
		e.strOrNull("comment", []string{"", "", "zu teuer 😕", "\"not needed\"\nany more"}[r.below(4)])
		e.strOrNull("feedback", []string{"", "too_expensive", "unused", "switched_service"}[r.below(4)])
		e.str("reason", []string{"cancellation_requested", "payment_failed", "payment_disputed"}[r.pick([]float64{80, 18, 2})])
	} else {
		e.nulls("comment", "feedback", "reason")
	}
	e.close('}')
}

func (w *world) subscriptionOwner(e *enc, s *subscription, invoiced bool) {
	if s.customer >= 0 {
		e.customerID("customer", w, uint64(s.customer))
		if invoiced {
			e.int("days_until_due", 30)
		} else {
			e.null("days_until_due")
		}
		e.long("default_payment_method", &w.ids, idMethod, "pm_", uint64(s.customer)|1<<41)
	} else {
		e.short("customer", &w.ids, idCustomer, "cus_", idSpace-1-s.key)
		e.nulls("days_until_due", "default_payment_method")
	}
	e.null("default_source")
	e.arr("default_tax_rates")
	e.close(']')
	e.null("description")
}

func (w *world) subscriptionDiscount(e *enc, s *subscription, r *rng) {
	if !r.chance(0.05) {
		e.null("discount")
		e.arr("discounts")
		e.close(']')
		return
	}
	e.obj("discount")
	e.long("id", &w.ids, idDiscount, "di_", s.key|1<<41)
	e.str("object", "discount")
	e.null("checkout_session")
	coupon(e, s.created, w.live)
	if s.customer >= 0 {
		e.customerID("customer", w, uint64(s.customer))
	} else {
		e.null("customer")
	}
	e.nulls("end", "invoice", "invoice_item", "promotion_code")
	e.int("start", s.created)
	e.long("subscription", &w.ids, idSubscription, "sub_", s.key)
	e.null("subscription_item")
	e.close('}')
	e.arr("discounts")
	e.line()
	e.quote()
	e.b = w.long(e.b, idDiscount, "di_", s.key|1<<41)
	e.quote()
	e.close(']')
}

func (w *world) latestInvoice(e *enc, s *subscription) {
	switch {
	case s.pos >= 0 && w.lastCharge[s.pos] >= 0:
		e.long("latest_invoice", &w.ids, idInvoice, "in_", uint64(w.lastCharge[s.pos]))
	default:
		e.long("latest_invoice", &w.ids, idInvoice, "in_", s.key|1<<44)
	}
}

// embedItems writes the embedded list of items, of which an answer shows ten.
func (w *world) embedItems(e *enc, s *subscription, v view, priceOf func(pos int) *node) {
	shown := s.items
	if !v.allItems {
		shown = min(shown, shownItems)
	}
	e.obj("items")
	e.str("object", "list")
	e.arr("data")
	for n := range shown {
		e.line()
		w.itemJSON(e, s, n, priceOf)
	}
	e.close(']')
	e.bool("has_more", shown < s.items)
	e.int("total_count", int64(s.items))
	e.key("url")
	e.b = append(e.b, `"/v1/subscription_items?subscription=`...)
	e.b = w.appendSubscriptionID(e.b, s.key)
	e.quote()
	e.close('}')
}

func (w *world) itemJSON(e *enc, s *subscription, n int, priceOf func(pos int) *node) {
	it := w.item(s, n)
	e.open('{')
	e.short("id", &w.ids, idItem, "si_", it.key)
	e.str("object", "subscription_item")
	e.null("billing_thresholds")
	e.int("created", it.created)
	e.arr("discounts")
	e.close(']')
	e.obj("metadata")
	e.close('}')
	e.key("plan")
	w.livePlan(e, &it, priceOf)
	e.key("price")
	if changed := livePrice(&it, priceOf); changed != nil {
		e.node(changed.without("tiers", "currency_options"))
	} else {
		w.price(e, &it.price, view{})
	}
	if !it.price.metered {
		e.int("quantity", it.quantity)
	}
	e.long("subscription", &w.ids, idSubscription, "sub_", s.key)
	e.arr("tax_rates")
	e.close(']')
	e.close('}')
}

func livePrice(it *item, priceOf func(pos int) *node) *node {
	if it.listed < 0 || priceOf == nil {
		return nil
	}
	return priceOf(it.listed)
}

func (w *world) livePlan(e *enc, it *item, priceOf func(pos int) *node) {
	if changed := livePrice(it, priceOf); changed != nil {
		e.node(planOf(changed))
		return
	}
	w.plan(e, &it.price)
}
