-- What Stripe kept of the charges of the period, by method.
--
-- A charge's balance transactions have amount, fee and net in the currency of settlement, which need not be the charge's: one row for
-- each pair of currencies. class and method are "all" in sums. A charge has its own balance transaction, what took it back when it
-- failed later, and what took back the part that was held and not captured.
--
-- charges    those of the period that have a balance transaction, whenever that was made.
-- settled_later, fee_later  of these, what has a balance transaction from outside of the period: it is in that period's ledger, and not in
--            this one's under "settlement".
-- fee_rate   fee over settled. Fees of refunds and disputes are not here, but under "settlement".
with
$charges,
$named
select chosen.currency, b.currency as settlement_currency,
	case when grouping(class) = 1 then 'all' else class end as class,
	case when grouping(method) = 1 then 'all' else method end as method,
	count(distinct chosen.id) as charges, sum(b.amount)::bigint as settled, sum(b.fee)::bigint as fee, sum(b.net)::bigint as net,
	coalesce(sum(b.amount) filter (b.created < $from or b.created >= $to), 0)::bigint as settled_later,
	coalesce(sum(b.fee) filter (b.created < $from or b.created >= $to), 0)::bigint as fee_later,
	sum(b.fee) / nullif(sum(b.amount), 0) as fee_rate
from chosen join named on named.charge = chosen.id join balance_transactions b on b.id = named.id
group by grouping sets ((chosen.currency, b.currency), (chosen.currency, b.currency, class), (chosen.currency, b.currency, class, method))
order by chosen.currency, b.currency, grouping(class) desc, class, grouping(method) desc, method
