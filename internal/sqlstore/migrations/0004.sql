-- the privacy rules in force
create table privacy (
	one     integer primary key check (one = 1),
	version bigint  not null, -- counts the changes of rules
	done    bigint  not null, -- the version that all that is stored went through
	rules   text    not null, -- JSON, as internal/privacy reads it
	key_id  text    not null  -- tells the key of hash rules from others; '' when none was needed yet
);
