-- What does not fit between charges, refunds and balance transactions of the period, by id; a thousand at most.
--
-- no object     a balance transaction of a charge or refund that none in the copy names.
-- not copied    a charge or refund of the period names a balance transaction that is not in the copy.
-- amount        an object and its balance transaction are in the same currency, and their amounts differ. Of a charge that was captured in
--               part, the amount is what was held where a refund takes back the rest.
-- net           net is not amount less fee.
-- named twice   two objects name the same balance transaction.
-- waiting       an order without a balance transaction. This one is no fault: delayed methods settle later.
--
-- total is how many there are, of all kinds.
with
$charges,
$named, ledger as (
	select * from balance_transactions where created >= $from and created < $to
), misfits as (
	select 'no object' as kind, id, coalesce(source, '') as object, currency, amount
	from ledger
	where reporting_category in ('charge', 'charge_failure', 'refund', 'refund_failure', 'partial_capture_reversal') and id not in (select id from named)
	union all
	select 'not copied', id, object, currency, amount from named
	where created >= $from and created < $to and id not in (select id from balance_transactions)
	union all
	select 'amount', ledger.id, named.object, ledger.currency, ledger.amount - named.amount
	from ledger join named on named.id = ledger.id
	where named.currency = ledger.currency and named.amount <> ledger.amount
	union all
	select 'net', id, coalesce(source, ''), currency, net - (amount - fee) from ledger where net <> amount - fee
	union all
	select 'named twice', id, min(object), min(currency), null from named
	where id in (select id from ledger) group by id having count(*) > 1
	union all
	select 'waiting', '', id, currency, paid from attempts
	where created >= $from and created < $to and paid > 0 and balance_transaction is null
)
select *, count(*) over () as total from misfits order by kind = 'waiting', kind, id, object limit 1000
