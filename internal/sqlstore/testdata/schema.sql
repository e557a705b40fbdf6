CREATE TABLE binding (
	one             integer primary key check (one = 1),
	account         text    not null, -- acct_…, '' while unknown
	livemode        integer not null,
	key_fingerprint text    not null
);

CREATE TABLE cost (
	run_id   text    primary key,
	at       bigint  not null,
	requests bigint  not null,
	changed  bigint  not null, -- rows written
	backfill integer not null  -- 1: it read lists beyond the daily ones
);

CREATE TABLE drift (
	resource   text   not null,
	path       text   not null,
	kind       text   not null,
	seen       text   not null,
	count      bigint not null,
	first_seen bigint not null,
	last_seen  bigint not null, example text not null default '',
	primary key (resource, path, kind, seen)
);

CREATE TABLE due (
	resource text   not null,
	id       text   not null,
	created  bigint not null,
	at       bigint not null,
	primary key (resource, id)
);

CREATE TABLE event_cursor (
	account text   primary key,
	at      bigint not null
);

CREATE TABLE event_known (
	resource text   not null,
	id       text   not null,
	created  bigint not null,
	primary key (resource, id)
) without rowid;

CREATE TABLE field_group (
	number     integer primary key,
	resource   text    not null,
	title      text    not null,
	version    integer not null,
	document   text    not null,
	created_at bigint  not null,
	unique (resource, title, version)
);

CREATE TABLE forget (
	id           text    primary key,
	customer     blob    not null, -- the keyed hash of the id
	state        text    not null, -- waiting, removed or done
	derived      integer not null, -- 1: others remove what was made of it elsewhere, and say so
	key_id       text    not null, -- tells the key of the hashes from others
	requested_at bigint  not null,
	done_at      bigint  not null, -- 0: not yet
	result       text    not null  -- JSON, '' until it is done
);

CREATE TABLE forgotten (
	digest blob    primary key,
	kind   integer not null, -- bits: 1 nothing is kept, 2 nor of its balance transactions, 4 what points to a person is not, 8 what is stored goes, 16 what was made of it elsewhere goes
	fresh  integer not null  -- 1: what is stored was not searched for it yet
) without rowid;

CREATE TABLE inbox (
	resource text   primary key,
	since    bigint not null,
	seq      bigint not null
);

CREATE TABLE mark (
	name  text primary key,
	value text not null
);

CREATE TABLE notice (
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

CREATE TABLE notice_ref (
	resource text   not null,
	id       text   not null,
	n        bigint not null,
	primary key (resource, id, n)
) without rowid;

CREATE TABLE privacy (
	one     integer primary key check (one = 1),
	version bigint  not null, -- counts the changes of rules
	done    bigint  not null, -- the version that all that is stored went through
	rules   text    not null, -- JSON, as internal/privacy reads it
	key_id  text    not null  -- tells the key of hash rules from others; '' when none was needed yet
);

CREATE TABLE probe (
	key_fingerprint text   primary key,
	result          text   not null,
	probed_at       bigint not null
);

CREATE TABLE quarantine (
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

CREATE TABLE reads (
	day      text   not null,
	endpoint text   not null,
	count    bigint not null,
	refused  bigint not null,
	primary key (day, endpoint)
);

CREATE TABLE run (
	id          text   primary key,
	kind        text   not null,
	status      text   not null,
	started_at  bigint not null,
	finished_at bigint not null,
	summary     text   not null
);

CREATE TABLE sqlite_sequence(name,seq);

CREATE TABLE traffic (
	day   text   primary key,
	count bigint not null
);

CREATE TABLE wanted (
	resource text not null,
	id       text not null,
	cause    text not null,
	primary key (resource, id)
);

CREATE INDEX event_known_created on event_known (resource, created);

CREATE INDEX notice_ref_n on notice_ref (n);

