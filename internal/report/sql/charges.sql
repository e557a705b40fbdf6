-- What every number of the report is made of.
--
-- attempt    a charge, whatever became of it. It belongs to the period in which it was created, in the zone of the report.
-- paid       what was captured of a charge that succeeded, in minor units of the charge's currency; 0 for all others: failed,
--            pending, or authorised and never captured. An order is a charge with paid above 0.
-- booked     what its balance transaction has, if it has one: what was captured, or all of it where it failed later.
-- method     payment_method_details.type; klarna_pay_now for Klarna's payments at once, card_installments for cards with a plan of
--            the bank.
-- class      bnpl, bnpl_unknown, card or other, as class.sql has it.
-- country    of the billing address, else of the shipping address, else of Klarna's payer, else of the card; ?? where none is known.
-- customer_kind  returning: an order of the customer lies in an earlier second, whatever method, currency or period it has;
--            new: none does; guest: the charge names no customer.
-- in_person  a terminal in a shop took it.
-- renewal    the charge pays an invoice, mostly of a subscription.
--
-- chosen are the attempts of the report: created at its beginning or later and before its end, and of its currency, country and kind of
-- customer where it names one.
stored as (
	select _tributary.charges_data as c from xdm.charges where not _deleted
), read as (
	select c.id, c.customer, c.created, c.currency, c.status, c.failure_code, c.outcome.reason as reason, c.outcome.type as outcome,
		c.balance_transaction, c.failure_balance_transaction, c.invoice is not null as renewal, coalesce(c.disputed, false) as disputed,
		case when c.status = 'succeeded' and c.captured then coalesce(c.amount_captured, c.amount) else 0 end as paid,
		coalesce(nullif(c.amount_captured, 0), c.amount) as booked,
		coalesce(c.payment_method_details.type, '?') as type,
		c.payment_method_details.type in ('card_present', 'interac_present') or c.payment_method_details.klarna.location is not null
			or c.payment_method_details.affirm.location is not null as in_person,
		c.payment_method_details.klarna.payment_method_category as category,
		c.payment_method_details.card.installments.plan.count is not null as installments,
		coalesce(c.billing_details.address.country, c.shipping.address.country,
			c.payment_method_details.klarna.payer_details.address.country, c.payment_method_details.card.country, '??') as country
	from stored
), first_orders as (
	select customer, min(created) as first_order from read where paid > 0 and customer is not null group by customer
), attempts as (
	select read.* exclude (type, category, installments),
		case
			when type = 'klarna' and category = 'pay_now' then 'klarna_pay_now'
			when type = 'card' and installments then 'card_installments'
			else type
		end as method,
		$class as class,
		case
			when read.customer is null then 'guest'
			when first_order < created then 'returning'
			else 'new'
		end as customer_kind,
		date_trunc($period, timezone($zone, to_timestamp(created))) as period
	from read left join first_orders on first_orders.customer = read.customer
), chosen as (
	select * from attempts
	where created >= $from and created < $to
		and ($currency = '' or currency = $currency)
		and ($country = '' or country = $country)
		and ($customer = '' or customer_kind = $customer)
)
