-- Customers by the period of their first order, and the share that came back.
--
-- customers  whose first order ever lies in the period, by the class that they paid it with; two orders of one second count in the order
--            of their ids. Guests are left out.
-- watched_N  those whose first order lies N days or more before the report's end; returned_N: those of them with an order, by any method, in a
--            later second and within N days; rate_N: their share. A period that nobody could be watched in for so long has none.
with
$charges,
moments as (
	select distinct customer, created from attempts where paid > 0 and customer is not null and created < $to
), followed as (
	select *, lead(created) over (partition by customer order by created) as next from moments
), numbered as (
	select *, row_number() over (partition by customer order by created, id) as n from attempts where paid > 0 and customer is not null
), firsts as (
	select numbered.customer, numbered.created, strftime(numbered.period, '%Y-%m-%d') as period, class, next
	from numbered join followed on followed.customer = numbered.customer and followed.created = numbered.created
	where n = 1 and numbered.id in (select id from chosen)
)
select period, case when grouping(class) = 1 then 'all' else class end as class, count(*) as customers,
	count(*) filter (created + 30 * 86400 <= $to) as watched_30,
	count(*) filter (created + 30 * 86400 <= $to and next <= created + 30 * 86400) as returned_30,
	returned_30 / nullif(watched_30, 0) as rate_30,
	count(*) filter (created + 90 * 86400 <= $to) as watched_90,
	count(*) filter (created + 90 * 86400 <= $to and next <= created + 90 * 86400) as returned_90,
	returned_90 / nullif(watched_90, 0) as rate_90,
	count(*) filter (created + 180 * 86400 <= $to) as watched_180,
	count(*) filter (created + 180 * 86400 <= $to and next <= created + 180 * 86400) as returned_180,
	returned_180 / nullif(watched_180, 0) as rate_180
from firsts
group by grouping sets ((period), (period, class))
order by period, grouping(firsts.class) desc, class
