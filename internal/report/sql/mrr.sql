-- Recurring money of the subscriptions that are active or past_due now, by currency and interval of billing. From it comes the
-- monthly recurring revenue (MRR): a year has 12 months, 365 days, and 365/7 weeks; it is added up exactly and rounded once, half
-- to even, to a minor unit. The period of the report does not narrow this.
--
-- items      items with a fixed price: unit amount (with all its decimals) by quantity, after transform_quantity; graduated and volume
--            tiers by the item's quantity.
-- amount     what they cost in one billing interval, in minor units with decimals.
-- left_out   items whose money is not known ahead: metered use, amounts that the customer chooses, prices or tiers that are not in the copy.
--
-- Trials, unpaid, incomplete, paused and canceled subscriptions do not count; discounts, taxes and pauses of collection are not
-- taken off.
with items as (
	select id as subscription, subscriptions.currency, unnest(json_extract(items, '$.data[*]')) as item
	from subscriptions
	where status in ('active', 'past_due') and ($currency = '' or subscriptions.currency = $currency)
), priced as (
	select subscription, currency, item->'price'->>'id' as price,
		item->'price'->'recurring'->>'interval' as interval,
		coalesce((item->'price'->'recurring'->>'interval_count')::bigint, 1) as interval_count,
		coalesce(item->'price'->'recurring'->>'usage_type', '') = 'metered' as metered,
		(item->'price'->>'unit_amount_decimal')::decimal(26, 12) as unit,
		coalesce(item->'price'->>'tiers_mode', '') as tiers_mode,
		coalesce((item->>'quantity')::bigint, 1) as bought,
		(item->'price'->'transform_quantity'->>'divide_by')::bigint as divide_by,
		case
			when divide_by is null then bought
			when item->'price'->'transform_quantity'->>'round' = 'up' then (bought + divide_by - 1) // divide_by
			else bought // divide_by
		end as quantity,
		row_number() over () as n
	from items
), steps as (
	select id as price, unnest(range(json_array_length(tiers)::bigint)) as i, tiers
	from prices where tiers is not null
), tiers as (
	select price,
		case when i = 0 then 0 else (tiers->(i - 1)->>'up_to')::bigint end as above,
		(tiers->i->>'up_to')::bigint as up_to,
		coalesce(coalesce(tiers->i->>'unit_amount_decimal', tiers->i->>'unit_amount')::decimal(26, 12), 0) as unit,
		coalesce(coalesce(tiers->i->>'flat_amount_decimal', tiers->i->>'flat_amount')::decimal(26, 12), 0) as flat
	from steps
), tiered as (
	select n, sum(tiers.flat + tiers.unit * (case
			when tiers_mode = 'volume' then quantity
			else least(quantity, coalesce(up_to, quantity)) - above
		end)::decimal(12, 0)) as amount
	from priced join tiers using (price)
	where quantity > above and (tiers_mode = 'graduated' or tiers_mode = 'volume' and (up_to is null or quantity <= up_to))
	group by n
), costs as (
	select priced.*, case
			when metered or interval is null then null
			when tiers_mode = '' then priced.unit * quantity::decimal(12, 0)
			when quantity = 0 then 0
			else tiered.amount
		end as amount
	from priced left join tiered using (n)
)
select currency, coalesce(interval, '') as interval, interval_count,
	count(amount) as items, count(*) - count(amount) as left_out, coalesce(sum(amount), 0)::decimal(38, 12)::varchar as amount
from costs
group by currency, interval, interval_count
order by currency, interval, interval_count
