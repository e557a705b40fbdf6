-- The charges of customers. What an attempt is, and paid, method, class and country, charges.sql of the report says; refunded and
-- disputed are those of the report, too: a refund counts that succeeded or is pending, unless it only let go of money that was held
-- and never captured; a dispute counts whatever became of it.
select customer, created, currency, paid, status, method, class, country, disputed, refunded.charge is not null as refunded
from attempts
left join (
	select refunds.charge from refunds left join balance_transactions b on b.id = refunds.balance_transaction
	where refunds.status in ('succeeded', 'pending') and b.reporting_category is distinct from 'partial_capture_reversal'
	group by refunds.charge having sum(refunds.amount) > 0
) refunded on refunded.charge = attempts.id
where customer is not null
