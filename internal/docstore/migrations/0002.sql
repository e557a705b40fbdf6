create table doc_index (
	org     text   not null,
	sandbox text   not null,
	kind    text   not null,
	id      text   not null,
	parent  text   not null,
	created bigint not null,
	t0 bytea not null, t1 bytea not null, t2 bytea not null, t3 bytea not null, t4 bytea not null, t5 bytea not null, t6 bytea not null,
	n0 bigint not null, n1 bigint not null, n2 bigint not null, n3 bigint not null,
	at bigint not null,
	s0 bigint not null, s1 bigint not null, s2 bigint not null, s3 bigint not null, s4 bigint not null, s5 bigint not null,
	primary key (org, sandbox, kind, id)
);
create index doc_index_by_creation on doc_index (org, sandbox, kind, created, id);
create index doc_index_by_parent on doc_index (org, sandbox, kind, parent, created, id);
create index doc_index_by_text on doc_index (org, sandbox, kind, t0, created, id);
create index doc_index_by_number on doc_index (org, sandbox, kind, n0, t0);
create table doc_sum (
	org     text   not null,
	sandbox text   not null,
	kind    text   not null,
	step    bigint not null,
	at      bigint not null,
	parent  text   not null,
	n       bigint not null,
	s0 bigint not null, s1 bigint not null, s2 bigint not null, s3 bigint not null, s4 bigint not null, s5 bigint not null,
	primary key (org, sandbox, kind, step, at, parent)
);
create index doc_sum_by_parent on doc_sum (org, sandbox, kind, step, parent, at);
create table doc_indexed (
	kind    text   primary key,
	version bigint not null
);
