-- What came and went in each currency of settlement in the period, and whether the report's objects account for it.
--
-- All balance transactions created in the period, by reporting category; currency, country and kind of customer do not
-- narrow this.
--
-- transactions, amount, fee, net  as the balance transactions say.
-- found_…    the same sums over those that a charge or a refund of the copy names as its own (balance_transaction,
--            failure_balance_transaction); null where a category is about neither: disputes, whose balance transactions name the
--            dispute and not the charge, payouts, Stripe's own fees.
-- earlier_…  of found_…, what is of objects created outside of the period: charges that settled late. found less earlier, of the
--            categories charge, charge_failure and partial_capture_reversal, is what "fees" has, less what settled later.
-- objects    sum of the charges and refunds themselves, where they are in the currency of settlement; settled is what their balance
--            transactions have for them. Equal, unless an amount differs. Of a charge captured in part it is what was held, where a refund
--            takes back the rest (partial_capture_reversal).
with
$charges,
$named, ledger as (
	select b.*, b.reporting_category in ('charge', 'charge_failure', 'refund', 'refund_failure', 'partial_capture_reversal') as expected,
		named.id as found, named.currency = b.currency as comparable, named.amount as object_amount,
		named.created < $from or named.created >= $to as early
	from balance_transactions b left join named on named.id = b.id
	where b.created >= $from and b.created < $to
)
select currency as settlement_currency, reporting_category as category,
	count(*) as transactions, sum(amount)::bigint as amount, sum(fee)::bigint as fee, sum(net)::bigint as net,
	case when any_value(expected) then count(found) end as found_transactions,
	case when any_value(expected) then coalesce(sum(amount) filter (found is not null), 0)::bigint end as found_amount,
	case when any_value(expected) then coalesce(sum(fee) filter (found is not null), 0)::bigint end as found_fee,
	case when any_value(expected) then coalesce(sum(net) filter (found is not null), 0)::bigint end as found_net,
	case when any_value(expected) then coalesce(sum(amount) filter (early), 0)::bigint end as earlier_amount,
	case when any_value(expected) then coalesce(sum(fee) filter (early), 0)::bigint end as earlier_fee,
	sum(object_amount) filter (comparable)::bigint as objects,
	sum(amount) filter (comparable)::bigint as settled
from ledger
group by currency, reporting_category
order by currency, reporting_category
