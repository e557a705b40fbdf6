-- How much larger baskets paid later are than those paid by card, among comparable orders.
--
-- Orders that are no renewals and were not placed in person are put into strata of the same currency, country, kind of customer and
-- period. Where a stratum has two orders or more of the row's BNPL method and of cards, the averages of both count in it with the weight
-- of its BNPL orders; elsewhere its orders are left out (orders less matched).
--
-- lift       matched average over the cards' average under the same weights, less 1; its interval of 95 % is by the delta method on the
--            logarithm of the ratio, taking strata as fixed and orders as independent: the ratio times and over exp(t spread), where
--            the query has the spread and the degrees of freedom of Student's t by Welch and Satterthwaite. There is none for less than
--            8 orders on a side. raw_lift compares all orders as they are.
--
-- This is an association and not the effect of offering BNPL: who chooses to pay later, and for what, differs in more than the strata
-- see. Only an experiment tells what an offer does.
with
$charges,
baskets as (
	select * from chosen where paid > 0 and not renewal and in_person is not true
), cards as (
	select currency, country, customer_kind, period, count(*) as n, avg(paid) as mean, var_samp(paid) as variance
	from baskets where class = 'card' group by all
), all_cards as (
	select currency, avg(paid) as mean from baskets where class = 'card' group by currency
), later as (
	select currency, country, customer_kind, period, case when grouping(method) = 1 then 'all' else method end as method,
		count(*) as n, avg(paid) as mean, var_samp(paid) as variance, sum(paid) as total
	from baskets where class = 'bnpl'
	group by grouping sets ((currency, country, customer_kind, period), (currency, country, customer_kind, period, method))
), sums as (
	select later.currency, later.method, sum(later.n)::bigint as orders, sum(later.total) / sum(later.n) as raw_mean,
		coalesce(sum(later.n) filter (later.n > 1 and cards.n > 1), 0)::bigint as matched,
		count(*) filter (later.n > 1 and cards.n > 1) as strata,
		coalesce(sum(cards.n) filter (later.n > 1 and cards.n > 1), 0)::bigint as card_orders,
		sum(later.n * later.mean) filter (later.n > 1 and cards.n > 1) / matched as average,
		sum(later.n * cards.mean) filter (later.n > 1 and cards.n > 1) / matched as card_average,
		sum(later.n * later.variance) filter (later.n > 1 and cards.n > 1) / matched ** 2 as variance,
		sum(later.n ** 2 * cards.variance / cards.n) filter (later.n > 1 and cards.n > 1) / matched ** 2 as card_variance,
		sum((later.n * later.variance) ** 2 / (later.n - 1)) filter (later.n > 1 and cards.n > 1) / matched ** 4 as squares,
		sum((later.n ** 2 * cards.variance / cards.n) ** 2 / (cards.n - 1)) filter (later.n > 1 and cards.n > 1) / matched ** 4 as card_squares
	from later left join cards using (currency, country, customer_kind, period)
	group by later.currency, later.method
), ratios as (
	select *, average / card_average as ratio, sqrt(variance / average ** 2 + card_variance / card_average ** 2) as spread from sums
)
select currency, method, orders, matched, strata, card_orders, average, card_average,
	ratio - 1 as lift, spread, spread ** 4 / nullif(squares / average ** 4 + card_squares / card_average ** 4, 0) as freedom,
	raw_mean / all_cards.mean - 1 as raw_lift
from ratios left join all_cards using (currency)
order by currency, method <> 'all', method
