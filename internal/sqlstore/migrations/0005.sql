-- what passes leave for later ones; value as the writer says
create table mark (
	name  text primary key,
	value text not null
);

-- transactions of the account by UTC day (2026-01-31), as far as they count for its read allocation
create table traffic (
	day   text   primary key,
	count bigint not null
);

-- what passes cost; at is Stripe's time, unix seconds
create table cost (
	run_id   text    primary key,
	at       bigint  not null,
	requests bigint  not null,
	changed  bigint  not null, -- rows written
	backfill integer not null  -- 1: it read lists beyond the daily ones
);
