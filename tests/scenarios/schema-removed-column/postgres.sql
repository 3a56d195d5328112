create table people (id bigint primary key, name text);
insert into people values (1, 'Ada'), (2, 'Grace');
create schema raw;
create table raw.people (id bigint, name text, nick text, seen timestamptz not null default '2020-01-01');
insert into raw.people values (0, 'Euclid', 'E');
