create table people (id int primary key, name text, seen timestamptz);
insert into people values (1, 'Ada', '2024-01-01Z');
create schema empty;
