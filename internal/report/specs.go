package report

// specs are the sections of the report, in its order.
func (p *Params) specs() []spec {
	period := "strftime(period, '%Y-%m-%d')"
	until := "epoch(timezone(" + literal(p.Zone) + ", period + interval 1 " + string(p.Period) + "))::bigint"
	end := p.values()["to"]
	return []spec{
		orders("methods", "Methods", "", "''", end),
		orders("periods", "Methods over time", "period", period, until),
		orders("countries", "Methods by country", "country", "country", end),
		orders("customers", "Methods by new and returning customers", "customer", "customer_kind", end),
		{
			name: "failures", title: "Why attempts failed", file: "failures",
			columns: concat(texts("currency", "class", "method", "failure_code", "outcome", "reason"), counts("failed"), shares("share", "rate")),
		},
		{
			name: "fees", title: "Fees", file: "fees", currency: "settlement_currency",
			columns: concat(texts("currency", "settlement_currency", "class", "method"), counts("charges"), moneys("settled", "fee", "net", "settled_later", "fee_later"),
				shares("fee_rate")),
		},
		{
			name: "repeat", title: "Customers who come back", file: "repeat",
			columns: concat(texts("class", "method"), counts("customers", "repeated"), shares("repeat_rate"), numbers("days_median", "days_average"),
				counts("watched_90", "repeated_90"), shares("repeat_90")),
		},
		{
			name: "cohorts", title: "Cohorts by first order", file: "cohorts",
			columns: concat(texts("period", "class"), counts("customers", "watched_30", "returned_30"), shares("rate_30"),
				counts("watched_90", "returned_90"), shares("rate_90"), counts("watched_180", "returned_180"), shares("rate_180")),
		},
		{
			name: "migration", title: "From the first method to the next", file: "migration",
			columns: concat(texts("from_class", "from_method", "to_class", "to_method"), counts("customers"), shares("share")),
		},
		{
			name: "lift", title: "Baskets beside cards", file: "lift", currency: "currency", after: likely,
			columns: concat(texts("currency", "method"), counts("orders", "matched", "strata", "card_orders"), means("average", "card_average"),
				shares("lift"), numbers("spread", "freedom"), shares("raw_lift")),
		},
		{
			name: "subscriptions", title: "Subscriptions", file: "subscriptions",
			columns: concat(texts("currency", "status"), counts("subscriptions", "customers")),
		},
		{
			name: "mrr", title: "Monthly recurring revenue", file: "mrr", currency: "currency", after: monthly,
			columns: concat(texts("currency", "interval"), counts("interval_count", "items", "left_out"), texts("amount")),
		},
		{
			name: "settlement", title: "Reconciliation with the balance", file: "settlement", currency: "settlement_currency",
			columns: concat(texts("settlement_currency", "category"), counts("transactions"), moneys("amount", "fee", "net"), counts("found_transactions"),
				moneys("found_amount", "found_fee", "found_net", "earlier_amount", "earlier_fee", "objects", "settled")),
		},
		{
			name: "misfits", title: "What does not fit", file: "misfits", currency: "currency",
			columns: concat(texts("kind", "id", "object", "currency"), moneys("amount"), counts("total")),
		},
	}
}

// orders is a section of orders.sql by one dimension, which is called as says; ""
// for none.
func orders(name, title, as, dimension, until string) spec {
	return spec{
		name: name, title: title, file: "orders", currency: "currency", dimension: dimension, until: until, as: as, after: intervals,
		columns: concat(texts("currency", "dimension", "class", "method"), counts("attempts", "succeeded", "failed", "pending"),
			shares("success_rate", "failure_rate"), counts("orders"), moneys("gross", "refunded", "refunded_later", "net"), counts("refunded_orders"),
			shares("refund_rate", "refunded_share"), counts("disputed"), shares("dispute_rate"), means("average", "deviation", "median"),
			moneys("median_low", "median_high"), shares("share_orders", "share_gross")),
	}
}
