-- The units of a forecast: those that tried to pay, whatever became of it, in the days that end one horizon before its time. The first such charge of a
-- unit stands for the exposure that an experiment at the checkout would have made just then.
units as (
	select $unit as unit, 0 as variant, min(c.created) as since, min(c.created) + $horizon as until
	from stored
	where $unit is not null and c.created >= $from and c.created < $to
	group by 1
)
