-- What the units of an experiment did, as sums from which all numbers of its analysis are made.
--
-- unit       who or what a variant was assigned to: a charge's customer, or the value of the charge's metadata under the experiment's key.
--            Each unit counts in the variant that it was first shown, whatever it was shown later and whether it took notice (intent to
--            treat). Who bought nothing counts with zeros.
-- since      the second of the unit's first exposure in the phase.
-- until      since and the horizon of so many days of 24 hours. Only units whose horizon was over by the time of the analysis are here.
-- order      a charge that succeeded and was captured, with the amount that was captured: failed, pending and merely authorised charges
--            are none, and neither are charges without the unit. Renewals of subscriptions are orders like others. It is the copy's state
--            of the charge that counts, whenever it was captured.
-- during     orders created at since or later and before until, in the experiment's currency: these are the outcome. Amounts of other
--            currencies are not added; other_orders says how many such orders there were.
-- revenue    of the orders, captured less refunded, in minor units. A refund counts if it is succeeded or pending and was created before
--            until: so every unit is watched for equally long. refunded_later is what was refunded afterwards, up to the analysis. What only
--            let go of money that was held and never captured is no refund.
-- converted  1 if the unit placed an order, else 0.
-- items      what the orders say by the experiment's key of metadata, a whole number; unread are orders that don't say one: they count as 0.
-- refunded   orders with such a refund. disputed: orders that were ever disputed, by the charge's own flag, as of the copy.
-- before     the same of orders created in so many days before since; of refunds, those created before since count. Nothing that the
--            experiment could have changed is in it.
-- last, first  the class of the unit's last and first order before since, in any currency and however long ago: bnpl, card, other, or none
--            where there is none. Klarna's payments at once, and those of a category that is not known, are other. Of orders of the same
--            second the one with the lesser id is the earlier.
with
stored as (
	select _tributary.charges_data as c from xdm.charges where not _deleted
), $units, placed as (
	select units.unit, units.variant, units.since, units.until, c.id, c.created, c.created >= units.since as during,
		c.currency = $currency as counts, coalesce(c.amount_captured, c.amount) as paid, coalesce(c.disputed, false) as disputed, $items as items,
		c.payment_method_details.type as type, c.payment_method_details.klarna.payment_method_category as category,
		$class as told,
		case when told in ('bnpl', 'card') then told else 'other' end as class
	from units join stored on $unit = units.unit
	where c.status = 'succeeded' and c.captured and coalesce(c.amount_captured, c.amount) > 0 and c.created < units.until
), back as (
	select placed.id, coalesce(sum(refunds.amount) filter (refunds.created < case when during then until else since end), 0)::bigint as back,
		coalesce(sum(refunds.amount) filter (during and refunds.created >= until), 0)::bigint as later
	from placed join refunds on refunds.charge = placed.id left join balance_transactions b on b.id = refunds.balance_transaction
	where counts and refunds.status in ('succeeded', 'pending') and refunds.created < $as_of and b.reporting_category is distinct from 'partial_capture_reversal'
	group by placed.id
), made as (
	select unit,
		coalesce(sum(paid - coalesce(back, 0)) filter (during and counts), 0)::bigint as revenue,
		count(*) filter (during and counts) as orders,
		coalesce(sum(items) filter (during and counts), 0)::bigint as items,
		count(*) filter (during and counts and back > 0) as refunded,
		count(*) filter (during and counts and disputed) as disputed,
		coalesce(sum(paid - coalesce(back, 0)) filter (recent and counts), 0)::bigint as before_revenue,
		count(*) filter (recent and counts) as before_orders,
		coalesce(sum(items) filter (recent and counts), 0)::bigint as before_items,
		count(*) filter (during and counts and items is null) as unread,
		count(*) filter (during and not counts) as other_orders,
		coalesce(sum(later) filter (during and counts), 0)::bigint as refunded_later,
		arg_max(class, (created, id)) filter (not during) as last,
		arg_min(class, (created, id)) filter (not during) as first
	from (select *, not during and created >= since - $before as recent from placed left join back using (id))
	group by unit
), outcomes as (
	select unit, variant, until // 86400 as day, coalesce(last, 'none') as last, coalesce(first, 'none') as first,
		coalesce(revenue, 0)::hugeint as revenue, (coalesce(orders, 0) > 0)::hugeint as converted, coalesce(orders, 0)::hugeint as orders,
		coalesce(items, 0)::hugeint as items, coalesce(refunded, 0)::hugeint as refunded, coalesce(disputed, 0)::hugeint as disputed,
		coalesce(before_revenue, 0)::hugeint as before_revenue, (coalesce(before_orders, 0) > 0)::hugeint as before_converted,
		coalesce(before_orders, 0)::hugeint as before_orders, coalesce(before_items, 0)::hugeint as before_items,
		coalesce(unread, 0)::hugeint as unread, coalesce(other_orders, 0)::hugeint as other_orders, coalesce(refunded_later, 0)::hugeint as refunded_later
	from units left join made using (unit)
)
$select
