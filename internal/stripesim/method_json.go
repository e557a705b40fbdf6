package stripesim

// methodDetails writes payment_method_details: one sub-object named by the
// type, and the type after it.
func (w *world) methodDetails(e *enc, c *charge, r *rng) {
	e.obj("payment_method_details")
	if c.novel != 2 { // a type without its sub-object
		switch c.method {
		case card:
			w.cardDetails(e, c, r)
		case novel:
			novelDetails(e, r)
		default:
			e.obj(c.method.name)
			walletDetails(e, c, r)
			e.close('}')
		}
	}
	e.str("type", c.method.name)
	e.close('}')
}

// walletDetails writes the inside of the sub-objects with few fields; link's
// and zip's are nearly or entirely empty.
func walletDetails(e *enc, c *charge, r *rng) {
	switch c.method {
	case klarna:
		e.obj("payer_details")
		e.obj("address")
		e.str("country", c.person.country.code)
		e.close('}')
		e.close('}')
		e.strOrNull("payment_method_category", c.category)
		e.str("preferred_locale", c.person.country.locale)
	case afterpay:
		e.word("order_id", r, 14)
		if c.key%4 == 0 {
			e.null("reference")
		} else {
			e.word("reference", r, 20)
		}
	case affirm, billie, scalapay, sunbit:
		if c.failure != nil {
			e.null("transaction_id")
		} else {
			e.word("transaction_id", r, 9)
		}
	case alma:
		e.obj("installments")
		e.int("count", int64(2+r.below(3)))
		e.close('}')
		e.word("transaction_id", r, 12)
	case paypal:
		e.str("country", c.person.country.code)
		e.key("payer_email")
		e.quote()
		e.b = c.person.appendEmail(e.b, uint64(max(c.customer, 0)))
		e.quote()
		e.word("payer_id", r, 13)
		e.str("payer_name", c.person.name())
		e.obj("seller_protection")
		e.null("dispute_categories")
		e.str("status", "eligible")
		e.close('}')
		e.word("transaction_id", r, 17)
	case link:
		e.str("country", c.person.country.code)
	case ideal:
		e.str("bank", []string{"ing", "rabobank", "abn_amro", "bunq"}[r.below(4)])
		e.str("bic", "INGBNL2A")
		e.nulls("generated_sepa_debit", "generated_sepa_debit_mandate")
		e.digits("iban_last4", r, 4)
		e.str("verified_name", c.person.name())
	case sepa:
		e.digits("bank_code", r, 8)
		e.null("branch_code")
		e.str("country", c.person.country.code)
		e.word("fingerprint", r, 16)
		e.digits("last4", r, 4)
		e.key("mandate")
		e.b = append(e.b, `"mandate_`...)
		e.b = r.appendWord(e.b, 24)
		e.quote()
	}
}

func novelDetails(e *enc, r *rng) {
	e.obj("nimbus_split")
	e.obj("installments")
	e.int("count", int64(3+r.below(9)))
	e.str("cadence", "fortnightly")
	e.close('}')
	e.word("reference", r, 12)
	e.close('}')
}

func (w *world) cardDetails(e *enc, c *charge, r *rng) {
	brand := cardBrands[r.below(len(cardBrands))]
	held := !c.captured && c.failure == nil
	e.obj("card")
	if c.failure != nil {
		e.null("amount_authorized")
	} else {
		e.int("amount_authorized", c.amount)
	}
	if c.failure != nil || r.chance(0.7) {
		e.null("authorization_code")
	} else {
		e.digits("authorization_code", r, 6)
	}
	e.str("brand", brand)
	if held {
		e.int("capture_before", c.created+7*daySeconds)
	}
	e.obj("checks")
	e.strOrNull("address_line1_check", []string{"", "pass", "unchecked"}[r.below(3)])
	e.strOrNull("address_postal_code_check", []string{"", "pass", "fail"}[r.below(3)])
	e.str("cvc_check", "pass")
	e.close('}')
	e.str("country", c.person.country.code)
	e.int("exp_month", int64(1+r.below(12)))
	e.int("exp_year", int64(2027+r.below(6)))
	if held {
		statusObject(e, "extended_authorization", "disabled")
	}
	e.word("fingerprint", r, 16)
	e.str("funding", []string{"credit", "credit", "debit", "prepaid"}[r.below(4)])
	if held {
		statusObject(e, "incremental_authorization", "unavailable")
	}
	cardInstallments(e, c, r)
	e.digits("last4", r, 4)
	e.null("mandate")
	if held {
		statusObject(e, "multicapture", "unavailable")
	}
	e.str("network", brand)
	if r.chance(0.1) {
		e.obj("network_token")
		e.bool("used", r.chance(0.5))
		e.close('}')
	}
	e.digits("network_transaction_id", r, 15)
	if held {
		e.obj("overcapture")
		e.int("maximum_amount_capturable", c.amount)
		e.str("status", "unavailable")
		e.close('}')
	}
	e.str("regulated_status", "unregulated")
	cardSecurity(e, r)
	e.close('}')
}

func statusObject(e *enc, k, v string) {
	e.obj(k)
	e.str("status", v)
	e.close('}')
}

// cardInstallments: instalments by the bank exist in Mexico.
func cardInstallments(e *enc, c *charge, r *rng) {
	if c.currency != mxn || !r.chance(0.5) {
		e.null("installments")
		return
	}
	e.obj("installments")
	e.obj("plan")
	e.int("count", int64(3+3*r.below(3)))
	e.str("interval", "month")
	e.str("type", "fixed_count")
	e.close('}')
	e.close('}')
}

func cardSecurity(e *enc, r *rng) {
	if r.chance(0.1) {
		e.obj("three_d_secure")
		e.str("authentication_flow", "frictionless")
		e.str("electronic_commerce_indicator", "05")
		e.null("exemption_indicator")
		e.str("result", "authenticated")
		e.null("result_reason")
		e.word("transaction_id", r, 36)
		e.str("version", "2.2.0")
		e.close('}')
	} else {
		e.null("three_d_secure")
	}
	if r.chance(0.1) {
		e.obj("wallet")
		e.obj("apple_pay")
		e.close('}')
		e.digits("dynamic_last4", r, 4)
		e.str("type", "apple_pay")
		e.close('}')
	} else {
		e.null("wallet")
	}
}
