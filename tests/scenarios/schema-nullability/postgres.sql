create table people (id bigint primary key, name text);
insert into people values (1, 'Ada'), (2, null), (3, 'Grace');
create schema raw;
create table raw.people (id bigint primary key, name text not null);
