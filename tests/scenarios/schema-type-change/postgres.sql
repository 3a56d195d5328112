create table people (id bigint primary key, size text, born text);
insert into people values (1, '10', '1815-12-10'), (2, '11.0', '1906-12-09'), (3, 'tall', '1912-06-23'), (4, '7', 'long ago');
create schema raw;
create table raw.people (id integer, size integer, born date);
