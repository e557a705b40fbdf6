-- A row has the units of one variant, one class of each kind, and one UTC day (since 1970) in which their horizon ended. Columns that end in a
-- product, such as revenue_orders, are sums over units of the product of both. All are integers without rounding.
select variant, day, last, first, count(*) as units,
	sum(revenue) as revenue, sum(converted) as converted, sum(orders) as orders, sum(items) as items, sum(refunded) as refunded, sum(disputed) as disputed,
	sum(before_revenue) as before_revenue, sum(before_converted) as before_converted, sum(before_orders) as before_orders, sum(before_items) as before_items,
	sum(unread) as unread, sum(other_orders) as other_orders, sum(refunded_later) as refunded_later,
	sum(revenue * revenue) as revenue_revenue, sum(revenue * orders) as revenue_orders, sum(orders * orders) as orders_orders,
	sum(items * items) as items_items, sum(refunded * refunded) as refunded_refunded, sum(refunded * orders) as refunded_orders,
	sum(disputed * disputed) as disputed_disputed, sum(disputed * orders) as disputed_orders,
	sum(revenue * before_revenue) as revenue_before_revenue, sum(revenue * before_orders) as revenue_before_orders,
	sum(orders * before_revenue) as orders_before_revenue, sum(orders * before_orders) as orders_before_orders,
	sum(before_revenue * before_revenue) as before_revenue_before_revenue, sum(before_revenue * before_orders) as before_revenue_before_orders,
	sum(before_orders * before_orders) as before_orders_before_orders,
	sum(converted * before_converted) as converted_before_converted,
	sum(items * before_items) as items_before_items, sum(before_items * before_items) as before_items_before_items
from outcomes
group by variant, day, last, first
order by variant, day, last, first
