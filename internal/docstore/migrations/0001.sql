create table doc (
	org      text   not null,
	sandbox  text   not null,
	kind     text   not null,
	id       text   not null,
	parent   text   not null,
	revision bigint not null,
	created  bigint not null,
	updated  bigint not null,
	body     text   not null,
	primary key (org, sandbox, kind, id)
);
create index doc_by_creation on doc (org, sandbox, kind, created, id);
create index doc_by_parent on doc (org, sandbox, kind, parent, created, id);
create table doc_key (
	org     text not null,
	sandbox text not null,
	kind    text not null,
	name    text not null,
	id      text not null,
	primary key (org, sandbox, kind, name)
);
create index doc_key_by_id on doc_key (org, sandbox, kind, id);
