-- Whether customers come back, by how they paid. class and method are "all" for any.
--
-- customers  who placed an order of the row's method in the period (those of the report's currency, country and kind). Guests are left
--            out: nobody knows whether they came back.
-- repeated   those of them who placed another order, by any method and in any currency, in a later second than their first order of
--            the row, and before the report's end.
-- days       from that first order to the next one, 24 hours each, of those who repeated: who has not come back yet is not in it.
-- watched_90 those whose first order lies 90 days or more before the report's end; repeat_90: the share of them whose next order came within 90
--            days. This one compares methods of different age fairly, repeat_rate does not.
with
$charges,
moments as (
	select distinct customer, created from attempts where paid > 0 and customer is not null and created < $to
), followed as (
	select *, lead(created) over (partition by customer order by created) as next from moments
), levels as (
	select customer, created, class, method from chosen where paid > 0 and customer is not null
	union all
	select customer, created, class, 'all' from chosen where paid > 0 and customer is not null
	union all
	select customer, created, 'all', 'all' from chosen where paid > 0 and customer is not null
), firsts as (
	select class, method, customer, min(created) as created from levels group by class, method, customer
)
select class, method, count(*) as customers, count(next) as repeated, count(next) / count(*) as repeat_rate,
	median((next - created) / 86400) as days_median, avg((next - created) / 86400) as days_average,
	count(*) filter (created + 90 * 86400 <= $to) as watched_90,
	count(*) filter (created + 90 * 86400 <= $to and next <= created + 90 * 86400) as repeated_90,
	repeated_90 / nullif(watched_90, 0) as repeat_90
from firsts join followed using (customer, created)
group by class, method
order by class <> 'all', class, method <> 'all', method
