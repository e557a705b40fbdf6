-- The customers that an audience may have: those that the copy has. Where it has none at all, as when customers are not copied, those
-- that charges name take their place. Guests, who have no customer, are in no audience.
select id from customers
union
select customer from charges
where customer is not null and not exists (select 1 from xdm.customers)
