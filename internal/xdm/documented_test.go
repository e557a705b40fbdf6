package xdm

import (
	"strings"
	"testing"
)

// Fields that Stripe documents, from the API reference of 2025-02-24.acacia to
// 2026-08-26.dahlia, and the ones its older samples have. An id stands where
// Stripe can send an object in its place when asked to.
var documented = []struct {
	resource string
	below    string
	fields   map[string]string // names by type
}{
	{"charges", "", map[string]string{
		"long":    "amount amount_captured amount_refunded application_fee_amount created",
		"id":      "application application_fee balance_transaction customer destination dispute failure_balance_transaction invoice on_behalf_of order payment_intent review source_transfer transfer",
		"object":  "billing_details outcome payment_method_details presentment_details radar_options shipping transfer_data",
		"string":  "calculated_statement_descriptor currency description failure_code failure_message id object payment_method receipt_email receipt_number receipt_url statement_descriptor statement_descriptor_suffix status transfer_group",
		"boolean": "captured disputed livemode paid refunded",
		"map":     "fraud_details metadata",
		"json":    "level3 refunds source",
	}},
	{"charges", "billing_details.", map[string]string{"object": "address", "string": "email name phone tax_id"}},
	{"charges", "billing_details.address.", map[string]string{"string": "city country line1 line2 postal_code state"}},
	{"charges", "outcome.", map[string]string{
		"string": "advice_code network_advice_code network_decline_code network_status reason risk_level seller_message type",
		"long":   "risk_score",
		"id":     "rule",
	}},
	{"charges", "shipping.", map[string]string{"object": "address", "string": "carrier name phone tracking_number"}},
	{"charges", "transfer_data.", map[string]string{"long": "amount", "id": "destination"}},
	{"charges", "presentment_details.", map[string]string{"long": "presentment_amount", "string": "presentment_currency"}},
	{"charges", "radar_options.", map[string]string{"string": "session"}},
	{"charges", "payment_method_details.", map[string]string{
		"string": "type",
		"object": "affirm afterpay_clearpay alma amazon_pay billie card cashapp klarna kriya link mondu paypal rechnung scalapay sepa_debit sequra sunbit us_bank_account zip",
		"json":   "bancontact ideal",
	}},
	{"charges", "payment_method_details.card.", map[string]string{
		"long":   "amount_authorized capture_before exp_month exp_year",
		"string": "authorization_code brand country fingerprint funding last4 mandate network network_transaction_id regulated_status transaction_link_id",
		"object": "checks extended_authorization incremental_authorization installments multicapture network_token overcapture three_d_secure wallet",
	}},
	{"charges", "payment_method_details.card.checks.", map[string]string{"string": "address_line1_check address_postal_code_check cvc_check"}},
	{"charges", "payment_method_details.card.extended_authorization.", map[string]string{"string": "status"}},
	{"charges", "payment_method_details.card.incremental_authorization.", map[string]string{"string": "status"}},
	{"charges", "payment_method_details.card.installments.plan.", map[string]string{"long": "count", "string": "interval type"}},
	{"charges", "payment_method_details.card.multicapture.", map[string]string{"string": "status"}},
	{"charges", "payment_method_details.card.network_token.", map[string]string{"boolean": "used"}},
	{"charges", "payment_method_details.card.overcapture.", map[string]string{"long": "maximum_amount_capturable", "string": "status"}},
	{"charges", "payment_method_details.card.three_d_secure.", map[string]string{
		"string":  "authentication_flow electronic_commerce_indicator exemption_indicator result result_reason transaction_id version",
		"boolean": "exemption_indicator_applied",
	}},
	{"charges", "payment_method_details.card.wallet.", map[string]string{
		"string": "dynamic_last4 type",
		"json":   "amex_express_checkout apple_pay google_pay link masterpass samsung_pay visa_checkout",
	}},
	{"charges", "payment_method_details.affirm.", map[string]string{"string": "location reader transaction_id"}},
	{"charges", "payment_method_details.afterpay_clearpay.", map[string]string{"string": "order_id reference"}},
	{"charges", "payment_method_details.alma.", map[string]string{"string": "transaction_id", "object": "installments"}},
	{"charges", "payment_method_details.alma.installments.", map[string]string{"long": "count"}},
	{"charges", "payment_method_details.amazon_pay.", map[string]string{"string": "transaction_id", "json": "funding"}},
	{"charges", "payment_method_details.billie.", map[string]string{"string": "transaction_id"}},
	{"charges", "payment_method_details.cashapp.", map[string]string{"string": "buyer_id cashtag transaction_id"}},
	{"charges", "payment_method_details.klarna.", map[string]string{"string": "location payment_method_category preferred_locale reader", "object": "payer_details"}},
	{"charges", "payment_method_details.klarna.payer_details.address.", map[string]string{"string": "country"}},
	{"charges", "payment_method_details.kriya.", map[string]string{"string": "transaction_id"}},
	{"charges", "payment_method_details.link.", map[string]string{"string": "country funding_source_group"}},
	{"charges", "payment_method_details.mondu.", map[string]string{"string": "transaction_id"}},
	{"charges", "payment_method_details.paypal.", map[string]string{"string": "country payer_email payer_id payer_name transaction_id", "json": "seller_protection"}},
	{"charges", "payment_method_details.rechnung.", map[string]string{"string": "payment_portal_url"}},
	{"charges", "payment_method_details.scalapay.", map[string]string{"string": "transaction_id"}},
	{"charges", "payment_method_details.sepa_debit.", map[string]string{"string": "bank_code branch_code country expected_debit_date fingerprint last4 mandate"}},
	{"charges", "payment_method_details.sequra.", map[string]string{"string": "transaction_id"}},
	{"charges", "payment_method_details.sunbit.", map[string]string{"string": "transaction_id"}},
	{"charges", "payment_method_details.us_bank_account.", map[string]string{"string": "account_holder_type account_type bank_name expected_debit_date fingerprint last4 payment_reference routing_number", "id": "mandate"}},
	{"charges", "payment_method_details.zip.", map[string]string{"string": "transaction_id"}},

	{"subscriptions", "", map[string]string{
		"id":      "application customer default_payment_method default_source latest_invoice on_behalf_of pending_setup_intent schedule test_clock",
		"double":  "application_fee_percent",
		"object":  "automatic_tax billing_cycle_anchor_config billing_mode billing_thresholds cancellation_details discount invoice_settings items managed_payments pause_collection payment_settings pending_invoice_item_interval presentment_details transfer_data trial_settings",
		"long":    "billing_cycle_anchor cancel_at canceled_at created current_period_end current_period_start days_until_due ended_at next_pending_invoice_item_invoice quantity start_date trial_end trial_start",
		"array":   "billing_schedules default_tax_rates discounts",
		"boolean": "cancel_at_period_end livemode",
		"string":  "collection_method currency customer_account description id object status",
		"map":     "metadata",
		"json":    "pending_update plan",
	}},
	{"subscriptions", "automatic_tax.", map[string]string{"boolean": "enabled", "string": "disabled_reason"}},
	{"subscriptions", "automatic_tax.liability.", map[string]string{"string": "type", "id": "account"}},
	{"subscriptions", "billing_cycle_anchor_config.", map[string]string{"long": "day_of_month hour minute month second"}},
	{"subscriptions", "billing_mode.", map[string]string{"string": "type", "long": "updated_at"}},
	{"subscriptions", "billing_mode.flexible.", map[string]string{"string": "proration_discounts"}},
	{"subscriptions", "billing_schedules[].", map[string]string{"string": "key", "array": "applies_to", "object": "bill_until"}},
	{"subscriptions", "billing_schedules[].applies_to[].", map[string]string{"id": "price", "string": "type"}},
	{"subscriptions", "billing_schedules[].bill_until.", map[string]string{"long": "computed_timestamp timestamp", "string": "type", "object": "duration"}},
	{"subscriptions", "billing_schedules[].bill_until.duration.", map[string]string{"string": "interval", "long": "interval_count"}},
	{"subscriptions", "billing_thresholds.", map[string]string{"long": "amount_gte", "boolean": "reset_billing_cycle_anchor"}},
	{"subscriptions", "cancellation_details.", map[string]string{"string": "comment feedback reason", "id": "feedback_option"}},
	{"subscriptions", "default_tax_rates[].", map[string]string{
		"string":  "country description display_name id jurisdiction jurisdiction_level object rate_type state tax_type",
		"double":  "effective_percentage percentage",
		"boolean": "active inclusive livemode",
		"long":    "created",
		"map":     "metadata",
	}},
	{"subscriptions", "default_tax_rates[].flat_amount.", map[string]string{"long": "amount", "string": "currency"}},
	{"subscriptions", "discount.", map[string]string{
		"string": "checkout_session customer_account id invoice invoice_item object subscription subscription_item",
		"id":     "customer promotion_code",
		"long":   "end start",
		"object": "coupon source",
	}},
	{"subscriptions", "discount.coupon.", map[string]string{
		"string":  "currency duration id name object",
		"long":    "amount_off created duration_in_months max_redemptions redeem_by times_redeemed",
		"double":  "percent_off",
		"boolean": "livemode valid",
		"map":     "metadata",
	}},
	{"subscriptions", "discount.source.", map[string]string{"id": "coupon", "string": "type"}},
	{"subscriptions", "invoice_settings.", map[string]string{"array": "account_tax_ids custom_fields", "string": "description footer", "object": "issuer"}},
	{"subscriptions", "invoice_settings.custom_fields[].", map[string]string{"string": "name value"}},
	{"subscriptions", "invoice_settings.issuer.", map[string]string{"string": "type", "id": "account"}},
	{"subscriptions", "items.", map[string]string{"string": "object url", "boolean": "has_more", "long": "total_count", "array": "data"}},
	{"subscriptions", "items.data[].", map[string]string{
		"long":   "billed_until created current_period_end current_period_start quantity",
		"object": "billing_thresholds plan price",
		"array":  "discounts tax_rates",
		"string": "id object subscription",
		"map":    "metadata",
	}},
	{"subscriptions", "items.data[].billing_thresholds.", map[string]string{"long": "usage_gte"}},
	{"subscriptions", "items.data[].plan.", map[string]string{
		"string":  "aggregate_usage amount_decimal billing_scheme currency id interval meter nickname object tiers_mode usage_type",
		"long":    "amount created interval_count trial_period_days",
		"boolean": "active livemode",
		"map":     "metadata",
		"id":      "product",
		"object":  "transform_usage",
		"json":    "tiers",
	}},
	{"subscriptions", "items.data[].plan.transform_usage.", map[string]string{"long": "divide_by", "string": "round"}},
	{"subscriptions", "managed_payments.", map[string]string{"boolean": "enabled"}},
	{"subscriptions", "pause_collection.", map[string]string{"string": "behavior", "long": "resumes_at"}},
	{"subscriptions", "payment_settings.", map[string]string{"json": "payment_method_options", "array": "payment_method_types", "string": "save_default_payment_method"}},
	{"subscriptions", "pending_invoice_item_interval.", map[string]string{"string": "interval", "long": "interval_count"}},
	{"subscriptions", "presentment_details.", map[string]string{"string": "presentment_currency"}},
	{"subscriptions", "transfer_data.", map[string]string{"double": "amount_percent", "id": "destination"}},
	{"subscriptions", "trial_settings.end_behavior.", map[string]string{"string": "missing_payment_method"}},

	{"refunds", "", map[string]string{
		"long":   "amount created",
		"id":     "balance_transaction charge customer failure_balance_transaction payment_intent payment_method source_transfer_reversal transfer_reversal",
		"string": "currency customer_account description failure_reason id instructions_email object pending_reason reason receipt_number status",
		"object": "destination_details presentment_details",
		"map":    "metadata",
		"json":   "next_action",
	}},
	{"refunds", "destination_details.", map[string]string{
		"string": "type",
		"object": "card",
		"json": "affirm afterpay_clearpay alipay alma amazon_pay au_bank_transfer blik br_bank_transfer cashapp crypto customer_cash_balance " +
			"eps eu_bank_transfer gb_bank_transfer giropay grabpay jp_bank_transfer klarna mb_way multibanco mx_bank_transfer nz_bank_transfer " +
			"p24 paynow paypal pix revolut scalapay sofort swish th_bank_transfer twint us_bank_transfer wechat_pay zip",
	}},
	{"refunds", "destination_details.card.", map[string]string{"string": "reference reference_status reference_type type"}},
	{"refunds", "presentment_details.", map[string]string{"long": "presentment_amount", "string": "presentment_currency"}},

	{"balance_transactions", "", map[string]string{
		"long":   "amount available_on created fee net",
		"string": "balance_type currency description id object reporting_category status type",
		"double": "exchange_rate",
		"array":  "fee_details",
		"id":     "source",
	}},
	{"balance_transactions", "fee_details[].", map[string]string{"long": "amount", "string": "application currency description type"}},

	{"customers", "", map[string]string{
		"object":  "address discount invoice_settings shipping",
		"long":    "balance created next_invoice_sequence",
		"string":  "business_name currency customer_account description email id individual_name invoice_prefix name object phone tax_exempt",
		"id":      "default_source test_clock",
		"boolean": "delinquent livemode",
		"map":     "invoice_credit_balance metadata",
		"array":   "preferred_locales",
		"json":    "cash_balance sources subscriptions tax tax_ids",
	}},
	{"customers", "invoice_settings.", map[string]string{"array": "custom_fields", "id": "default_payment_method", "string": "footer", "object": "rendering_options"}},
	{"customers", "invoice_settings.rendering_options.", map[string]string{"string": "amount_tax_display template"}},

	{"prices", "", map[string]string{
		"boolean": "active livemode",
		"string":  "billing_scheme currency id lookup_key nickname object tax_behavior tiers_mode type unit_amount_decimal",
		"long":    "created unit_amount",
		"map":     "currency_options metadata",
		"object":  "custom_unit_amount recurring transform_quantity",
		"id":      "product",
		"array":   "tiers",
	}},
	{"prices", "custom_unit_amount.", map[string]string{"long": "maximum minimum preset"}},
	{"prices", "recurring.", map[string]string{"string": "aggregate_usage interval meter usage_type", "long": "interval_count trial_period_days"}},
	{"prices", "tiers[].", map[string]string{"long": "flat_amount unit_amount up_to", "string": "flat_amount_decimal unit_amount_decimal"}},
	{"prices", "transform_quantity.", map[string]string{"long": "divide_by", "string": "round"}},
}

func TestDocumentedFields(t *testing.T) {
	t.Parallel()
	schemas := load(t)
	for _, d := range documented {
		t.Run(d.resource+"/"+d.below, func(t *testing.T) {
			t.Parallel()
			for typ, names := range d.fields {
				for name := range strings.FieldsSeq(names) {
					f, ok := schemas[d.resource].Lookup(d.below + name)
					switch {
					case !ok:
						t.Errorf("%s%s is not in the schema", d.below, name)
					case f.Name != name || !isA(f, typ):
						t.Errorf("%s%s is %s, identifier %t, JSON %t; want %s", d.below, name, f.Kind, f.Identifier, f.JSON, typ)
					}
				}
			}
		})
	}
}

func isA(f *Field, typ string) bool {
	switch typ {
	case "id":
		return f.Kind == String && f.Identifier
	case "json":
		return f.Kind == String && f.JSON
	default:
		return f.Kind.String() == typ && !f.JSON
	}
}
