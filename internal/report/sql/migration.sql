-- How customers paid their first order, and how their next one.
--
-- customers  whose first order ever lies in the period; guests are left out. The next order is the second one of the customer, in any
--            currency, before the report's end, by time and id; "none" where there is none yet.
-- share      of the customers who began with the same method.
with
$charges,
numbered as (
	select *, row_number() over (partition by customer order by created, id) as n
	from attempts where paid > 0 and customer is not null and created < $to
), pairs as (
	select a.class as from_class, a.method as from_method, coalesce(b.class, 'none') as to_class, coalesce(b.method, 'none') as to_method
	from numbered a left join numbered b on b.customer = a.customer and b.n = 2
	where a.n = 1 and a.id in (select id from chosen)
)
select from_class, from_method, to_class, to_method, count(*) as customers,
	count(*) / sum(count(*)) over (partition by from_class, from_method) as share
from pairs
group by from_class, from_method, to_class, to_method
order by from_class, from_method, customers desc, to_class, to_method
