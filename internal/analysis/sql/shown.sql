-- The units of the analysis: those of the table experiment_units, which has a row for each unit that the phase was shown to, with the number of its
-- variant (the control is 0) and the second in which it was first shown.
units as (
	select unit, variant, shown_at as since, shown_at + $horizon as until from experiment_units where shown_at + $horizon <= $as_of
)
