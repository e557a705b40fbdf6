-- Subscriptions as they are now, by currency and status; the period of the report does not narrow this, because the copy has the present
-- state of a subscription. Its currency does.
select coalesce(currency, '') as currency, coalesce(status, '') as status, count(*) as subscriptions, count(distinct customer) as customers
from subscriptions
where $currency = '' or currency = $currency
group by all
order by currency, subscriptions desc, status
