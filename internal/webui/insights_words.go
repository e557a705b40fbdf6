package webui

// chartTitles are by section of the report.
var chartTitles = map[string]string{
	"periods":   "Share of orders over time, %s",
	"methods":   "Order value by method, %s: median (dot) and average (ring), with their intervals (95 %%)",
	"cohorts":   "Customers who ordered again within 90 days, by the period of their first order",
	"migration": "From the first method (left) to that of the next order (right), in customers",
}

// What the report and its charts say, by way of the API.
var (
	_ = words(
		"Share of orders over time, %s", "Order value by method, %s: median (dot) and average (ring), with their intervals (95 %%)",
		"Customers who ordered again within 90 days, by the period of their first order",
		"From the first method (left) to that of the next order (right), in customers",
		"%s: median %s, 95 %% from %s to %s", "%s: average %s, 95 %% from %s to %s", "%s: median %s", "%s: average %s", "%s, then %s: %d", "%s: %d", "%s, %s",
		"buy now, pay later", "Klarna, unknown which", "cards", "other methods", "unknown which", "no next order",
	)
	_ = words(
		"Methods", "Methods over time", "Methods by country", "Methods by new and returning customers", "Why attempts failed", "Fees", "Customers who come back",
		"Cohorts by first order", "From the first method to the next", "Baskets beside cards", "Subscriptions", "Monthly recurring revenue",
		"Reconciliation with the balance", "What does not fit",
	)
	_ = words(
		"Amounts are in the currency of the charge. No two currencies are added up; what is converted says so.",
		"A refund counts in the period of its charge, whenever it was made; refunded_later says what came after the period's end.",
		"Baskets beside cards are an association, not the effect of offering BNPL: who pays later differs in more than country, currency, time and being new. Only an experiment tells the effect.",
		"Balance transactions of disputes name the dispute and not the charge: their money stands under settlement, by currency and not by method.",
		"Subscriptions and MRR are those of now, whatever the period.",
		"The reconciliation is about the whole account: currency, country and kind of customer do not narrow it. Subscriptions are narrowed by the currency alone.",
	)
	_ = words(
		"currency", "class", "method", "period", "country", "customer", "attempts", "succeeded", "failed", "pending", "success rate", "failure rate", "orders", "gross",
		"refunded", "refunded later", "net", "refunded orders", "refund rate", "refunded share", "disputed", "dispute rate", "average", "average low", "average high",
		"median", "median low", "median high", "share orders", "share gross", "failure code", "outcome", "reason", "share", "rate", "settlement currency", "charges",
		"settled", "fee", "settled later", "fee later", "fee rate", "customers", "repeated", "repeat rate", "days median", "days average", "watched 90", "repeated 90",
		"repeat 90", "watched 30", "returned 30", "rate 30", "returned 90", "rate 90", "watched 180", "returned 180", "rate 180", "from class", "from method", "to class",
		"to method", "matched", "strata", "card orders", "card average", "lift", "lift low", "lift high", "raw lift", "status", "subscriptions", "mrr", "year", "items",
		"left out", "category", "transactions", "amount", "found transactions", "found amount", "found fee", "found net", "earlier amount", "earlier fee", "objects",
		"kind", "id", "object", "total",
	)
)
