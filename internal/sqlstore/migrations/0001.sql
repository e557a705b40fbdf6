-- Times are unix milliseconds, UTC, unless said otherwise.

create table binding (
	one             integer primary key check (one = 1),
	account         text    not null, -- acct_…, '' while unknown
	livemode        integer not null,
	key_fingerprint text    not null
);

-- what a key may read, by the key's fingerprint
create table probe (
	key_fingerprint text   primary key,
	result          text   not null,
	probed_at       bigint not null
);

-- up to where an account's events were taken in, unix seconds
create table event_cursor (
	account text   primary key,
	at      bigint not null
);

-- objects that could not be ingested; digest is a hash of raw, so that the
-- same object read twice stands here once
create table quarantine (
	resource   text   not null,
	id         text   not null,
	digest     text   not null,
	path       text   not null,
	reason     text   not null,
	raw        text   not null,
	request_id text   not null,
	run_id     text   not null,
	seen_at    bigint not null,
	primary key (resource, id, digest)
);

-- objects to be fetched by id, because another one refers to them
create table wanted (
	resource text not null,
	id       text not null,
	cause    text not null,
	primary key (resource, id)
);

-- what was seen that the schemas do not know
create table drift (
	resource   text   not null,
	path       text   not null,
	kind       text   not null,
	seen       text   not null,
	count      bigint not null,
	first_seen bigint not null,
	last_seen  bigint not null,
	primary key (resource, path, kind, seen)
);

-- requests to Stripe by UTC day (2026-01-31)
create table reads (
	day      text   not null,
	endpoint text   not null,
	count    bigint not null,
	refused  bigint not null,
	primary key (day, endpoint)
);

-- events that were taken in and may be listed again; created in unix seconds
create table event_seen (
	id      text   primary key,
	created bigint not null
);

-- objects that will change without an event; times in unix seconds
create table due (
	resource text   not null,
	id       text   not null,
	created  bigint not null,
	at       bigint not null,
	primary key (resource, id)
);

create table run (
	id          text   primary key,
	kind        text   not null,
	status      text   not null,
	started_at  bigint not null,
	finished_at bigint not null,
	summary     text   not null
);
