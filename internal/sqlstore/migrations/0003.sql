-- id of an object that shows what drifted, '' for none
alter table drift add column example text not null default '';

-- extensions of the schemas, in the order in which they were taken into use;
-- document is an XDM field group as JSON
create table field_group (
	number     integer primary key,
	resource   text    not null,
	title      text    not null,
	version    integer not null,
	document   text    not null,
	created_at bigint  not null,
	unique (resource, title, version)
);
