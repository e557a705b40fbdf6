-- Which balance transactions are of which charge or refund.
--
-- A charge has its own (balance_transaction), what took it back when it failed later (failure_balance_transaction), and what took back the
-- part of it that was held and not captured: Stripe books the whole amount held, and the rest against it as a refund of the category
-- partial_capture_reversal. These count at the time of the charge; of refunds count the others.
--
-- amount is what the objects say that the balance transaction should have, in minor units of their currency.
undone as (
	select refunds.id, refunds.charge, refunds.amount, b.reporting_category
	from refunds join balance_transactions b on b.id = refunds.balance_transaction
	where b.reporting_category in ('partial_capture_reversal', 'charge_failure')
), uncaptured as (
	select charge, sum(amount)::bigint as rest from undone where reporting_category = 'partial_capture_reversal' group by charge
), failures as (
	select failure_balance_transaction as id, id as charge, created, currency, -booked as amount from attempts where failure_balance_transaction is not null
), named as (
	select balance_transaction as id, attempts.id as object, attempts.id as charge, created, currency, booked + coalesce(rest, 0) as amount
	from attempts left join uncaptured on uncaptured.charge = attempts.id
	where balance_transaction is not null
	union all
	select id, charge, charge, created, currency, amount from failures
	union all
	select refunds.balance_transaction, refunds.id, attempts.id, coalesce(attempts.created, refunds.created), refunds.currency, -refunds.amount
	from refunds left join undone on undone.id = refunds.id left join attempts on attempts.id = undone.charge
	where refunds.balance_transaction is not null and refunds.balance_transaction not in (select id from failures)
	union all
	select failure_balance_transaction, id, null, created, currency, amount from refunds where failure_balance_transaction is not null
)
