-- The customers that an audience may have: those that the copy has and that were not deleted, and those that charges name and the copy
-- does not know, as when customers are not copied. Guests, who have no customer, are in no audience.
select id from customers
union
select customer from charges
where customer is not null and not exists (select 1 from xdm.customers gone where gone._id = charges.customer)
