package stripesim

// charge renders c in the field order of Stripe's own answers.
func (w *world) charge(e *enc, c *charge) {
	r := c.rng
	e.open('{')
	e.long("id", &w.ids, idCharge, c.method.id, c.key)
	e.str("object", "charge")
	e.int("amount", c.amount)
	e.int("amount_captured", c.capturedAmount())
	e.int("amount_refunded", c.refunded)
	e.nulls("application", "application_fee", "application_fee_amount")
	if c.ledger {
		e.long("balance_transaction", &w.ids, idBalance, "txn_", balanceOfCharge|c.key)
	} else {
		e.null("balance_transaction")
	}
	w.billingDetails(e, c, &r)
	if c.method == card {
		e.str("calculated_statement_descriptor", "TRIBUTARY SHOP")
	} else {
		e.null("calculated_statement_descriptor")
	}
	e.bool("captured", c.captured)
	e.int("created", c.created)
	e.str("currency", c.currency.code)
	if c.customer >= 0 {
		e.customerID("customer", w, uint64(c.customer))
	} else {
		e.null("customer")
	}
	w.chargeDescription(e, c)
	e.bool("disputed", c.disputed)
	e.null("failure_balance_transaction")
	if c.failure != nil {
		e.str("failure_code", c.failure.code)
		e.str("failure_message", c.failure.message)
	} else {
		e.nulls("failure_code", "failure_message")
	}
	e.obj("fraud_details")
	if c.disputed {
		e.str("stripe_report", "fraudulent")
	}
	e.close('}')
	if c.sub >= 0 {
		e.long("invoice", &w.ids, idInvoice, "in_", c.invoiceKey())
	} else {
		e.null("invoice")
	}
	e.bool("livemode", w.live)
	w.chargeMetadata(e, c, &r)
	e.null("on_behalf_of")
	chargeOutcome(e, c, &r)
	e.bool("paid", c.status == "succeeded")
	e.long("payment_intent", &w.ids, idIntent, "pi_", c.key)
	e.long("payment_method", &w.ids, idMethod, "pm_", c.methodKey())
	w.methodDetails(e, c, &r)
	w.chargeTail(e, c, &r)
}

// methodKey is the same for all charges of a customer by one method.
func (c *charge) methodKey() uint64 {
	if c.customer < 0 {
		return c.key
	}
	return uint64(c.customer)<<4 | uint64(len(c.method.name))&15 | 1<<45
}

func (w *world) chargeTail(e *enc, c *charge, r *rng) {
	if c.method.later && c.customer >= 0 {
		e.key("receipt_email")
		e.quote()
		e.b = c.person.appendEmail(e.b, uint64(c.customer))
		e.quote()
	} else {
		e.null("receipt_email")
	}
	if c.refunded > 0 {
		e.key("receipt_number")
		e.quote()
		e.b = append(r.appendDigits(e.b, 4), '-')
		e.b = r.appendDigits(e.b, 4)
		e.quote()
	} else {
		e.null("receipt_number")
	}
	if c.status == "failed" {
		e.null("receipt_url")
	} else {
		e.key("receipt_url")
		e.b = append(e.b, `"https://pay.stripe.com/receipts/payment/CAcaFwoV`...)
		e.b = r.appendWord(e.b, 22)
		e.b = append(e.b, 'K')
		e.b = r.appendWord(e.b, 30)
		e.quote()
	}
	e.bool("refunded", c.refunded > 0 && c.refunded == c.amount)
	e.null("review")
	if c.sub < 0 && (c.method.later && c.key%4 > 0 || c.key%17 == 0) {
		e.obj("shipping")
		c.person.address(e, "address")
		e.str("carrier", carrier(c.person.country.code))
		e.str("name", c.person.name())
		c.person.phone(e, "phone", r)
		e.digits("tracking_number", r, 12)
		e.close('}')
	} else {
		e.null("shipping")
	}
	e.nulls("source_transfer", "statement_descriptor", "statement_descriptor_suffix")
	switch c.novel {
	case 3:
		e.str("settlement_speed", "instant")
		e.obj("sustainability")
		e.lit("grams_co2", "412.50")
		e.close('}')
		e.str("status", c.status)
	case 4:
		e.str("status", "partially_settled")
	default:
		e.str("status", c.status)
	}
	e.nulls("transfer_data", "transfer_group")
	e.close('}')
}

func carrier(country string) string {
	switch country {
	case "US", "MX":
		return "UPS"
	case "DE", "NL", "SE":
		return "DHL"
	case "JP":
		return "ヤマト運輸"
	}
	return "FedEx"
}

func (w *world) chargeDescription(e *enc, c *charge) {
	if c.sub >= 0 {
		e.str("description", "Subscription update")
		return
	}
	e.key("description")
	e.b = append(e.b, `"Order #`...)
	e.b = appendOrder(e.b, c.key)
	e.quote()
}

func (w *world) billingDetails(e *enc, c *charge, r *rng) {
	e.obj("billing_details")
	if c.method == card && r.chance(0.85) {
		noAddress(e, "address")
	} else {
		c.person.address(e, "address")
	}
	e.key("email")
	e.quote()
	e.b = c.person.appendEmail(e.b, uint64(max(c.customer, 0)))
	e.quote()
	e.str("name", c.person.name())
	if c.method.later {
		c.person.phone(e, "phone", r)
	} else {
		e.null("phone")
	}
	e.close('}')
}

func chargeOutcome(e *enc, c *charge, r *rng) {
	if c.status == "pending" {
		e.null("outcome")
		return
	}
	e.obj("outcome")
	if f := c.failure; f != nil {
		e.strOrNull("advice_code", f.advice)
		e.null("network_advice_code")
		if f.kind == "issuer_declined" && c.method == card {
			e.digits("network_decline_code", r, 2)
		} else {
			e.null("network_decline_code")
		}
		e.str("network_status", f.network)
		e.str("reason", f.decline)
		chargeRisk(e, c, r)
		e.str("seller_message", f.seller)
		e.str("type", f.kind)
	} else {
		e.nulls("advice_code", "network_advice_code", "network_decline_code")
		e.str("network_status", "approved_by_network")
		e.null("reason")
		chargeRisk(e, c, r)
		e.str("seller_message", "Payment complete.")
		e.str("type", "authorized")
	}
	e.close('}')
}

// chargeRisk is only assessed for cards; the score is absent otherwise.
func chargeRisk(e *enc, c *charge, r *rng) {
	switch {
	case c.method != card:
		e.str("risk_level", "not_assessed")
	case c.failure != nil && c.failure.kind == "blocked":
		e.str("risk_level", "highest")
		e.int("risk_score", 76+int64(r.below(20)))
	default:
		e.str("risk_level", "normal")
		e.int("risk_score", int64(r.below(64)))
	}
}
