create table people (id bigint primary key, name text, age integer);
insert into people select n, 'person ' || n, n % 90 from generate_series(1, 1000) n;
update people set age = -1 where id in (1, 500, 1000);
update people set name = 'nobody' where id = 77;
create schema raw;
create domain raw.person as text check (value <> 'nobody');
create table raw.people (id bigint primary key, name raw.person, age integer, constraint grown check (age >= 0));
