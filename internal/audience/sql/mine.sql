-- The charges of customers. What an attempt is, and paid, method, class and country, charges.sql of the report says; refunded and
-- disputed are those of the report, too: a refund counts that succeeded or is pending, a dispute whatever became of it.
select customer, created, currency, paid, status, method, class, country, disputed, refunded.charge is not null as refunded
from attempts
left join (
	select charge from refunds where status in ('succeeded', 'pending') group by charge having sum(amount) > 0
) refunded on refunded.charge = attempts.id
where customer is not null
