-- objects of which nothing may be kept, by a keyed hash of their ids; the ids
-- themselves stand nowhere
create table forgotten (
	digest blob    primary key,
	kind   integer not null, -- bits: 1 nothing is kept, 2 nor of its balance transactions, 4 what points to a person is not, 8 what is stored goes, 16 what was made of it elsewhere goes
	fresh  integer not null  -- 1: what is stored was not searched for it yet
) without rowid;

-- requests to forget a customer
create table forget (
	id           text    primary key,
	customer     blob    not null, -- the keyed hash of the id
	state        text    not null, -- waiting, removed or done
	derived      integer not null, -- 1: others remove what was made of it elsewhere, and say so
	key_id       text    not null, -- tells the key of the hashes from others
	requested_at bigint  not null,
	done_at      bigint  not null, -- 0: not yet
	result       text    not null  -- JSON, '' until it is done
);
