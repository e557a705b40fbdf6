package stripesim

// The versions at which the shape of our objects changes.
const (
	v2022November = "2022-11-15"
	v2024April    = "2024-04-10"
	v2024June     = "2024-06-20"
	vBasil        = "2025-03-31.basil"
	vBasilApril   = "2025-04-30.basil"
	vBasilMay     = "2025-05-28.basil"
	vBasilJune    = "2025-06-30.basil"
	vClover       = "2025-09-30.clover"
	vCloverLate   = "2025-12-15.clover"
	vDahliaJune   = "2026-06-24.dahlia"
	vDahliaJuly   = "2026-07-29.dahlia"
)

// reshaped says whether objects look otherwise in that version than in
// acacia. Names of versions sort by time.
func reshaped(version string) bool {
	return version != "" && (version < v2024June || version >= "2025-03-01")
}

// apiVersion is the account's default version.
func (s *Sim) apiVersion() string { return *s.shape.Load() }

// SetAPIVersion changes the account's default version, as its owner can at any
// time: it renders the events from now on, and answers to requests without
// Stripe-Version. What was asked for by name stays as it was.
func (s *Sim) SetAPIVersion(version string) error {
	v, refused := checkVersion(version)
	if refused != nil {
		return refused
	}
	s.mu.Lock() // no event is half in one version
	defer s.mu.Unlock()
	s.shape.Store(&v)
	return nil
}

// inVersion returns an object that has acacia's shape as another version shows
// it.
func (s *Sim) inVersion(n *node, version string) *node {
	if !reshaped(version) {
		return n
	}
	if version < v2022November && n.at("object").value() == "charge" && n.at("refunds") == nil {
		n = n.with("refunds", s.refundList(n.at("id").value(), version))
	}
	return reshape(n, version)
}

// refundList is the list of refunds that charges carried up to 2022.
func (s *Sim) refundList(charge, version string) *node {
	sh, list := s.shelves[Refunds], array()
	for o, p, ok := sh.older(place{sh.n, len(sh.added)}); ok; o, p, ok = sh.older(p) {
		if !s.matches(sh, o, []filter{equals("charge", charge)}) {
			continue
		}
		if n, err := s.tree(sh, o); err == nil {
			list.items = append(list.items, reshape(n, version))
		}
	}
	return fields("object", "list", "data", list, "has_more", false, "total_count", len(list.items), "url", "/v1/charges/"+charge+"/refunds")
}

// reshape turns acacia's shape of an object into another version's. What
// changed when is in Stripe's changelog; only the six resources, what they
// embed, and invoices are known here.
func reshape(n *node, version string) *node {
	to := func(v *node) *node { return reshape(v, version) }
	switch n.at("object").value() {
	case "charge":
		if version >= vBasil {
			n = n.without("invoice")
		}
	case "subscription":
		return reshapeSubscription(n, version)
	case "subscription_item":
		return reshapeItem(n, version)
	case "price":
		return n.within("recurring", func(r *node) *node { return reshapeRecurring(r, version) })
	case "plan":
		return reshapeRecurring(n, version)
	case "refund":
		return reshapeRefund(n, version)
	case "balance_transaction":
		if version >= vBasilMay {
			n = n.with("balance_type", stringNode("payments"))
		}
	case "customer":
		if version >= vCloverLate {
			n = n.with("customer_account", nullNode)
		}
		return n.within("discount", to)
	case "discount":
		if coupon := n.at("coupon"); version >= vClover && coupon != nil {
			n = n.without("coupon").with("source", fields("coupon", coupon.at("id"), "type", "coupon"))
		}
	case "invoice":
		if version >= vBasil {
			of := fields("metadata", nil, "subscription", n.at("subscription"))
			n = n.without("charge", "subscription").
				with("parent", fields("quote_details", nil, "subscription_details", of, "type", "subscription_details"))
		}
	}
	return n
}

func reshapeRecurring(n *node, version string) *node {
	switch {
	case version >= vBasil:
		return n.without("aggregate_usage")
	case version < v2024April:
		return n.without("meter")
	}
	return n
}

func reshapeRefund(n *node, version string) *node {
	if version < v2024April {
		n = n.without("destination_details")
	}
	if version >= vBasilApril && n.at("status").value() == "pending" {
		n = n.with("pending_reason", stringNode("processing"))
	}
	if version >= vDahliaJuly {
		n = n.with("customer", nullNode).with("customer_account", nullNode).with("payment_method", nullNode)
	}
	return n
}

func reshapeSubscription(n *node, version string) *node {
	from, to := n.at("current_period_start"), n.at("current_period_end")
	n = n.within("discount", func(v *node) *node { return reshape(v, version) })
	n = n.within("plan", func(v *node) *node { return reshape(v, version) })
	n = n.within("items", func(list *node) *node {
		return list.each("data", func(item *node) *node {
			item = reshapeItem(item, version)
			if version >= vBasil && from != nil && to != nil {
				item = item.with("current_period_end", to).with("current_period_start", from)
			}
			return item
		})
	})
	if version < v2024June {
		n = n.without("invoice_settings")
	}
	if version < v2024April {
		n = n.without("discounts", "billing_cycle_anchor_config").
			within("automatic_tax", func(v *node) *node { return v.without("liability") })
	}
	if version >= vBasil {
		n = n.without("current_period_start", "current_period_end", "discount")
	}
	if version >= vBasil && version < vBasilMay {
		n = n.without("billing_thresholds")
	}
	if version >= vBasilJune {
		n = n.with("billing_mode", fields("type", "classic"))
	}
	if version >= vCloverLate {
		n = n.with("customer_account", nullNode)
	}
	if version >= vDahliaJune {
		n = n.within("invoice_settings", func(v *node) *node {
			return join(v, fields("custom_fields", nil, "description", nil, "footer", nil))
		})
	}
	return n
}

func reshapeItem(n *node, version string) *node {
	to := func(v *node) *node { return reshape(v, version) }
	n = n.within("plan", to).within("price", to)
	if version < v2024April {
		n = n.without("discounts")
	}
	if version >= vBasil && version < vBasilMay {
		n = n.without("billing_thresholds")
	}
	return n
}
