create table people (id bigint primary key, name text, age integer);
insert into people values (1, 'Ada', 36), (2, 'Grace', -85), (3, 'Edsger', 72), (4, null, 20);
create schema raw;
create table raw.people (id bigint primary key, name text not null, age integer constraint grown check (age >= 0));
