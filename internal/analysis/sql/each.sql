-- A row is one unit, with the place of its variant, the UTC day (since 1970) in which its horizon ended, and what it did. Whoever adds these up has the
-- numbers of the analysis.
select * from outcomes order by variant, unit
