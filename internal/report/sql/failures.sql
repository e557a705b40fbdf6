-- Why attempts failed, by method.
--
-- failed     attempts of the period that have the status failed now, by the charge's failure_code and its outcome's type and reason.
-- share      of the failed attempts of the same currency, class and method; rate: of all its attempts.
with
$charges,
sums as (
	select currency, class, method, count(*) as attempts, count(*) filter (status = 'failed') as failures from chosen group by currency, class, method
)
select currency, class, method, coalesce(failure_code, '') as failure_code, coalesce(outcome, '') as outcome, coalesce(reason, '') as reason,
	count(*) as failed, count(*) / any_value(failures) as share, count(*) / any_value(attempts) as rate
from chosen join sums using (currency, class, method)
where status = 'failed'
group by currency, class, method, failure_code, outcome, reason
order by currency, class, method, failed desc, failure_code, outcome, reason
