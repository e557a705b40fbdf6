-- The time of the oldest and the newest object of the copy that the report is about.
select min(created) as oldest, max(created) as newest from (
	select epoch(_created)::bigint as created from xdm.charges where not _deleted
	union all
	select created from refunds
	union all
	select created from balance_transactions
)
