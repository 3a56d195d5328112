create table people (id bigint primary key, name text, born date);
insert into people values (1, 'Ada', '1815-12-10'), (2, 'Grace', '1906-12-09');
create schema raw;
create table raw.people (id bigint, name text);
insert into raw.people values (0, 'Euclid');
