-- Charges, refunds and order values by method, for each currency. class and method are "all" in sums.
--
-- attempts   charges created in the period; succeeded, failed, pending by their status now. What has another status is an attempt and
--            nothing else.
-- success_rate, failure_rate  shares of succeeded + failed.
-- orders     charges with captured money; gross is that money.
-- refunded   refunds of the orders of the row, succeeded or pending, whenever they were made: a refund belongs to the period of its
--            charge. What only let go of money that was held and never captured is no refund. refunded_later is the part of it that was
--            made at or after the end of the period (the report's end where the row is no period), so a closed period's gross less the
--            rest of its refunds does not change any more.
-- net        gross less refunded, before fees.
-- refund_rate  share of orders with such a refund; refunded_share: refunded over gross.
-- dispute_rate  share of orders that were ever disputed, by the charge's own flag.
-- average    of the orders' paid; its interval of 95 % is Student's t for a mean of independent orders, out of their standard
--            deviation, which the query has. median: the mean of the two in the middle; its interval of at least 95 % lies between order
--            statistics (binomial), the k-th from below and from above, k = floor((n - 1.96 sqrt(n)) / 2). There is no interval for less
--            than 8 orders.
-- share_orders, share_gross  of the sum over all methods in the same currency and period, country or kind of customer.
with
$charges,
here as (
	select *, $dimension as dimension, least($to, $until) as until from chosen
), refunds_of as (
	select charge, sum(refunds.amount)::bigint as refunded,
		coalesce(sum(refunds.amount) filter (refunds.created >= here.until), 0)::bigint as refunded_later
	from refunds join here on here.id = refunds.charge left join balance_transactions b on b.id = refunds.balance_transaction
	where refunds.status in ('succeeded', 'pending') and here.paid > 0 and b.reporting_category is distinct from 'partial_capture_reversal'
	group by charge
), counted as (
	select currency, dimension, grouping(class) as classes, grouping(method) as methods,
		case when classes = 1 then 'all' else class end as class,
		case when methods = 1 then 'all' else method end as method,
		count(*) as attempts,
		count(*) filter (status = 'succeeded') as succeeded,
		count(*) filter (status = 'failed') as failed,
		count(*) filter (status = 'pending') as pending,
		count(*) filter (paid > 0) as orders,
		sum(paid)::bigint as gross,
		coalesce(sum(refunded), 0)::bigint as refunded,
		coalesce(sum(refunded_later), 0)::bigint as refunded_later,
		count(*) filter (paid > 0 and refunded > 0) as refunded_orders,
		count(*) filter (paid > 0 and disputed) as disputed,
		stddev_samp(paid) filter (paid > 0) as deviation,
		median(paid) filter (paid > 0) as median,
		list_sort(list(paid) filter (paid > 0)) as ordered
	from here left join refunds_of on refunds_of.charge = here.id
	group by grouping sets ((currency, dimension), (currency, dimension, class), (currency, dimension, class, method))
), ranked as (
	select *, floor((orders - 1.96 * sqrt(orders)) / 2)::bigint as k from counted
)
select currency, dimension, class, method, attempts, succeeded, failed, pending,
	succeeded / nullif(succeeded + failed, 0) as success_rate,
	failed / nullif(succeeded + failed, 0) as failure_rate,
	orders, gross, refunded, refunded_later, gross - refunded as net,
	refunded_orders, refunded_orders / nullif(orders, 0) as refund_rate, refunded / nullif(gross, 0) as refunded_share,
	disputed, disputed / nullif(orders, 0) as dispute_rate,
	gross / nullif(orders, 0) as average, deviation, median,
	case when k > 0 then ordered[k] end as median_low,
	case when k > 0 then ordered[orders + 1 - k] end as median_high,
	orders / nullif(sum(orders) over same, 0) as share_orders,
	gross / nullif(sum(gross) over same, 0) as share_gross
from ranked
window same as (partition by currency, dimension, classes, methods)
order by currency, dimension, classes desc, class, methods desc, orders desc, method
