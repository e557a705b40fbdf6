-- The units of the analysis: those of the table experiments.exposures, which has a row for each unit that a phase was shown to, with the variant that it
-- was first shown and the second of that. Variants count from 0, the control, in the order of the phase.
units as (
	select unit, $variant as variant, shown_at as since, shown_at + $horizon as until
	from experiments.exposures as x
	where x.experiment = $experiment and x.phase = $phase and x.variant in ($variants) and shown_at + $horizon <= $as_of
)
