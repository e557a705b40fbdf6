-- events that came and that a pass has yet to take in; n counts them as they
-- come and is never given twice
create table notice (
	n           integer primary key autoincrement,
	id          text    not null unique,
	type        text    not null,
	created     bigint  not null, -- unix seconds
	place       bigint  not null, -- among events of one second: later ones are higher
	before      text    not null, -- digest of the object before the event, '' if unknown
	after       text    not null, -- and after it
	api_version text    not null, -- that rendered the snapshot
	resource    text    not null, -- of the object that the event shows, '' for none
	object_id   text    not null,
	snapshot    blob              -- that object, after privacy rules; null when it is not kept
);

-- the objects that those events are about
create table notice_ref (
	resource text   not null,
	id       text   not null,
	n        bigint not null,
	primary key (resource, id, n)
) without rowid;

create index notice_ref_n on notice_ref (n);

-- how far a resource took events in: snapshots of events created before since
-- (unix seconds) are not kept; all others up to seq have been dealt with
create table inbox (
	resource text   primary key,
	since    bigint not null,
	seq      bigint not null
);

-- events that came for a resource and may come again; created in unix seconds
create table event_known (
	resource text   not null,
	id       text   not null,
	created  bigint not null,
	primary key (resource, id)
) without rowid;

create index event_known_created on event_known (resource, created);

insert into event_known (resource, id, created)
	select r.column1, e.id, e.created
	from event_seen e cross join (values ('charges'), ('subscriptions'), ('refunds'), ('customers'), ('prices')) r;

drop table event_seen;
